"""Where one sentence of a text ends and the next begins."""

from __future__ import annotations

import re
from collections.abc import Iterator

from malsori.text.tables import word_set

_END = re.compile(r"(?<=[.!?…。])\s+|\n+")
_UNFINISHED = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|St|Prof|Gen|Col|Capt|Lt|Sgt|Rev|Hon|Rep|Sen|Gov|Mt|Ft|No|Nos|Fig|Vol|pp"
    r"|vs|cf|e\.g|i\.e)|(?<![\w.])[A-HJ-Z])\.$"
)
"""A stop behind an abbreviation or an initial ends no sentence."""
_COUNTED = re.compile(
    r"\b(?:Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec|[Pp]|[Cc]a?|[Vv]ol|[Ss]ec|[Cc]h|[Aa]rt|[Ee]q"
    r"|[Nn]os?|[Ff]ig|[Aa]pprox|[Ee]xt)\.$"
)
"""Nor behind what a number follows."""
_SHORT = re.compile(
    r"\b(?:Inc|Corp|Co|Ltd|Bros|Jr|Sr|Esq|[Ee]tc|al|[Aa]ve|[Bb]lvd|[Rr]d|[Dd]ept|[Aa]pprox|[Ee]st)\.$"
)
"""Nor behind these where a small letter follows."""
_INITIALS = re.compile(r"(?<![\w.])(?:[A-Za-z]\.){2,4}$")
"""Nor behind ``J.R.R.`` and ``U.S.``, unless a word follows that begins sentences."""
_WORD = re.compile(r"[\"'“‘(]?([A-Za-z]+|[0-9])")
_BEGINNINGS = word_set(
    "A After All An And As At But By For From He Her His How However I If In It Its Later Many My "
    "No Not Now On Our She So Some Still That The Their Then There These They This Those Though To "
    "Was We What When Where Who Why With Yes You Your"
)
_WINDOW = 8


def sentence_gaps(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of the white space between sentences: behind stops, and at new lines."""
    for found in _END.finditer(text):
        start, end = found.span()
        if "\n" in found[0] or not _goes_on(text, start, end):
            yield start, end


def _goes_on(text: str, start: int, end: int) -> bool:
    """Return whether the stop before ``start`` ends no sentence."""
    before = text[max(0, start - _WINDOW) : start]
    if _UNFINISHED.search(before) is not None:
        return True
    following = _WORD.match(text, end)
    if following is None or not before.endswith("."):
        return False
    word = following[1]
    if word[0].islower():
        return _SHORT.search(before) is not None or _INITIALS.search(before) is not None
    if word[0].isdigit():
        return _COUNTED.search(before) is not None
    return _INITIALS.search(before) is not None and word not in _BEGINNINGS
