"""``jamo``: Korean as it is spelt, each syllable taken apart, with no pronunciation rules."""

from __future__ import annotations

from malsori.core.errors import ConfigError
from malsori.core.registry import Entry
from malsori.text import jamo
from malsori.text.frontend import FrontEndConfig, TextError, Word
from malsori.text.korean_normalizer import normalize


class KoreanSpelling:
    """Korean front end that leaves pronunciation to the model.

    Raises:
        ConfigError: A lexicon is set: spelling has no pronunciations.
    """

    name = "jamo"
    language = "ko"
    inventory = jamo.INVENTORY

    def __init__(self, config: FrontEndConfig) -> None:
        if config.lexicon is not None:
            raise ConfigError("lexicon: front end 'jamo' spells and never pronounces; use 'ko'")

    def normalize(self, text: str) -> str:
        """Return the words that would be spoken, in Hangul, with single spaces.

        Raises:
            TextError: A part of the text has no Korean reading.
        """
        return normalize(text)

    def pronounce(self, normalized: str) -> list[Word]:
        """Return the words of a normalised text with the jamo they are spelt with.

        Raises:
            TextError: The text holds something else than Hangul and punctuation.
        """
        words = []
        for piece in jamo.PIECE.findall(normalized):
            if jamo.is_hangul(piece):
                syllables = map(jamo.split, piece)
                tokens = tuple(t for syllable in syllables for t in jamo.syllable_tokens(syllable))
            elif piece in jamo.PUNCTUATION:
                tokens = (piece,)
            else:
                raise TextError.unreadable(
                    piece, normalized, "only Hangul and punctuation can be pronounced"
                )
            words.append(Word(piece, tokens))
        return words

    def __call__(self, text: str) -> list[Word]:
        """Return the words of a text with their jamo."""
        return self.pronounce(self.normalize(text))


ENTRY = Entry(
    config=FrontEndConfig,
    build=KoreanSpelling,
    summary="Korean as spelt: every syllable taken apart, no pronunciation rules",
    source="The Unicode Standard, section 3.12",
)
