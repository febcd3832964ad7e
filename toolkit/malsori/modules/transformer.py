"""Transformer stack of FastSpeech 2 and JETS: pre-norm, scaled positions, convolutions.

Axes: B utterances, T positions, D width, H heads.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from malsori.core.errors import ConfigError
from malsori.core.ranges import COUNT, SIZE, odd, within
from malsori.core.registry import Entry
from malsori.modules.lengths import is_traced

UNSEEN = -1e9
"""Added to the scores of positions that are not looked at."""
EXPORTED_ROWS = 256
"""Rows of an exported attention's scores that are there at a time."""


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


class Unfinished(NamedTuple):
    """A sequence before a transformer's last block."""

    x: Tensor
    """(B, T, D)."""
    around: Surroundings
    """What that block's attention finds in it."""


class Transformer(Stack):
    """A stack whose attention compares every two positions.

    Source: Ren et al. 2021 (FastSpeech 2, arXiv:2006.04558), section 2.2; scaled positions from
    Li et al. 2019 (arXiv:1809.08895).
    """

    def __init__(self, config: TransformerConfig, width: int, masked: bool = True) -> None:
        super().__init__(
            config, width, masked, lambda dropout: SelfAttention(width, config.heads, dropout)
        )
        kernels = config.kernel, config.reduce_kernel or config.kernel
        self.reach = sum(kernel // 2 for kernel in kernels)
        """Positions on either side that ``finish`` reads of what ``begin`` made."""

    def begin(self, x: Tensor, valid: Tensor) -> Unfinished:
        """Return what all blocks but the last make, which ``finish`` ends for any stretch of it.

        Args:
            x: (B, T, D).
            valid: True where data is, (B, T).
        """
        x = self.positions(x)
        for block in list(self.blocks)[:-1]:
            x = block(x, valid)
        last, attention = self._last()
        return Unfinished(x, attention.surroundings(last.attention_norm(x), valid))

    def finish(self, x: Tensor, around: Surroundings, valid: Tensor | None = None) -> Tensor:
        """Return the encoded sequence of a stretch, (B, P, D); ``reach`` off its ends it is exact.

        Args:
            x: A stretch of what was begun, (B, P, D).
            around: Of the whole.
            valid: True where data is in the stretch, (B, P); None where it is everywhere.
        """
        last, attention = self._last()
        x = x + last.dropout(attention.look(last.attention_norm(x), around))
        return self.norm(last.feed(x, valid))  # type: ignore[no-any-return]

    def _last(self) -> tuple[Block, SelfAttention]:
        last: Block = self.blocks[-1]  # type: ignore[assignment]
        return last, last.attention  # type: ignore[return-value]


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
        return self.feed(x, valid)

    def feed(self, x: Tensor, valid: Tensor | None) -> Tensor:
        """Return what is behind the attention, (B, T, D), for ``valid`` (B, T) or None: all are."""
        return x + self.dropout(self.feed_forward(self.feed_forward_norm(x), valid))


class Surroundings(NamedTuple):
    """What attention finds in a whole sequence, whichever position asks."""

    keys: Tensor
    """(B, H, T, D/H)."""
    values: Tensor
    """(B, H, T, D/H)."""
    valid: Tensor
    """True where data is, (B, T)."""


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
        return self.look(x, self.surroundings(x, valid))

    def surroundings(self, x: Tensor, valid: Tensor) -> Surroundings:
        """Return what there is to be found in ``x``, (B, T, D), where ``valid``, (B, T)."""
        keys, values = (split_heads(part(x), self.heads) for part in (self.key, self.value))
        return Surroundings(keys, values, valid)

    def look(self, x: Tensor, around: Surroundings) -> Tensor:
        """Return what P positions find, (B, P, D).

        Args:
            x: These positions, (B, P, D).
            around: Of all positions.
        """
        query = split_heads(self.query(x), self.heads)
        if is_traced():
            mixed = _exported(query, around)
        else:
            mixed = F.scaled_dot_product_attention(
                query,
                around.keys,
                around.values,
                attn_mask=around.valid[:, None, None, :],
                dropout_p=self.dropout if self.training else 0.0,
            )
        return self.out(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


def _exported(query: Tensor, around: Surroundings) -> Tensor:
    """Return scaled dot-product attention, (B, H, P, D/H), as a graph does it fast and in bounds.

    Whether a position is seen is one more channel of the keys, so that scores are written once; and
    only those of some rows are there at a time.

    Args:
        query: Of P positions, (B, H, P, D/H).
        around: Of all T positions.
    """
    unseen = ((~around.valid) * UNSEEN)[:, None, :, None].expand(-1, query.shape[1], -1, -1)
    keys = torch.cat([around.keys, unseen], 3).transpose(2, 3)
    query = torch.cat([query / math.sqrt(query.shape[3]), torch.ones_like(query[..., :1])], 3)
    return torch.jit.script(_attention_by_rows)(query, keys, around.values, EXPORTED_ROWS)  # type: ignore[no-any-return]


def _attention_by_rows(query: Tensor, keys: Tensor, value: Tensor, rows: int) -> Tensor:
    """Return values weighted by ``query @ keys``, (B, H, P, D/H); an exporter writes the loop.

    Slices, for a ``split`` may become one into as many parts as the traced example has.

    Args:
        query: (B, H, P, C).
        keys: (B, H, C, T).
        value: (B, H, T, D/H).
        rows: Positions of the query whose scores are there at a time.
    """
    mixed: list[Tensor] = []
    for first in range(0, query.shape[2], rows):
        scores = query[:, :, first : first + rows] @ keys
        mixed.append(scores.softmax(-1) @ value)
    return torch.cat(mixed, 2)


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

    def forward(self, x: Tensor, valid: Tensor | None) -> Tensor:
        """Return (B, T, D) for ``x`` of (B, T, D), ``valid`` (B, T) or None where all are."""
        seen = valid[:, None] if self.masked and valid is not None else None
        x = x.transpose(1, 2)  # (B, T, D) -> (B, D, T)
        x = x if seen is None else x * seen
        x = self.dropout(F.relu_(self.expand(x)))  # its input is read by nothing else
        x = x if seen is None else x * seen
        return self.reduce(x).transpose(1, 2)  # type: ignore[no-any-return]


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
