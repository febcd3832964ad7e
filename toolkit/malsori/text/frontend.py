"""What every text front end has in common: words with their tokens, errors, settings, protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from malsori.core.errors import MalsoriError

SHOWN_CHARACTERS = 80
"""Longest piece of a sentence that an error message repeats."""


class TextError(MalsoriError):
    """A text, a word or a token cannot be read; the message names the word and the sentence."""

    @classmethod
    def unreadable(cls, word: str, sentence: str, reason: str) -> TextError:
        """Return the error for one word of a sentence.

        Args:
            word: The part that cannot be read.
            sentence: The whole input, shortened in the message.
            reason: Why, and what to do about it.
        """
        return cls(f"cannot read {_shown(word)} in {_shown(sentence)}: {reason}")


@dataclass(frozen=True, slots=True)
class Word:
    """One written word (or one punctuation mark, or one space) and the tokens that speak it."""

    text: str
    """As it stands in the normalised text."""
    tokens: tuple[str, ...]
    """Symbols of the front end's inventory, in spoken order."""


@dataclass(frozen=True, kw_only=True)
class FrontEndConfig:
    """Settings that every front end takes."""

    lexicon: str | None = None
    """User's pronunciations, a file of lines ``word<TAB>pronunciation``; they win over rules."""


class FrontEnd(Protocol):
    """Text in, words with tokens out, in two steps that can be looked at separately."""

    name: str
    language: str

    @property
    def inventory(self) -> tuple[str, ...]:
        """All symbols that can come out, in a fixed order; without blank, padding or unknown."""

    def normalize(self, text: str) -> str:
        """Return the words that would be spoken, separated by single spaces.

        Raises:
            TextError: A part of the text has no reading.
        """

    def pronounce(self, normalized: str) -> list[Word]:
        """Return the words of a normalised text with their tokens; punctuation is a word."""

    def __call__(self, text: str) -> list[Word]:
        """Return ``pronounce(normalize(text))``."""


def _shown(text: str) -> str:
    if len(text) > SHOWN_CHARACTERS:
        text = text[:SHOWN_CHARACTERS] + "…"
    return repr(text)
