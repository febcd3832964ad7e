"""Where one sentence of a text ends and the next begins."""

from __future__ import annotations

import re
from collections.abc import Iterator

_END = re.compile(r"(?<=[.!?…。])\s+|\n+")
_UNFINISHED = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|St|Prof|Gen|Col|Capt|Lt|Sgt|Rev|Hon|Rep|Sen|Gov|Mt|Ft|No|Nos|Fig|Vol|pp"
    r"|vs|cf|e\.g|i\.e)|(?<![\w.])[A-HJ-Z])\.$"
)
"""A stop behind an abbreviation or an initial ends no sentence."""
_WINDOW = 8


def sentence_gaps(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of the white space between sentences: behind stops, and at new lines."""
    for found in _END.finditer(text):
        start = found.start()
        before = text[max(0, start - _WINDOW) : start]
        if "\n" in found[0] or _UNFINISHED.search(before) is None:
            yield start, found.end()
