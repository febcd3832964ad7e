"""Labels over time, and the two formats that others read them in.

TextGrid: Praat's long text format, one tier of intervals for each kind of label, without gaps.
CTM: NIST's table of labels, ``utterance channel start duration label confidence``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

CHANNEL = "1"
"""What CTM calls the only channel."""


@dataclass(frozen=True, kw_only=True)
class Label:
    """A word or a token, and when it sounds."""

    text: str
    """Empty for a silence that a token stands for, such as the space between words."""
    start: float
    """Seconds."""
    end: float
    """Seconds, above ``start``."""
    confidence: float
    """0 to 1."""


def textgrid(tiers: Mapping[str, Sequence[Label]], seconds: float) -> str:
    """Return a TextGrid; what lies between labels becomes empty intervals.

    Args:
        tiers: Labels by the name of their tier, in the order of time, none over another.
        seconds: Length of the audio.

    Source: Praat's manual, "TextGrid file formats".
    """
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {_number(seconds)}",
        "tiers? <exists>",
        f"size = {len(tiers)}",
        "item []:",
    ]
    for number, (name, labels) in enumerate(tiers.items(), 1):
        intervals = list(_without_gaps(labels, seconds))
        lines += [
            f"    item [{number}]:",
            '        class = "IntervalTier"',
            f"        name = {_quoted(name)}",
            "        xmin = 0",
            f"        xmax = {_number(seconds)}",
            f"        intervals: size = {len(intervals)}",
        ]
        for place, (start, end, text) in enumerate(intervals, 1):
            lines += [
                f"        intervals [{place}]:",
                f"            xmin = {_number(start)}",
                f"            xmax = {_number(end)}",
                f"            text = {_quoted(text)}",
            ]
    return "\n".join(lines) + "\n"


def ctm(key: str, labels: Sequence[Label]) -> str:
    """Return the lines of one utterance; labels without text are left out."""
    return "".join(
        f"{key} {CHANNEL} {label.start:.4f} {label.end - label.start:.4f} "
        f"{'_'.join(label.text.split())} {label.confidence:.3f}\n"
        for label in labels
        if label.text
    )


def _without_gaps(labels: Sequence[Label], seconds: float) -> Iterator[tuple[float, float, str]]:
    """Yield intervals that cover everything; neighbours without text are one."""
    silent_since = 0.0
    for label in labels:
        if not label.text:
            continue
        if label.start > silent_since:
            yield silent_since, label.start, ""
        yield label.start, label.end, label.text
        silent_since = label.end
    if silent_since < seconds:
        yield silent_since, seconds, ""


def _number(seconds: float) -> str:
    """Return microseconds at most, and no more digits than it takes."""
    return f"{seconds:.6f}".rstrip("0").rstrip(".")


def _quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'
