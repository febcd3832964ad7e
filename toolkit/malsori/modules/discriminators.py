"""HiFi-GAN's discriminators: waveforms at several scales and folded by several periods.

Axes: B utterances, S samples, C channels. Every discriminator returns the outputs of all its
layers, the last being its judgement.

Source: Kong et al. 2020, arXiv:2010.05646, section 2.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize

from malsori.core.errors import ConfigError
from malsori.core.ranges import SIZE, odd, within
from malsori.modules.grouped_convolution import GroupedConv1d
from malsori.modules.weight_norm import normalise_convolutions

SLOPE = 0.1
PART_BYTES = 16 * 2**20
"""Size of a scale discriminator's first, widest layer that a CPU is asked for at once: two segments
of the KSS recipe. Four at once take twice the memory, and about the same time."""
Judgement = list[list[Tensor]]
"""For each discriminator the outputs of its layers, the last one being its score."""


class ScaleLayer(NamedTuple):
    """One strided, grouped convolution of a scale discriminator."""

    before: int
    after: int
    stride: int
    groups: int


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig:
    """Sizes of the ensemble; the defaults are those of the JETS recipe."""

    scales: int = 1
    """Scale discriminators; each after the first sees half the sample rate of the one before."""
    scale_channels: int = 128
    """Channels of a scale discriminator's first layer."""
    scale_max_channels: int = 1024
    """Channels that its layers grow to."""
    scale_kernels: tuple[int, ...] = (15, 41, 5, 3)
    """Kernels of its first, strided, last but one and last layer; odd."""
    scale_strides: tuple[int, ...] = (2, 2, 4, 4, 1)
    """Strides of its middle layers."""
    scale_max_groups: int = 16
    """Groups that its middle layers grow to, from 4 by factors of 4."""
    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    """Period of each period discriminator, in samples."""
    period_channels: int = 32
    """Channels of a period discriminator's first layer."""
    period_max_channels: int = 1024
    """Channels that its layers grow to, by factors of 4."""
    period_kernel: int = 5
    """Kernel of its layers along time; odd."""
    period_strides: tuple[int, ...] = (3, 3, 3, 3, 1)
    """Strides of its layers along time."""
    period_score_kernel: int = 3
    """Kernel of its last layer along time; 3 is HiFi-GAN's, 2 ESPnet's."""

    def __post_init__(self) -> None:
        if len(self.scale_kernels) != 4:
            raise ConfigError(f"scale_kernels: need 4 kernels, got {list(self.scale_kernels)}")
        within(self, "[0, 16]", "scales")
        within(self, SIZE, "scale_channels", "scale_max_channels", "scale_kernels")
        within(self, SIZE, "scale_strides", "scale_max_groups", "periods", "period_channels")
        within(self, SIZE, "period_max_channels", "period_kernel", "period_strides")
        within(self, SIZE, "period_score_kernel")
        odd(self, "scale_kernels", "period_kernel")
        if self.scales + len(self.periods) == 0:
            raise ConfigError("periods: at least one scale or one period is needed")
        for layer in self.scale_layers() if self.scales else []:
            if layer.before % layer.groups or layer.after % layer.groups:
                raise ConfigError(
                    f"scale_channels: {self.scale_channels} gives a layer from {layer.before} to "
                    f"{layer.after} channels, which cannot be split into {layer.groups} groups"
                )

    def scale_layers(self) -> list[ScaleLayer]:
        """Return the sizes of a scale discriminator's middle layers."""
        layers = []
        before = after = self.scale_channels
        groups = 4
        for stride in self.scale_strides:
            layers.append(ScaleLayer(before, after, stride, groups))
            before, after = after, min(after * 2, self.scale_max_channels)
            groups = min(groups * 4, self.scale_max_groups)
        return layers


class Judgements(NamedTuple):
    """The layers' outputs of one discriminator for real and for generated waveforms."""

    real: list[Tensor]
    fake: list[Tensor]


class Discriminators(nn.Module):
    """The ensemble of scale and period discriminators."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.scale_channels = config.scale_channels
        self.scales = nn.ModuleList(ScaleDiscriminator(config) for _ in range(config.scales))
        self.periods = nn.ModuleList(PeriodDiscriminator(config, p) for p in config.periods)
        normalise_convolutions(self)

    def forward(self, number: int, real: Tensor, fake: Tensor) -> Judgements:
        """Return what one discriminator says, with the graph of both passes.

        Its weights are normalised once for both. Real and fake stay two passes: the generator's
        share then runs back through the fake one only.

        Args:
            number: Which discriminator, 0 to ``len(self) - 1``.
            real: Recorded segments, (B, 1, S).
            fake: Generated segments, (B, 1, S).
        """
        with parametrize.cached():
            return Judgements(self._ask(number, real), self._ask(number, fake))

    def __len__(self) -> int:
        return len(self.scales) + len(self.periods)

    def parts(self, number: int, wav: Tensor) -> list[slice]:
        """Return the parts of a batch that one discriminator had better be asked about by turns.

        On a GPU, and for period discriminators, whose layers are small, it is the whole batch.

        Args:
            number: Which discriminator.
            wav: Segments, (B, 1, S).
        """
        count, _, samples = wav.shape
        if wav.device.type != "cpu" or number >= len(self.scales):
            return [slice(count)]
        widest = self.scale_channels * (samples >> number) * wav.element_size()
        size = max(1, PART_BYTES // widest)
        return [slice(first, min(first + size, count)) for first in range(0, count, size)]

    def judge(self, wav: Tensor) -> Judgement:
        """Return the layers' outputs of every discriminator for ``wav``, (B, 1, S)."""
        return [self._ask(number, wav) for number in range(len(self))]

    def _ask(self, number: int, wav: Tensor) -> list[Tensor]:
        if number >= len(self.scales):
            return self.periods[number - len(self.scales)](wav)  # type: ignore[no-any-return]
        for _ in range(number):
            wav = F.avg_pool1d(wav, 4, 2, padding=2)
        return self.scales[number](wav)  # type: ignore[no-any-return]


class ScaleDiscriminator(nn.Module):
    """Strided, grouped convolutions over the waveform."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        first, middle, late, last = config.scale_kernels
        channels = config.scale_channels
        layers = [nn.Conv1d(1, channels, first, padding=first // 2)]
        for before, channels, stride, groups in config.scale_layers():
            layers.append(GroupedConv1d(before, channels, middle, stride, middle // 2, groups))
        after = min(channels * 2, config.scale_max_channels)
        layers.append(nn.Conv1d(channels, after, late, padding=late // 2))
        self.layers = nn.ModuleList(layers)
        self.score = nn.Conv1d(after, 1, last, padding=last // 2)

    def forward(self, wav: Tensor) -> list[Tensor]:
        """Return the outputs of all layers, (B, C, S / strides) each, for ``wav`` of (B, 1, S)."""
        outputs = []
        x = wav
        for layer in self.layers:
            x = F.leaky_relu_(layer(x), SLOPE)  # in place: half the graph's memory
            outputs.append(x)
        return [*outputs, self.score(x)]


class PeriodDiscriminator(nn.Module):
    """Convolutions along time over the waveform folded to rows of one period each."""

    def __init__(self, config: DiscriminatorConfig, period: int) -> None:
        super().__init__()
        self.period = period
        kernel, padding = (config.period_kernel, 1), (config.period_kernel // 2, 0)
        layers = []
        before, after = 1, config.period_channels
        for stride in config.period_strides:
            layers.append(nn.Conv2d(before, after, kernel, (stride, 1), padding))
            before, after = after, min(after * 4, config.period_max_channels)
        self.layers = nn.ModuleList(layers)
        last = config.period_score_kernel
        self.score = nn.Conv2d(before, 1, (last, 1), padding=(last // 2, 0))

    def forward(self, wav: Tensor) -> list[Tensor]:
        """Return the outputs of all layers, (B, C, S / period / strides, period) each."""
        missing = -wav.shape[2] % self.period
        x = F.pad(wav, (0, missing), "reflect") if missing else wav
        x = x.unflatten(2, (-1, self.period))  # (B, 1, S) -> (B, 1, S / period, period)
        outputs = []
        for layer in self.layers:
            x = F.leaky_relu_(layer(x), SLOPE)  # in place: half the graph's memory
            outputs.append(x)
        return [*outputs, self.score(x).flatten(1)]
