"""Which alignments to look at: what is odd about an utterance, by itself and beside the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ODD = 4.0
"""Robust deviations from the set's median from which on a measure is suspicious."""
HEADER = (
    *("utterance", "frames", "tokens", "diagonality", "confidence", "one_frame"),
    *("tokens_per_second", "suspicious"),
)


@dataclass(frozen=True, kw_only=True)
class Health:
    """What tells of an alignment whether to believe it."""

    key: str
    """Utterance."""
    frames: int
    tokens: int
    diagonality: float
    """0 to 1; see ``malsori.modules.alignment.diagonality``."""
    confidence: float
    """Mean over frames of the probability of the token on the path, 0 to 1."""
    one_frame: float
    """Share of spoken tokens that have a single frame, 0 to 1."""
    rate: float
    """Spoken tokens a second."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """An utterance with its place in the list."""

    health: Health
    suspicion: float
    """Largest deviation of a measure to the bad side, in units of what is still usual."""
    reasons: tuple[str, ...]
    """Names of what is suspicious; none if nothing is."""


@dataclass(frozen=True)
class Measure:
    """How one number is judged."""

    reason: str
    """What it is called if it is bad."""
    side: int
    """1 where much is bad, −1 where little is."""
    spread: float
    """Least deviation that the set is given: sets of one kind, or of few, differ by less."""
    bound: float | None = None
    """From here on it is bad whatever the others are like."""


MEASURES: tuple[tuple[str, Measure], ...] = (
    ("confidence", Measure("low confidence", -1, 0.02, 0.4)),
    ("diagonality", Measure("off the diagonal", -1, 0.03, 0.3)),
    ("one_frame", Measure("tokens of one frame", 1, 0.03, 0.5)),
    ("rate", Measure("too fast", 1, 0.08)),
    ("rate", Measure("too slow", -1, 0.08)),
)
"""Rates are compared by their logarithms: 0.08 stands for 8 per cent."""


def judge(found: Sequence[Health]) -> list[Judged]:
    """Return the utterances, the most suspicious first.

    A measure is bad if it lies ``ODD`` robust deviations (1.4826 times the median deviation from
    the median) beyond the median of the set, or beyond its own bound.

    Args:
        found: At least one.
    """
    suspicion = np.zeros(len(found))
    reasons: list[list[str]] = [[] for _ in found]
    for name, measure in MEASURES:
        values = np.array([getattr(health, name) for health in found])
        numbers = np.log(values) if name == "rate" else values
        middle = float(np.median(numbers))
        usual = max(1.4826 * float(np.median(np.abs(numbers - middle))), measure.spread)
        away = measure.side * (numbers - middle) / (ODD * usual)
        if measure.bound is not None:
            beyond = measure.side * (values - measure.bound) / (ODD * measure.spread)
            away = np.maximum(away, np.where(beyond >= 0, 1 + beyond, 0))
        suspicion = np.maximum(suspicion, away)
        for i in np.flatnonzero(away >= 1):
            reasons[i].append(measure.reason)
    order = sorted(range(len(found)), key=lambda i: (-suspicion[i], found[i].key))
    return [
        Judged(health=found[i], suspicion=float(suspicion[i]), reasons=tuple(reasons[i]))
        for i in order
    ]


def table(judged: Sequence[Judged]) -> str:
    """Return ``alignment.tsv``: a header, then a line for each utterance."""
    rows = ["\t".join(HEADER)]
    for each in judged:
        health = each.health
        rows.append(
            "\t".join(
                [
                    health.key,
                    str(health.frames),
                    str(health.tokens),
                    *(f"{value:.3f}" for value in (health.diagonality, health.confidence)),
                    f"{health.one_frame:.3f}",
                    f"{health.rate:.2f}",
                    ", ".join(each.reasons),
                ]
            )
        )
    return "\n".join(rows) + "\n"
