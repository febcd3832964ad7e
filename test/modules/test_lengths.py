"""Masks and windows; every start can be drawn, and what lies behind the end is silence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.modules.lengths import masked_mean, random_starts, valid_positions, windows


def test_valid_is_true_where_data_is() -> None:
    found = valid_positions(torch.tensor([0, 2, 3]), 3)
    assert found.tolist() == [[False] * 3, [True, True, False], [True] * 3]


def test_a_masked_mean_counts_valid_values_only() -> None:
    values = torch.tensor([[1.0, 3.0, 1e9]])
    assert float(masked_mean(values, torch.tensor([[True, True, False]]))) == 2.0
    assert float(masked_mean(values, torch.zeros(1, 3, dtype=torch.bool))) == 0.0


def test_every_start_is_drawn_the_last_one_too() -> None:
    torch.manual_seed(0)
    lengths = torch.tensor([10, 7, 6]).repeat(2000)
    starts = random_starts(lengths, 6).view(-1, 3)
    for column, last in enumerate((4, 1, 0)):
        values, counts = starts[:, column].unique(return_counts=True)
        assert values.tolist() == list(range(last + 1))
        expected = 2000 / (last + 1)
        assert (counts - expected).abs().max() < 6 * expected**0.5


def test_a_generous_draw_stays_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A random number that rounds up to 1 must not give a start behind the last."""
    monkeypatch.setattr(torch, "rand", lambda *a, **k: torch.ones(1, dtype=torch.float64))
    assert random_starts(torch.tensor([9]), 4).tolist() == [5]


@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.lists(st.integers(0, 12), min_size=1, max_size=4),
    st.sampled_from([(), (3,), (2, 2)]),
)
@settings(max_examples=60, deadline=None)
def test_windows_are_slices_with_zeros_behind_the_end(
    length: int, size: int, starts: list[int], trailing: tuple[int, ...]
) -> None:
    x = torch.rand(len(starts), length, *trailing) + 1
    found = windows(x, torch.tensor(starts), size)
    padded = np.concatenate([x.numpy(), np.zeros((len(starts), 30, *trailing), np.float32)], 1)
    for row, start in enumerate(starts):
        np.testing.assert_array_equal(found[row], padded[row, start : start + size])


def test_gradients_go_to_what_was_cut_only() -> None:
    x = torch.rand(1, 5, requires_grad=True)
    windows(x, torch.tensor([3]), 4).sum().backward()
    assert x.grad.tolist() == [[0, 0, 0, 1, 1]]
