"""Korean numbers in words: Sino-Korean, native, digit by digit, and which counter takes which.

Source: 한글 맞춤법, article 44 (numbers are written in groups of 만) and 표준국어대사전, headwords of
the counters; 유월 and 시월 are the standard words for June and October (표준어 규정).
"""

from __future__ import annotations

import re

from malsori.text.tables import word_set

DIGITS = "영일이삼사오육칠팔구"
_SMALL = ("", "십", "백", "천")
_LARGE = ("", "만", "억", "조", "경", "해")
MOST_DIGITS = 4 * len(_LARGE)

_NATIVE_ONES = ("", "하나", "둘", "셋", "넷", "다섯", "여섯", "일곱", "여덟", "아홉")
_NATIVE_ONES_BEFORE = ("", "한", "두", "세", "네", "다섯", "여섯", "일곱", "여덟", "아홉")
_NATIVE_TENS = ("", "열", "스물", "서른", "마흔", "쉰", "예순", "일흔", "여든", "아흔")

NATIVE_COUNTERS = word_set(
    """
시 시간 살 개 명 마리 권 번째 번 잔 병 대 장 벌 켤레 송이 그루 자루 채 척 통 가지 군데 곳 달 사람
분 끼 판 배 쌍 줄 갑 봉지 조각 그릇 다발 모금 방울 마디 바퀴 걸음 손가락 차례 가닥 꼬집 숟가락
스푼 컵 박스 상자 접시 묶음 뭉치 움큼 편 곡 건 가구 포기 꾸러미 짝 톨 알 첩 축 두름 쾌 뼘 아름 돌
해 발 세트 큰술 작은술 숟갈 티스푼 팩 종류 칸 캔 공기
    """
)
"""Words before which a number is read natively, if it is below 100."""

SINO_COUNTERS = word_set(
    """
분간 개월 개년 개국 번지 번길 번선 대조 장관 채널 통화 배속 분기 달러 시즌 시리즈 장르 개통 개소 개사 개교 개항
개동 명령 권역 대국 대륙 벌점 통신 곡선 건물 판매 배럴 편집 해리 분대 분할 번가 번대 시군 살균 돌파 톨게 병원 병상 병동
대학 대회 장학 짝수 첩보
    """
)
"""Words that begin like a native counter and are not one."""


def sino(digits: str) -> str:
    """Return the Sino-Korean cardinal of a whole number: ``"2024"`` → ``"이천이십사"``.

    Args:
        digits: ASCII digits. More than 24 of them are read one by one.
    """
    digits = digits.lstrip("0") or "0"
    if digits == "0":
        return DIGITS[0]
    if len(digits) > MOST_DIGITS:
        return one_by_one(digits)
    parts: list[str] = []
    for group in range((len(digits) + 3) // 4 - 1, -1, -1):
        end = len(digits) - 4 * group
        four = digits[max(0, end - 4) : end]
        words = _four(four)
        if not words:
            continue
        if group == 1 and words == "일" and not parts:
            words = ""  # 10000 is 만, not 일만
        parts.append(words + _LARGE[group])
    return "".join(parts)


def one_by_one(digits: str, zero: str = "영") -> str:
    """Return the names of the digits: ``"010"`` → ``"공일공"`` with ``zero="공"``."""
    return "".join(zero if digit == "0" else DIGITS[int(digit)] for digit in digits)


def native(number: int, *, before_counter: bool) -> str:
    """Return the native Korean numeral of 1 to 99: ``21`` → ``"스물한"`` before a counter.

    Raises:
        ValueError: ``number`` has no native reading.
    """
    if not 1 <= number <= 99:
        raise ValueError(f"no native numeral for {number}")
    tens, ones = divmod(number, 10)
    if number == 20 and before_counter:
        return "스무"
    return _NATIVE_TENS[tens] + (_NATIVE_ONES_BEFORE if before_counter else _NATIVE_ONES)[ones]


def counted(digits: str, counter: str) -> str:
    """Return a number as it is read before ``counter``, without the counter.

    Args:
        digits: ASCII digits, a whole number.
        counter: What follows it, of which the longest known counter at the start decides:
            ``"시 반에"``; empty for none.
    """
    number = int(digits) if len(digits) < MOST_DIGITS else 0
    if counter.startswith("월") and number in (6, 10) and not digits.startswith("0"):
        return {6: "유", 10: "시"}[number]
    if counter.startswith("번째") and number == 1:
        return "첫"
    if counter.startswith("학번") and len(digits) == 2:
        return one_by_one(digits, zero="공")
    if 1 <= number <= 99 and takes_native(counter, number):
        return native(number, before_counter=True)
    return sino(digits)


def takes_native(counter: str, number: int) -> bool:
    """True if ``number`` is read natively before what ``counter`` starts with."""
    if (
        _NUMBERED.match(counter)
        or _SET_OF_A_MATCH.match(counter)
        or (number == 10 and _AGE_GROUP.match(counter))
    ):
        return False
    if number >= 20 and ((number % 10 == 0 and counter[:1] == "대") or counter[:2] == "시간"):
        return False
    word = counter.split(" ", 1)[0]
    for length in range(min(4, len(word)), 0, -1):
        start = word[:length]
        if start in SINO_COUNTERS:
            return False
        if start in NATIVE_COUNTERS:
            if start == "시" and number > 24:
                return False
            return _is_counter(start, word[length:])
    return False


_NUMBERED = re.compile(
    "분의 ?[0-9일이삼사오육칠팔구십백]|번 ?(?:출구|버스|문제|선수|국도|트랙|홀|타자|방|레인|게이트|창구|테이블|승강장|객실|참가자|후보|손님|고객|척추|채널|버튼|좌석|자리|문항|타석|교향곡|국도)|대 ?(?:강|보험|영양소|요소|원칙|도시|과제|명절|기업|재벌|공약|의무|쟁점|그룹|종교|광역시|궁|불가사의|은행|통신사|축제)|장 ?[0-9]{1,3}절|편 ?[0-9]{1,3}[절장]"
)
"""What bears a number: 3번 출구 is the exit that is called three."""
_SET_OF_A_MATCH = re.compile(
    "세트(?: ?(?:[0-9]|[일이삼사오육칠팔구십]{1,4} 대 |접전|초반|중반|후반|막판|도중|듀스|경기|승리|승부)|에서|까지|부터|째)"
)
"""A set of volleyball or tennis bears a number, a set of goods is counted."""
_AGE_GROUP = re.compile(
    "대(?: ?(?:여|남|소녀|소년|초반|중반|후반|청소년|젊은|직장인|중년|노인|부부|초|중|후|이상)|에|들|가|의)"
)
"""Tens of years, 10대 소녀; from twenty on they need no word behind: 20대."""

_AMBIGUOUS = {
    "분": frozenset({"께", "이", "의", "들", "도"}),  # 3분 is three minutes, 3분께 three persons
    "번": frozenset(
        {"", "만", "이나", "씩", "도", "을", "은", "의", "이", "이고", "정도", "째", "쯤", "이상"}
    ),
    "대": frozenset({"", "를", "의", "가", "만", "씩", "나", "도", "는", "와", "로"}),
    "장": frozenset({"", "을", "의", "이", "만", "씩", "이나", "도", "은", "짜리"}),
    "해": frozenset(),
    "배": frozenset({"", "의", "로", "나", "가", "를", "는", "도", "이상", "쯤", "정도"}),
    "편": frozenset({"", "을", "의", "이", "만", "씩", "이나", "도", "은"}),
    "판": frozenset({"", "을", "이", "만", "씩", "이나", "도", "은"}),
    "건": frozenset({"", "을", "의", "이", "만", "씩", "이나", "도", "은"}),
    "알": frozenset({"", "을", "만", "씩", "이나", "도", "은"}),
    "축": frozenset(),
    "발": frozenset({"", "의", "을", "이", "만", "씩", "도", "로", "은"}),
    "공기": frozenset({"", "를", "만", "씩", "도", "는", "나", "에"}),
    "팩": frozenset({"", "을", "이", "만", "씩", "도", "은", "에", "짜리"}),
    "칸": frozenset({"", "을", "이", "만", "씩", "도", "은", "에", "짜리"}),
    "캔": frozenset({"", "을", "이", "만", "씩", "도", "은", "에", "짜리"}),
    "통": frozenset({"", "을", "의", "이", "만", "씩", "이나", "도", "은"}),
    "줄": frozenset({"", "을", "의", "이", "만", "씩", "로", "도", "은", "짜리"}),
}
"""Counters of one syllable that also begin other words: what may follow the native reading."""


def _is_counter(counter: str, rest: str) -> bool:
    allowed = _AMBIGUOUS.get(counter)
    return allowed is None or rest in allowed


def _four(digits: str) -> str:
    """Return up to four digits in words; empty for zero."""
    words: list[str] = []
    for place, digit in zip(range(len(digits) - 1, -1, -1), digits, strict=True):
        if digit == "0":
            continue
        one_is_silent = digit == "1" and place > 0
        words.append(("" if one_is_silent else DIGITS[int(digit)]) + _SMALL[place])
    return "".join(words)
