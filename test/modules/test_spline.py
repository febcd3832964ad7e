"""Rational-quadratic splines: inverse, slope, ends, an exact case."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.modules.spline import SMALLEST, Spline, apply_spline, invert_spline, spline

BOUND = 5.0


def draw(seed: int, values: int, bins: int, loudness: float = 1.0) -> Spline:
    random = torch.Generator().manual_seed(seed)
    widths, heights = (
        loudness * torch.randn(values, bins, generator=random, dtype=torch.float64)
        for _ in range(2)
    )
    slopes = loudness * torch.randn(values, bins - 1, generator=random, dtype=torch.float64)
    return spline(widths, heights, slopes, BOUND)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6), bins=st.integers(2, 12), loudness=st.sampled_from([0.1, 1.0, 4.0])
)
def test_there_and_back(seed: int, bins: int, loudness: float) -> None:
    torch.manual_seed(seed)
    function = draw(seed, 50, bins, loudness)
    x = 8 * torch.rand(50, dtype=torch.float64) * (1 - 2 * torch.randint(0, 2, (50,)))
    y, _ = apply_spline(x, function)
    torch.testing.assert_close(invert_spline(y, function), x, atol=1e-6, rtol=1e-6)
    back = invert_spline(x, function)
    torch.testing.assert_close(apply_spline(back, function)[0], x, atol=1e-6, rtol=1e-6)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), bins=st.integers(2, 12))
def test_slopes_are_those_of_the_function(seed: int, bins: int) -> None:
    function = draw(seed, 50, bins)
    x = (7 * torch.linspace(-1, 1, 50, dtype=torch.float64)).requires_grad_()
    y, log_slope = apply_spline(x, function)
    (slope,) = torch.autograd.grad(y.sum(), x)
    torch.testing.assert_close(log_slope.exp(), slope)
    assert slope.min() > 0


def test_knots_are_met_and_the_identity_goes_on_behind_them() -> None:
    function = draw(3, 1, 6)
    y, log_slope = apply_spline(
        function.x[0], Spline(*(p.expand(7, -1) for p in function[:3]), BOUND)
    )
    torch.testing.assert_close(y, function.y[0])
    torch.testing.assert_close(log_slope.exp(), function.slopes[0])
    assert (function.x[0, 0], function.x[0, -1]) == (-BOUND, BOUND)
    assert (function.slopes[0, 0], function.slopes[0, -1]) == (1.0, 1.0)
    beyond = torch.tensor([-70.0, -5.001, 5.001, 1e6], dtype=torch.float64)
    y, log_slope = apply_spline(beyond, draw(3, 4, 6))
    assert torch.equal(y, beyond) and not log_slope.any()
    assert torch.equal(invert_spline(beyond, draw(3, 4, 6)), beyond)


def test_equal_bins_of_slope_one_are_the_identity() -> None:
    slopes = torch.full((9, 3), math.log(math.expm1(1 - SMALLEST)))
    function = spline(torch.zeros(9, 4), torch.zeros(9, 4), slopes, BOUND)
    x = torch.linspace(-6, 6, 9)
    y, log_slope = apply_spline(x, function)
    torch.testing.assert_close(y, x)
    torch.testing.assert_close(log_slope, torch.zeros(9), atol=1e-6, rtol=0)


def test_two_bins_by_hand() -> None:
    # [-1, 0] and [0, 1], the slope 3 at 0: between 0 and 1 the paper's eq. 4 with s = 1,
    # δ = 3 and 1, at ξ = 1/4: (1/16 + 3 · 3/16) / (1 + 2 · 3/16) = (10/16) / (22/16)
    free = torch.full((1, 1), math.log(math.expm1(3 - SMALLEST)), dtype=torch.float64)
    half = torch.zeros(1, 2, dtype=torch.float64)
    y, log_slope = apply_spline(
        torch.tensor([0.25], dtype=torch.float64), spline(half, half, free, 1.0)
    )
    assert float(y) == pytest.approx(10 / 22, abs=1e-12)
    # eq. 5: s² (1 · 1/16 + 2 · 3/16 + 3 · 9/16) / (22/16)²
    assert math.exp(float(log_slope)) == pytest.approx((34 / 16) / (22 / 16) ** 2, abs=1e-12)


def test_gradients_are_finite_everywhere_even_at_the_ends() -> None:
    numbers = [torch.randn(6, size, requires_grad=True) for size in (5, 5, 4)]
    x = torch.tensor([-1e4, -5.0, 0.0, 5.0, 6.0, 1e4], requires_grad=True)
    y, log_slope = apply_spline(x, spline(*numbers, BOUND))
    (y + log_slope + invert_spline(x, spline(*numbers, BOUND))).sum().backward()
    for tensor in (x, *numbers):
        assert torch.isfinite(tensor.grad).all()


def test_too_many_bins_are_refused() -> None:
    with pytest.raises(ValueError, match="bins: must be fewer than 1000, got 1000"):
        spline(torch.zeros(1, 1000), torch.zeros(1, 1000), torch.zeros(1, 999), BOUND)
