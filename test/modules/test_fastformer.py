"""Additive attention, by loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from malsori.core.errors import ConfigError
from malsori.modules.fastformer import AdditiveAttention, FastformerConfig
from malsori.modules.lengths import valid_positions


def pooled(rows: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Return Σ a_i r_i with a the softmax of w·r_i / √d."""
    exponentials = [math.exp(float(score @ row) / math.sqrt(len(score))) for row in rows]
    return sum(e * row for e, row in zip(exponentials, rows)) / sum(exponentials)


@pytest.mark.parametrize(("length", "padding"), [(1, 0), (5, 0), (4, 3)])
def test_attention_by_loops(length: int, padding: int) -> None:
    torch.manual_seed(0)
    attention = AdditiveAttention(6, 2, 0.0).eval()
    x = torch.randn(1, length + padding, 6)
    query, key = (part(x)[0, :length].detach().numpy() for part in (attention.query, attention.key))
    weights = attention.out.weight.detach().numpy()
    mixed = np.zeros((length, 6))
    for head in range(2):
        part = slice(3 * head, 3 * head + 3)
        summary = pooled(query[:, part], attention.query_score[head].detach().numpy())
        pairs = np.stack([summary * row for row in key[:, part]])
        context = pooled(pairs, attention.key_score[head].detach().numpy())
        for i in range(length):
            mixed[i, part] = context * query[i, part]
    expected = mixed @ weights.T + attention.out.bias.detach().numpy() + query
    found = attention(x, valid_positions(torch.tensor([length]), length + padding))
    np.testing.assert_allclose(found[0, :length].detach(), expected, rtol=1e-5, atol=1e-6)


def test_bad_sizes_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"heads: must be in \[1, 256\], got 0"):
        FastformerConfig(heads=0)
