"""The user's Korean words: respellings, tokens, and words in other letters."""

from __future__ import annotations

import re
import unicodedata

from malsori.text import jamo
from malsori.text.frontend import TextError
from malsori.text.jamo import Syllable
from malsori.text.korean_exceptions import PARTICLES
from malsori.text.korean_rules import Gap, apply
from malsori.text.lexicon import pronunciation_tokens, read_lexicon


class KoreanLexicon:
    """The user's words, found alone or before a particle.

    Args:
        path: File of lines ``word<TAB>pronunciation``.

    Raises:
        TextError: The file cannot be read, or a pronunciation is neither Hangul nor tokens.
    """

    def __init__(self, path: str) -> None:
        self._respellings: dict[str, str] = {}
        self._tokens: dict[str, tuple[str, ...]] = {}
        foreign: dict[str, str] = {}
        for word, pronunciation in read_lexicon(path).items():
            if not jamo.is_hangul(pronunciation.replace(" ", "")):
                if not jamo.is_hangul(word):
                    raise TextError(
                        f"{path}: {word!r} is not Hangul: spell it in Hangul, not tokens"
                    )
                self._tokens[word] = pronunciation_tokens(path, word, pronunciation, jamo.INVENTORY)
            elif jamo.is_hangul(word):
                self._respellings[word] = pronunciation.replace(" ", "")
            else:
                foreign[word] = pronunciation
        self._foreign = foreign
        choice = "|".join(re.escape(word) for word in sorted(foreign, key=len, reverse=True))
        self._foreign_words = re.compile(f"(?<![A-Za-z0-9])(?:{choice})(?![A-Za-z0-9])")

    def replace_foreign(self, text: str) -> str:
        """Return ``text`` with the lexicon's words that are not in Hangul written in Hangul."""
        if not self._foreign:
            return text
        text = unicodedata.normalize("NFC", text)
        return self._foreign_words.sub(lambda found: self._foreign[found[0]], text)

    def find(self, piece: str) -> tuple[str, tuple[str, ...] | None]:
        """Return a word's respelling (itself if unknown) and its tokens if they are given."""
        for end in range(len(piece), 0, -1):
            word, rest = piece[:end], piece[end:]
            if rest and rest not in PARTICLES:
                continue
            if word in self._respellings:
                return self._respellings[word] + rest, None
            if word in self._tokens:
                return piece, self._tokens[word] + regular_tokens(rest)
        return piece, None


def regular_tokens(word: str) -> tuple[str, ...]:
    """Return the jamo of a word that the regular rules alone read; none for ``""``."""
    return spoken_tokens(word, apply([jamo.split(c) for c in word], [Gap.NONE] * len(word)))


def spoken_tokens(piece: str, syllables: list[Syllable]) -> tuple[str, ...]:
    """Return a word's jamo, or a punctuation mark itself."""
    if piece in jamo.PUNCTUATION:
        return (piece,)
    return tuple(token for syllable in syllables for token in jamo.syllable_tokens(syllable))
