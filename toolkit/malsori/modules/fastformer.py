"""Fastformer: attention through two vectors that sum a sequence up; cost linear in its length.

Axes: B utterances, T positions, D width, H heads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from malsori.core.registry import Entry
from malsori.modules.transformer import Stack, StackConfig


@dataclass(frozen=True, kw_only=True)
class FastformerConfig(StackConfig):
    """Size of a fastformer; as large as the transformer of the JETS recipe."""


class Fastformer(Stack):
    """A stack whose attention sums up the whole sequence, once for its queries, once for its keys.

    Source: Wu et al. 2021 (arXiv:2108.09084), section 3. Its layers share their parameters; ours
    do not. Its feed-forward parts are linear; ours are the convolutions of FastSpeech, which see
    the neighbours that additive attention cannot tell apart.
    """

    def __init__(self, config: FastformerConfig, width: int, masked: bool = True) -> None:
        super().__init__(
            config, width, masked, lambda dropout: AdditiveAttention(width, config.heads, dropout)
        )


class AdditiveAttention(nn.Module):
    """Queries pooled into one vector, keys times that into another, values times that one.

    In each head: g = Σ softmax(w·q/√d)_i q_i; p_i = g∘k_i; c = Σ softmax(u·p/√d)_i p_i. With values
    equal to queries, as the paper shares them, the result is a linear layer of c∘q_i, plus q_i.

    Source: Wu et al. 2021 (arXiv:2108.09084), section 3.1.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.out = nn.Linear(width, width)
        self.query_score = nn.Parameter(torch.empty(heads, width // heads))
        self.key_score = nn.Parameter(torch.empty(heads, width // heads))
        nn.init.xavier_uniform_(self.query_score)
        nn.init.xavier_uniform_(self.key_score)
        self.dropout = dropout

    def forward(self, x: Tensor, valid: Tensor) -> Tensor:
        """Return (B, T, D)."""
        split = (len(self.query_score), -1)
        query = self.query(x).unflatten(2, split)  # (B, T, H, D/H)
        pairs = self._pooled(query, self.query_score, valid) * self.key(x).unflatten(2, split)
        mixed = self._pooled(pairs, self.key_score, valid) * query
        return self.out(mixed.flatten(2)) + query.flatten(2)  # type: ignore[no-any-return]

    def _pooled(self, x: Tensor, score: Tensor, valid: Tensor) -> Tensor:
        """Return the weighted mean of the valid positions, (B, 1, H, D/H)."""
        scores = (x * score).sum(3).float() / math.sqrt(x.shape[3])  # (B, T, H)
        weights = scores.masked_fill(~valid[..., None], torch.finfo().min).softmax(1)
        weights = F.dropout(weights, self.dropout, self.training).to(x.dtype)
        return (weights[..., None] * x).sum(1, keepdim=True)


ENTRY = Entry(
    config=FastformerConfig,
    build=Fastformer,
    summary="additive attention: the sequence is summed up twice; linear cost",
    source="Wu et al. 2021, arXiv:2108.09084",
)
