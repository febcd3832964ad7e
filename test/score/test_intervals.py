"""Bootstrap intervals: fixed, ordered, as wide as theory says, honest about missing values."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.score.intervals import estimate


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=20))
@settings(max_examples=25, deadline=None)
def test_interval_lies_within_the_values_and_is_repeatable(values: list[float]) -> None:
    result = estimate(values)
    assert min(values) - 1e-9 <= result.low <= result.high <= max(values) + 1e-9
    assert estimate(values) == result


def test_width_is_that_of_the_normal_approximation() -> None:
    values = np.random.default_rng(5).normal(3.0, 1.0, 400)
    result = estimate(values.tolist())
    expected = 1.96 * values.std() / math.sqrt(400)
    assert (result.high - result.low) / 2 == pytest.approx(expected, rel=0.1)
    assert result.low < result.mean < result.high


def test_undefined_values_are_left_out_and_counted() -> None:
    result = estimate([1.0, float("nan"), 3.0])
    assert (result.mean, result.utterances) == (2.0, 2)


def test_one_value_has_no_interval_and_none_no_mean() -> None:
    one, none = estimate([4.0]), estimate([float("nan")])
    assert (one.mean, one.utterances) == (4.0, 1)
    assert math.isnan(one.low)
    assert math.isnan(one.high)
    assert math.isnan(none.mean)
    assert none.utterances == 0
