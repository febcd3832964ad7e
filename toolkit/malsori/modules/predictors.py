"""Variance predictors of FastSpeech 2 and their embeddings.

Axes: B utterances, N tokens, D width.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from malsori.core.ranges import SIZE, odd, within

LONGEST_TOKEN = 500
"""Frames that a token gets at most (5 s in the reference recipe): an untrained predictor must not
fill the memory."""


@dataclass(frozen=True, kw_only=True)
class PredictorConfig:
    """Size of a variance predictor."""

    layers: int = 2
    """Convolutions."""
    channels: int = 256
    """Channels of each."""
    kernel: int = 3
    """Kernel; odd."""
    dropout: float = 0.5
    """Share of channels dropped after each norm."""
    detach: bool = False
    """Keep the predictor's gradient out of the encoder."""

    def __post_init__(self) -> None:
        within(self, "[0, 256]", "layers")
        within(self, SIZE, "channels", "kernel")
        odd(self, "kernel")
        within(self, "[0, 1)", "dropout")


@dataclass(frozen=True, kw_only=True)
class EmbeddingConfig:
    """How one number per token becomes a vector."""

    kernel: int = 1
    """Tokens that a vector is made from; odd."""
    dropout: float = 0.0
    """Share dropped of the vectors."""

    def __post_init__(self) -> None:
        within(self, SIZE, "kernel")
        odd(self, "kernel")
        within(self, "[0, 1)", "dropout")


class PredictorLayers(nn.Module):
    """The convolutions of a predictor, before what is read off them.

    Args:
        config: Sizes.
        width: D.
        masked: Keep padding out of the convolutions; False lets them read it, as ESPnet's do.
        eps: Added to variances by the norms.

    Source: FastSpeech 2, arXiv:2006.04558, section 2.3.
    """

    def __init__(
        self, config: PredictorConfig, width: int, masked: bool = True, eps: float = 1e-12
    ) -> None:
        super().__init__()
        self.detach = config.detach
        self.masked = masked
        sizes = [width] + [config.channels] * config.layers
        self.channels = sizes[-1]
        self.blocks = nn.ModuleList(
            PredictorBlock(before, after, config.kernel, config.dropout, eps)
            for before, after in itertools.pairwise(sizes)
        )

    def hidden(self, x: Tensor, valid: Tensor) -> Tensor:
        """Return what the last convolution makes of ``x``, (B, N, D); see ``VariancePredictor``."""
        if self.detach:
            x = x.detach()
        for block in self.blocks:
            x = block(x.masked_fill(~valid[..., None], 0.0) if self.masked else x)
        return x


class VariancePredictor(PredictorLayers):
    """Predict one value per token: log duration, pitch or energy; see ``PredictorLayers``."""

    def __init__(
        self, config: PredictorConfig, width: int, masked: bool = True, eps: float = 1e-12
    ) -> None:
        super().__init__(config, width, masked, eps)
        self.out = nn.Linear(self.channels, 1)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """Return one value per token, (B, N); zero where ``valid`` is False.

        Args:
            x: Encoder output, (B, N, D).
            valid: True where a token exists, (B, N).
        """
        return self.out(self.hidden(x, valid)).squeeze(-1).masked_fill(~valid, 0.0)  # type: ignore[no-any-return]


class PredictorBlock(nn.Module):
    """Convolution, ReLU, layer norm over channels, dropout."""

    def __init__(
        self, before: int, after: int, kernel: int, dropout: float, eps: float = 1e-12
    ) -> None:
        super().__init__()
        self.conv = nn.Conv1d(before, after, kernel, padding=kernel // 2)
        self.norm = nn.LayerNorm(after, eps=eps)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, N, after)."""
        x = self.conv(x.transpose(1, 2)).transpose(1, 2)  # through (B, C, N)
        return self.dropout(self.norm(F.relu(x)))  # type: ignore[no-any-return]


class ScalarEmbedding(nn.Module):
    """Turn one number per token into a vector: a convolution over tokens."""

    def __init__(self, config: EmbeddingConfig, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, width, config.kernel, padding=config.kernel // 2)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, N, D) for ``x`` of (B, N), zero at padding."""
        return self.dropout(self.conv(x[:, None]).transpose(1, 2))  # type: ignore[no-any-return]


def durations_from_log(log_durations: Tensor, valid: Tensor, speed: float | Tensor = 1.0) -> Tensor:
    """Return whole frames per token, ``max(0, round((exp(x) − 1) / speed))``, (B, N) int64.

    An utterance whose tokens would all get none is given one frame each.

    Args:
        log_durations: Predicted log(d + 1), (B, N).
        valid: True where a token exists, (B, N).
        speed: 2 is twice as fast; a number, or one for each utterance, (B, 1), or token, (B, N).
    """
    frames = torch.round((log_durations.float().exp() - 1) / speed).clamp(0, LONGEST_TOKEN).long()
    frames = frames * valid
    return torch.where(frames.sum(1, keepdim=True) > 0, frames, valid.long())
