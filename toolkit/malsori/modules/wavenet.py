"""Non-causal WaveNet: gated dilated convolutions with residual and skip paths.

Axes: B utterances, T frames, C channels, G numbers of an utterance-wide condition. Tensors here are
in convolution layout, (B, C, T): the stack stands between the convolutions of other modules.

Source: van den Oord et al. 2016, "WaveNet", arXiv:1609.03499, section 2.3 to 2.5; without causality
as in Prenger et al. 2019, "WaveGlow", arXiv:1811.00002, and in VITS.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from malsori.core.errors import ConfigError
from malsori.core.ranges import COUNT, SIZE, odd, within
from malsori.modules.weight_norm import normalise_convolutions


@dataclass(frozen=True, kw_only=True)
class WaveNetConfig:
    """Size of a stack; the defaults are those of VITS's posterior encoder."""

    layers: int = 16
    """Gated convolutions."""
    channels: int = 192
    """Channels of the residual and of the skip path."""
    kernel: int = 5
    """Kernel of the gated convolutions; odd."""
    dilation: int = 1
    """Each layer's dilation is this times that of the layer before; 1 dilates none."""
    cycles: int = 1
    """How often dilations begin at 1; must divide ``layers``."""
    dropout: float = 0.0
    """Share dropped before each gated convolution."""

    def __post_init__(self) -> None:
        within(self, COUNT, "layers", "cycles")
        within(self, SIZE, "channels", "kernel")
        within(self, "[1, 16]", "dilation")
        within(self, "[0, 1)", "dropout")
        odd(self, "kernel")
        if self.layers % self.cycles:
            raise ConfigError(f"cycles: {self.cycles} does not divide layers {self.layers}")
        widest = self.dilation ** (self.layers // self.cycles - 1)
        if widest > 65536:
            raise ConfigError(
                f"dilation: {self.dilation} grows to {widest} in {self.layers // self.cycles} "
                "layers, must stay below 65537; set more cycles"
            )

    def dilations(self) -> list[int]:
        """Return the dilation of every layer."""
        return [self.dilation ** (i % (self.layers // self.cycles)) for i in range(self.layers)]


class WaveNet(nn.Module):
    """Sum of what gated layers say, scaled so that its spread does not grow with their number.

    Padding never enters: where ``mask`` is 0 the residual path keeps the zeros it was given.

    Args:
        config: Sizes.
        condition: G; 0 for a stack without condition.

    Source: as above. The scale is ESPnet's (the original VITS sums without one); the residual half
    of the last layer, which nothing reads, exists in ESPnet but not here, nor in the original.
    """

    def __init__(self, config: WaveNetConfig, condition: int = 0) -> None:
        super().__init__()
        dilations = config.dilations()
        self.layers = nn.ModuleList(
            GatedLayer(config, dilation, condition, last=i + 1 == len(dilations))
            for i, dilation in enumerate(dilations)
        )
        for part in self.modules():
            if isinstance(part, nn.Conv1d):
                initialise_convolution(part)
        normalise_convolutions(self)

    def forward(self, x: Tensor, mask: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the sum of all skip paths, (B, C, T); 0 where ``mask`` is.

        Args:
            x: (B, C, T), 0 where ``mask`` is.
            mask: 1 where data is, else 0, (B, 1, T).
            condition: One vector per utterance, (B, G), if the stack was built for it.

        Raises:
            ConfigError: The stack was built for a condition and gets none, or the other way round.
        """
        skipped = torch.zeros_like(x)
        for layer in self.layers:
            said = layer(x, mask, condition)
            if said.shape[1] > x.shape[1]:
                residual, said = said.chunk(2, 1)
                x = x + residual
            skipped = skipped + said
        return skipped / math.sqrt(len(self.layers))


class GatedLayer(nn.Module):
    """Dilated convolution, tanh times sigmoid, and a convolution to residual and skip."""

    def __init__(self, config: WaveNetConfig, dilation: int, condition: int, last: bool) -> None:
        super().__init__()
        channels, reach = config.channels, config.kernel // 2
        self.dropout = nn.Dropout(config.dropout)
        self.gated = nn.Conv1d(
            channels, 2 * channels, config.kernel, dilation=dilation, padding=dilation * reach
        )
        self.condition = nn.Conv1d(condition, 2 * channels, 1, bias=False) if condition else None
        self.out = nn.Conv1d(channels, channels if last else 2 * channels, 1)

    def forward(self, x: Tensor, mask: Tensor, condition: Tensor | None) -> Tensor:
        """Return residual and skip, (B, 2C, T); of the last layer the skip alone, (B, C, T)."""
        x = add_condition(self.gated(self.dropout(x)), self.condition, condition)
        values, gates = x.chunk(2, 1)
        return self.out(values.tanh() * gates.sigmoid()) * mask  # type: ignore[no-any-return]


def add_condition(x: Tensor, project: nn.Conv1d | None, condition: Tensor | None) -> Tensor:
    """Return ``x``, (B, C, T), with each utterance's projected ``condition``, (B, G), at all times.

    Raises:
        ConfigError: There is a projection and no condition, or the other way round.
    """
    if project is None and condition is None:
        return x
    if project is None or condition is None:
        has, gets = ("none", "one") if project is None else ("one", "none")
        raise ConfigError(f"condition: this network was built for {has}, and {gets} is given")
    return x + project(condition[..., None])  # type: ignore[no-any-return]


def initialise_convolution(part: nn.Conv1d) -> None:
    """Draw a convolution's weights by their fan-in, as for ReLUs, and set its bias to 0.

    Source: He et al. 2015, arXiv:1502.01852; used for this stack by ESPnet 202511.
    """
    nn.init.kaiming_normal_(part.weight, nonlinearity="relu")
    if part.bias is not None:
        nn.init.zeros_(part.bias)
