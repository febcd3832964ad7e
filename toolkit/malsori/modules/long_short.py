"""Long-short transformer: attention to a window, and to a few summaries; cost linear in length.

Axes: B utterances, T positions, D width, H heads, W window, S segments of W positions, R rank.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from malsori.core.ranges import SIZE, within
from malsori.core.registry import Entry
from malsori.modules.transformer import Stack, StackConfig, split_heads


@dataclass(frozen=True, kw_only=True)
class LongShortConfig(StackConfig):
    """Size of a long-short transformer; otherwise as the transformer of the JETS recipe."""

    window: int = 64
    """Positions that attend together: to each other and to half as many on either side."""
    rank: int = 32
    """Summaries of the whole sequence that every position attends to; 0 leaves the window alone."""

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, SIZE, "window")
        within(self, "[0, 65536]", "rank")


class LongShort(Stack):
    """A stack whose attention reads a window closely and the whole sequence in summaries.

    Source: Zhu et al. 2021 (Transformer-LS, arXiv:2107.02192), section 3, for both directions.
    """

    def __init__(self, config: LongShortConfig, width: int, masked: bool = True) -> None:
        super().__init__(
            config, width, masked, lambda dropout: LongShortAttention(config, width, dropout)
        )


class LongShortAttention(nn.Module):
    """Attention of each segment to a window around it and to R summaries of all positions.

    Each head sums up keys and values with R sets of weights, softmax over the positions of a
    projection of the input. A layer norm of their own, one for the window's keys and values and one
    for the summaries', puts both on one scale. Without summaries there are no norms: a window as
    long as the sequence is then the transformer's attention.

    Source: Zhu et al. 2021 (arXiv:2107.02192), section 3.
    """

    def __init__(self, config: LongShortConfig, width: int, dropout: float) -> None:
        super().__init__()
        self.heads = config.heads
        self.window = config.window
        self.dropout = dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.summaries = Summaries(width, config.heads, config.rank) if config.rank else None
        self.near_norm = nn.LayerNorm(width) if config.rank else nn.Identity()

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """Return (B, T, D)."""
        positions = x.shape[1]
        window = min(self.window, positions)
        query, key, value = self.query(x), self.key(x), self.value(x)
        seen = _spans(valid[..., None], window).squeeze(3)  # (B, S, span)
        keys, values = (_spans(self.near_norm(y), window) for y in (key, value))
        if self.summaries is not None:
            far_keys, far_values = self.summaries(x, key, value, valid)
            keys, values = _joined(keys, far_keys), _joined(values, far_values)
            seen = F.pad(seen, (0, far_keys.shape[1]), value=True)
        else:  # older PyTorch answers NaN where nothing is seen, as behind the end: let it see all
            seen = seen | ~seen.any(2, keepdim=True)
        segments = F.pad(query, (0, 0, 0, -positions % window)).unflatten(1, (-1, window))
        mixed = F.scaled_dot_product_attention(
            self._split(segments),
            self._split(keys.to(query.dtype)),
            self._split(values.to(query.dtype)),
            attn_mask=seen.flatten(0, 1)[:, None, None],
            dropout_p=self.dropout if self.training else 0.0,
        )  # (B·S, H, W, D/H)
        mixed = mixed.transpose(1, 2).flatten(2).unflatten(0, (len(x), -1)).flatten(1, 2)
        return self.out(mixed[:, :positions])  # type: ignore[no-any-return]

    def _split(self, x: Tensor) -> Tensor:
        return split_heads(x.flatten(0, 1), self.heads)  # (B, S, …, D) -> (B·S, H, …, D/H)


class Summaries(nn.Module):
    """Keys and values of R summaries of a sequence of any length: the dynamic projection."""

    def __init__(self, width: int, heads: int, rank: int) -> None:
        super().__init__()
        self.heads = heads
        self.weights = nn.Linear(width, heads * rank, bias=False)
        self.norm = nn.LayerNorm(width)

    def forward(self, x: Tensor, key: Tensor, value: Tensor, valid: Tensor) -> tuple[Tensor, ...]:
        """Return normed keys and values, (B, R, D), for ``x``, ``key``, ``value`` of (B, T, D)."""
        scores = self.weights(x).float().masked_fill(~valid[..., None], torch.finfo().min)
        weights = split_heads(scores.softmax(1).to(key.dtype), self.heads)  # (B, H, T, R)
        return tuple(
            self.norm((weights.mT @ split_heads(y, self.heads)).transpose(1, 2).flatten(2))
            for y in (key, value)
        )


def _spans(x: Tensor, window: int) -> Tensor:
    """Return what each segment sees: itself, half a window before and behind; zeros beyond.

    Args:
        x: (B, T, D).
        window: Positions of a segment.

    Returns:
        (B, S, span, D), with a span of ``window`` and twice its half, rounded down.
    """
    half, missing = window // 2, -x.shape[1] % window
    x = F.pad(x, (0, 0, half, half + missing))
    return x.unfold(1, window + 2 * half, window).transpose(2, 3)


def _joined(near: Tensor, summaries: Tensor) -> Tensor:
    """Return (B, S, span + R, D) for ``near`` of (B, S, span, D), ``summaries`` (B, R, D)."""
    return torch.cat([near, summaries[:, None].expand(-1, near.shape[1], -1, -1)], 2)


ENTRY = Entry(
    config=LongShortConfig,
    build=LongShort,
    summary="attention to a window and to learnt summaries of the whole; linear cost",
    source="Zhu et al. 2021, arXiv:2107.02192",
)
