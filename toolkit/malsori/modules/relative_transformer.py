"""Transformer whose attention knows distances: relative position representations, post-norm.

Axes: B utterances, T positions, D width, H heads, W window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from malsori.core.errors import ConfigError
from malsori.core.ranges import COUNT, SIZE, odd, within
from malsori.core.registry import Entry
from malsori.modules.transformer import ConvFeedForward, either, split_heads


@dataclass(frozen=True, kw_only=True)
class RelativeTransformerConfig:
    """Size of one stack; the defaults are VITS's text encoder's. The width is the model's."""

    layers: int = 6
    """Blocks of attention and feed-forward."""
    heads: int = 2
    """Attention heads; must divide the model's width."""
    hidden: int = 768
    """Channels inside the feed-forward part."""
    kernel: int = 3
    """Kernel of the two convolutions of the feed-forward part; odd."""
    window: int = 4
    """Distance up to which attention tells positions apart, on either side; positions farther away
    are found by what they hold alone."""
    dropout: float = 0.1
    """Share dropped of values inside and after each part."""
    attention_dropout: float | None = None
    """Share dropped of attention weights; null: as ``dropout``."""

    def __post_init__(self) -> None:
        within(self, "[0, 256]", "layers")
        within(self, COUNT, "heads")
        within(self, SIZE, "hidden", "kernel", "window")
        odd(self, "kernel")
        within(self, "[0, 1)", "dropout", "attention_dropout")


class RelativeTransformer(nn.Module):
    """A stack of blocks that adds no positions to its input.

    Args:
        config: Sizes.
        width: D.
        masked: Keep padding out of the convolutions; False lets them read it.

    Source: Kim, Kong, Son 2021 (VITS, arXiv:2106.06103), section 2.5.2 and appendix B, whose
    published code norms after each part; Vaswani et al. 2017 (arXiv:1706.03762), section 3.1.
    """

    def __init__(self, config: RelativeTransformerConfig, width: int, masked: bool = True) -> None:
        super().__init__()
        if width % config.heads:
            raise ConfigError(f"heads: {config.heads} does not divide the model's width {width}")
        self.blocks = nn.ModuleList(
            RelativeBlock(config, width, masked) for _ in range(config.layers)
        )

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """Return the encoded sequence, (B, T, D).

        Args:
            x: (B, T, D).
            valid: True where data is, (B, T).
        """
        for block in self.blocks:
            x = block(x, valid)
        return x


class RelativeBlock(nn.Module):
    """Attention and feed-forward, each with a residual around it and a norm behind that."""

    def __init__(self, config: RelativeTransformerConfig, width: int, masked: bool) -> None:
        super().__init__()
        self.attention = RelativeSelfAttention(config, width)
        self.attention_norm = nn.LayerNorm(width)
        self.feed_forward = ConvFeedForward(
            width, config.hidden, config.kernel, config.dropout, masked=masked
        )
        self.feed_forward_norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """Return (B, T, D)."""
        x = self.attention_norm(x + self.dropout(self.attention(x, valid)))
        x = self.feed_forward_norm(x + self.dropout(self.feed_forward(x, valid)))
        return x


class RelativeSelfAttention(nn.Module):
    """Self-attention with a learnt key and a learnt value for every distance within a window.

    Score of query i and key j: q_i·(k_j + a_{j−i}) / √(D/H); what is mixed: v_j + b_{j−i}. Heads
    share a and b; beyond the window both are 0.

    Source: Shaw et al. 2018 (arXiv:1803.02155), section 3, whose representations are held at the
    window's edge beyond it; that they are 0 there is VITS's.
    """

    def __init__(self, config: RelativeTransformerConfig, width: int) -> None:
        super().__init__()
        self.heads, self.window = config.heads, config.window
        size = width // config.heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        for part in (self.query, self.key, self.value):
            nn.init.xavier_uniform_(part.weight)
        self.key_positions = nn.Parameter(torch.randn(2 * config.window + 1, size) * size**-0.5)
        self.value_positions = nn.Parameter(torch.randn(2 * config.window + 1, size) * size**-0.5)
        self.dropout = nn.Dropout(either(config.attention_dropout, config.dropout))

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """Return (B, T, D)."""
        parts = (self.query, self.key, self.value)
        query, key, value = (split_heads(part(x), self.heads) for part in parts)
        query = query / math.sqrt(query.shape[3])
        scores = query @ key.transpose(2, 3) + _by_key(query @ self.key_positions.T)  # (B, H, T, T)
        scores = scores.masked_fill(~valid[:, None, None, :], -math.inf)
        weights = self.dropout(scores.softmax(3))
        mixed = weights @ value + _by_distance(weights, self.window) @ self.value_positions
        return self.out(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


def _by_key(scores: Tensor) -> Tensor:
    """Return the scores of keys, (B, H, T, T), for those of distances −W … W, (B, H, T, 2W + 1)."""
    positions = torch.arange(scores.shape[2], device=scores.device)
    window = scores.shape[3] // 2
    distance = positions - positions[:, None]  # j − i
    near = distance.abs() <= window
    index = (distance + window).clamp(0, 2 * window)
    return scores.gather(3, index.expand(*scores.shape[:3], -1)) * near


def _by_distance(weights: Tensor, window: int) -> Tensor:
    """Return weights by distance −W … W, (B, H, T, 2W + 1), for those of keys, (B, H, T, T)."""
    size = weights.shape[2]
    distances = torch.arange(-window, window + 1, device=weights.device)
    keys = torch.arange(size, device=weights.device)[:, None] + distances  # (T, 2W + 1)
    there = (keys >= 0) & (keys < size)
    index = keys.clamp(0, size - 1)
    return weights.gather(3, index.expand(*weights.shape[:2], -1, -1)) * there


ENTRY = Entry(
    config=RelativeTransformerConfig,
    build=RelativeTransformer,
    summary="self-attention with relative position representations, post-norm; VITS's text encoder",
    source="Shaw et al. 2018, arXiv:1803.02155; Kim et al. 2021, arXiv:2106.06103",
)
