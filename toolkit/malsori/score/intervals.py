"""Means over utterances and how sure they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

LEVEL = 0.95
RESAMPLES = 2000
SEED = 0


class Estimate(NamedTuple):
    """A mean with its interval."""

    mean: float
    """NaN if no utterance has a value."""
    low: float
    """Lower end of the interval, NaN with fewer than two utterances."""
    high: float
    """Upper end of the interval, NaN with fewer than two utterances."""
    utterances: int
    """How many had a value."""


def estimate(values: Iterable[float]) -> Estimate:
    """Return the mean over utterances and its 95% percentile bootstrap interval.

    Utterances are drawn anew with a fixed seed, so the same values give the same interval. It says
    how the mean would move with other sentences, not with another training run.

    Args:
        values: One an utterance; NaN where not defined, left out.

    Source: Efron and Tibshirani 1993, "An introduction to the bootstrap", section 13.3.
    """
    known = np.array([value for value in values if not np.isnan(value)])
    if len(known) == 0:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    if len(known) == 1:
        return Estimate(float(known[0]), float("nan"), float("nan"), 1)
    random = np.random.default_rng(SEED)
    means = np.array(
        [known[random.integers(0, len(known), len(known))].mean() for _ in range(RESAMPLES)]
    )
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(float(known.mean()), float(low), float(high), len(known))
