"""Praat's TextGrids, read: labels over time, in its long and its short text format."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from malsori.core.errors import MalsoriError

PIECE = re.compile(r'"((?:[^"]|"")*)"|![^\n]*|([^\s"]+)')
"""A text in quotation marks, a comment, or a word."""
NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A label, and when it holds."""

    text: str
    """Empty where nothing is labelled."""
    start: float
    """Seconds."""
    end: float
    """Seconds, at least ``start``."""


def read_textgrid(path: Path) -> dict[str, list[Interval]]:
    """Return the tiers of intervals of a TextGrid by name; tiers of points are left out.

    Args:
        path: A file in UTF-8 or, with a byte order mark, UTF-16.

    Raises:
        MalsoriError: It cannot be read, or is no TextGrid; one line that names it.

    Source: Praat's manual, "TextGrid file formats": of everything outside of quotation marks only
    numbers that stand alone count, and ``<exists>``.
    """
    try:
        content = path.read_bytes()
        wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except OSError as error:
        raise MalsoriError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise MalsoriError(f"{path}: neither UTF-8 nor UTF-16; save it again in Praat") from error
    try:
        return _tiers(_pieces(text))
    except (ValueError, StopIteration) as error:
        told = str(error) or "it ends too early"
        raise MalsoriError(f"{path}: no TextGrid, or damaged: {told}") from None


def _pieces(text: str) -> Iterator[str | float]:
    """Yield what counts of a text file: texts without their quotation marks, and numbers."""
    for piece in PIECE.finditer(text):
        word = piece[2]
        if piece[1] is not None:
            yield piece[1].replace('""', '"')
        elif word == "<absent>":
            raise ValueError("it has no tiers")
        elif word and NUMBER.fullmatch(word):
            yield float(word)


def _tiers(pieces: Iterator[str | float]) -> dict[str, list[Interval]]:
    kind = _text(next(pieces)), _text(next(pieces))
    if not kind[0].startswith("ooTextFile") or kind[1] != "TextGrid":
        raise ValueError("it does not begin as one")
    _number(next(pieces)), _number(next(pieces))
    found: dict[str, list[Interval]] = {}
    for _ in range(_count(next(pieces))):
        kind = _text(next(pieces)), _text(next(pieces))
        _number(next(pieces)), _number(next(pieces))
        count = _count(next(pieces))
        if kind[0] == "IntervalTier":
            if kind[1] in found:
                raise ValueError(f"two tiers are called {kind[1]!r}")
            found[kind[1]] = [_interval(pieces) for _ in range(count)]
        elif kind[0] == "TextTier":
            for _ in range(count):
                _number(next(pieces)), _text(next(pieces))
        else:
            raise ValueError(f"{kind[0]!r} is no kind of tier")
    return found


def _interval(pieces: Iterator[str | float]) -> Interval:
    start, end = _number(next(pieces)), _number(next(pieces))
    if end < start:
        raise ValueError(f"an interval from {start:g} to {end:g} s")
    return Interval(start=start, end=end, text=_text(next(pieces)).strip())


def _text(piece: str | float) -> str:
    if not isinstance(piece, str):
        raise ValueError(f"the number {piece:g} stands where a text should be")
    return piece


def _number(piece: str | float) -> float:
    if isinstance(piece, str):
        raise ValueError(f"the text {piece!r} stands where a number should be")
    return piece


def _count(piece: str | float) -> int:
    number = _number(piece)
    if number < 0 or number != int(number):
        raise ValueError(f"{number:g} is no count")
    return int(number)
