"""Monotonic rational-quadratic splines: an invertible function with learnt knots.

Axes: K bins; all others are batch.

Source: Durkan, Bekasov, Murray, Papamakarios 2019, "Neural Spline Flows", arXiv:1906.04032, section
3.1 and appendix A.1. Outside of [−bound, bound] the function is the identity.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

SMALLEST = 1e-3
"""Smallest share of the interval that a bin may have in either direction, and smallest slope."""


class Spline(NamedTuple):
    """Knots and slopes of one function per value, in increasing order."""

    x: Tensor
    """(…, K + 1), from −bound to bound."""
    y: Tensor
    """(…, K + 1), likewise."""
    slopes: Tensor
    """At the knots, (…, K + 1), above 0; 1 at both ends, where the identity goes on."""
    bound: float


class Bin(NamedTuple):
    """The bin that a value falls into; all (…)."""

    x: Tensor
    """Its left end."""
    y: Tensor
    """Its lower end."""
    width: Tensor
    height: Tensor
    left: Tensor
    """Slope at its left end."""
    right: Tensor


def spline(widths: Tensor, heights: Tensor, slopes: Tensor, bound: float) -> Spline:
    """Return the function that a network's free numbers stand for.

    Args:
        widths: Logits of the bins' widths, (…, K).
        heights: Logits of their heights, (…, K).
        slopes: Slopes at the inner knots before softplus, (…, K − 1).
        bound: Half the length of the interval.

    Raises:
        ValueError: There are more bins than shares of the smallest size.
    """
    if widths.shape[-1] * SMALLEST >= 1:
        raise ValueError(f"bins: must be fewer than {1 / SMALLEST:.0f}, got {widths.shape[-1]}")
    inner = SMALLEST + F.softplus(slopes)
    return Spline(
        _knots(widths, bound), _knots(heights, bound), F.pad(inner, (1, 1), value=1.0), bound
    )


def apply_spline(x: Tensor, function: Spline) -> tuple[Tensor, Tensor]:
    """Return the function's values at ``x``, (…), and the logarithms of its slopes there."""
    inside, clamped = _clamp(x, function.bound)
    at = _bin(clamped, function.x, function)
    steepness = at.height / at.width
    part = (clamped - at.x) / at.width  # how far into the bin, 0 to 1
    between = part * (1 - part)
    below = steepness + (at.right + at.left - 2 * steepness) * between
    y = at.y + at.height * (steepness * part.square() + at.left * between) / below
    above = at.right * part.square() + 2 * steepness * between + at.left * (1 - part).square()
    log_slope = 2 * steepness.log() + above.log() - 2 * below.log()
    return torch.where(inside, y, x), torch.where(inside, log_slope, 0.0)


def invert_spline(y: Tensor, function: Spline) -> Tensor:
    """Return the ``x``, (…), at which the function's values are ``y``.

    It is the root of a quadratic equation, written so that no two close numbers are subtracted.
    """
    inside, clamped = _clamp(y, function.bound)
    at = _bin(clamped, function.y, function)
    steepness = at.height / at.width
    rise = clamped - at.y
    bend = rise * (at.right + at.left - 2 * steepness)
    a = at.height * (steepness - at.left) + bend
    b = at.height * at.left - bend
    c = -steepness * rise
    root = (b.square() - 4 * a * c).clamp_min(0).sqrt()
    part = 2 * c / (-b - root)
    return torch.where(inside, part * at.width + at.x, y)


def _knots(logits: Tensor, bound: float) -> Tensor:
    """Return the ends of bins whose shares of the interval are the softmax, (…, K + 1)."""
    shares = SMALLEST + (1 - SMALLEST * logits.shape[-1]) * logits.softmax(-1)
    inner = 2 * bound * shares.cumsum(-1)[..., :-1] - bound
    end = torch.full_like(logits[..., :1], bound)
    return torch.cat([-end, inner, end], -1)


def _clamp(values: Tensor, bound: float) -> tuple[Tensor, Tensor]:
    return values.abs() <= bound, values.clamp(-bound, bound)


def _bin(values: Tensor, knots: Tensor, function: Spline) -> Bin:
    """Return the bin of each value among ``knots``, which are the function's x or its y."""
    first = (values[..., None] >= knots[..., 1:-1]).sum(-1, keepdim=True)  # 0 … K − 1
    both = torch.cat([first, first + 1], -1)
    x, y, slopes = (part.gather(-1, both).unbind(-1) for part in function[:3])
    return Bin(x[0], y[0], x[1] - x[0], y[1] - y[0], *slopes)
