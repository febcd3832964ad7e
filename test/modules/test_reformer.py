"""Hashed attention: full attention where one bucket holds all, by loops elsewhere."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from malsori.core.errors import ConfigError
from malsori.modules.lengths import valid_positions
from malsori.modules.reformer import HashedAttention, ReformerConfig


def make(**settings: Any) -> HashedAttention:
    torch.manual_seed(3)
    return HashedAttention(ReformerConfig(**settings), 8, 0.0).eval()


@pytest.mark.parametrize("rounds", [1, 3])
def test_one_chunk_over_all_is_full_attention_without_self(rounds: int) -> None:
    net = make(chunk=9, rounds=rounds)
    x, valid = torch.randn(2, 9, 8), valid_positions(torch.tensor([5, 9]), 9)
    for row, length in ((0, 5), (1, 9)):
        query = net.query(x[row, :length]).unflatten(1, (2, 4)).transpose(0, 1)  # (H, T, D/H)
        value = net.value(x[row, :length]).unflatten(1, (2, 4)).transpose(0, 1)
        scores = query @ (query / query.norm(dim=2, keepdim=True)).mT / 2
        scores = scores.masked_fill(torch.eye(length, dtype=torch.bool), -math.inf)
        mixed = (scores.softmax(2) @ value).transpose(0, 1).flatten(1)
        torch.testing.assert_close(net(x, valid)[row, :length], net.out(mixed))


def slow_sets(query: np.ndarray, net: HashedAttention, head: int) -> list[set[int]]:
    """Return for each position those whom some round puts into its bucket and near its chunk."""
    length, chunk = len(query), net.chunk
    seen: list[set[int]] = [set() for _ in range(length)]
    for rotation in net.rotations[:, head].double().numpy():  # (D/H, pairs)
        pairs = min(rotation.shape[1], math.ceil(length / chunk))
        buckets = []
        for row in query:
            turned = [float(row @ rotation[:, p]) for p in range(pairs)]
            buckets.append(int(np.argmax(turned + [-t for t in turned])) if length > chunk else 0)
        order = sorted(range(length), key=lambda i: (buckets[i], i))
        at = {position: rank // chunk for rank, position in enumerate(order)}
        for i in range(length):
            seen[i] |= {
                j for j in range(length) if buckets[i] == buckets[j] and at[i] - at[j] in (0, 1)
            }
    return seen


def slow(net: HashedAttention, x: Tensor) -> tuple[Tensor, int]:
    """Return the attention of one whole sequence, (T, D), and how many pairs were left out."""
    query, value = (part(x).detach().double().numpy() for part in (net.query, net.value))
    out, hidden = np.zeros(query.shape), 0
    for head in range(2):
        part = slice(4 * head, 4 * head + 4)
        for i, seen in enumerate(slow_sets(query[:, part], net, head)):
            hidden += len(x) - len(seen)
            others = sorted(seen - {i})
            if not others:
                out[i, part] = value[i, part]
                continue
            keys = [query[j, part] / np.linalg.norm(query[j, part]) for j in others]
            weights = np.exp([query[i, part] @ key / math.sqrt(4) for key in keys])
            out[i, part] = weights @ value[others, part] / weights.sum()
    return net.out(torch.from_numpy(out).float()), hidden


@pytest.mark.parametrize("rounds", [1, 2, 4])
@pytest.mark.parametrize("chunk", [1, 3, 8])
@pytest.mark.parametrize(("length", "padding"), [(1, 0), (2, 9), (23, 0), (23, 7)])
def test_attention_by_loops(rounds: int, chunk: int, length: int, padding: int) -> None:
    net = make(chunk=chunk, rounds=rounds, buckets=8)
    x = torch.randn(1, length + padding, 8)
    found = net(x, valid_positions(torch.tensor([length]), length + padding))
    expected, hidden = slow(net, x[0, :length])
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found[0, :length], expected, atol=1e-5, rtol=1e-5)
    assert (hidden > 0) == (length > chunk)  # something is really left out


def test_a_position_alone_in_its_bucket_keeps_its_own_value() -> None:
    net = make(chunk=1, rounds=1, buckets=64)
    x, valid = torch.randn(1, 2, 8), torch.ones(1, 2, dtype=torch.bool)
    with torch.no_grad():
        net.query.bias.zero_()
        x[0, 1] = -x[0, 0]  # opposite queries never share a bucket
    torch.testing.assert_close(net(x, valid), net.out(net.value(x)))


def test_training_draws_new_rotations_and_evaluation_keeps_its_own() -> None:
    net, x, valid = make(chunk=3), torch.randn(1, 30, 8), torch.ones(1, 30, dtype=torch.bool)
    kept = net.rotations.clone()
    net.train()
    assert not torch.equal(net(x, valid), net(x, valid))
    net.eval()
    assert torch.equal(net(x, valid), net(x, valid)) and torch.equal(net.rotations, kept)
    assert "rotations" in net.state_dict()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"chunk": 0}, r"chunk: must be in \[1, 65536\], got 0"),
        ({"rounds": 0}, r"rounds: must be in \[1, 256\], got 0"),
        ({"buckets": 7}, "buckets: must be even, got 7"),
        ({"buckets": 0}, r"buckets: must be in \[2, 65536\], got 0"),
    ],
)
def test_bad_sizes_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ReformerConfig(**settings)
