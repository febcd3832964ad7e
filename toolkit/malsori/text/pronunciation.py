"""Texts in which pronunciations are written, ``{ᄆ ᅡ ᆯ}`` or ``[[t ˈeɪ]]``, for any front end.

A front end that reads them itself (``reads_inline``) sees what stands beside them, so that sounds
meet. For any other, what is before and behind a pronunciation is read by itself.
"""

from __future__ import annotations

import unicodedata
from typing import Protocol, runtime_checkable

from malsori.text.frontend import FrontEnd, Word
from malsori.text.inline import given_tokens, split_inline


@runtime_checkable
class ReadsInline(Protocol):
    """A front end that reads pronunciations in its texts itself."""

    reads_inline: bool


def read_words(front_end: FrontEnd, text: str) -> list[Word]:
    """Return the words of a text, with those whose pronunciation is written into it.

    Raises:
        TextError: A part of the text has no reading, or a pronunciation holds no tokens.
    """
    if isinstance(front_end, ReadsInline) or not may_hold(text):
        return front_end(text)
    words: list[Word] = []
    for part in split_inline(text, front_end.inventory):
        if part.is_given:
            tokens = given_tokens(part.text, text, front_end.inventory)
            words.append(Word(unicodedata.normalize("NFC", "".join(tokens)), tokens))
        else:
            words += front_end(part.text)
    return words


def read_normalized(front_end: FrontEnd, text: str) -> str:
    """Return the words that would be spoken; pronunciations stay, in double brackets.

    Raises:
        TextError: A part of the text has no reading.
    """
    if isinstance(front_end, ReadsInline) or not may_hold(text):
        return front_end.normalize(text)
    found = [
        f"[[{part.text}]]" if part.is_given else front_end.normalize(part.text)
        for part in split_inline(text, front_end.inventory)
    ]
    return " ".join(part for part in found if part)


def may_hold(text: str) -> bool:
    """Return whether a pronunciation may be written into a text; False is certain."""
    return "{" in text or "[[" in text
