"""HiFi-GAN's waveform generator, versions 1 to 3.

Axes: B utterances, T frames, C channels, S = T · hop samples.

Leaky ReLUs work in place wherever their input is read by nothing else: the graph then holds one
tensor instead of two for each convolution.

Source: Kong et al. 2020, arXiv:2010.05646, section 2.2 and appendix A.1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from malsori.core.errors import ConfigError
from malsori.core.ranges import SIZE, odd, within
from malsori.core.registry import Entry
from malsori.modules.excitation import Excitation, HarmonicSource, Melody
from malsori.modules.weight_norm import normalise_convolutions

END_KERNEL = 7
"""Kernel of the first and of the last convolution."""
SLOPE = 0.1
"""Slope of the leaky ReLUs for negative values; before the last convolution it is 0.01."""


@dataclass(frozen=True, kw_only=True)
class HifiganConfig:
    """Size of the generator; the defaults are version 1."""

    channels: int = 512
    """Channels at frame rate; each upsampling halves them."""
    upsampling: tuple[int, ...] = (8, 8, 2, 2)
    """Factor of each upsampling; their product is the hop."""
    upsampling_kernels: tuple[int, ...] = (16, 16, 4, 4)
    """Kernel of each transposed convolution."""
    residual_kernels: tuple[int, ...] = (3, 7, 11)
    """Kernels of the parallel residual blocks; odd."""
    residual_dilations: tuple[tuple[int, ...], ...] = ((1, 3, 5), (1, 3, 5), (1, 3, 5))
    """Dilations in each of the blocks."""
    paired: bool = True
    """Follow each dilated convolution by a plain one (version 3 does not)."""
    initial_std: float | None = 0.01
    """Spread of the initial weights; null chooses it for each layer by its fan-in (Kaiming), which
    small generators need: at 96 channels 0.01 lets hardly any signal through at the start."""
    harmonics: int = 0
    """Sines of the pitch and its multiples that the generator is given to colour, with noise; 0, as
    published, lets it invent them, which takes far more steps (see modules/excitation.py)."""

    def __post_init__(self) -> None:
        within(self, SIZE, "channels", "upsampling", "upsampling_kernels")
        within(self, SIZE, "residual_kernels", "residual_dilations")
        within(self, "(0, inf)", "initial_std")
        within(self, "[0, 256]", "harmonics")
        odd(self, "residual_kernels")
        if not self.residual_kernels:
            raise ConfigError("residual_kernels: need at least one, got none")
        if len(self.upsampling) != len(self.upsampling_kernels):
            raise ConfigError(
                f"upsampling_kernels: need one for each of upsampling {list(self.upsampling)}, "
                f"got {list(self.upsampling_kernels)}"
            )
        if len(self.residual_kernels) != len(self.residual_dilations):
            raise ConfigError(
                f"residual_dilations: need one list for each of residual_kernels "
                f"{list(self.residual_kernels)}, got {len(self.residual_dilations)}"
            )
        for factor, kernel in zip(self.upsampling, self.upsampling_kernels, strict=True):
            if kernel < factor:
                raise ConfigError(
                    f"upsampling_kernels: {kernel} is smaller than its factor {factor}"
                )
        if self.channels % 2 ** len(self.upsampling):
            raise ConfigError(
                f"channels: {self.channels} cannot be halved {len(self.upsampling)} times"
            )

    @property
    def hop(self) -> int:
        """Samples made from each frame."""
        return math.prod(self.upsampling)

    @property
    def hop_told(self) -> str:
        """What the hop follows from, as errors say it."""
        return f"upsampling: {list(self.upsampling)}"

    @property
    def outputs(self) -> int:
        """Channels of the last convolution: the waveform's samples."""
        return 1

    @property
    def context(self) -> int:
        """Frames on either side that a frame's samples hang on."""
        return self.reach(0, self.hop - 1)

    def reach(self, first: int, last: int) -> int:
        """Return the frames on either side of frame 0 that a stretch of the last layer hangs on.

        The stretch is followed back through the layers. Harmonics add nothing: they are read within
        a frame or so of where they are heard, and the input layer alone reaches three.

        Args:
            first: Where the stretch begins, counted at the last layer's rate.
            last: Where it ends, included.
        """
        residual = max(
            sum(kernel // 2 * (dilation + self.paired) for dilation in dilations)
            for kernel, dilations in zip(
                self.residual_kernels, self.residual_dilations, strict=True
            )
        )
        ends = END_KERNEL // 2
        first, last = first - ends, last + ends
        stages = tuple(zip(self.upsampling, self.upsampling_kernels, strict=True))
        for factor, kernel in reversed(stages):
            padding = (kernel - factor + 1) // 2
            first, last = first - residual, last + residual
            first = -((kernel - 1 - padding - first) // factor)  # rounded up
            last = (last + padding) // factor
        return max(ends - first, last + ends)


@dataclass(frozen=True, kw_only=True)
class HifiganV2Config(HifiganConfig):
    """Version 2: version 1 with a quarter of the channels."""

    channels: int = 128
    """Channels at frame rate; each upsampling halves them."""


@dataclass(frozen=True, kw_only=True)
class HifiganV3Config(HifiganConfig):
    """Version 3: three upsamplings and shallower residual blocks."""

    channels: int = 256
    """Channels at frame rate; each upsampling halves them."""
    upsampling: tuple[int, ...] = (8, 8, 4)
    """Factor of each upsampling; their product is the hop."""
    upsampling_kernels: tuple[int, ...] = (16, 16, 8)
    """Kernel of each transposed convolution."""
    residual_kernels: tuple[int, ...] = (3, 5, 7)
    """Kernels of the parallel residual blocks; odd."""
    residual_dilations: tuple[tuple[int, ...], ...] = ((1, 2), (2, 6), (3, 12))
    """Dilations in each of the blocks."""
    paired: bool = False
    """Follow each dilated convolution by a plain one."""


class HifiganGenerator(nn.Module):
    """Turn frame-rate vectors into a waveform.

    Args:
        config: Sizes.
        width: Channels of the input.
        condition: Channels of an utterance-wide condition (speaker); 0 for none.
        sample_rate: Hz, of the sines that a generator with harmonics is given.
    """

    def __init__(
        self, config: HifiganConfig, width: int, condition: int = 0, sample_rate: int = 24000
    ) -> None:
        super().__init__()
        self.hop = config.hop
        inputs = config.harmonics + 1  # sines and noise
        self.source = (
            HarmonicSource(config.harmonics, sample_rate, config.hop) if config.harmonics else None
        )
        self.source_convolutions = nn.ModuleList()
        self.blocks_per_stage = len(config.residual_kernels)
        self.input = nn.Conv1d(width, config.channels, END_KERNEL, padding=END_KERNEL // 2)
        self.condition = nn.Conv1d(condition, config.channels, 1) if condition else None
        self.upsamplers = nn.ModuleList()
        self.residuals = nn.ModuleList()
        channels = config.channels
        for factor, kernel in zip(config.upsampling, config.upsampling_kernels, strict=True):
            self.upsamplers.append(_upsampler(channels, factor, kernel))
            channels //= 2
            if self.source is not None:
                left = config.hop // math.prod(config.upsampling[: len(self.upsamplers)])
                self.source_convolutions.append(_downsampler(inputs, channels, left))
            for size, dilations in zip(
                config.residual_kernels, config.residual_dilations, strict=True
            ):
                self.residuals.append(ResidualBlock(channels, size, dilations, config.paired))
        self.output = nn.Conv1d(channels, config.outputs, END_KERNEL, padding=END_KERNEL // 2)
        for part in self.modules():
            if isinstance(part, (nn.Conv1d, nn.ConvTranspose1d)):
                _initialise(part, config.initial_std)
        for part in self.source_convolutions.modules():
            if isinstance(part, nn.Conv1d):
                _initialise(part, None)  # few inputs: the published spread would leave a whisper
        normalise_convolutions(self)

    def forward(
        self,
        frames: Tensor,
        condition: Tensor | None = None,
        valid: Tensor | None = None,
        melody: Melody | Excitation | None = None,
    ) -> Tensor:
        """Return samples in (−1, 1), (B, 1, T · hop).

        Args:
            frames: (B, T, width).
            condition: One vector per utterance, (B, condition), if the generator was built for it.
            valid: True where data is, (B, T). With it, what lies behind an utterance's end counts
                as silence at every layer, so that a batch gives the samples of its parts alone;
                without it (training on whole segments) nothing is masked.
            melody: Of the frames, for a generator with harmonics; of a window of an utterance what
                ``excite`` made of the whole.
        """
        mask = None if valid is None else valid[:, None].to(frames.dtype)
        x = _silence(frames.transpose(1, 2), mask)  # (B, T, width) -> (B, C, T)
        x = self.input(x)
        if self.condition is not None and condition is not None:
            x = x + self.condition(condition[..., None])
        source = self._source(melody, valid)
        for stage, upsampler in enumerate(self.upsamplers):
            x = upsampler(_silence(F.leaky_relu_(x, SLOPE), mask))
            if source is not None:
                x = x + self.source_convolutions[stage](source)
            if mask is not None:
                factor = upsampler.stride[0]  # type: ignore[index]
                mask = mask.repeat_interleave(factor, dim=2)
            x = (
                self._mix_again(x, stage, mask)
                if self._saves(x, stage)
                else self._mix(x, stage, mask)
            )
        return self._waveform(self.output(_silence(F.leaky_relu_(x), mask)), mask)

    def _waveform(self, x: Tensor, mask: Tensor | None) -> Tensor:
        """Return samples, (B, 1, S), for the last layer's output and the mask at its rate."""
        return torch.tanh(x)

    def excite(self, melody: Melody | None, valid: Tensor | None = None) -> Excitation | None:
        """Return what whole utterances sing at every sample; None without harmonics.

        Args:
            melody: Of the frames, (B, T).
            valid: True where data is, (B, T).
        """
        if self.source is None or melody is None:
            return None
        return self.source.excite(melody, valid)

    def _source(self, melody: Melody | Excitation | None, valid: Tensor | None) -> Tensor | None:
        """Return the sines and noise to colour, (B, H + 1, S), if this generator takes them."""
        if self.source is None:
            return None
        if melody is None:
            raise ConfigError("harmonics: this generator needs the pitch of every frame")
        return self.source(melody, valid)  # type: ignore[no-any-return]

    def _saves(self, x: Tensor, stage: int) -> bool:
        """Return whether a stage is computed a second time on the way back instead of held.

        The last one, on a CPU: a fifth of what the generator holds, for a fiftieth of a step's
        time. On a GPU time is dearer.
        """
        last = stage == len(self.upsamplers) - 1
        return last and x.requires_grad and x.device.type == "cpu"

    def _mix_again(self, x: Tensor, stage: int, mask: Tensor | None) -> Tensor:
        mixed: Tensor = checkpoint(
            self._mix, x, stage, mask, use_reentrant=False, preserve_rng_state=False
        )
        return mixed

    def _mix(self, x: Tensor, stage: int, mask: Tensor | None) -> Tensor:
        first = stage * self.blocks_per_stage
        stages = range(first, first + self.blocks_per_stage)
        activated = _silence(_leaky(x), mask)  # once for all
        outputs = [self.residuals[i](x, activated, mask) for i in stages]
        return sum(outputs[1:], outputs[0]) / self.blocks_per_stage  # type: ignore[no-any-return]


class ResidualBlock(nn.Module):
    """Dilated convolutions, each with a residual around it."""

    def __init__(
        self, channels: int, kernel: int, dilations: tuple[int, ...], paired: bool
    ) -> None:
        super().__init__()
        self.dilated = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, dilation=d, padding=d * (kernel // 2))
            for d in dilations
        )
        self.plain = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, padding=kernel // 2)
            for _ in (dilations if paired else ())
        )

    def forward(self, x: Tensor, activated: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (B, C, S).

        Args:
            x: (B, C, S).
            activated: Leaky ReLU of ``x``, masked, (B, C, S).
            mask: 1 where data is, (B, 1, S).
        """
        for i, dilated in enumerate(self.dilated):
            y = dilated(_silence(_leaky(x), mask) if i else activated)
            if len(self.plain):
                y = self.plain[i](_silence(F.leaky_relu_(y, SLOPE), mask))
            x = x + y
        return x


def _leaky(x: Tensor) -> Tensor:
    """Return the leaky ReLU of what others read too.

    In place on a copy: its gradient then follows from its output, which the next convolution holds
    anyway, and ``x`` is freed, a third of what the residual blocks would hold.
    """
    return F.leaky_relu_(x.clone(), SLOPE) if torch.is_grad_enabled() else F.leaky_relu(x, SLOPE)


def _initialise(part: nn.Conv1d | nn.ConvTranspose1d, std: float | None) -> None:
    """Draw a layer's weights with spread ``std``, or with that of its inputs' number."""
    if std is None:
        inputs = part.in_channels * part.kernel_size[0] / part.stride[0]
        std = math.sqrt(2 / (1 + SLOPE**2) / inputs)
    nn.init.normal_(part.weight, 0.0, std)


def _upsampler(channels: int, factor: int, kernel: int) -> nn.ConvTranspose1d:
    """Return a convolution whose output is exactly ``factor`` times as long as its input."""
    excess = kernel - factor
    return nn.ConvTranspose1d(
        channels,
        channels // 2,
        kernel,
        factor,
        padding=(excess + 1) // 2,
        output_padding=excess % 2,
    )


def _downsampler(inputs: int, channels: int, factor: int) -> nn.Conv1d:
    """Return a convolution from samples to a layer that has one vector for ``factor`` of them."""
    if factor == 1:
        return nn.Conv1d(inputs, channels, 1)
    excess = factor + factor % 2  # the kernel is about twice the factor
    return nn.Conv1d(inputs, channels, factor + excess, factor, padding=excess // 2)


def _silence(x: Tensor, mask: Tensor | None) -> Tensor:
    return x if mask is None else x * mask


_SOURCE = "Kong et al. 2020, arXiv:2010.05646"
V1 = Entry(
    config=HifiganConfig,
    build=HifiganGenerator,
    summary="HiFi-GAN V1, best quality",
    source=_SOURCE,
)
V2 = Entry(
    config=HifiganV2Config, build=HifiganGenerator, summary="HiFi-GAN V2, small", source=_SOURCE
)
V3 = Entry(
    config=HifiganV3Config,
    build=HifiganGenerator,
    summary="HiFi-GAN V3, fewest layers",
    source=_SOURCE,
)
