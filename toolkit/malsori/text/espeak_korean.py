"""``espeak``: Korean by the program espeak-ng, its phonemes written as the common jamo.

The program (GPL-3.0) is run beside, never linked, and only where a user has installed it. Each
written word is read by itself; finals become the seven of article 8.
"""

from __future__ import annotations

import re
import shutil
import subprocess

from malsori.core.registry import Entry
from malsori.text import jamo
from malsori.text.frontend import FrontEndConfig, TextError, Word
from malsori.text.jamo import Syllable
from malsori.text.korean_lexicon import KoreanLexicon, spoken_tokens
from malsori.text.korean_normalizer import normalize
from malsori.text.korean_rules import neutral

PROGRAM = "espeak-ng"
SECONDS = 60
"""Longest that the program may take for one text."""

_INITIALS = {
    "g": "ㄱ", "k": "ㄱ", "q": "ㄱ", "k-": "ㄲ", "q-": "ㄲ", "kh": "ㅋ", "qh": "ㅋ",
    "d": "ㄷ", "t": "ㄷ", "d-": "ㄸ", "t-": "ㄸ", "th": "ㅌ",
    "b": "ㅂ", "p": "ㅂ", "p-": "ㅃ", "ph": "ㅍ",
    "s": "ㅅ", "s-": "ㅆ", "tS": "ㅈ", "dZ": "ㅈ", "tS-": "ㅉ", "tSh": "ㅊ", "h": "ㅎ",
    "m": "ㅁ", "n": "ㄴ", "*": "ㄹ", "L": "ㄹ", "l": "ㄹ", "N": "ㅇ",
}  # fmt: skip
_VOWELS = {
    "a": "ㅏ", "@": "ㅓ", "o": "ㅗ", "u": "ㅜ", "u-": "ㅡ", "i": "ㅣ", "E": "ㅐ", "e": "ㅔ",
    "ja": "ㅑ", "j@": "ㅕ", "jo": "ㅛ", "ju": "ㅠ", "jE": "ㅒ", "je": "ㅖ", "wa": "ㅘ", "w@": "ㅝ",
    "wE": "ㅙ", "we": "ㅚ", "wi": "ㅟ", "u-j": "ㅢ", "ji": "ㅣ", "ju-": "ㅢ",
    "wo": "ㅗ", "wu": "ㅜ", "wu-": "ㅡ",
}  # fmt: skip
_PHONEME = re.compile(
    r"u-j(?![aeou@Ei])|[jw]?(?:u-|[aeoui@E])|tS-|tSh|tS|dZ|[kqtdpb][-h]|s-|[gkqdtbpshmnNlL*]"
)
_UNHEARD = str.maketrans("", "", "',;:%=_|")
"""Stress, length and palatal marks, which Korean tokens do not have."""


class EspeakKorean:
    """Korean front end around the program espeak-ng.

    Args:
        config: The user's lexicon, if any; see ``ko``.

    Raises:
        TextError: The lexicon cannot be read.
    """

    name = "espeak"
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
            TextError: The text is not normalised, or the program is missing or fails.
        """
        pieces = jamo.PIECE.findall(normalized)
        given: list[tuple[str, ...] | None] = [None] * len(pieces)
        spelt = list(pieces)
        for place, piece in enumerate(pieces):
            if piece in jamo.PUNCTUATION:
                given[place] = (piece,)
            elif not jamo.is_hangul(piece):
                raise TextError.unreadable(
                    piece, normalized, "only Hangul and punctuation can be pronounced"
                )
            elif self._lexicon is not None:
                spelt[place], given[place] = self._lexicon.find(piece)
        asked = [place for place, tokens in enumerate(given) if tokens is None]
        for place, phonemes in zip(asked, _ask([spelt[p] for p in asked]), strict=True):
            given[place] = spoken_tokens(pieces[place], _syllables(phonemes))
        return [Word(piece, tokens or ()) for piece, tokens in zip(pieces, given, strict=True)]

    def __call__(self, text: str) -> list[Word]:
        """Return the words of a text with their jamo."""
        return self.pronounce(self.normalize(text))


def _ask(words: list[str]) -> list[str]:
    """Return espeak-ng's phonemes of each word.

    Raises:
        TextError: The program is missing, or does not answer with one line a word.
    """
    if not words:
        return []
    program = shutil.which(PROGRAM)
    if program is None:
        raise TextError(f"the front end 'espeak' needs the program {PROGRAM}: install it")
    found = subprocess.run(
        [program, "-v", "ko", "-q", "-x", "--stdin"],
        input=".\n".join(words) + ".\n",
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS,
        check=False,
    )
    lines = [line for line in found.stdout.splitlines() if line.strip()]
    if found.returncode or len(lines) != len(words):
        raise TextError(
            f"{PROGRAM} answered {len(lines)} lines for {len(words)} words: {found.stderr.strip()}"
        )
    return lines


def _syllables(phonemes: str) -> list[Syllable]:
    """Return the syllables of one word's phonemes."""
    parts = _PHONEME.findall(phonemes.translate(_UNHEARD).replace(" ", ""))
    spoken: list[Syllable] = []
    waiting: list[str] = []  # consonants since the last vowel
    for part in parts:
        if part not in _VOWELS:  # a consonant
            waiting += ["L", "*"] if part == "l" else [part]
            continue
        initial = waiting.pop() if waiting and waiting[-1] not in ("N", "L") else ""
        _close(spoken, waiting)
        letter = _INITIALS[initial] if initial else "ㅇ"
        spoken.append(Syllable(jamo.INITIAL[letter], jamo.VOWEL[_VOWELS[part]], 0))
        waiting = []
    _close(spoken, waiting)
    return spoken


def _close(spoken: list[Syllable], consonants: list[str]) -> None:
    """Give the last syllable its final, of what stands before the next initial."""
    if spoken and consonants:
        letter = _INITIALS[consonants[0]]
        final = neutral(letter) if letter in jamo.FINAL else "ㄷ"
        spoken[-1] = spoken[-1]._replace(final=jamo.FINAL[final])


ENTRY = Entry(
    config=FrontEndConfig,
    build=EspeakKorean,
    summary="Korean by the program espeak-ng, word by word; for comparison only",
    source="espeak-ng, GPL-3.0, run as a program",
)
