"""``ko``: standard Korean pronunciation by rules and a table of exceptions, without dependencies.

Text → normalised words → respelt words (what rules cannot know) → the regular rules of
표준발음법 on every pair of neighbouring syllables → jamo. Punctuation marks are words of their own
and end a breath group; a final that moves over a space belongs to the word after it.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Literal, NamedTuple

from malsori.core.registry import Entry
from malsori.text import jamo
from malsori.text.frontend import FrontEndConfig, TextError, Word
from malsori.text.inline import given_tokens, split_inline
from malsori.text.jamo import Syllable
from malsori.text.korean_lexicon import KoreanLexicon, regular_tokens, spoken_tokens
from malsori.text.korean_normalizer import normalize
from malsori.text.korean_phrases import meet, respell_before
from malsori.text.korean_rules import Gap, apply
from malsori.text.korean_words import respell

_PIECE = re.compile(r"\[\[[^\[\]]*\]\][가-힣]*|" + jamo.PIECE.pattern)


class Piece(NamedTuple):
    """One written word or punctuation mark."""

    text: str
    """As it stands in the normalised text, without brackets."""
    spelt: str | None = None
    """The user's respelling, which only the regular rules read."""
    tokens: tuple[str, ...] | None = None
    """The user's tokens, taken as they are."""


@dataclass(frozen=True, kw_only=True)
class KoreanConfig(FrontEndConfig):
    """Settings of ``ko``."""

    phrases: Literal["word", "short", "all"] = "short"
    """Over which spaces sounds meet, since a text does not show its accentual phrases. ``word``:
    over none, as in careful dictation. ``short``: consonants everywhere within a breath group
    (국물 and 국 물 alike), and a stop moves to a vowel after a word of one or two syllables
    (옷 안 → 오단). ``all``: it moves after every word."""


class Korean:
    """Korean front end of our own rules.

    A pronunciation in the text itself, ``[[맏찝]]`` or ``{ᄆ ᅡ ᆯ}``, wins over all.

    Args:
        config: How words meet (of ``KoreanConfig``; the common settings do), and the user's
            lexicon, if any. A pronunciation in Hangul stands for the word and is read by the
            regular rules alone, so that particles join it (``맛집<TAB>맏찝``); one written as
            tokens with spaces between is taken as it is. A word that is not in Hangul
            (``GPT<TAB>지피티``) is replaced before anything else is read.

    Raises:
        TextError: The lexicon cannot be read.
    """

    name = "ko"
    language = "ko"
    inventory = jamo.INVENTORY
    reads_inline = True

    def __init__(self, config: FrontEndConfig) -> None:
        if not isinstance(config, KoreanConfig):
            config = KoreanConfig(lexicon=config.lexicon)
        self.config = config
        self._lexicon = KoreanLexicon(config.lexicon) if config.lexicon is not None else None

    def normalize(self, text: str) -> str:
        """Return the words that would be spoken, in Hangul, with single spaces.

        Pronunciations in the text stay, in double brackets.

        Raises:
            TextError: A part of the text has no Korean reading.
        """
        if "[[" not in text and "{" not in text:
            return self._normalize(text)
        text = unicodedata.normalize("NFC", text)
        spoken: list[str] = []
        for part in split_inline(text, jamo.INVENTORY):
            if part.is_given:
                spoken.append(f"[[{part.text}]]")
                continue
            plain = self._normalize(part.text)
            before, after = part.text[:1].isspace(), part.text[-1:].isspace()
            spoken.append(" " * before + plain + " " * after)
        return " ".join("".join(spoken).split())

    def _normalize(self, text: str) -> str:
        if self._lexicon is not None:
            text = self._lexicon.replace_foreign(text)
        return normalize(text)

    def pronounce(self, normalized: str) -> list[Word]:
        """Return the words of a normalised text with their jamo.

        Raises:
            TextError: The text holds something else than Hangul, punctuation and pronunciations.
        """
        pieces = [self._piece(text, normalized) for text in _PIECE.findall(normalized)]
        spans: list[tuple[int, int]] = []
        syllables: list[Syllable] = []
        gaps: list[Gap] = []
        initial = ""
        for place, piece in enumerate(pieces):
            start = len(syllables)
            if piece.tokens is None and jamo.is_hangul(piece.text):
                spelt = piece.spelt or self._respelt(pieces, place)
                if initial:
                    spelt = jamo.with_initial(spelt[0], initial) + spelt[1:]
                syllables += map(jamo.split, spelt)
                gaps += [Gap.NONE] * (len(spelt) - 1)
                initial, gap = self._next_gap(pieces, place)
                gaps.append(gap)
            elif piece.tokens is None and piece.text not in jamo.PUNCTUATION:
                raise TextError.unreadable(
                    piece.text, normalized, "only Hangul and punctuation can be pronounced"
                )
            spans.append((start, len(syllables)))
        spoken = apply(syllables, gaps)
        return [
            Word(piece.text, piece.tokens or spoken_tokens(piece.text, spoken[start:end]))
            for piece, (start, end) in zip(pieces, spans, strict=True)
        ]

    def __call__(self, text: str) -> list[Word]:
        """Return the words of a text with their jamo; see ``normalize`` and ``pronounce``."""
        return self.pronounce(self.normalize(text))

    def _piece(self, text: str, sentence: str) -> Piece:
        """Return a piece with what the user says of it."""
        if text.startswith("[[") and len(text) > 2:
            return _given(text, sentence)
        if self._lexicon is None or not jamo.is_hangul(text):
            return Piece(text)
        spelt, tokens = self._lexicon.find(text)
        return Piece(text, None if spelt is text else spelt, tokens)

    @staticmethod
    def _respelt(pieces: list[Piece], place: int) -> str:
        """Return a word in the spelling that the regular rules read correctly."""
        after = pieces[place + 1].text if place + 1 < len(pieces) else ""
        before = pieces[place - 1].text if place else ""
        return respell(respell_before(pieces[place].text, after, before))

    def _next_gap(self, pieces: list[Piece], place: int) -> tuple[str, Gap]:
        """Return the next word's initial (``""``: as spelt) and the gap after piece ``place``."""
        if self.config.phrases == "word" or place + 1 == len(pieces):
            return "", Gap.PAUSE
        word, following = pieces[place], pieces[place + 1]
        if following.tokens is not None or not jamo.is_hangul(following.text):
            return "", Gap.PAUSE
        initial, gap = meet(word.text, following.text)
        if self.config.phrases == "all" and not initial and gap is Gap.WORD:
            return "", Gap.CLOSE
        return initial, gap


def _given(text: str, sentence: str) -> Piece:
    """Return the piece of a pronunciation in double brackets and the syllables joined to it.

    Raises:
        TextError: It is neither Hangul nor tokens.
    """
    inner, rest = text[2:].split("]]")
    spelt = inner.replace(" ", "")
    if jamo.is_hangul(spelt):
        return Piece(spelt + rest, spelt + rest)
    tokens = given_tokens(inner, sentence, jamo.INVENTORY)
    return Piece(unicodedata.normalize("NFC", spelt) + rest, None, tokens + regular_tokens(rest))


ENTRY = Entry(
    config=KoreanConfig,
    build=Korean,
    summary="Korean, standard pronunciation by own rules; needs nothing else",
    source="표준발음법, 문화체육관광부 고시 제2017-13호",
)
