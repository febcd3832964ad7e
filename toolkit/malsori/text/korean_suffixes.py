"""Sino-Korean suffixes after a word of two syllables or more: 창조+성, 기본+권, 판단+력, 손님+용.

They are productive, so a table of words is never complete; what they look like but are not (구성 in
재구성, 방법 in 해결방법) are words of two syllables, which are few. What the table of words says wins.
"""

from __future__ import annotations

from typing import NamedTuple

from malsori.text import jamo
from malsori.text.korean_exceptions import PARTICLES, tensed, with_n
from malsori.text.tables import word_set

SHORTEST_STEM = 2


class Suffix(NamedTuple):
    """One suffix and the words of two syllables that only end like it."""

    change: str
    """``'`` it becomes tense (article 28), ``ㄹ`` so after a ㄹ alone (26), ``+`` ㄴ is added (29),
    ``*`` ㄹ becomes ㄴ after ㄴ (20)."""
    words: frozenset[str]
    """Two-syllable words with that ending, in which it is no suffix."""


_NASAL_WORDS = word_set(
    """
    난로 선로 진로 원로 신로 관로 간로 언론 반론 분량 전량 원량 연료 원료 진료 인류 분류 전류 한류 본류 난류 곤란 혼란 논란
    분란 전란 본란 반란 민란 산란 문란 찬란 현란 연령 전력 권력 인력 관력 신력 관령 원력 근력 완력 안력 분력 안료 관료 만료
    """
)
SUFFIXES = {
    "성": Suffix(
        "'",
        word_set(
            """
            여성 남성 완성 구성 찬성 작성 형성 생성 위성 장성 만성 혹성 행성 항성 백성 음성 육성 양성 편성 조성 삼성 화성 금성
            수성 토성 합성 개성 지성 감성 이성 인성 천성 근성 야성 정성 함성 환성 탄성 급성 산성 중성 각성 반성 대성 명성 동성
            왕성 농성 관성 유성 기성 우성 품성 교성 영성 심성 모성 부성 칠성 나성 창성 장성 보성 홍성 안성 고성 횡성 의성 소성
            """
        ),
    ),
    "권": Suffix("'", frozenset()),
    "적": Suffix("ㄹ", frozenset()),
    "법": Suffix("'", word_set("방법 마법 사법 무법 위법 율법 입법 탈법")),
    "증": Suffix(
        "'",
        word_set("수증 검증 보증 인증 논증 고증 입증 확증 심증 반증 방증 위증 예증 공증 기증 변증"),
    ),
    "죄": Suffix("'", word_set("범죄 사죄 속죄 면죄 무죄 유죄 단죄")),
    "용": Suffix(
        "+",
        word_set(
            """
            작용 적용 활용 인용 신용 전용 겸용 통용 상용 실용 관용 식용 군용 약용 복용 공용 착용 남용 응용 범용 운용 선용 병용
            준용 중용 등용 임용 음용 혼용 악용 도용 일용 당용 변용 포용 형용 허용 내용 수용 미용 무용 얼용
            """
        ),
    ),
    "염": Suffix("+", word_set("감염 전염 폭염 간염 장염")),
    "력": Suffix("*", _NASAL_WORDS),
    "량": Suffix("*", _NASAL_WORDS),
    "로": Suffix("*", _NASAL_WORDS),
    "론": Suffix("*", _NASAL_WORDS),
    "료": Suffix("*", _NASAL_WORDS),
    "류": Suffix("*", _NASAL_WORDS),
    "란": Suffix("*", _NASAL_WORDS),
    "령": Suffix("*", _NASAL_WORDS),
}
"""By their syllable."""
_PARTS = {"여행": "+", "요리": "+", "열차": "+"}
"""Words that take ㄴ as the second part of a compound."""
_NUMBER_SYLLABLES = frozenset("일이삼사오육칠팔구십백천만억열한두세네섯곱덟홉무른흔순든쉰러몇수")
"""Syllables that end numbers: 다섯 권 counts books even without its space."""
LONGEST_PARTICLE = max(map(len, PARTICLES))


def suffixes(word: str, spelt: str) -> str:
    """Return a respelling with the suffix of the word, if it has one, respelt.

    Args:
        word: As written, Hangul, one written word.
        spelt: What the table of words made of it, one syllable for each of ``word``.
    """
    for end in range(len(word), max(SHORTEST_STEM, len(word) - LONGEST_PARTICLE - 1), -1):
        rest = word[end:]
        if rest and rest not in PARTICLES:
            continue
        place = end - 1
        suffix = SUFFIXES.get(word[place])
        if suffix is not None and place >= SHORTEST_STEM and spelt[place] == word[place]:
            changed = _changed(word, spelt, place, suffix)
            if changed != spelt:
                return changed
        place = end - 2
        if place >= SHORTEST_STEM and word[place:end] in _PARTS and spelt[place] == word[place]:
            before = jamo.final_of(spelt[place - 1])
            if before != " ":
                changed = with_n(spelt[place - 1], spelt[place])
                return spelt[:place] + changed + spelt[place + 1 :]
    return spelt


def _changed(word: str, spelt: str, place: int, suffix: Suffix) -> str:
    if word[place - 1 : place + 1] in suffix.words:
        return spelt
    if word[place] == "권" and word[place - 1] in _NUMBER_SYLLABLES:
        return spelt
    before, letter = spelt[place - 1], spelt[place]
    if suffix.change == "'" or (suffix.change == "ㄹ" and jamo.final_of(before) == "ㄹ"):
        letter = tensed(letter)
    elif suffix.change == "*":
        if jamo.final_of(before) != "ㄴ":
            return spelt
        letter = jamo.with_initial(letter, "ㄴ")
    elif suffix.change == "+" and jamo.final_of(before) != " ":
        letter = with_n(before, letter)
    return spelt[:place] + letter + spelt[place + 1 :]
