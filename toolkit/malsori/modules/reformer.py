"""Reformer: attention among positions that a hash finds alike; cost near linear in length.

Axes: B utterances, T positions, D width, H heads, R rounds of hashing, C chunks of M positions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from malsori.core.errors import ConfigError
from malsori.core.ranges import COUNT, SIZE, within
from malsori.core.registry import Entry
from malsori.modules.transformer import Stack, StackConfig, split_heads

SELF = -1e5
"""Score of a position with itself: it counts only where nothing else is seen."""
NOBODY = -1
"""Bucket of what stands before the first chunk."""


@dataclass(frozen=True, kw_only=True)
class ReformerConfig(StackConfig):
    """Size of a reformer; otherwise as the transformer of the JETS recipe."""

    chunk: int = 64
    """Positions, sorted by bucket, that attend to each other and to the chunk before them; a
    sequence no longer than that is one bucket."""
    rounds: int = 2
    """Hashes, each drawn by itself; what one of them separates another may bring together."""
    buckets: int = 64
    """Most buckets of a hash, even; a sequence has two for each of its chunks until then."""

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, SIZE, "chunk")
        within(self, COUNT, "rounds")
        within(self, "[2, 65536]", "buckets")
        if self.buckets % 2:
            raise ConfigError(f"buckets: must be even, got {self.buckets}")


class Reformer(Stack):
    """A stack whose attention sees only positions whose queries a random hash puts together.

    Reversible residuals and feed-forward in pieces are left out: they save memory for dozens of
    layers over tens of thousands of positions, and change no result; here there are four over some
    hundreds, and each would be computed twice.

    Source: Kitaev et al. 2020 (arXiv:2001.04451), section 2, without causality.
    """

    def __init__(self, config: ReformerConfig, width: int, masked: bool = True) -> None:
        super().__init__(
            config, width, masked, lambda dropout: HashedAttention(config, width, dropout)
        )


class HashedAttention(nn.Module):
    """Attention with one projection for queries and keys, among positions of one bucket.

    Buckets come from random rotations. In training they are drawn anew each time, so that no pair
    stays apart; otherwise they are those that are kept with the weights. How many buckets there are
    follows from each sequence's own length, and padding is sorted behind all of them, so that a
    sequence is cut into the same chunks whatever batch it is in.

    Source: Kitaev et al. 2020 (arXiv:2001.04451), section 2 and the appendix on several rounds. A
    sequence as short as a chunk has one bucket, and buckets do not grow in number without end.
    """

    rotations: Tensor

    def __init__(self, config: ReformerConfig, width: int, dropout: float) -> None:
        super().__init__()
        self.heads = config.heads
        self.chunk = config.chunk
        self.dropout = dropout
        self.query = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        size = (config.rounds, config.heads, width // config.heads, config.buckets // 2)
        self.register_buffer("rotations", torch.randn(size))

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """Return (B, T, D)."""
        positions = x.shape[1]
        chunk = min(self.chunk, positions)
        missing = -positions % chunk
        x, valid = F.pad(x, (0, 0, 0, missing)), F.pad(valid, (0, missing))
        query, value = (split_heads(part(x), self.heads) for part in (self.query, self.value))
        mixed = self._attend(query, value, self._hash(query.detach(), valid), chunk)
        return self.out(mixed.transpose(1, 2).flatten(2)[:, :positions])  # type: ignore[no-any-return]

    def _hash(self, query: Tensor, valid: Tensor) -> Tensor:
        """Return the bucket of each position in each round, (B, H, R, T); padding has the last."""
        rotations = torch.randn_like(self.rotations) if self.training else self.rotations
        pairs = rotations.shape[3]
        lengths = valid.sum(1)[:, None, None, None]  # (B, 1, 1, 1)
        used = (lengths / self.chunk).ceil()[..., None]
        with torch.autocast(query.device.type, enabled=False):
            turned = torch.einsum("bhtd,rhdp->bhrtp", query.float(), rotations.float())
        unused = torch.arange(pairs, device=query.device) >= used
        turned = torch.cat([turned, -turned], 4).masked_fill(
            unused.repeat(1, 1, 1, 1, 2), -math.inf
        )
        buckets = turned.argmax(4) * (lengths > self.chunk)
        return buckets.masked_fill(~valid[:, None, None], 2 * pairs)

    def _attend(self, query: Tensor, value: Tensor, buckets: Tensor, chunk: int) -> Tensor:
        """Return the mixed values, (B, H, T, D/H), for ``query`` and ``value`` of that shape."""
        order = buckets.argsort(dim=3, stable=True)  # (B, H, R, T): by bucket, then by position
        places = order.argsort(3)
        asking, offered = (_sorted(y, order, chunk) for y in (query, value))  # (B, H, R, C, M, D/H)
        keys = _with_previous(F.normalize(asking.float(), dim=5).to(asking.dtype))
        scores = (asking @ keys.mT).float() / math.sqrt(query.shape[3])  # (B, H, R, C, M, 2M)
        scores = scores + _visible(buckets, places // chunk, order, chunk)
        total = scores.logsumexp(5, keepdim=True)
        weights = F.dropout((scores - total).exp(), self.dropout, self.training)
        mixed = (weights.to(offered.dtype) @ _with_previous(offered)).flatten(3, 4)
        share = total.flatten(3, 4).gather(3, places[..., None]).softmax(2)  # (B, H, R, T, 1)
        mixed = mixed.gather(3, places[..., None].expand_as(mixed))
        return (mixed * share).sum(2).to(query.dtype)


def _visible(buckets: Tensor, chunks: Tensor, order: Tensor, chunk: int) -> Tensor:
    """Return what is added to the scores, (B, H, R, C, M, 2M).

    A pair is seen in a round if it has one bucket and is in one chunk or in neighbouring ones. If
    it is seen in n rounds it counts in each for 1/n, so that the rounds together are one softmax
    over all that is seen. A position's own score is ``SELF``.

    Args:
        buckets: Of each position in each round, (B, H, R, T).
        chunks: In which chunk each position is sorted in each round, (B, H, R, T).
        order: Positions in sorted order, (B, H, R, T).
        chunk: M.
    """
    rounds = order.shape[2]
    met = []
    for other in range(rounds):
        bucket, at = (
            _sorted(y[:, :, other, :, None], order, chunk).squeeze(5) for y in (buckets, chunks)
        )
        apart = at[..., None] - _with_previous(at, NOBODY)[..., None, :]
        same = bucket[..., None] == _with_previous(bucket, NOBODY)[..., None, :]
        met.append(same & (apart >= 0) & (apart <= 1))
    seen = torch.stack([met[i][:, :, i] for i in range(rounds)], 2)
    times = torch.stack(met).sum(0).clamp_min(1)
    position = order.unflatten(3, (-1, chunk))  # (B, H, R, C, M)
    itself = position[..., None] == _with_previous(position, NOBODY)[..., None, :]
    bias = (-times.float().log()).masked_fill(~seen, -math.inf)
    return bias.masked_fill(itself, SELF)


def _sorted(x: Tensor, order: Tensor, chunk: int) -> Tensor:
    """Return ``x`` (B, H, T, D) in each round's order, in chunks, (B, H, R, C, M, D)."""
    index = order[..., None].expand(-1, -1, -1, -1, x.shape[3])
    x = x[:, :, None].expand(-1, -1, order.shape[2], -1, -1)
    return x.gather(3, index).unflatten(3, (-1, chunk))


def _with_previous(chunks: Tensor, first: int = 0) -> Tensor:
    """Return each chunk with the one before it in front, (B, H, R, C, 2M, …).

    Args:
        chunks: (B, H, R, C, M, …).
        first: What stands before the first chunk.
    """
    before = torch.full_like(chunks[:, :, :, :1], first)
    return torch.cat([torch.cat([before, chunks[:, :, :, :-1]], 3), chunks], 4)


ENTRY = Entry(
    config=ReformerConfig,
    build=Reformer,
    summary="attention among positions that a random hash puts together; cost near linear",
    source="Kitaev et al. 2020, arXiv:2001.04451",
)
