"""Stochastic duration predictor of VITS: a flow from noise to the logarithms of durations.

Axes: B utterances, N tokens, D width, C channels, G numbers of an utterance-wide condition, K bins.

Durations are whole numbers, one for each token, which a flow cannot map to a density. Two variables
are put beside them, whose law is learnt with theirs: u, in (0, 1), makes a duration d the real
number d − u, and v gives it a second dimension. What the forward pass returns is the bound of
d's negative log-likelihood that this leads to.

Source: Kim, Kong, Son 2021 (VITS), arXiv:2106.06103, section 2.2.2 and appendix B; variational
dequantisation of Ho et al. 2019 (Flow++), arXiv:1902.00275; augmentation of Chen et al. 2020
(VFlow), arXiv:2002.09741.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from malsori.core.errors import ConfigError
from malsori.core.ranges import SIZE, odd, within
from malsori.modules.spline import Spline, apply_spline, invert_spline, spline
from malsori.modules.wavenet import add_condition

BOUND = 5.0
"""Half the interval in which couplings bend values; beyond it they leave them as they are."""
SHORTEST = 1e-5
"""Smallest d − u, in frames, whose logarithm is taken."""


@dataclass(frozen=True, kw_only=True)
class DurationFlowConfig:
    """Size of the predictor; the defaults are those of VITS."""

    channels: int = 192
    """Channels inside."""
    couplings: int = 4
    """Spline couplings of each of the two flows; at least 2: the first moves only v."""
    bins: int = 10
    """Bins of each spline."""
    layers: int = 3
    """Depth-separable convolutions of each network."""
    kernel: int = 3
    """Their kernel; odd. The dilation of layer i is the kernel to the power of i."""
    dropout: float = 0.5
    """Share dropped after each layer of the networks that read tokens and durations; none is
    dropped within couplings."""

    def __post_init__(self) -> None:
        within(self, "[2, 256]", "couplings", "bins")
        within(self, SIZE, "channels", "kernel")
        within(self, "[1, 8]", "layers")
        within(self, "[0, 1)", "dropout")
        odd(self, "kernel")
        widest = self.kernel ** (self.layers - 1)
        if widest > 65536:
            raise ConfigError(
                f"kernel: {self.kernel} makes a dilation of {widest} in {self.layers} layers, must "
                "stay below 65537"
            )


class DurationFlow(nn.Module):
    """Say how likely durations are, or draw some.

    Everything runs in fp32, and no gradient reaches what it reads: the predictor learns durations,
    it does not shape the encoder.

    Args:
        config: Sizes.
        width: D.
        condition: G; 0 for none.

    Source: arXiv:2106.06103, section 2.2.2.
    """

    def __init__(self, config: DurationFlowConfig, width: int, condition: int = 0) -> None:
        super().__init__()
        channels = config.channels
        self.input = nn.Conv1d(width, channels, 1)
        self.condition = nn.Conv1d(condition, channels, 1) if condition else None
        self.network = SeparableStack(channels, config.kernel, config.layers, config.dropout)
        self.output = nn.Conv1d(channels, channels, 1)
        self.flow = TwoChannelFlow(config)
        self.duration_input = nn.Conv1d(1, channels, 1)
        self.duration_network = SeparableStack(
            channels, config.kernel, config.layers, config.dropout
        )
        self.duration_output = nn.Conv1d(channels, channels, 1)
        self.posterior = TwoChannelFlow(config)

    def forward(
        self,
        hidden: Tensor,
        valid: Tensor,
        durations: Tensor,
        condition: Tensor | None = None,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Return a bound of each utterance's negative log-likelihood, (B,), in nats.

        Args:
            hidden: Encoded tokens, (B, N, D).
            valid: True where a token exists, (B, N).
            durations: Frames per token, (B, N), at least 1 where ``valid``.
            condition: One vector per utterance, (B, G), if the predictor was built for it.
            noise: Standard normal, (B, N, 2), that u and v are drawn with; None draws it.
        """
        with torch.autocast(hidden.device.type, enabled=False):
            mask = valid[:, None].float()
            x = self._encode(hidden, mask, condition)
            frames = durations[:, None].float() * mask  # (B, 1, N)
            drawn = self._noise(noise, valid, 1.0) * mask
            u, v, log_q = self._dequantise(x, frames, drawn, mask)
            rest = (frames - u) * mask
            log_rest = rest.clamp_min(SHORTEST).log() * mask
            z, log_slope = self.flow(torch.cat([log_rest, v], 1), x, mask)
            log_p = _log_normal(z, mask) + log_slope - log_rest.sum((1, 2))
            return log_q - log_p

    def inverse(
        self,
        hidden: Tensor,
        valid: Tensor,
        condition: Tensor | None = None,
        noise: Tensor | None = None,
        noise_scale: float = 1.0,
    ) -> Tensor:
        """Return logarithms of durations in frames, drawn, (B, N); 0 where ``valid`` is False.

        Args:
            hidden: Encoded tokens, (B, N, D).
            valid: True where a token exists, (B, N).
            condition: One vector per utterance, (B, G), if the predictor was built for it.
            noise: Standard normal, (B, N, 2); None draws it.
            noise_scale: Multiplies the noise; 0 gives the middle of the law, always the same.
        """
        with torch.autocast(hidden.device.type, enabled=False):
            mask = valid[:, None].float()
            x = self._encode(hidden, mask, condition)
            z = self._noise(noise, valid, noise_scale)
            return self.flow.inverse(z, x, mask)[:, 0]

    def _encode(self, hidden: Tensor, mask: Tensor, condition: Tensor | None) -> Tensor:
        """Return what both flows are conditioned on, (B, C, N)."""
        x = self.input(hidden.detach().float().transpose(1, 2) * mask)  # (B, N, D) -> (B, C, N)
        known = None if condition is None else condition.detach().float()
        x = add_condition(x, self.condition, known)
        return self.output(self.network(x, mask)) * mask  # type: ignore[no-any-return]

    def _noise(self, noise: Tensor | None, valid: Tensor, scale: float) -> Tensor:
        if noise is None:
            noise = torch.randn(*valid.shape, 2, device=valid.device)
        return noise.float().transpose(1, 2) * scale  # (B, N, 2) -> (B, 2, N)

    def _dequantise(
        self, x: Tensor, frames: Tensor, drawn: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return u and v, (B, 1, N), and the logarithm of their density, (B,)."""
        seen = self.duration_network(self.duration_input(frames), mask)
        seen = self.duration_output(seen) * mask
        z, log_slope = self.posterior(drawn, x + seen, mask)
        logit, v = z.chunk(2, 1)
        squashed = ((F.logsigmoid(logit) + F.logsigmoid(-logit)) * mask).sum((1, 2))
        u = logit.sigmoid() * mask
        return u, v, _log_normal(drawn, mask) - log_slope - squashed


class TwoChannelFlow(nn.Module):
    """An elementwise affine map, then spline couplings, each followed by a flip."""

    def __init__(self, config: DurationFlowConfig) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(2, 1))
        self.log_scale = nn.Parameter(torch.zeros(2, 1))
        self.couplings = nn.ModuleList(SplineCoupling(config) for _ in range(config.couplings))

    def forward(self, z: Tensor, given: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return (B, 2, N) and the logarithm of the determinant, (B,).

        Args:
            z: (B, 2, N).
            given: What the couplings are conditioned on, (B, C, N).
            mask: 1 where a token exists, else 0, (B, 1, N).
        """
        z = (self.shift + self.log_scale.exp() * z) * mask
        log_slope = (self.log_scale * mask).sum((1, 2))
        for coupling in self.couplings:
            kept, moved = z.chunk(2, 1)
            bent, slope = apply_spline(moved[:, 0], coupling(kept, given, mask))
            z = torch.cat([kept, bent[:, None]], 1).flip(1) * mask
            log_slope = log_slope + (slope * mask[:, 0]).sum(1)
        return z, log_slope

    def inverse(self, z: Tensor, given: Tensor, mask: Tensor) -> Tensor:
        """Return the first channel that ``forward`` makes ``z`` from, (B, 1, N).

        The first coupling is left out: it moves only the second channel.
        """
        z = z * mask
        for coupling in reversed(self.couplings[1:]):  # type: ignore[arg-type]
            kept, moved = z.flip(1).chunk(2, 1)
            bent = invert_spline(moved[:, 0], coupling(kept, given, mask))
            z = torch.cat([kept, bent[:, None]], 1) * mask
        first = z.flip(1)[:, :1]  # the flip behind the coupling that is left out
        return (first - self.shift[:1]) * (-self.log_scale[:1]).exp() * mask


class SplineCoupling(nn.Module):
    """A spline for one channel, from the other channel and what is given.

    Source: Durkan et al. 2019, arXiv:1906.04032, section 3.1. Logits are divided by √C.
    """

    def __init__(self, config: DurationFlowConfig) -> None:
        super().__init__()
        self.bins = config.bins
        self.scale = 1 / math.sqrt(config.channels)
        self.input = nn.Conv1d(1, config.channels, 1)
        self.network = SeparableStack(config.channels, config.kernel, config.layers, 0.0)
        self.output = nn.Conv1d(config.channels, 3 * config.bins - 1, 1)
        nn.init.zeros_(
            self.output.weight
        )  # the identity, nearly: slopes between bins begin at 0.69
        nn.init.zeros_(self.output.bias)  # type: ignore[arg-type]

    def forward(self, kept: Tensor, given: Tensor, mask: Tensor) -> Spline:
        """Return a spline for every token, its knots (B, N, K + 1), for ``kept`` (B, 1, N)."""
        x = self.network(self.input(kept) + given, mask)
        numbers = (self.output(x) * mask).transpose(1, 2)  # (B, 3K − 1, N) -> (B, N, 3K − 1)
        widths, heights, slopes = numbers.split([self.bins, self.bins, self.bins - 1], 2)
        return spline(widths * self.scale, heights * self.scale, slopes, BOUND)


class SeparableStack(nn.Module):
    """Dilated depth-separable convolutions with residuals; 0 at padding."""

    def __init__(self, channels: int, kernel: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            SeparableLayer(channels, kernel, kernel**i, dropout) for i in range(layers)
        )

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Return (B, C, N)."""
        for layer in self.layers:
            x = x + layer(x * mask)
        return x * mask


class SeparableLayer(nn.Module):
    """Depthwise and pointwise convolution, each followed by a norm over channels and GELU."""

    def __init__(self, channels: int, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(
            channels,
            channels,
            kernel,
            dilation=dilation,
            padding=dilation * (kernel // 2),
            groups=channels,
        )
        self.depthwise_norm = nn.LayerNorm(channels)
        self.pointwise = nn.Conv1d(channels, channels, 1)
        self.pointwise_norm = nn.LayerNorm(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, N)."""
        x = F.gelu(_over_channels(self.depthwise_norm, self.depthwise(x)))
        x = F.gelu(_over_channels(self.pointwise_norm, self.pointwise(x)))
        return self.dropout(x)  # type: ignore[no-any-return]


def _over_channels(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    return norm(x.transpose(1, 2)).transpose(1, 2)  # type: ignore[no-any-return]


def _log_normal(z: Tensor, mask: Tensor) -> Tensor:
    """Return the log density of a standard normal at ``z``, (B, C, N), summed, (B,)."""
    return (-0.5 * (math.log(2 * math.pi) + z.square()) * mask).sum((1, 2))
