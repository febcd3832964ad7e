"""The files that programs and people read: ``scores.json`` and ``scores.md``."""

from __future__ import annotations

import importlib.metadata
import math
import platform
from collections.abc import Sequence
from typing import Any

from malsori.core.config import Choice, to_dict
from malsori.core.version import VERSION
from malsori.score.evaluation import DECODED, OTHER, SILENCE, SYSTEMS, Evaluation, UtteranceScores
from malsori.score.intervals import LEVEL, RESAMPLES, SEED, Estimate
from malsori.score.scorer import Metric, written

FORMAT_VERSION = 1
SYSTEM_LABELS = {DECODED: "decoded", SILENCE: "silence", OTHER: "another utterance"}
SYSTEM_MEANINGS = {
    DECODED: "what the voice said",
    SILENCE: "digital silence as long as the reference (its duration ratio is 1 by construction)",
    OTHER: "the reference of another sentence, by the same speaker where there is one",
}
INTERVAL_NOTE = (
    f"Means over utterances; in brackets {LEVEL:.0%} intervals by bootstrap over utterances "
    f"({RESAMPLES} resamples, seed {SEED})."
)
_PACKAGES = ("numpy", "pyworld", "soundfile", "soxr")


def as_json(evaluation: Evaluation, scorers: Sequence[Choice], title: str) -> dict[str, Any]:
    """Return everything that ``scores.json`` holds; undefined values are null.

    Args:
        evaluation: The scores.
        scorers: With what they were made.
        title: Names the run and the set.
    """
    summary = {
        system: {name: _estimate(value) for name, value in metrics.items()}
        for system, metrics in evaluation.summary().items()
    }
    return {
        "format_version": FORMAT_VERSION,
        "title": title,
        "n": len(evaluation.utterances),
        "sample_rate": evaluation.sample_rate,
        "scorers": [to_dict(choice) for choice in scorers],
        "interval": {
            "method": "percentile bootstrap over utterances",
            "level": LEVEL,
            "resamples": RESAMPLES,
            "seed": SEED,
        },
        "versions": versions(),
        "metrics": {
            metric.name: {"label": metric.label, "best": metric.best, "meaning": metric.meaning}
            for metric in evaluation.metrics
        },
        "systems": SYSTEM_MEANINGS,
        "summary": summary,
        "utterances": [_utterance(row) for row in evaluation.utterances],
    }


def as_markdown(evaluation: Evaluation, title: str) -> str:
    """Return the summary as a small Markdown table."""
    metrics = evaluation.metrics
    lines = [
        f"# {title}",
        "",
        "| | " + " | ".join(metric.label for metric in metrics) + " |",
        "| --- |" + " ---: |" * len(metrics),
    ]
    for system, estimates in evaluation.summary().items():
        cells = [interval(metric, estimates[metric.name]) for metric in metrics]
        lines.append(f"| {SYSTEM_LABELS[system]} | " + " | ".join(cells) + " |")
    count = len(evaluation.utterances)
    lines += [
        "",
        f"{count} utterance{'s' * (count != 1)} at {evaluation.sample_rate} Hz. {INTERVAL_NOTE}",
        "",
    ]
    lines += [f"- {SYSTEM_LABELS[system]}: {SYSTEM_MEANINGS[system]}" for system in SYSTEMS]
    lines += [f"- {metric.label}: {metric.meaning}" for metric in metrics]
    return "\n".join(lines) + "\n"


def interval(metric: Metric, value: Estimate) -> str:
    """Return "mean [low, high]", only the mean without an interval, a dash without a mean."""
    mean = written(metric, value.mean)
    if math.isnan(value.low):
        return mean
    return f"{mean} [{written(metric, value.low)}, {written(metric, value.high)}]"


def versions() -> dict[str, str]:
    """Return the versions that the scores depend on, by name."""
    found = {"malsori": VERSION, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _utterance(row: UtteranceScores) -> dict[str, Any]:
    return {
        "id": row.id,
        "text": row.text,
        "speaker": row.speaker,
        "seconds": round(row.seconds, 4),
        "decoded_seconds": round(row.decoded_seconds, 4),
        "other_utterance_id": row.other,
        **{
            system: {name: _number(value) for name, value in row.scores[system].items()}
            for system in SYSTEMS
        },
    }


def _estimate(value: Estimate) -> dict[str, float | int | None]:
    return {
        "mean": _number(value.mean),
        "low": _number(value.low),
        "high": _number(value.high),
        "n": value.utterances,
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)
