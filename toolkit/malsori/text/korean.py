"""``ko``: standard Korean pronunciation by rules and a table of exceptions, without dependencies.

Text → normalised words → respelt words (what rules cannot know) → the regular rules of
표준발음법 on every pair of neighbouring syllables → jamo. Punctuation marks are words of their own
and end a breath group; a final that moves over a space belongs to the word after it.
"""

from __future__ import annotations

import re
import unicodedata

from malsori.core.registry import Entry
from malsori.text import jamo
from malsori.text.frontend import FrontEndConfig, TextError, Word
from malsori.text.jamo import Syllable
from malsori.text.korean_exceptions import PARTICLES
from malsori.text.korean_normalizer import normalize
from malsori.text.korean_phrases import meet, respell_before
from malsori.text.korean_rules import Gap, apply
from malsori.text.korean_words import respell
from malsori.text.lexicon import pronunciation_tokens, read_lexicon


class Korean:
    """Korean front end of our own rules.

    Args:
        config: The user's lexicon, if any. A pronunciation in Hangul stands for the word and is
            read by the regular rules alone, so that particles join it (``맛집<TAB>맏찝``); one
            written as tokens with spaces between is taken as it is. A word that is not in Hangul
            (``GPT<TAB>지피티``) is replaced before anything else is read.

    Raises:
        TextError: The lexicon cannot be read.
    """

    name = "ko"
    language = "ko"
    inventory = jamo.INVENTORY

    def __init__(self, config: FrontEndConfig) -> None:
        self.config = config
        self._lexicon = KoreanLexicon(config.lexicon) if config.lexicon is not None else None

    def normalize(self, text: str) -> str:
        """Return the words that would be spoken, in Hangul, with single spaces.

        Raises:
            TextError: A part of the text has no Korean reading.
        """
        if self._lexicon is not None:
            text = self._lexicon.replace_foreign(text)
        return normalize(text)

    def pronounce(self, normalized: str) -> list[Word]:
        """Return the words of a normalised text with their jamo.

        Raises:
            TextError: The text holds something else than Hangul and punctuation.
        """
        pieces = jamo.PIECE.findall(normalized)
        given: list[tuple[str, ...] | None] = [None] * len(pieces)
        plain = list(pieces)
        if self._lexicon is not None:
            for place, piece in enumerate(pieces):
                plain[place], given[place] = self._lexicon.find(piece)
        spans: list[tuple[int, int]] = []
        syllables: list[Syllable] = []
        gaps: list[Gap] = []
        initial = ""
        for place, piece in enumerate(pieces):
            start = len(syllables)
            if jamo.is_hangul(piece) and given[place] is None:
                spelt = plain[place]
                if spelt is piece:  # not the user's
                    spelt = respell(respell_before(piece, "".join(pieces[place + 1 : place + 2])))
                if initial:
                    spelt = jamo.with_initial(spelt[0], initial) + spelt[1:]
                syllables += map(jamo.split, spelt)
                gaps += [Gap.NONE] * (len(spelt) - 1)
                initial, gap = self._next_gap(pieces, given, place)
                gaps.append(gap)
            elif given[place] is None and piece not in jamo.PUNCTUATION:
                raise TextError.unreadable(
                    piece, normalized, "only Hangul and punctuation can be pronounced"
                )
            spans.append((start, len(syllables)))
        spoken = apply(syllables, gaps)
        return [
            Word(piece, given[place] or _tokens(piece, spoken[start:end]))
            for place, (piece, (start, end)) in enumerate(zip(pieces, spans, strict=True))
        ]

    def __call__(self, text: str) -> list[Word]:
        """Return the words of a text with their jamo; see ``normalize`` and ``pronounce``."""
        return self.pronounce(self.normalize(text))

    @staticmethod
    def _next_gap(
        pieces: list[str], given: list[tuple[str, ...] | None], place: int
    ) -> tuple[str, Gap]:
        """Return the next word's initial (``""``: as spelt) and the gap after piece ``place``."""
        if place + 1 == len(pieces) or given[place + 1] is not None:
            return "", Gap.PAUSE
        following = pieces[place + 1]
        return meet(pieces[place], following) if jamo.is_hangul(following) else ("", Gap.PAUSE)


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
                ending = apply([jamo.split(c) for c in rest], [Gap.NONE] * len(rest))
                return piece, self._tokens[word] + _tokens(rest, ending)
        return piece, None


def _tokens(piece: str, syllables: list[Syllable]) -> tuple[str, ...]:
    """Return a word's jamo, or a punctuation mark itself."""
    if piece in jamo.PUNCTUATION:
        return (piece,)
    return tuple(token for syllable in syllables for token in jamo.syllable_tokens(syllable))


ENTRY = Entry(
    config=FrontEndConfig,
    build=Korean,
    summary="Korean, standard pronunciation by own rules; needs nothing else",
    source="표준발음법, 문화체육관광부 고시 제2017-13호",
)
