"""From one written Korean word to a respelling that the regular rules read correctly.

First the exceptions, longest first; then what depends on the shape of a verb: its stem's final
before certain endings. Everything here looks at one written word; ``korean_phrases`` looks at two.
"""

from __future__ import annotations

from functools import cache, lru_cache

from malsori.text import jamo
from malsori.text.korean_exceptions import PARTICLES, entries, moved, with_n
from malsori.text.korean_suffixes import suffixes
from malsori.text.korean_verbs import is_form_in_l, verb_endings
from malsori.text.tables import word_set

CACHED_WORDS = 100_000

_PREFIXES = frozenset("첫헛홑덧풋뭇윗햇")
"""Syllables that begin compounds and are never followed by a particle."""
I_VOWELS = frozenset("ㅣㅑㅕㅛㅠㅖㅒ")
"""Vowels before which ㄴ is added."""
_NO_STATIONS = word_set(
    "번역 통역 반역 면역 병역 현역 전역 징역 광역 음역 방역 용역 권역 악역 단역 영역 직역 완역 성역 군역 관역 흥역 홍역 퇴역 복역 검역"
)
"""Ends of words that are no stations: 동시통역, 수도권역."""


@lru_cache(maxsize=CACHED_WORDS)
def respell(word: str) -> str:
    """Return a spelling of ``word`` that the regular rules read correctly.

    Args:
        word: Precomposed Hangul syllables, one written word.
    """
    if is_form_in_l(word):
        return word
    return verb_endings(_station(suffixes(word, _prefix(word, _exceptions(word)))))


def _exceptions(word: str) -> str:
    table, lengths = _index()
    spelt = []
    place = 0
    while place < len(word):
        for length in lengths:
            end = place + length
            if end > len(word):
                continue
            found = table.get(word[place:end])
            if found is None:
                continue
            respelling, at_start, at_end = found
            if (at_start and place) or (at_end and not _ends_noun(word, end)):
                continue
            spelt.append(respelling)
            break
        else:
            end = place + 1
            spelt.append(word[place])
        place = end
    return "".join(spelt)


def _prefix(word: str, spelt: str) -> str:
    """Articles 15 and 29: what 첫-, 헛- and their like do to a vowel, 첫+아이 처다이, 헛+일 헌닐."""
    if len(word) < 2 or word[0] not in _PREFIXES or spelt[:2] != word[:2]:
        return spelt
    if jamo.initial_of(word[1]) != "ㅇ" or word[1:] in PARTICLES:
        return spelt
    if jamo.vowel_of(word[1]) in I_VOWELS and word[1] != "인":
        return word[0] + with_n(word[0], word[1]) + spelt[2:]
    return "".join(moved(word[0], word[1])) + spelt[2:]


def _ends_noun(word: str, end: int) -> bool:
    return end == len(word) or word[end:] in PARTICLES


@cache
def _index() -> tuple[dict[str, tuple[str, bool, bool]], tuple[int, ...]]:
    """Return entry without marks to (respelling, only at start, only at end), and its lengths."""
    table = {entry.word: (entry.respelling, entry.at_start, entry.at_end) for entry in entries()}
    return table, tuple(sorted({len(entry) for entry in table}, reverse=True))


def _station(word: str) -> str:
    """Article 29: 역, a station, gets ㄴ (after ㄹ: ㄹ) after a name in a consonant."""
    place = word.rfind("역")
    if place < 2 or not _ends_noun(word, place + 1) or word[place - 1 : place + 1] in _NO_STATIONS:
        return word
    final = jamo.final_of(word[place - 1])
    if final == " ":
        return word
    return word[:place] + ("력" if final == "ㄹ" else "녁") + word[place + 1 :]
