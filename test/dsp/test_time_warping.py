"""Dynamic time warping: equal to a plain programme, and a path that is one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from malsori.dsp.time_warping import euclidean, warp

# Sixteenths are exact in binary, so sums are equal and not only close.
COSTS = arrays.arrays(
    np.float64,
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    elements=st.integers(-20, 400).map(lambda value: value / 16),
)


def plain(cost: np.ndarray) -> float:
    total = np.full((cost.shape[0] + 1, cost.shape[1] + 1), np.inf)
    total[0, 0] = 0.0
    for i in range(cost.shape[0]):
        for j in range(cost.shape[1]):
            total[i + 1, j + 1] = cost[i, j] + min(total[i, j], total[i, j + 1], total[i + 1, j])
    return float(total[-1, -1])


@given(COSTS)
@settings(max_examples=200, deadline=None)
def test_cost_is_that_of_the_plain_programme(cost: np.ndarray) -> None:
    assert warp(cost).cost == plain(cost)


@given(COSTS)
@settings(max_examples=200, deadline=None)
def test_path_is_monotone_complete_and_costs_what_it_says(cost: np.ndarray) -> None:
    path, total = warp(cost)
    assert tuple(path[0]) == (0, 0)
    assert tuple(path[-1]) == (cost.shape[0] - 1, cost.shape[1] - 1)
    steps = {tuple(step) for step in np.diff(path, axis=0)}
    assert steps <= {(1, 1), (1, 0), (0, 1)}
    assert cost[path[:, 0], path[:, 1]].sum() == total


@given(COSTS)
@settings(max_examples=50, deadline=None)
def test_swapping_the_sequences_costs_the_same(cost: np.ndarray) -> None:
    assert warp(cost.T).cost == warp(cost).cost


def test_a_stretched_copy_costs_nothing() -> None:
    frames = np.random.default_rng(0).normal(size=(30, 4))
    slow = np.repeat(frames, 3, axis=0)
    path, total = warp(euclidean(frames, slow))
    assert total == pytest.approx(0.0, abs=1e-4)
    np.testing.assert_array_equal(path[:, 0], path[:, 1] // 3)


def test_euclidean_is_the_distance() -> None:
    first, second = np.random.default_rng(1).normal(size=(2, 5, 3))
    expected = np.linalg.norm(first[:, None] - second[None], axis=-1)
    np.testing.assert_allclose(euclidean(first, second), expected, atol=1e-7)


@pytest.mark.parametrize(
    ("cost", "says"),
    [
        (np.zeros((0, 3)), "at least 1 x 1"),
        (np.zeros(3), "at least 1 x 1"),
        (np.array([[0.0, np.nan]]), "not finite"),
        (np.array([[0.0, np.inf]]), "not finite"),
    ],
)
def test_bad_costs_are_refused(cost: np.ndarray, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        warp(cost)
