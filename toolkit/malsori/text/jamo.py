"""The Korean inventory: conjoining jamo and punctuation, and syllables as triples of jamo.

Every Korean front end emits these symbols and no other, in this order: 19 initials (ᄋ is the
silent one), 21 vowels, 27 finals, punctuation. Standard pronunciation needs only seven of the
finals (표준발음법, article 8); the others appear where spelling itself is the token (``jamo``).

Source: The Unicode Standard, section 3.12, "Conjoining Jamo Behavior".
"""

from __future__ import annotations

import re
from typing import NamedTuple

INITIALS = tuple(chr(0x1100 + i) for i in range(19))
VOWELS = tuple(chr(0x1161 + i) for i in range(21))
FINALS = tuple(chr(0x11A8 + i) for i in range(27))
PUNCTUATION = (".", ",", "?", "!", "…", "-", "~", "'", '"', ";", ":")
INVENTORY = INITIALS + VOWELS + FINALS + PUNCTUATION

PIECE = re.compile(r"[가-힣]+|\S")
"""One Hangul word, or one character of anything else."""

FIRST_SYLLABLE, LAST_SYLLABLE = "가", "힣"

_INITIAL_LETTERS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
_VOWEL_LETTERS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
_FINAL_LETTERS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"

INITIAL = {letter: index for index, letter in enumerate(_INITIAL_LETTERS)}
"""Keyboard letter to its place among the initials, 0 to 18."""
VOWEL = {letter: index for index, letter in enumerate(_VOWEL_LETTERS)}
"""Keyboard letter to its place among the vowels, 0 to 20."""
FINAL = {letter: index for index, letter in enumerate(_FINAL_LETTERS)}
"""Keyboard letter to its place among the finals, 1 to 27; a space stands for none, 0."""


class Syllable(NamedTuple):
    """Places of the three parts of a syllable: 0–18, 0–20, and 0 (none) or 1–27."""

    initial: int
    vowel: int
    final: int


def is_syllable(character: str) -> bool:
    """True for one of the 11,172 precomposed Hangul syllables."""
    return FIRST_SYLLABLE <= character <= LAST_SYLLABLE


def is_hangul(text: str) -> bool:
    """True if ``text`` is not empty and consists of precomposed syllables only."""
    return bool(text) and all(FIRST_SYLLABLE <= c <= LAST_SYLLABLE for c in text)


def split(character: str) -> Syllable:
    """Return the parts of one precomposed syllable.

    Raises:
        ValueError: ``character`` is not a Hangul syllable.
    """
    place = ord(character) - 0xAC00
    if not 0 <= place < 11172:
        raise ValueError(f"not a Hangul syllable: {character!r}")
    return Syllable(place // 588, place % 588 // 28, place % 28)


def join(syllable: Syllable) -> str:
    """Return the precomposed syllable of three parts, the inverse of ``split``."""
    return chr(0xAC00 + syllable.initial * 588 + syllable.vowel * 28 + syllable.final)


def syllable_tokens(syllable: Syllable) -> tuple[str, ...]:
    """Return the two or three conjoining jamo of a syllable."""
    if syllable.final:
        return (
            INITIALS[syllable.initial],
            VOWELS[syllable.vowel],
            FINALS[syllable.final - 1],
        )
    return (INITIALS[syllable.initial], VOWELS[syllable.vowel])


def final_of(character: str) -> str:
    """Return the final of a syllable as a keyboard letter, ``" "`` where there is none."""
    return _FINAL_LETTERS[split(character).final]


def initial_of(character: str) -> str:
    """Return the initial of a syllable as a keyboard letter (``"ㅇ"`` is the silent one)."""
    return _INITIAL_LETTERS[split(character).initial]


def vowel_of(character: str) -> str:
    """Return the vowel of a syllable as a keyboard letter."""
    return _VOWEL_LETTERS[split(character).vowel]


def with_initial(character: str, letter: str) -> str:
    """Return the syllable with another initial."""
    return join(split(character)._replace(initial=INITIAL[letter]))


def with_final(character: str, letter: str) -> str:
    """Return the syllable with another final; ``" "`` removes it."""
    return join(split(character)._replace(final=FINAL[letter]))
