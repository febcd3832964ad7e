"""Window and summaries: equal to full attention where they cover all, by loops elsewhere."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from malsori.core.errors import ConfigError
from malsori.modules.lengths import valid_positions
from malsori.modules.long_short import LongShortAttention, LongShortConfig
from malsori.modules.transformer import SelfAttention


def make(window: int, rank: int) -> LongShortAttention:
    torch.manual_seed(3)
    return LongShortAttention(LongShortConfig(window=window, rank=rank), 8, 0.0).eval()


@pytest.mark.parametrize("window", [7, 8, 100])
def test_a_window_over_all_without_summaries_is_full_attention(window: int) -> None:
    ours, full = make(window, 0), SelfAttention(8, 2, 0.0).eval()
    full.load_state_dict(ours.state_dict())
    x, valid = torch.randn(2, 7, 8), valid_positions(torch.tensor([4, 7]), 7)
    torch.testing.assert_close(ours(x, valid)[valid], full(x, valid)[valid])


def visible(position: int, length: int, window: int) -> list[int]:
    """Return the positions that one sees: its segment and half a window on either side."""
    start = position // window * window
    low, high = start - window // 2, start + window + window // 2
    return [j for j in range(length) if low <= j < high]


def slow(net: LongShortAttention, x: Tensor, window: int, rank: int) -> Tensor:
    """Return the attention of one whole sequence, (T, D), row by row."""
    query, key, value = (part(x) for part in (net.query, net.key, net.value))
    far: list[Tensor] = []
    if net.summaries is not None:
        weights = (x @ net.summaries.weights.weight.T).softmax(0)  # (T, H·R)
        for rows in (key, value):
            found = torch.zeros(rank, 8)
            for head in range(2):
                part = slice(4 * head, 4 * head + 4)
                for r in range(rank):
                    for j in range(len(x)):
                        found[r, part] += weights[j, head * rank + r] * rows[j, part]
            norm = net.summaries.norm
            far.append(F.layer_norm(found, (8,), norm.weight, norm.bias))
        key, value = (
            F.layer_norm(y, (8,), net.near_norm.weight, net.near_norm.bias) for y in (key, value)
        )
    out = torch.zeros(len(x), 8)
    for i in range(len(x)):
        seen = visible(i, len(x), window)
        keys, values = key[seen], value[seen]
        if far:
            keys, values = torch.cat([keys, far[0]]), torch.cat([values, far[1]])
        for head in range(2):
            part = slice(4 * head, 4 * head + 4)
            scores = torch.stack([query[i, part] @ k[part] for k in keys]) / math.sqrt(4)
            out[i, part] = scores.softmax(0) @ values[:, part]
    return net.out(out)


@pytest.mark.parametrize(("window", "rank"), [(4, 0), (4, 3), (3, 2), (1, 1), (1, 0), (50, 2)])
@pytest.mark.parametrize(("length", "padding"), [(1, 0), (2, 5), (11, 0), (11, 6)])
def test_attention_by_loops(window: int, rank: int, length: int, padding: int) -> None:
    net = make(window, rank)
    if rank:
        for norm in (net.near_norm, net.summaries.norm):
            torch.nn.init.normal_(norm.weight), torch.nn.init.normal_(norm.bias)
    x = torch.randn(1, length + padding, 8)
    found = net(x, valid_positions(torch.tensor([length]), length + padding))
    assert torch.isfinite(found).all()
    torch.testing.assert_close(
        found[0, :length], slow(net, x[0, :length], window, rank), atol=1e-5, rtol=1e-5
    )


def test_only_the_summaries_reach_beyond_the_window() -> None:
    x, valid = torch.randn(1, 20, 8), torch.ones(1, 20, dtype=torch.bool)
    other = x.clone()
    other[0, 19] += 1
    for rank, reached in ((0, range(16, 20)), (2, range(20))):  # its segment; segment 12…15 sees 17
        net = make(4, rank)
        changed = (net(x, valid) != net(other, valid)).any(2)[0]
        assert changed.nonzero().flatten().tolist() == list(reached)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"window": 0}, r"window: must be in \[1, 65536\], got 0"),
        ({"rank": -1}, r"rank: must be in \[0, 65536\], got -1"),
        ({"kernel": 2}, "kernel: must be odd, got 2"),
    ],
)
def test_bad_sizes_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        LongShortConfig(**settings)
