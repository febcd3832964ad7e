"""From one written Korean word to a respelling that the regular rules read correctly.

First the exceptions, longest first; then what depends on the shape of a verb: its stem's final
before certain endings. Everything here looks at one written word; ``korean_phrases`` looks at two.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache

from malsori.text import jamo
from malsori.text.korean_exceptions import PARTICLES, entries, tensed
from malsori.text.tables import word_set

CACHED_WORDS = 100_000

_G_STEMS = "읽맑늙밝굵긁묽갉붉얽옭"
_M_STEMS = "젊굶옮곪닮삶짊"
_ENDINGS_AFTER_M = "다고지게더던습자소도"
_FUTURE_ENDINGS = re.compile(
    r"(?P<promise>[게걸]요?)|"
    r"(?P<whether>지(?:도|라도|는|를|에|요|언정|어다|모르.{0,4}|도모르.{0,4})?)|"
    r"(?P<noun>거(?:야|예요|에요|다|라고|라는|란|래|니까?|지|죠)|것(?:이다?|은|을|도|같.{1,3}|입니다)?|겁니.{1,2})|"
    r"(?P<always>수록(?:은|도|요)?|진대|세라)"
)
"""What makes ㄹ before it the future or adnominal ㄹ, article 27, supplement."""
_COMMON_FUTURES = frozenset("할될갈올볼줄킬질릴낼쓸")
_STEMS_IN_L = word_set(
    """
알 살 팔 울 놀 달 길 멀 들 열 걸 벌 풀 빌 불 날 돌 말 물 밀 늘 쓸 졸 절 털 떨 끌 틀 굴 갈 헐 글 슬
잘 가늘 둥글 드물 힘들 만들 흔들 모질 거칠 비뚤 어질 까불 부풀 시들 서툴 머물 이끌 베풀 거들 다물
떠들
    """
)
"""Verb stems, and a few adverbs' stems, that end in ㄹ by themselves: 길게, 살지 stay lax."""

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
    return _verb_endings(_station(_exceptions(word)))


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


def _ends_noun(word: str, end: int) -> bool:
    return end == len(word) or word[end:] in PARTICLES


@cache
def _index() -> tuple[dict[str, tuple[str, bool, bool]], tuple[int, ...]]:
    """Return entry without marks to (respelling, only at start, only at end), and its lengths."""
    table = {
        marked.strip("^$"): (spoken, marked.startswith("^"), marked.endswith("$"))
        for marked, spoken in entries().items()
    }
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


def _verb_endings(word: str) -> str:
    """Apply what depends on a verb stem: articles 10.1, 11.1, 24 and 27.1."""
    if len(word) < 2:
        return word
    letters = list(word)
    for place in range(len(letters) - 1):
        stem, ending = letters[place], letters[place + 1]
        initial = jamo.initial_of(ending)
        if stem in _G_STEMS and initial == "ㄱ":
            letters[place] = jamo.with_final(stem, "ㄹ")
            letters[place + 1] = tensed(ending)
        elif stem == "밟" and initial not in "ㅇㅎ":
            letters[place] = "밥"
        elif (
            stem in _M_STEMS
            and ending in _ENDINGS_AFTER_M
            and not (stem == "삶" and ending in "도")
        ) or (jamo.final_of(stem) == "ㄹ" and _is_future(word, place)):
            letters[place + 1] = tensed(ending)
    return "".join(letters)


def _is_future(word: str, place: int) -> bool:
    """True if the syllable at ``place`` ends in the adnominal or future ㄹ of a verb."""
    found = _FUTURE_ENDINGS.fullmatch(word, place + 1)
    if found is None:
        return False
    last = word[place]
    if found["always"] or (last == "을" and place > 0):
        return True
    start = word[: place + 1]
    in_l = start in _STEMS_IN_L or start[-2:] in _STEMS_IN_L
    if found["promise"]:
        return word.endswith("요") or not in_l
    if found["noun"]:
        return last in _COMMON_FUTURES
    return last in _COMMON_FUTURES and not in_l and last != "쓸"
