"""Transformer stack of FastSpeech 2 and JETS: pre-norm, scaled positions, convolutions.

Axes: B utterances, T positions, D width, H heads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from malsori.core.errors import ConfigError
from malsori.core.ranges import COUNT, SIZE, odd, within
from malsori.core.registry import Entry
from malsori.modules.lengths import is_traced

UNSEEN = -1e9
"""Added to the scores of positions that are not looked at."""


@dataclass(frozen=True, kw_only=True)
class StackConfig:
    """Size of one stack; the defaults are those of the JETS recipe. The width is the model's."""

    layers: int = 4
    """Blocks of attention and feed-forward."""
    heads: int = 2
    """Attention heads; must divide the model's width."""
    hidden: int = 1024
    """Channels inside the feed-forward part."""
    kernel: int = 3
    """Kernel of the two convolutions of the feed-forward part; odd."""
    reduce_kernel: int | None = None
    """Kernel of the second of them, if it is another; 1 makes it a linear layer."""
    positions: Literal["scaled", "plain"] = "scaled"
    """scaled: sinusoids times a learnt scale are added; plain: they are added to the input times
    the square root of the width."""
    dropout: float = 0.2
    """Share dropped of values inside and after each part."""
    position_dropout: float | None = None
    """Share dropped after positions are added; null: as ``dropout``."""
    attention_dropout: float | None = None
    """Share dropped of attention weights; null: as ``dropout``."""

    def __post_init__(self) -> None:
        within(self, "[0, 256]", "layers")
        within(self, COUNT, "heads")
        within(self, SIZE, "hidden", "kernel", "reduce_kernel")
        odd(self, "kernel", "reduce_kernel")
        within(self, "[0, 1)", "dropout", "position_dropout", "attention_dropout")


@dataclass(frozen=True, kw_only=True)
class TransformerConfig(StackConfig):
    """Size of a transformer; the defaults are those of the JETS recipe."""


class Stack(nn.Module):
    """A stack of blocks with positions at the entry and a norm at the exit.

    Args:
        config: Sizes.
        width: D.
        masked: Keep padding out of the convolutions; False lets them read it, as ESPnet's do.
        attention: Makes the attention of a block from the share to drop of its weights. Called as
            ``attention(x, valid)``, it returns (B, T, D); no valid position may depend on padding.
    """

    def __init__(
        self,
        config: StackConfig,
        width: int,
        masked: bool,
        attention: Callable[[float], nn.Module],
    ) -> None:
        super().__init__()
        if width % config.heads:
            raise ConfigError(f"heads: {config.heads} does not divide the model's width {width}")
        dropout = either(config.position_dropout, config.dropout)
        if config.positions == "scaled":
            self.positions: Positions = ScaledPositions(width, dropout)
        else:
            self.positions = Positions(width, dropout)
        weights_dropout = either(config.attention_dropout, config.dropout)
        self.blocks = nn.ModuleList(
            Block(config, width, masked, attention(weights_dropout)) for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(width, eps=1e-12)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """Return the encoded sequence, (B, T, D).

        Args:
            x: (B, T, D).
            valid: True where data is, (B, T).
        """
        x = self.positions(x)
        for block in self.blocks:
            x = block(x, valid)
        return self.norm(x)  # type: ignore[no-any-return]


class Transformer(Stack):
    """A stack whose attention compares every two positions.

    Source: Ren et al. 2021 (FastSpeech 2, arXiv:2006.04558), section 2.2; scaled positions from
    Li et al. 2019 (arXiv:1809.08895).
    """

    def __init__(self, config: TransformerConfig, width: int, masked: bool = True) -> None:
        super().__init__(
            config, width, masked, lambda dropout: SelfAttention(width, config.heads, dropout)
        )


class Block(nn.Module):
    """Attention and feed-forward, each with a norm before and a residual around it."""

    def __init__(self, config: StackConfig, width: int, masked: bool, attention: nn.Module) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width, eps=1e-12)
        self.attention = attention
        self.feed_forward_norm = nn.LayerNorm(width, eps=1e-12)
        self.feed_forward = ConvFeedForward(
            width, config.hidden, config.kernel, config.dropout, config.reduce_kernel, masked
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """Return (B, T, D)."""
        x = x + self.dropout(self.attention(self.attention_norm(x), valid))
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x), valid))


class SelfAttention(nn.Module):
    """Scaled dot-product attention over the valid positions."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.dropout = dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """Return (B, T, D)."""
        parts = (self.query, self.key, self.value)
        query, key, value = (split_heads(part(x), self.heads) for part in parts)
        mixed = F.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=attended(valid),
            dropout_p=self.dropout if self.training else 0.0,
        )
        return self.out(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


def attended(valid: Tensor) -> Tensor:
    """Return which positions attention may look at, (B, 1, 1, T).

    Args:
        valid: True where data is, (B, T).
    """
    if is_traced():  # of booleans an exporter looks at each pair: is a row without any among them?
        return (~valid[:, None, None, :]) * UNSEEN
    return valid[:, None, None, :]


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Return (B, H, T, D/H) for ``x`` of (B, T, D)."""
    return x.reshape(x.shape[0], x.shape[1], heads, -1).transpose(1, 2)


class ConvFeedForward(nn.Module):
    """Two convolutions with a ReLU between them, in place of two linear layers.

    Args:
        width: D.
        hidden: Channels between the two.
        kernel: Of the first, and of the second unless ``reduce_kernel`` says another.
        dropout: Share dropped between them.
        reduce_kernel: Of the second; None for ``kernel``.
        masked: Keep padding out of both.
    """

    def __init__(
        self,
        width: int,
        hidden: int,
        kernel: int,
        dropout: float,
        reduce_kernel: int | None = None,
        masked: bool = True,
    ) -> None:
        super().__init__()
        last = reduce_kernel or kernel
        self.expand = nn.Conv1d(width, hidden, kernel, padding=kernel // 2)
        self.reduce = nn.Conv1d(hidden, width, last, padding=last // 2)
        self.dropout = nn.Dropout(dropout)
        self.masked = masked

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """Return (B, T, D) for ``x`` of (B, T, D), ``valid`` (B, T)."""
        seen = valid[:, None] if self.masked else torch.ones_like(valid[:, None])
        x = x.transpose(1, 2)  # (B, T, D) -> (B, D, T)
        x = self.dropout(F.relu_(self.expand(x * seen)))  # its input is read by nothing else
        return self.reduce(x * seen).transpose(1, 2)  # type: ignore[no-any-return]


class Positions(nn.Module):
    """Add sinusoids to the input times the square root of its width, and drop.

    Source: Vaswani et al. 2017 (arXiv:1706.03762), section 3.4 and 3.5.
    """

    table: Tensor

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("table", sinusoids(512, width), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, D)."""
        return self.dropout(x * math.sqrt(x.shape[2]) + self._first(x))  # type: ignore[no-any-return]

    def _first(self, x: Tensor) -> Tensor:
        """Return the sinusoids of as many positions as ``x`` has, (T, D)."""
        if is_traced():  # an exported graph has no table to grow
            return sinusoids(x.shape[1], x.shape[2])
        table = self.table  # another thread may put another one in its place
        if x.shape[1] > len(table):
            table = self.table = sinusoids(2 * x.shape[1], x.shape[2]).to(x.device)
        return table[: x.shape[1]]


class ScaledPositions(Positions):
    """Add sinusoids, times one learnt scale, and drop."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__(width, dropout)
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, T, D)."""
        return self.dropout(x + self.scale * self._first(x))  # type: ignore[no-any-return]


def sinusoids(positions: int, width: int) -> Tensor:
    """Return sine (even) and cosine (odd columns) of each position, (positions, width).

    Source: Vaswani et al. 2017 (arXiv:1706.03762), section 3.5.
    """
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10000.0) / width))
    angles = torch.arange(positions)[:, None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, :width]


def either(own: float | None, general: float) -> float:
    """Return the share of its own that a part drops, or the general one for None."""
    return general if own is None else own


ENTRY = Entry(
    config=TransformerConfig,
    build=Transformer,
    summary="self-attention and convolutional feed-forward, pre-norm",
    source="Ren et al. 2021, arXiv:2006.04558",
)
