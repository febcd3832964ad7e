"""What a scorer is: it makes something of each recording once, then compares two of those."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class Clip(NamedTuple):
    """One recording as scorers see it."""

    wav: NDArray[np.float32]
    """Samples, (S,)."""
    sample_rate: int
    """Hz; the same for all clips of one evaluation."""
    text: str
    """What should be said in it."""
    language: str | None
    """Of the text, where the data dir tells."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One number that a scorer gives, and how it is written."""

    name: str
    """Key in ``scores.json``."""
    label: str
    """Heading in tables, with its unit."""
    digits: int
    """Decimals shown."""
    best: float
    """Value of a perfect copy."""
    meaning: str
    """One sentence for the report."""


class Scorer(Protocol):
    """Compares recordings; pickled to worker processes by its name and config, never itself."""

    metrics: tuple[Metric, ...]
    """What ``compare`` gives."""

    def prepare(self, clip: Clip) -> Any:
        """Return what ``compare`` needs of a recording; done once for each."""

    def compare(self, reference: Any, decoded: Any) -> dict[str, float]:
        """Return a value for each metric's name, NaN where it is not defined.

        Args:
            reference: What ``prepare`` made of the true recording.
            decoded: What ``prepare`` made of the one to judge.
        """


def distance_from_best(metric: Metric, value: float) -> float:
    """Return how far a value is from a perfect copy's, for sorting; NaN counts as farthest."""
    return float("inf") if np.isnan(value) else abs(value - metric.best)


def written(metric: Metric, value: float) -> str:
    """Return a value with its metric's decimals; a dash where it is not defined."""
    return "–" if np.isnan(value) else f"{value:.{metric.digits}f}"
