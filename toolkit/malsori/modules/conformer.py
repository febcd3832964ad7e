"""Conformer stack: relative positions, attention, a convolution module, feed-forward halves.

Axes: B utterances, T positions, D width, H heads, R relative offsets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from malsori.core.errors import ConfigError
from malsori.core.ranges import COUNT, SIZE, odd, within
from malsori.core.registry import Entry
from malsori.modules.lengths import is_traced
from malsori.modules.transformer import ConvFeedForward, either, sinusoids, split_heads

Kind = Literal["relative", "legacy"]

LEGACY_POSITIONS = 5000
"""Where the legacy kind's count of positions begins, going down; longer inputs begin higher."""


@dataclass(frozen=True, kw_only=True)
class ConformerConfig:
    """Size of one stack; the width is the model's."""

    layers: int = 4
    """Blocks."""
    heads: int = 2
    """Attention heads; must divide the model's width."""
    hidden: int = 1024
    """Channels inside the feed-forward parts."""
    kernel: int = 3
    """Kernel of the two convolutions of a feed-forward part; odd."""
    reduce_kernel: int | None = None
    """Kernel of the second of them, if it is another; 1 makes it a linear layer."""
    activation: Literal["swish", "relu"] = "swish"
    """What stands between the two where both kernels are 1, swish in the paper; between
    convolutions it is always ReLU."""
    convolution: int = 7
    """Kernel of the convolution module; odd; 0 leaves the module out."""
    macaron: bool = True
    """Half of the feed-forward before attention, half at the end; otherwise all at the end."""
    positions: Literal["relative", "legacy"] = "relative"
    """relative: the distance from query to key, with its sign; legacy: what ESPnet's voices had
    before, in which keys behind the query read the wrong distance."""
    zero_triu: bool = False
    """Leave the positional score out where the key is behind the query; relative only."""
    dropout: float = 0.2
    """Share dropped of values inside and after each part."""
    position_dropout: float | None = None
    """Share dropped of the input and of the positions' encodings; null: as ``dropout``."""
    attention_dropout: float | None = None
    """Share dropped of attention weights; null: as ``dropout``."""

    def __post_init__(self) -> None:
        within(self, "[0, 256]", "layers")
        within(self, COUNT, "heads")
        within(self, SIZE, "hidden", "kernel", "reduce_kernel")
        within(self, "[0, 65536]", "convolution")
        odd(self, "kernel", "reduce_kernel", *(["convolution"] if self.convolution else []))
        within(self, "[0, 1)", "dropout", "position_dropout", "attention_dropout")
        if self.zero_triu and self.positions != "relative":
            raise ConfigError(f"zero_triu: needs positions 'relative', got {self.positions!r}")


class Conformer(nn.Module):
    """A stack of blocks with the input scaled at the entry and a norm at the exit.

    Args:
        config: Sizes.
        width: D, even.
        masked: Keep padding out of convolutions and batch statistics; False lets them read it, as
            ESPnet's do. Attention never sees padded keys.

    Source: Gulati et al. 2020 (arXiv:2005.08100), section 2; relative positions from Dai et al.
    2019 (arXiv:1901.02860), section 3.3. Feed-forward parts may be convolutions, as in FastSpeech.
    """

    def __init__(self, config: ConformerConfig, width: int, masked: bool = True) -> None:
        super().__init__()
        if width % config.heads:
            raise ConfigError(f"heads: {config.heads} does not divide the model's width {width}")
        if width % 2:
            raise ConfigError(f"width: relative positions need an even one, got {width}")
        self.positions = RelativePositions(width, config.positions)
        self.position_dropout = nn.Dropout(either(config.position_dropout, config.dropout))
        self.blocks = nn.ModuleList(
            ConformerBlock(config, width, masked) for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(width, eps=1e-12)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """Return the encoded sequence, (B, T, D).

        Args:
            x: (B, T, D).
            valid: True where data is, (B, T).
        """
        positions = self.position_dropout(self.positions(x.shape[1]))
        x = self.position_dropout(x * math.sqrt(x.shape[2]))
        for block in self.blocks:
            x = block(x, positions, valid)
        return self.norm(x)  # type: ignore[no-any-return]


class ConformerBlock(nn.Module):
    """Feed-forward half, attention, convolution, feed-forward half; a norm before each and after.

    Without the convolution module there is no norm after, without macaron no first half.
    """

    def __init__(self, config: ConformerConfig, width: int, masked: bool = True) -> None:
        super().__init__()
        if config.macaron:
            self.macaron_norm: nn.LayerNorm | None = nn.LayerNorm(width, eps=1e-12)
            self.macaron: ConvFeedForward | None = _feed_forward(config, width, masked)
        else:
            self.macaron_norm = self.macaron = None
        self.share = 0.5 if config.macaron else 1.0
        self.attention_norm = nn.LayerNorm(width, eps=1e-12)
        self.attention = RelativeAttention(config, width, masked)
        if config.convolution:
            self.convolution_norm: nn.LayerNorm | None = nn.LayerNorm(width, eps=1e-12)
            self.convolution: ConvolutionModule | None = ConvolutionModule(
                width, config.convolution, masked
            )
        else:
            self.convolution_norm = self.convolution = None
        self.feed_forward_norm = nn.LayerNorm(width, eps=1e-12)
        self.feed_forward = _feed_forward(config, width, masked)
        self.norm = nn.LayerNorm(width, eps=1e-12) if config.convolution else None
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, positions: Tensor, valid: Tensor) -> Tensor:
        """Return (B, T, D) for ``x`` of (B, T, D), encoded ``positions`` (R, D)."""
        if self.macaron is not None and self.macaron_norm is not None:
            x = x + self.share * self.dropout(self.macaron(self.macaron_norm(x), valid))
        x = x + self.dropout(self.attention(self.attention_norm(x), positions, valid))
        if self.convolution is not None and self.convolution_norm is not None:
            x = x + self.dropout(self.convolution(self.convolution_norm(x), valid))
        x = x + self.share * self.dropout(self.feed_forward(self.feed_forward_norm(x), valid))
        return x if self.norm is None else self.norm(x)


class RelativePositions(nn.Module):
    """Sinusoids of relative offsets.

    relative: from T−1 (the key is far before the query) over 0 to −(T−1), R = 2T−1.
    legacy: T positions that go down from 4999. ESPnet fills its table backwards once and cuts it at
    its beginning, so that its voices know these positions and not T−1 … 0.
    """

    table: Tensor

    def __init__(self, width: int, kind: Kind) -> None:
        super().__init__()
        self.kind = kind
        positions = LEGACY_POSITIONS if kind == "legacy" else 512
        self.register_buffer("table", sinusoids(positions, width), persistent=False)

    def forward(self, positions: int) -> Tensor:
        """Return the encodings for a sequence of T ``positions``, (R, D)."""
        if self.kind == "legacy":
            table, beyond = self._first(positions), LEGACY_POSITIONS
            if not is_traced():  # an exported graph knows no more of them
                beyond = max(positions, LEGACY_POSITIONS)
            return table[beyond - positions : beyond].flip(0)
        before = self._first(positions)[:positions]
        signs = torch.ones(before.shape[1], device=before.device)
        signs[0::2] = -1  # the sine of a negative offset; the cosine is the same
        return torch.cat([before.flip(0), before[1:] * signs])

    def _first(self, positions: int) -> Tensor:
        """Return the sinusoids of at least so many positions."""
        if is_traced():  # an exported graph has no table to grow
            legacy = self.kind == "legacy"
            return self.table if legacy else sinusoids(positions, self.table.shape[1])
        table = self.table  # another thread may put another one in its place
        if positions > len(table):
            table = self.table = sinusoids(2 * positions, table.shape[1]).to(table.device)
        return table


class RelativeAttention(nn.Module):
    """Self-attention in which a key is found by content, and by where it is from the query.

    Score of query i and key j: ((q_i + u)·k_j + (q_i + v)·r_{i−j}) / √(D/H), with learnt u, v.

    Source: Dai et al. 2019 (arXiv:1901.02860), section 3.3.
    """

    def __init__(self, config: ConformerConfig, width: int, masked: bool = True) -> None:
        super().__init__()
        self.heads = config.heads
        self.dropout = either(config.attention_dropout, config.dropout)
        self.kind: Kind = config.positions
        self.zero_triu = config.zero_triu
        self.masked = masked
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.position = nn.Linear(width, width, bias=False)
        self.content_bias = nn.Parameter(torch.empty(config.heads, width // config.heads))
        self.position_bias = nn.Parameter(torch.empty(config.heads, width // config.heads))
        nn.init.xavier_uniform_(self.content_bias)
        nn.init.xavier_uniform_(self.position_bias)

    def forward(self, x: Tensor, positions: Tensor, valid: Tensor) -> Tensor:
        """Return (B, T, D) for ``x`` of (B, T, D), encoded ``positions`` (R, D)."""
        query, key, value = (self._split(part(x)) for part in (self.query, self.key, self.value))
        offsets = self._split(self.position(positions)[None])  # (1, H, R, D/H)
        searching = query + self.position_bias[:, None]
        if self.kind == "legacy":
            counted = valid if self.masked else torch.ones_like(valid[:1])
            scores = _legacy_scores(searching, offsets, counted.sum(1))
        else:
            scores = searching @ offsets.transpose(2, 3)
        scores = _by_key(scores) / math.sqrt(query.shape[3])  # (B, H, T, T)
        if self.zero_triu:
            scores = scores.tril()
        mixed = F.scaled_dot_product_attention(
            query + self.content_bias[:, None],
            key,
            value,
            attn_mask=scores.masked_fill(~valid[:, None, None, :], -math.inf),
            dropout_p=self.dropout if self.training else 0.0,
        )
        return self.out(mixed.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]

    def _split(self, x: Tensor) -> Tensor:
        return split_heads(x, self.heads)


class ConvolutionModule(nn.Module):
    """Pointwise convolution with a gate, depthwise convolution, batch norm, Swish, pointwise.

    Source: Gulati et al. 2020 (arXiv:2005.08100), section 2.2.
    """

    def __init__(self, width: int, kernel: int, masked: bool = True) -> None:
        super().__init__()
        self.masked = masked
        self.expand = nn.Conv1d(width, 2 * width, 1)
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = ValidBatchNorm(width) if masked else nn.BatchNorm1d(width)
        self.reduce = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """Return (B, T, D) for ``x`` of (B, T, D), ``valid`` (B, T)."""
        x = F.glu(self.expand(x.transpose(1, 2)), dim=1)  # (B, T, D) -> (B, D, T)
        if isinstance(self.norm, ValidBatchNorm):
            x = self.norm(self.depthwise(x * valid[:, None]), valid)
        else:
            x = self.norm(self.depthwise(x))
        return self.reduce(F.silu(x)).transpose(1, 2)  # type: ignore[no-any-return]


class ValidBatchNorm(nn.BatchNorm1d):
    """Batch norm whose statistics in training are those of the valid positions, in fp32."""

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:  # type: ignore[override]
        """Return (B, C, T) for ``x`` of (B, C, T), ``valid`` (B, T)."""
        if not self.training:
            return super().forward(x)
        seen = valid[:, None].float()
        count = seen.sum().clamp_min(1)
        values = x.float()
        mean = (values * seen).sum((0, 2), keepdim=True) / count  # (1, C, 1)
        variance = ((values - mean).square() * seen).sum((0, 2), keepdim=True) / count
        with torch.no_grad():
            unbiased = variance.flatten() * count / (count - 1).clamp_min(1)
            momentum = 0.1 if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean.flatten(), momentum)
            self.running_var.lerp_(unbiased, momentum)
            self.num_batches_tracked.add_(1)
        values = (values - mean) * (variance + self.eps).rsqrt()
        return (values * self.weight[:, None] + self.bias[:, None]).to(x.dtype)


class SwishFeedForward(ConvFeedForward):
    """The paper's feed-forward part: two linear layers with Swish between them.

    Source: Gulati et al. 2020 (arXiv:2005.08100), section 2.3.
    """

    def forward(self, x: Tensor, valid: Tensor | None) -> Tensor:
        """Return (B, T, D); both kernels are 1, so that padding reaches nothing."""
        x = self.dropout(F.silu(self.expand(x.transpose(1, 2))))  # (B, T, D) -> (B, D, T)
        return self.reduce(x).transpose(1, 2)  # type: ignore[no-any-return]


def _feed_forward(config: ConformerConfig, width: int, masked: bool) -> ConvFeedForward:
    linear = config.kernel == 1 and config.reduce_kernel in (None, 1)
    return (SwishFeedForward if linear and config.activation == "swish" else ConvFeedForward)(
        width, config.hidden, config.kernel, config.dropout, config.reduce_kernel, masked
    )


def _by_key(scores: Tensor) -> Tensor:
    """Return the score of each key, (B, H, T, T), from those of offsets T−1 … −(T−1).

    Key j is at offset i−j from query i, which is column T−1−i+j. One column more makes the rows
    2T long: read from place T−1 in rows of 2T−1, each query begins at its own key 0.
    """
    batch, heads, positions, offsets = scores.shape
    flat = F.pad(scores, (0, 1)).flatten(2)
    rows = flat[..., positions - 1 : positions - 1 + positions * offsets]
    return rows.view(batch, heads, positions, offsets)[..., :positions]


def _legacy_scores(query: Tensor, positions: Tensor, lengths: Tensor) -> Tensor:
    """Return the scores of offsets T−1 … −(T−1) as ESPnet's first implementation had them.

    Its shift of T columns gives a key at or before the query the right distance. The key that
    follows gets 0, those behind it the scores of the *next* query, with the columns from the left.

    Args:
        query: (B, H, T, D/H).
        positions: Projected encodings, (1, H, T, D/H).
        lengths: Positions of each sequence, as distances count from its end: (B,), or (1,).
    """
    size = query.shape[2]
    index = lengths[:, None] - size + torch.arange(size, device=query.device)  # (B or 1, T)
    index = index.clamp_min(0)  # these stand for distances that no pair of valid positions has
    index = index[:, None, :, None].expand(-1, *positions.shape[1:2], -1, positions.shape[3])
    before = query @ positions.expand(index.shape[0], -1, -1, -1).gather(2, index).transpose(2, 3)
    behind = query.roll(-1, 2) @ positions[:, :, :-2].transpose(2, 3)
    return torch.cat([before, torch.zeros_like(before[..., :1]), behind], 3)[..., : 2 * size - 1]


ENTRY = Entry(
    config=ConformerConfig,
    build=Conformer,
    summary="self-attention with relative positions, convolution module and feed-forward halves",
    source="Gulati et al. 2020, arXiv:2005.08100",
)
