"""Pronunciations written into a text: ``{ᄆ ᅡ ᆯ}`` as tokens, ``[[맏찝]]`` also as a respelling.

A front end splits its text here first, normalises what is plain and takes the rest as it is.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from malsori.text.frontend import TextError

LONGEST = 400
"""Characters in one pair of brackets; longer ones are brackets of the text."""

INLINE = re.compile(rf"\{{[^{{}}\n]{{1,{LONGEST}}}\}}|\[\[[^\[\]\n]{{1,{LONGEST}}}\]\]")
"""Braces or double brackets, not nested."""


class Part(NamedTuple):
    """One part of a text."""

    text: str
    """As written, without the brackets of a pronunciation."""
    is_given: bool
    """True for a pronunciation, False for plain text."""


def split_inline(text: str, inventory: tuple[str, ...]) -> list[Part]:
    """Return the plain and the given parts of a text, in order, nothing left out.

    Braces hold a pronunciation if all that is in them is tokens; otherwise they are brackets of
    the text. Double brackets always do.

    Args:
        text: Any.
        inventory: Tokens of the front end.
    """
    parts: list[Part] = []
    end = 0
    tokens = frozenset(inventory)
    for found in INLINE.finditer(text):
        double = found[0].startswith("[[")
        inner = " ".join(found[0].strip("[]{}").split())
        if not inner or not (double or tokens.issuperset(inner.split())):
            continue
        if found.start() > end:
            parts.append(Part(text[end : found.start()], False))
        parts.append(Part(inner, True))
        end = found.end()
    if end < len(text):
        parts.append(Part(text[end:], False))
    return parts


def given_tokens(inner: str, sentence: str, inventory: tuple[str, ...]) -> tuple[str, ...]:
    """Return the tokens of a pronunciation written with spaces between.

    Raises:
        TextError: One is not in ``inventory``; the message names it and the sentence.
    """
    tokens = tuple(inner.split())
    for token in tokens:
        if token not in inventory:
            raise TextError.unreadable(
                f"[[{inner}]]", sentence, f"{token!r} is not a token of this front end"
            )
    return tokens
