"""What Korean text writes in digits and marks and says in words: dates, times, numbers of all kinds.

Each construct is one pattern and one function, carried out in the order of ``CONSTRUCTS``; what no
construct claims is left to plain quantities (``korean_normalizer``). All patterns are linear.

Source: 한글 맞춤법, article 44, and 문장 부호 (appendix) for how dates, times and ranges are written;
readings after 국립국어원, 온라인가나다.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from malsori.text import jamo
from malsori.text.korean_numbers import counted, one_by_one, sino
from malsori.text.korean_ranges import (
    HYPHEN,
    LETTERS,
    MODEL,
    NUMBER,
    TILDE,
    WEEKDAYS,
    WITH_COUNTER,
    read_hyphen,
    read_tilde,
    read_weekdays,
    read_with_counter,
)

CURRENCIES = {"$": "달러", "₩": "원", "€": "유로", "£": "파운드", "¥": "엔"}
_CODES = {
    "USD": "달러", "EUR": "유로", "JPY": "엔", "KRW": "원", "CNY": "위안", "GBP": "파운드", "US$": "달러",
    "HK$": "홍콩 달러", "A$": "호주 달러", "C$": "캐나다 달러",
}  # fmt: skip
_SCALES = "천만|백만|십억|천|만|억|조"
_WEEKDAYS = r"(?: ?\(([월화수목금토일])(?:요일)?\))?"
_AFTER_HISTORIC = r"(?= ?(?:절|전쟁|혁명|민주|운동|사변|선언|광복|정신|정상|사태|의거|남북))"


def decimal(digits: str, decimals: str | None) -> str:
    """Return a number in words, Sino-Korean, with its decimals one by one.

    Args:
        digits: Whole part, commas between thousands allowed.
        decimals: With its point, ``".25"``; None for a whole number.
    """
    whole = sino(digits.replace(",", ""))
    return f"{whole}점{one_by_one(decimals[1:])}" if decimals else whole


def with_particle(word: str, pair: str) -> str:
    """Return a word with the particle that fits its last sound.

    Args:
        word: It ends in a Hangul syllable, or the particle after a consonant is taken.
        pair: After a consonant and after a vowel, ``"은는"``, ``"과와"``.
    """
    open_ = bool(word) and jamo.is_syllable(word[-1]) and jamo.final_of(word[-1]) == " "
    return word + pair[1 if open_ else 0]


def _date(found: re.Match[str]) -> str:
    year, month, day, weekday = found.groups()
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return found[0]
    return f"{sino(year)}년 {_month_day(month, day, weekday)}"


def _month_day(month: str, day: str, weekday: str | None) -> str:
    name = f" {weekday}요일" if weekday else ""
    return f"{counted(str(int(month)), '월')}월 {sino(day)}일{name}"


def _year_month(found: re.Match[str]) -> str:
    year, month = found.groups()
    if not 1 <= int(month) <= 12:
        return found[0]
    return f"{sino(year)}년 {counted(str(int(month)), '월')}월"


def _slash(found: re.Match[str]) -> str:
    """Return a date for 11/22 and 3/15, a fraction for 1/2 and 3/100."""
    first, second, weekday = found.groups()
    is_date = 1 <= int(first) <= 12 and 1 <= int(second) <= 31
    looks_so = bool(weekday) or first[0] == "0" or (len(second) == 2 and int(second) > 12)
    looks_so = looks_so or _DATED.match(found.string, found.end()) is not None
    if is_date and (looks_so or (len(first) == 2 and len(second) == 2)):
        return _month_day(first, second, weekday)
    if int(second) == 0:
        return f"{sino(first)} 슬래시 {sino(second)}"
    return f"{sino(second)}분의 {sino(first)}"


_DATED = re.compile(
    r"(?:까지|부터|에)? ?(?:발표|접수|마감|까지|예정|개봉|오픈|출시|방송|공연|출발|도착|방문|개최|시작|종료)"
)
"""What follows a day: 3/10 발표 is no fraction."""


def _mixed_fraction(found: re.Match[str]) -> str:
    whole, first, second = found.groups()
    if int(second) == 0:
        return found[0]
    return f"{with_particle(sino(whole), '과와')} {sino(second)}분의 {sino(first)}"


def _weekday(found: re.Match[str]) -> str:
    return f"{found[1]} {found[2]}요일"


_HALVES = {"a": "오전", "p": "오후"}


def _clock(found: re.Match[str]) -> str:
    before, half, hour, minute, second, after = found.groups()
    if int(hour) > 24:
        return found[0]
    half = before or next((_HALVES[mark[0].lower()] for mark in (half, after) if mark), None)
    words = hour_words(hour, half is not None) + "시"
    if int(minute):
        words += f" {sino(minute)}분"
    if second is not None and int(second):
        words += f" {sino(second)}초"
    return f"{half} {words}" if half else words


def hour_words(hour: str, in_half: bool = False) -> str:
    """Return the hour in words: natively up to twelve, 열다섯 only after 오후."""
    if int(hour) > 12 and not in_half:
        return sino(hour)
    return counted(str(int(hour)), "시")


def _ratio(found: re.Match[str]) -> str:
    return f"{sino(found[1])} 대 {sino(found[2])}"


def _phone(found: re.Match[str]) -> str:
    country = f"플러스 {one_by_one(found[1])} " if found[1] else ""
    return country + " ".join(one_by_one(part, zero="공") for part in found.groups()[1:] if part)


def _digit_groups(found: re.Match[str]) -> str:
    return " ".join(one_by_one(part, zero="공") for part in re.split("[- ]", found[0]))


def _emergency(found: re.Match[str]) -> str:
    return one_by_one(found[0])


def _historic(found: re.Match[str]) -> str:
    """Return a day of history by its digits: 3·1, 6·25, 5·18; but 12·12 십이십이."""
    first, second = found[1], found[2]
    if len(first) == 2:
        return sino(first) + sino(second)
    return one_by_one(first) + one_by_one(second)


def _money(found: re.Match[str]) -> str:
    sign, digits, decimals, scale = found.groups()
    name = _CODES.get(sign.upper()) or CURRENCIES[sign]
    if decimals and len(decimals) == 3 and name in ("달러", "유로") and not scale:
        cents = f" {sino(decimals[1:])} 센트" if int(decimals[1:]) else ""
        return f"{sino(digits.replace(',', ''))} {name}{cents}"
    return f"{decimal(digits, decimals)}{scale or ''} {name}"


def _money_code_after(found: re.Match[str]) -> str:
    digits, decimals, scale, code = found.groups()
    return f"{decimal(digits, decimals)}{scale or ''} {_CODES.get(code) or CURRENCIES[code]}"


def _ordinal(found: re.Match[str]) -> str:
    return f"제{found[1]}{sino(found[2])}"


def _roman(found: re.Match[str]) -> str:
    return sino(str(_ROMANS[found[0]]))


def _large(found: re.Match[str]) -> str:
    return found[1]


_ROMANS = {
    "II": 2, "III": 3, "IV": 4, "VI": 6, "VII": 7, "VIII": 8, "IX": 9, "XI": 11, "XII": 12,
    "XIII": 13, "XIV": 14, "XV": 15, "XVI": 16, "XVII": 17, "XVIII": 18, "XIX": 19, "XX": 20, "XXI": 21,
}  # fmt: skip
_HALF_DAY = r"(?:([AaPp])\.?[Mm]\.? ?)?"
_HALF_DAY_AFTER = r"(?: ?([AaPp])\.?[Mm]\b\.?)?"

CONSTRUCTS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"([0-9]{4}[.\-/] ?[0-9]{1,2}[.\-/] ?[0-9]{1,2}\.?) ?~ ?(?=[0-9])"), read_tilde),
    (
        re.compile(r"((?<![0-9])[0-9]{1,2}[:/][0-9]{1,2}) ?~ ?(?=[0-9]{1,2}[:/]|[AaPp]\.?[Mm])"),
        read_tilde,
    ),
    (TILDE, read_tilde),
    (MODEL, lambda found: " "),
    (re.compile(r"([가-힣]{2}로)(?=[0-9]{1,4}(?:번)?길)"), lambda found: f"{found[1]} "),
    (re.compile(r"(코로나) ?19(?![0-9])"), lambda found: f"{found[1]} 일구"),
    (
        re.compile(
            r"((?:인증|비밀|계좌|승인|주문|송장|예약|접수|등록|일련|우편|수험|전화)번호[는은가:]? ?:? ?\[?)([0-9]{3,12})(?![0-9-])"
        ),
        lambda found: f"{found[1]}{one_by_one(found[2], zero='공')}",
    ),
    (
        re.compile(r"(?<![A-Za-z])([AaPp])\.?[Mm]\.? ?(?=[0-9]{1,2}시)"),
        lambda found: f"{_HALVES[found[1].lower()]} ",
    ),
    (
        re.compile(r"(?<![0-9/.])([0-9]{2,3})/([0-9]{2,3}) ?mmHg"),
        lambda found: f"{sino(found[1])}에 {sino(found[2])} 밀리미터에이치지",
    ),
    (
        re.compile(
            r"(?<![0-9.])([0-9]{4})[.\-/] ?([0-9]{1,2})[.\-/] ?([0-9]{1,2})(?![0-9])\.?" + _WEEKDAYS
        ),
        _date,
    ),
    (re.compile(r"(?<![0-9.])((?:19|20)[0-9]{2})\. ?([0-9]{1,2})\.(?! ?[0-9])"), _year_month),
    (
        re.compile(r"'([0-9]{2})\. ?([0-9]{1,2})\. ?([0-9]{1,2})(?![0-9])\.?" + _WEEKDAYS),
        _date,
    ),
    (
        re.compile(
            r"(?<![0-9.])([0-9]{2})\.(0[1-9]|1[0-2])\.(0[1-9]|[12][0-9]|3[01])(?![0-9])\.?"
            + _WEEKDAYS
        ),
        _date,
    ),
    (
        re.compile(r"(?<![0-9.])[0-9]{1,3}(?:\.[0-9]{1,3}){2,4}(?![0-9.])"),
        lambda found: " 점 ".join(sino(part) for part in found[0].split(".")),
    ),
    (
        re.compile(r"(?<![0-9가-힣A-Za-z.])\.([0-9]{2,4})(?![0-9.])"),
        lambda found: f"점 {one_by_one(found[1])}",
    ),
    (
        re.compile(
            r"(?<![0-9])([0-9]{2,3})([가나다라마거너더러머버서어저고노로모보소오구누두루무부수우주바사아자배허하호]) ?([0-9]{4})(?![0-9])"
        ),
        lambda found: f"{sino(found[1])} {found[2]} {one_by_one(found[3], zero='공')}",
    ),
    (
        re.compile(
            r"(?<![0-9.,])(88|386|486|586|2030|3040|4050|5060|6070|7080|8090)(?= ?(?:올림픽|세대|가요|음악|노래|직장인))"
        ),
        lambda found: one_by_one(found[1], zero="공"),
    ),
    (
        re.compile(r"((?:월세|전세|보증금|혈압[은이]?) ?)([0-9]{2,5})/([0-9]{2,4})(?![0-9/])"),
        lambda found: f"{found[1]}{sino(found[2])}에 {sino(found[3])}",
    ),
    (re.compile(r"([0-9]) ?- ?(?=[0-9.,]{1,12} ?=)"), lambda found: f"{found[1]} 빼기 "),
    (
        re.compile(r"(?<![0-9.,])(6070|7080|8090)(?![0-9.,A-Za-z%]| ?[원명개년건번호m])"),
        lambda found: one_by_one(found[1], zero="공"),
    ),
    (re.compile(r"(?<![A-Za-z])p\. ?(?=[0-9])"), lambda found: "페이지 "),
    (re.compile(r"([0-9]일) ?\(([월화수목금토일])\)"), _weekday),
    (
        re.compile(
            rf"(오[전후])? ?(?<![A-Za-z]){_HALF_DAY}(?<![0-9:])([0-9]{{1,2}}):([0-5][0-9])"
            rf"(?::([0-5][0-9]))?(?![0-9:]){_HALF_DAY_AFTER}"
        ),
        lambda found: (" " if found[0][0] == " " else "") + _clock(found),
    ),
    (re.compile(r"(?<![0-9:])([0-9]{1,4}):([0-9]{1,4})(?![0-9:])"), _ratio),
    (
        re.compile(
            r"(?<![0-9-])(?:\+([0-9]{1,3})[- ])?\(?(0[0-9]{1,2}|10)\)?[-. )] ?([0-9]{3,4})[-. ]([0-9]{4})(?![0-9-])"
        ),
        _phone,
    ),
    (re.compile(r"(?<![0-9-])()(01[016789])([0-9]{4})([0-9]{4})(?![0-9-])"), _phone),
    (re.compile(r"(?<![0-9-])()(1[568][0-9]{2}|[0-9]{3})-([0-9]{4})(?![0-9-])"), _phone),
    (
        re.compile(r"(?<![0-9-])[0-9]{4}[- ][0-9]{4}[- ][0-9]{4}[- ][0-9]{4}(?![0-9-])"),
        _digit_groups,
    ),
    (re.compile(r"(?<![0-9-])[0-9]{2,6}(?:-[0-9]{1,7}){2,4}(?![0-9-])"), _digit_groups),
    (re.compile(r"(?<![0-9-])[0-9]{6}-[0-9]{7}(?![0-9-])"), _digit_groups),
    (
        re.compile(
            r"(?<![0-9.,-])(?:110|112|114|119|120|129|131|182|1339|1345)(?=(?:에|로|으로|번에|번으로)? ?(?:신고|전화|구급|구조|상담|연락|안전|소방|물어|문의))"
        ),
        _emergency,
    ),
    (re.compile(r"(?<![0-9·])([0-9]{1,2})·([0-9]{1,2})(?![0-9·])"), _historic),
    (re.compile(rf"(?<![0-9.])([0-9]{{1,2}})\.([0-9]{{1,2}}){_AFTER_HISTORIC}"), _historic),
    (
        re.compile(
            rf"((?:US|HK|A|C)\$|[$₩€£¥]|(?<![A-Za-z])(?:USD|EUR|JPY|KRW|CNY|GBP)) ?({NUMBER})(\.[0-9]+)? ?({_SCALES})?"
        ),
        _money,
    ),
    (
        re.compile(
            rf"(?<![0-9.,])({NUMBER})(\.[0-9]+)? ?({_SCALES})? ?([$€£¥]|(?:USD|EUR|JPY|KRW|CNY|GBP)(?![A-Za-z]))"
        ),
        _money_code_after,
    ),
    (re.compile(r"(?<![0-9./])([0-9]{1,4}) ([0-9]{1,3})/([0-9]{1,3})(?![0-9/])"), _mixed_fraction),
    (re.compile(r"(?<![0-9/.])([0-9]{1,6})/([0-9]{1,6})(?![0-9/])" + _WEEKDAYS), _slash),
    (re.compile(r"(?<![0-9.,])([0-9]{1,3}) ?대 ?([0-9]{1,3})(?![0-9.,])"), _ratio),
    (re.compile(r"제( ?)([0-9]{1,9})(?![0-9,.])"), _ordinal),
    (re.compile(r"(?<![0-9.,])1(만|천|백)(?=[ 가-힣]|$)"), _large),
    (HYPHEN, read_hyphen),
    (TILDE, read_tilde),
    (WITH_COUNTER, read_with_counter),
)
"""Pattern and reader of each construct, in the order in which they are tried."""
ROMAN = re.compile(
    rf"(?<![A-Za-z0-9])(?:{'|'.join(sorted(_ROMANS, key=len, reverse=True))})(?![A-Za-z0-9])"
)
_DIGIT = re.compile("[0-9]")


def read_constructs(text: str) -> str:
    """Return ``text`` with all that ``CONSTRUCTS`` knows in words."""
    text = LETTERS.sub("에서 ", WEEKDAYS.sub(read_weekdays, ROMAN.sub(_roman, text)))
    if not _DIGIT.search(text):
        return text
    for pattern, read in CONSTRUCTS:
        text = pattern.sub(read, text)
    return text
