"""Attention with relative position representations: pair by pair, its window, what it refuses."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.core.errors import ConfigError
from malsori.modules.lengths import valid_positions
from malsori.modules.relative_transformer import (
    RelativeSelfAttention,
    RelativeTransformer,
    RelativeTransformerConfig,
)


def attention(window: int, heads: int = 2, width: int = 8) -> RelativeSelfAttention:
    torch.manual_seed(2)
    config = RelativeTransformerConfig(heads=heads, window=window, dropout=0)
    return RelativeSelfAttention(config, width).eval()


def pair_by_pair(net: RelativeSelfAttention, x: torch.Tensor) -> torch.Tensor:
    """Return what the formula says for one sequence, (T, D), one query and head after the other."""
    size = x.shape[1] // net.heads
    query, key, value = (part(x) for part in (net.query, net.key, net.value))
    rows = []
    for i in range(len(x)):
        row = []
        for head in range(net.heads):
            at = slice(head * size, (head + 1) * size)
            keys, values = key[:, at].clone(), value[:, at].clone()
            for j in range(len(x)):
                if abs(j - i) <= net.window:
                    keys[j] += net.key_positions[j - i + net.window]
                    values[j] += net.value_positions[j - i + net.window]
            weights = (keys @ query[i, at] / math.sqrt(size)).softmax(0)
            row.append(weights @ values)
        rows.append(torch.cat(row))
    return net.out(torch.stack(rows))  # type: ignore[no-any-return]


@settings(max_examples=20, deadline=None)
@given(length=st.integers(1, 9), window=st.integers(1, 6), heads=st.sampled_from([1, 2, 4]))
def test_it_is_the_formula(length: int, window: int, heads: int) -> None:
    net, x = attention(window, heads), torch.randn(length, 8)
    with torch.no_grad():
        found = net(x[None], torch.ones(1, length, dtype=torch.bool))[0]
        torch.testing.assert_close(found, pair_by_pair(net, x), atol=1e-5, rtol=1e-4)


def test_beyond_the_window_order_does_not_matter() -> None:
    net, x, everywhere = attention(2), torch.randn(1, 12, 8), torch.ones(1, 12, dtype=torch.bool)
    far, near = x.clone(), x.clone()
    far[0, [8, 11]] = x[0, [11, 8]]
    near[0, [1, 2]] = x[0, [2, 1]]
    with torch.no_grad():
        first, after, other = (net(each, everywhere)[0, 0] for each in (x, far, near))
    torch.testing.assert_close(first, after)
    assert float((first - other).abs().max()) > 1e-3


def test_each_part_is_normed_after_it() -> None:
    torch.manual_seed(1)
    net = RelativeTransformer(RelativeTransformerConfig(layers=2, hidden=12), 8).eval()
    valid = valid_positions(torch.tensor([7, 4]), 7)
    out = net(5 * torch.randn(2, 7, 8), valid)
    torch.testing.assert_close(out.mean(2), torch.zeros(2, 7), atol=1e-5, rtol=0)
    torch.testing.assert_close(out.var(2, correction=0), torch.ones(2, 7), atol=1e-3, rtol=0)
    assert not list(RelativeTransformer(RelativeTransformerConfig(layers=0), 8).parameters())


def test_the_defaults_are_vitss_text_encoder() -> None:
    """Of width 192: four projections, two tables, two norms and two convolutions in each block."""
    with torch.device("meta"):
        net = RelativeTransformer(RelativeTransformerConfig(), 192)
    attention_size = 4 * (192 * 192 + 192) + 2 * 9 * 96
    feed_forward_size = 768 * 192 * 3 + 768 + 192 * 768 * 3 + 192
    expected = 6 * (attention_size + feed_forward_size + 2 * 2 * 192)
    assert sum(p.numel() for p in net.parameters()) == expected == 6_218_496


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"heads": 3}, "heads: 3 does not divide the model's width 8"),
        ({"kernel": 4}, "kernel: must be odd, got 4"),
        ({"window": 0}, r"window: must be in \[1, 65536\], got 0"),
        ({"dropout": 1.0}, r"dropout: must be in \[0, 1\), got 1.0"),
    ],
)
def test_bad_settings_are_refused(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        RelativeTransformer(RelativeTransformerConfig(**changes), 8)
