"""Waveform generators that end in an inverse short-time Fourier transform.

Most of HiFi-GAN's work is at or near the sample rate. Here the network predicts magnitude and phase
of spectra at a far lower rate, and the transform, which has no weights, makes the samples.

Axes: B utterances, T frames, C channels, F = n_fft // 2 + 1 frequency bins, S = T · hop samples.

Source: Siuzdak 2023 (Vocos), arXiv:2306.00814, section 3; Kaneko et al. 2022 (iSTFTNet),
arXiv:2203.02395, section 3. ConvNeXt blocks: Liu et al. 2022, arXiv:2201.03545.
"""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from malsori.core.errors import ConfigError
from malsori.core.ranges import COUNT, SIZE, odd, within
from malsori.core.registry import Entry
from malsori.modules.excitation import Excitation, Melody
from malsori.modules.hifigan import HifiganConfig, HifiganGenerator

INITIAL_STD = 0.02
"""Spread of the initial weights of the ConvNeXt stack."""
EMPTY = 1e-8
"""Sums of squared windows below it are no frame's: there is silence."""


@dataclass(frozen=True, kw_only=True)
class IstftConfig:
    """Size of the ConvNeXt generator; the defaults are those of Vocos."""

    channels: int = 512
    """Channels of the stack."""
    hidden: int = 1536
    """Channels inside of each block."""
    layers: int = 8
    """Blocks."""
    kernel: int = 7
    """Frames that the input layer and each block look at; odd."""
    n_fft: int = 1024
    """Points of the inverse Fourier transform; even, at least twice the hop."""
    hop: int = 256
    """Samples made from each frame; the audio settings' hop."""

    def __post_init__(self) -> None:
        within(self, SIZE, "channels", "hidden", "kernel", "n_fft", "hop")
        within(self, COUNT, "layers")
        odd(self, "kernel")
        _check_transform(self.n_fft, self.hop, "hop")

    @property
    def harmonics(self) -> int:
        """Sines that it is given to colour: none, it makes its own phases."""
        return 0

    @property
    def hop_told(self) -> str:
        """What the hop follows from, as errors say it."""
        return f"hop: {self.hop}"

    @property
    def context(self) -> int:
        """Frames on either side that a frame's samples hang on."""
        before, behind = _spectra_of(self.n_fft, self.hop)
        return max(-before, behind) + (self.layers + 1) * (self.kernel // 2)


@dataclass(frozen=True, kw_only=True)
class IstftnetConfig(HifiganConfig):
    """Size of the hybrid; the defaults are C8C8I of version 1: two upsamplings by 8, then 4."""

    upsampling: tuple[int, ...] = (8, 8)
    """Factor of each upsampling; their product times ``transform_hop`` is the hop."""
    upsampling_kernels: tuple[int, ...] = (16, 16)
    """Kernel of each transposed convolution."""
    n_fft: int = 16
    """Points of the inverse Fourier transform; even, at least twice its hop."""
    transform_hop: int = 4
    """Samples that the inverse transform makes of each of its frames."""

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, SIZE, "n_fft", "transform_hop")
        _check_transform(self.n_fft, self.transform_hop, "transform_hop")

    @property
    def hop(self) -> int:
        """Samples made from each frame."""
        return math.prod(self.upsampling) * self.transform_hop

    @property
    def hop_told(self) -> str:
        """What the hop follows from, as errors say it."""
        return f"upsampling: {list(self.upsampling)} times transform_hop {self.transform_hop}"

    @property
    def outputs(self) -> int:
        """Channels of the last convolution: log magnitudes, then phases."""
        return self.n_fft + 2

    @property
    def context(self) -> int:
        """Frames on either side that a frame's samples hang on."""
        before, behind = _spectra_of(self.n_fft, self.transform_hop)
        return self.reach(before, math.prod(self.upsampling) - 1 + behind)


class IstftGenerator(nn.Module):
    """Turn frame-rate vectors into spectra by ConvNeXt blocks, and these into a waveform.

    Args:
        config: Sizes.
        width: Channels of the input.
        condition: Channels of an utterance-wide condition (speaker); 0 for none.
        sample_rate: Hz; not needed, every generator is told.
    """

    def __init__(
        self, config: IstftConfig, width: int, condition: int = 0, sample_rate: int = 24000
    ) -> None:
        super().__init__()
        self.hop = config.hop
        channels = config.channels
        self.input = nn.Conv1d(width, channels, config.kernel, padding=config.kernel // 2)
        self.condition = nn.Conv1d(condition, channels, 1) if condition else None
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.blocks = nn.ModuleList(
            ConvNextBlock(channels, config.hidden, config.kernel, 1 / config.layers)
            for _ in range(config.layers)
        )
        self.output_norm = nn.LayerNorm(channels, eps=1e-6)
        self.output = nn.Linear(channels, config.n_fft + 2)
        self.inverse = InverseStft(config.n_fft, config.hop)
        for part in self.modules():
            if isinstance(part, (nn.Conv1d, nn.Linear)):
                nn.init.trunc_normal_(part.weight, std=INITIAL_STD)
                nn.init.zeros_(part.bias)  # type: ignore[arg-type]

    def forward(
        self,
        frames: Tensor,
        condition: Tensor | None = None,
        valid: Tensor | None = None,
        melody: Melody | Excitation | None = None,
    ) -> Tensor:
        """Return samples, (B, 1, T · hop); within [−1, 1] but in training.

        Args:
            frames: (B, T, width).
            condition: One vector per utterance, (B, condition), if the generator was built for it.
            valid: True where data is, (B, T). With it a batch gives the samples of its parts alone,
                and silence behind them; without it nothing is masked.
            melody: Not read.
        """
        mask = None if valid is None else valid[..., None].to(frames.dtype)
        x = frames if mask is None else frames * mask
        x = self.input(x.transpose(1, 2))  # (B, T, width) -> (B, C, T)
        if self.condition is not None and condition is not None:
            x = x + self.condition(condition[..., None])
        x = self.norm(x.transpose(1, 2))  # (B, C, T) -> (B, T, C)
        for block in self.blocks:
            x = block(x, mask)
        return self.inverse(self.output(self.output_norm(x)), valid)  # type: ignore[no-any-return]

    def excite(self, melody: Melody | None, valid: Tensor | None = None) -> None:
        """Return nothing: it sings by itself."""


class ConvNextBlock(nn.Module):
    """A convolution for each channel over frames, two layers for each frame over channels."""

    def __init__(self, channels: int, hidden: int, kernel: int, scale: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.expand = nn.Linear(channels, hidden)
        self.reduce = nn.Linear(hidden, channels)
        self.scale = nn.Parameter(torch.full((channels,), scale))

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (B, T, C) for ``x`` of (B, T, C) and a mask of (B, T, 1)."""
        y = x if mask is None else x * mask
        y = self.depthwise(y.transpose(1, 2)).transpose(1, 2)  # through (B, C, T)
        y = self.reduce(F.gelu(self.expand(self.norm(y))))
        return x + self.scale * y  # type: ignore[no-any-return]


class IstftnetGenerator(HifiganGenerator):
    """HiFi-GAN whose last upsamplings are an inverse transform.

    Phases are not bounded, other than the paper's: the sine and cosine of whatever is predicted
    are taken anyway.
    """

    def __init__(
        self, config: IstftnetConfig, width: int, condition: int = 0, sample_rate: int = 24000
    ) -> None:
        super().__init__(config, width, condition, sample_rate)
        self.inverse = InverseStft(config.n_fft, config.transform_hop)

    def _waveform(self, x: Tensor, mask: Tensor | None) -> Tensor:
        valid = None if mask is None else mask[:, 0] > 0
        return self.inverse(x.transpose(1, 2), valid)  # type: ignore[no-any-return]


class InverseStft(nn.Module):
    """Inverse short-time Fourier transform of predicted log magnitudes and phases, in fp32.

    Matrix products and sums of slices: no complex numbers, so that every exporter knows it. Cosines
    are the same on either side of a frame's middle, sines the opposite: the products make one half
    of each frame, the other follows. Frames are as far apart as they make samples, T · hop for T of
    them; the first frame's centre is half a hop behind the first sample.

    Args:
        n_fft: Points of the transform and of its Hann window; even, at least twice the hop.
        hop: Samples between frames.
    """

    cosines: Tensor
    sines: Tensor
    squares: Tensor

    def __init__(self, n_fft: int, hop: int) -> None:
        super().__init__()
        self.n_fft, self.hop = n_fft, hop
        self.slices = -(-n_fft // hop)
        self.loudest = n_fft / 2
        """Magnitude of a constant at full scale under the window; nothing is louder."""
        window = torch.hann_window(n_fft, dtype=torch.float64)
        self.unseen = self.slices * hop - n_fft
        for name, basis in zip(("cosines", "sines"), _inverse_transform(n_fft), strict=True):
            half = (basis * window)[:, : n_fft // 2 + 1].float().contiguous()
            self.register_buffer(name, half, persistent=False)  # (F, F)
        squares = F.pad(window.square(), (0, self.unseen))
        self.register_buffer("squares", squares.float(), persistent=False)

    def forward(self, predicted: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return samples, (B, 1, T · hop); in training they may exceed full scale.

        What does exceed it is cut off otherwise; a loss could not see how far it was.

        Args:
            predicted: Log magnitudes and phases, (B, T, 2F). Magnitudes grow as the exponential
                and level off at the loudest that a waveform within full scale can have.
            valid: True where data is, (B, T): other frames are no part of any sum.
        """
        with _full_precision(predicted.device.type):
            wav = self._invert(predicted.float(), valid)[:, None]
        return wav if self.training else wav.clamp(-1, 1)

    def _invert(self, predicted: Tensor, valid: Tensor | None) -> Tensor:
        log_magnitude, phase = predicted.chunk(2, dim=2)
        magnitude = self.loudest * torch.sigmoid(log_magnitude - math.log(self.loudest))
        even, odd = (magnitude * phase.cos()) @ self.cosines, (magnitude * phase.sin()) @ self.sines
        back = (even - odd)[:, :, 1:-1].flip(2)
        frames = torch.cat([even + odd, back], 2)  # (B, T, n_fft)
        if self.unseen:
            frames = F.pad(frames, (0, self.unseen))  # (B, T, slices · hop)
        squares = self.squares.expand(1, frames.shape[1], -1)
        if valid is not None:
            frames, squares = frames * valid[..., None], squares * valid[..., None]
        return self._overlap(frames) / self._overlap(squares).clamp_min(EMPTY)

    def _overlap(self, frames: Tensor) -> Tensor:
        """Return the sum of frames, each a hop behind the last one, (B, T · hop)."""
        count = frames.shape[1]
        cut = frames.unflatten(2, (self.slices, self.hop))
        last = self.slices - 1
        whole = sum(F.pad(cut[:, :, i], (0, 0, i, last - i)) for i in range(self.slices))
        first = (self.n_fft - self.hop) // 2
        return whole.flatten(1)[:, first : first + count * self.hop]  # type: ignore[union-attr]


def _full_precision(device: str) -> AbstractContextManager[Any]:
    """Return a context without autocast; exporters see none where none is on."""
    if not (torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)):
        return nullcontext()
    return torch.autocast(device, enabled=False)


def _spectra_of(n_fft: int, hop: int) -> tuple[int, int]:
    """Return the first and the last spectrum that the samples of spectrum 0's hop hang on."""
    skipped, slices = (n_fft - hop) // 2, -(-n_fft // hop)
    return skipped // hop - slices + 1, (skipped + hop - 1) // hop


def _inverse_transform(n_fft: int) -> tuple[Tensor, Tensor]:
    """Return the samples of each bin's real unit and of its imaginary unit, (F, n_fft) in float64.

    Source: the inverse discrete Fourier transform of a real signal, whose bins but the first and
    the last stand for two.
    """
    bins = torch.arange(n_fft // 2 + 1, dtype=torch.float64)
    turns = bins[:, None] * torch.arange(n_fft, dtype=torch.float64) / n_fft
    counted = torch.full_like(bins, 2.0)
    counted[[0, -1]] = 1.0
    angles = 2 * math.pi * turns.frac()
    real, imaginary = angles.cos(), -angles.sin()
    imaginary[[0, -1]] = 0.0
    scale = counted[:, None] / n_fft
    return real * scale, imaginary * scale


def _check_transform(n_fft: int, hop: int, name: str) -> None:
    """Refuse a transform that leaves some sample to fewer than two frames' middles."""
    if n_fft % 2 or n_fft < max(4, 2 * hop):
        raise ConfigError(
            f"n_fft: must be even, at least 4 and at least twice {name} ({hop}), got {n_fft}"
        )


ISTFT = Entry(
    config=IstftConfig,
    build=IstftGenerator,
    summary="ConvNeXt at frame rate and one inverse Fourier transform, fastest",
    source="Siuzdak 2023, arXiv:2306.00814",
)
ISTFTNET = Entry(
    config=IstftnetConfig,
    build=IstftnetGenerator,
    summary="HiFi-GAN V1's first two upsamplings, then an inverse Fourier transform",
    source="Kaneko et al. 2022, arXiv:2203.02395",
)
