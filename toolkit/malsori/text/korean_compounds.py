"""Nouns that close a compound: what becomes tense there, and what takes ㄴ, articles 28 and 29.

Both are productive, so each has words that only look like it (속 in 연속, 집 in 편집). First parts of
one syllable are in the table of words; here a first part has two or more.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from malsori.text import jamo
from malsori.text.tables import word_set

SHORTEST_FIRST_PART = 2
_ALL = "ㄴㄹㅁㅇ"


class Head(NamedTuple):
    """A native noun that becomes tense as the last part of a compound."""

    finals: str = _ALL
    """Of the first part, after which it does."""
    lax: tuple[str, ...] = ()
    """Ends of words, head included, in which it stays as it is spelt."""


def _lax(text: str) -> tuple[str, ...]:
    return tuple(sorted(word_set(text)))


_HEADS = {
    "소리": Head("ㄹㅁㅇ", ("울림소리", "떨림소리", "굴림소리")),
    "줄기": Head("ㄹㅁㅇ"),
    "버릇": Head("ㄹㅁㅇ"),
    "자락": Head("ㄹㅁㅇ"),
    "더미": Head("ㄹㅁㅇ"),
    "지갑": Head("ㄹㅁㅇ"),
    "주머니": Head("ㄹㅁㅇ"),
    "기운": Head("ㄹㅁㅇ"),
    "두렁": Head("ㄹㅁㅇ"),
    "기슭": Head("ㄹㅁㅇ"),
    "줄": Head("ㄹㅁㅇ"),
    "방울": Head(),
    "가루": Head(),
    "덩이": Head(),
    "덩어리": Head(),
    "자국": Head(),
    "구멍": Head(),
    "값": Head(),
    "빛": Head(),
    "둑": Head(),
    "삯": Head(),
    "솜씨": Head(),
    "보따리": Head(),
    "바닥": Head(_ALL, ("맨바닥",)),
    "길": Head(
        _ALL,
        _lax(
            """
            온길 간길 난길 외길 큰길 들길 끌길 풀길 머물길 기울길 저물길 당길 넘길 남길 숨길 옮길 생길 튕길 잠길 감길 안길 챙길 섬길
            """
        ),
    ),
    "살": Head(
        _ALL,
        _lax("군살 맨살 엄살 생살 몸살 암살 총살 말살 몰살 참살 쉰살 순살 흔살 든살 찐살"),
    ),
    "바람": Head(
        _ALL,
        _lax(
            """
            산들바람 건들바람 남실바람 흔들바람 소슬바람 살랑바람 선들바람 간들바람 실바람 센바람 왕바람 큰바람 간바람 온바람
            난바람 선바람 확인바람 제출바람 회신바람 신청바람
            """
        ),
    ),
    "병": Head(
        _ALL,
        _lax(
            """
            질병 발병 간병 문병 중병 잔병 만병 용병 헌병 신병 공병 장병 상병 일병 졸병 관병 전병 령병 생병 총병 원병 년병 찰병 정병
            련병 훈병 온병 염병 빈병 군병 등병 행병
            """
        ),
    ),
    "불": Head(
        _ALL,
        _lax("환불 선불 염불 생불 성불 군불 만불 천불 완불 일불 동불 상불 존불 잉걸불 경불 스탄불"),
    ),
    "속": Head(
        _ALL,
        _lax(
            """
            단속 연속 존속 종속 신속 민속 풍속 음속 전속 광속 상속 감속 금속 등속 통속 변속 항속 분속 관속 권속 선속 잔속 영속 탈속
            """
        ),
    ),
    "자리": Head(
        _ALL,
        _lax(
            """
            보금자리 가장자리 전갈자리 천칭자리 버금자리 으뜸자리 오리온자리 잠자리 큰곰자리 작은곰자리 빈자리 딴자리 헌자리 물병자리
            화살자리 그물자리 용골자리 망원경자리 현미경자리 조랑말자리 왕관자리
            """
        ),
    ),
    "잔": Head(_ALL, _lax("은잔 금잔 빈잔 크리스털잔")),
    "집": Head(
        _ALL,
        _lax(
            """
            편집 설집 문집 품집 진집 필집 전집 선집 응집 징집 결집 운집 군집 밀집 언집 연집 념집 범집 벽돌집 외딴집 빈집 딴집 큰집
            벌집
            """
        ),
    ),
    "결": Head(
        _ALL,
        _lax("완결 연결 단결 종결 판결 동결 청결 순결 간결 응결 선결 빙결 전결 영결 관결 한결"),
    ),
}
_LENGTHS = tuple(sorted({len(head) for head in _HEADS}))
_DESCRIBING = (
    "은", "는", "운", "른", "던", "한", "런", "쁜", "픈", "된", "얀", "파란", "빨간", "까만", "노란", "커다란", "조그만", "낯선",
)  # fmt: skip
"""Ends of verbs that describe a noun, with which it makes no compound: 굽은길, 깊은속."""
_AFTER_VOWELS = "면며든네니라였예여는가와를"
"""Particles after a consonant begin otherwise: 바람불면 is a verb."""
_GIVEN_NAME = re.compile(
    "[김이박최정강조윤장임한오서신권황안송류유전홍고문양손배백허남심노하곽성차주][영종상동용병성정준진인선만춘현남원순승봉광대학은]길"
)
"""A person's name, 김영길."""
_NO_PERSON = ("살", "돌")
"""Before 이 and 인 they are other words: 머슴살이, 집단살인."""


def tense_head(word: str, end: int) -> int:
    """Return where the noun begins that closes a compound and becomes tense; -1 for none.

    Args:
        word: As written, Hangul.
        end: Where the compound ends; what follows is a particle.
    """
    for length in _LENGTHS:
        place = end - length
        if place < SHORTEST_FIRST_PART:
            break
        head = _HEADS.get(word[place:end])
        if head is not None and jamo.final_of(word[place - 1]) in head.finals:
            return place if _is_compound(word, place, end, head) else -1
    return -1


def _is_compound(word: str, place: int, end: int, head: Head) -> bool:
    whole, rest = word[:end], word[end:]
    if whole.endswith(head.lax) or word.endswith(_DESCRIBING, 0, place):
        return False
    if rest and rest[0] in _AFTER_VOWELS and jamo.final_of(word[end - 1]) != " ":
        return False
    if rest[:1] in ("이", "인") and word[place:end] in _NO_PERSON:
        return False
    return _GIVEN_NAME.fullmatch(whole) is None


_PARTS = word_set(
    """
    여행 요리 열차 이불 요금 용품 유리 여왕 유학 연습 연극 염색 양념 연금 용지 요법 연구 여대 여고 야채 약국 양말 양복 양파 야구
    연필 연료 연령 연락 요원 용어 용기 용액 유산 유물 유적 유형 육수 육아 이름 이론 이율 이슬 이끼 이익 여우 여인 여성 연주
    연설 연애 연합 열매
    여행사 여행객 요리사 연구소 연구원 연구실 연구회 연구자 연구팀 연락처 연락망 연주회 연주자 연합회 요양원 요양사 용의자
    유공자 유학생 유치원 유원지 유적지 이야기 이파리 여학생 여대생 영양제 이익금
    """
)
"""Words that take ㄴ as the last part of a compound."""
_NO_PARTS = (
    "학용품", "일용품", "재활용품", "재활용지", "전용지", "상용지", "겸용지", "공용어", "통용어", "관용어", "상용어", "적용기",
    "작용기", "활용기", "만용기", "점유물", "향유물",
    "출연료", "공연료", "강연료",
)  # fmt: skip
"""What only ends like one of them: 재활용품 is 재활용 and 품."""


def n_part(word: str, end: int) -> int:
    """Return where the last part begins that takes ㄴ after a consonant; -1 for none.

    Args:
        word: As written, Hangul.
        end: Where the compound ends; what follows is a particle.
    """
    for length in (2, 3):
        place = end - length
        if place < SHORTEST_FIRST_PART:
            break
        if word[place:end] in _PARTS:
            takes = jamo.final_of(word[place - 1]) != " " and not word.endswith(_NO_PARTS, 0, end)
            return place if takes else -1
    return -1
