"""Residual coupling flow of VITS: an invertible map between posterior and prior.

Axes: B utterances, T frames, Z latent channels, G numbers of an utterance-wide condition.

Every step adds to one half of the channels what a network makes of the other half, and then the
order of channels is turned round. Adding moves volume but does not change it, so that the
logarithm of the determinant is 0 and no method returns one.

Source: Kim, Kong, Son 2021 (VITS), arXiv:2106.06103, section 2.5.2; couplings of Dinh et al. 2017
(RealNVP), arXiv:1605.08803, section 3.2, with the shift only.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from malsori.core.errors import ConfigError
from malsori.core.ranges import COUNT, within
from malsori.modules.wavenet import WaveNet, WaveNetConfig


@dataclass(frozen=True, kw_only=True)
class FlowConfig:
    """Size of the flow; the defaults are those of VITS."""

    couplings: int = 4
    """Couplings, each followed by a flip of the channels; with an even number both halves are
    moved alike."""
    network: WaveNetConfig = WaveNetConfig(layers=4)
    """Of each coupling."""

    def __post_init__(self) -> None:
        within(self, COUNT, "couplings")


class ResidualFlow(nn.Module):
    """Couplings and flips, both ways.

    Args:
        config: Sizes.
        width: Z, even.
        condition: G; 0 for none.

    Source: arXiv:2106.06103, section 2.5.2. At the start of training the couplings add nothing: a
    new flow is the identity, or with an odd number of couplings one flip. ESPnet's couplings may
    also scale; its loss leaves the determinant of that out, so that they are not offered here.
    """

    def __init__(self, config: FlowConfig, width: int, condition: int = 0) -> None:
        super().__init__()
        if width % 2:
            raise ConfigError(f"width: couplings need an even one, got {width}")
        self.couplings = nn.ModuleList(
            MeanCoupling(config.network, width, condition) for _ in range(config.couplings)
        )

    def forward(self, x: Tensor, valid: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return what the posterior's sample is in the prior's space, (B, T, Z); 0 at padding.

        Args:
            x: (B, T, Z).
            valid: True where data is, (B, T).
            condition: One vector per utterance, (B, G), if the flow was built for it.
        """
        mask = valid[:, None].to(x.dtype)
        x = x.transpose(1, 2) * mask  # (B, T, Z) -> (B, Z, T)
        for coupling in self.couplings:
            kept, moved = x.chunk(2, 1)
            x = torch.cat([kept, moved + coupling(kept, mask, condition)], 1).flip(1)
        return x.transpose(1, 2)

    def inverse(self, x: Tensor, valid: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the ``x`` that ``forward`` makes this from, (B, T, Z); arguments as there."""
        mask = valid[:, None].to(x.dtype)
        x = x.transpose(1, 2) * mask  # (B, T, Z) -> (B, Z, T)
        for coupling in reversed(self.couplings):  # type: ignore[arg-type]
            kept, moved = x.flip(1).chunk(2, 1)
            x = torch.cat([kept, moved - coupling(kept, mask, condition)], 1)
        return x.transpose(1, 2)


class MeanCoupling(nn.Module):
    """What is added to one half of the channels, from the other half."""

    def __init__(self, config: WaveNetConfig, width: int, condition: int = 0) -> None:
        super().__init__()
        self.input = nn.Conv1d(width // 2, config.channels, 1)
        self.stack = WaveNet(config, condition)
        self.output = nn.Conv1d(config.channels, width // 2, 1)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)  # type: ignore[arg-type]

    def forward(self, kept: Tensor, mask: Tensor, condition: Tensor | None) -> Tensor:
        """Return the shift, (B, Z/2, T), for half of the channels, (B, Z/2, T), and its mask."""
        x = self.stack(self.input(kept) * mask, mask, condition)
        return self.output(x) * mask  # type: ignore[no-any-return]
