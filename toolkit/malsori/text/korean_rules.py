"""The regular rules of standard Korean pronunciation, for two neighbouring syllables.

Every rule of 표준발음법 that needs no knowledge of the word looks at the final of one syllable and
at the start of the next. So the whole grammar is one function of four values, cached.

Source: 표준발음법 (문화체육관광부 고시 제2017-13호); the articles stand beside the rules.
"""

from __future__ import annotations

from enum import Enum
from functools import cache

from malsori.text import jamo
from malsori.text.jamo import FINAL, INITIAL, Syllable


class Gap(Enum):
    """What lies between two syllables."""

    NONE = 0
    """Nothing: they belong to one written word."""
    CLOSE = 1
    """A space, in one breath: a final moves to a following vowel."""
    WORD = 2
    """A space: consonants assimilate, finals do not move to vowels."""
    PAUSE = 3
    """Punctuation, or the end."""


_NEUTRAL = {
    **dict.fromkeys("ㄱㄲㅋㄳㄺ", "ㄱ"), **dict.fromkeys("ㄴㄵㄶ", "ㄴ"),
    **dict.fromkeys("ㄷㅅㅆㅈㅊㅌㅎ", "ㄷ"), **dict.fromkeys("ㄹㄼㄽㄾㅀ", "ㄹ"),
    **dict.fromkeys("ㅁㄻ", "ㅁ"), **dict.fromkeys("ㅂㅍㅄㄿ", "ㅂ"), "ㅇ": "ㅇ", " ": " ",
}  # fmt: skip
"""Articles 8 to 11: what a final is before a consonant and at the end."""

_MOVES = {
    "ㄳ": "ㄱㅆ", "ㄵ": "ㄴㅈ", "ㄺ": "ㄹㄱ", "ㄻ": "ㄹㅁ", "ㄼ": "ㄹㅂ", "ㄽ": "ㄹㅆ", "ㄾ": "ㄹㅌ",
    "ㄿ": "ㄹㅍ", "ㅄ": "ㅂㅆ", "ㄶ": " ㄴ", "ㅀ": " ㄹ", "ㅎ": " ㅇ",
}  # fmt: skip
"""Articles 12.4, 13 and 14: what stays and what moves before a vowel; other finals move whole."""

_PALATAL = {"ㄷ": " ㅈ", "ㅌ": " ㅊ", "ㄾ": "ㄹㅊ"}
_WITH_H = {
    "ㄱ": " ㅋ", "ㄲ": " ㅋ", "ㄳ": " ㅋ", "ㄺ": "ㄹㅋ", "ㄷ": " ㅌ", "ㅌ": " ㅌ", "ㅅ": " ㅌ",
    "ㅆ": " ㅌ", "ㅊ": " ㅌ", "ㅈ": " ㅊ", "ㄵ": "ㄴㅊ", "ㅂ": " ㅍ", "ㅍ": " ㅍ", "ㅄ": " ㅍ",
    "ㄼ": "ㄹㅍ", "ㅎ": " ㅎ", "ㄶ": "ㄴㅎ", "ㅀ": "ㄹㅎ",
}  # fmt: skip
"""Article 12.1: a final and a following ㅎ."""
_H_STAYS = {"ㅎ": " ", "ㄶ": "ㄴ", "ㅀ": "ㄹ"}
_ASPIRATED = {"ㄱ": "ㅋ", "ㄷ": "ㅌ", "ㅈ": "ㅊ", "ㅅ": "ㅆ", "ㅂ": "ㅍ"}
_TENSE = {"ㄱ": "ㄲ", "ㄷ": "ㄸ", "ㅂ": "ㅃ", "ㅅ": "ㅆ", "ㅈ": "ㅉ"}
_NASAL = {"ㄱ": "ㅇ", "ㄷ": "ㄴ", "ㅂ": "ㅁ"}
_TENSING = frozenset("ㄱㄷㅂ")
_TENSING_CLUSTERS = frozenset("ㄵㄼㄾ")

_FINAL_LETTERS = {index: letter for letter, index in FINAL.items()}
_INITIAL_LETTERS = {index: letter for letter, index in INITIAL.items()}
_VOWEL_LETTERS = {index: letter for letter, index in jamo.VOWEL.items()}


def apply(syllables: list[Syllable], gaps: list[Gap]) -> list[Syllable]:
    """Return the pronounced syllables of a spelt sequence, one for one.

    Args:
        syllables: As spelt.
        gaps: ``gaps[i]`` lies after ``syllables[i]``; same length.
    """
    spoken = []
    carried = -1
    last = len(syllables) - 1
    for place, syllable in enumerate(syllables):
        initial = syllable.initial if carried < 0 else carried
        gap = gaps[place]
        if gap is Gap.PAUSE or place == last:
            final, carried = _at_pause(syllable.final), -1
        else:
            after = syllables[place + 1]
            final, carried = _meet(syllable.final, after.initial, after.vowel, gap)
        spoken.append(Syllable(initial, _vowel(syllable.initial, initial, syllable.vowel), final))
    return spoken


def neutral(final: str) -> str:
    """Return what a final (a keyboard letter, ``" "`` for none) is at a word's end."""
    return _NEUTRAL[final]


@cache
def _at_pause(final: int) -> int:
    return FINAL[_NEUTRAL[_FINAL_LETTERS[final]]]


@cache
def _meet(final: int, initial: int, vowel: int, gap: Gap) -> tuple[int, int]:
    """Return the final and the next initial as they are pronounced when they meet."""
    stays, follows = _join(
        _FINAL_LETTERS[final], _INITIAL_LETTERS[initial], _VOWEL_LETTERS[vowel], gap
    )
    return FINAL[stays], INITIAL[follows]


def _join(final: str, initial: str, vowel: str, gap: Gap) -> tuple[str, str]:
    if gap is not Gap.NONE:
        final = _NEUTRAL[final]  # articles 12 and 15: a word's last final changes first
    if initial == "ㅇ":
        return _before_vowel(final, vowel, gap)
    if initial == "ㅎ":
        return _before_h(final, vowel, gap)
    if final in _H_STAYS:
        return _after_h(final, initial)
    neutral = _NEUTRAL[final]
    if initial in _TENSE and (neutral in _TENSING or final in _TENSING_CLUSTERS):
        return neutral, _TENSE[initial]  # articles 23 to 25
    if neutral in _NASAL and initial in "ㄴㅁㄹ":
        return _NASAL[neutral], "ㄴ" if initial == "ㄹ" else initial  # articles 18 and 19
    if neutral in ("ㅁ", "ㅇ") and initial == "ㄹ":
        return neutral, "ㄴ"  # article 19
    if neutral == "ㄹ" and initial == "ㄴ":
        return "ㄹ", "ㄹ"  # article 20
    if neutral == "ㄴ" and initial == "ㄹ" and gap is Gap.NONE:
        return "ㄹ", "ㄹ"  # article 20
    return neutral, initial


def _before_vowel(final: str, vowel: str, gap: Gap) -> tuple[str, str]:
    if final in (" ", "ㅇ") or gap is Gap.WORD:
        return final, "ㅇ"
    if gap is Gap.CLOSE:
        return (" ", final) if final in _TENSING else (final, "ㅇ")  # article 15
    if final in _PALATAL and vowel in "ㅣㅕ":
        pair = _PALATAL[final]  # article 17
    else:
        pair = _MOVES.get(final, " " + final)
    return pair[0], pair[1]


def _before_h(final: str, vowel: str, gap: Gap) -> tuple[str, str]:
    pair = _WITH_H.get(final)
    if pair is None:
        return _NEUTRAL[final], "ㅎ"
    if final in "ㄷㅌ" and vowel in "ㅣㅕ" and gap is Gap.NONE:
        return " ", "ㅊ"  # article 17, supplement
    return pair[0], pair[1]


def _after_h(final: str, initial: str) -> tuple[str, str]:
    """Article 12: ㅎ, ㄶ and ㅀ before a consonant."""
    rest = _H_STAYS[final]
    if initial in _ASPIRATED:
        return rest, _ASPIRATED[initial]
    if initial in "ㄴㄹ" and rest == "ㄹ":
        return "ㄹ", "ㄹ"  # 뚫네, 뚫리다
    if initial in "ㄴㅁㄹ":
        return ("ㄴ" if rest == " " else rest), ("ㄴ" if initial == "ㄹ" else initial)
    return (rest if rest != " " else "ㄷ"), initial


@cache
def _vowel(spelt_initial: int, initial: int, vowel: int) -> int:
    """Article 5: 져, 쪄, 쳐 have ㅓ; ㅢ after a spelt consonant is ㅣ."""
    letter = _VOWEL_LETTERS[vowel]
    if letter == "ㅕ" and _INITIAL_LETTERS[initial] in "ㅈㅉㅊ":
        return jamo.VOWEL["ㅓ"]
    if letter == "ㅢ" and _INITIAL_LETTERS[spelt_initial] != "ㅇ":
        return jamo.VOWEL["ㅣ"]
    return vowel
