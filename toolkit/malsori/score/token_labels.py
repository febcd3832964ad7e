"""Tokens as labels under a picture: readable letters, set by the browser, in as few rows as fit."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

LABEL_ROWS = 3
_CHARACTER_SHARE = 0.0135  # of the time axis, at the narrowest width a picture has in the page
_SPELT = {" ": "␣", "<space>": "␣", "|": "␣"}


class Label(NamedTuple):
    """One token's label."""

    text: str
    """What is shown."""
    token: str
    """The token itself."""
    start: float
    """Seconds."""
    end: float
    """Seconds."""
    row: int
    """0 is the uppermost."""


def readable(token: str) -> str:
    """Return a token as it can stand alone in a label.

    Conjoining jamo, which fonts draw as parts of a syllable, become the letters of the keyboard
    (initial and final ㄱ look the same then); spaces become visible; others stay.
    """
    return _SPELT.get(token) or "".join(_letter(character) for character in token)


def place(
    tokens: Sequence[str], boundaries: Sequence[float], axis_seconds: float
) -> tuple[Label, ...]:
    """Return the labels of tokens, each in the first row where it does not cover another.

    A token without duration or without room in any row has no label.

    Args:
        tokens: In the order of time.
        boundaries: Where each ends, seconds, (N,); the first begins at 0.
        axis_seconds: Length of the time axis.
    """
    taken = [0.0] * LABEL_ROWS
    labels = []
    start = 0.0
    for token, end in zip(tokens, boundaries, strict=True):
        text = readable(token)
        width = _CHARACTER_SHARE * axis_seconds * sum(1 + _is_wide(letter) for letter in text) / 1.4
        left = (start + end) / 2 - width / 2
        row = next((row for row in range(LABEL_ROWS) if taken[row] <= left), None)
        if row is not None and end > start:
            taken[row] = left + width
            labels.append(Label(text, token, start, end, row))
        start = end
    return tuple(labels)


def _letter(character: str) -> str:
    name = unicodedata.name(character, "")
    if name.startswith(("HANGUL CHOSEONG ", "HANGUL JUNGSEONG ", "HANGUL JONGSEONG ")):
        try:
            return unicodedata.lookup("HANGUL LETTER " + name.split(" ", 2)[2])
        except KeyError:  # an old letter without a keyboard form
            return character
    return character


def _is_wide(character: str) -> bool:
    return unicodedata.east_asian_width(character) in "WF"
