"""Korean normalisation: numbers, symbols, units, Hanja and Latin letters become words in Hangul.

What is left holds Hangul syllables, the inventory's punctuation and single spaces, nothing else;
what cannot become that is an error that names the word. Every pattern is linear in the text.
"""

from __future__ import annotations

import re
import unicodedata

from malsori.text import jamo
from malsori.text.frontend import TextError
from malsori.text.korean_addresses import read_addresses
from malsori.text.korean_characters import plain
from malsori.text.korean_constructs import (
    CURRENCIES,
    decimal,
    hour_words,
    read_constructs,
    with_particle,
)
from malsori.text.korean_hanja import read_hanja
from malsori.text.korean_latin import loan_words, mixed_words, read_latin
from malsori.text.korean_numbers import counted, native, one_by_one, sino
from malsori.text.korean_ranges import NUMBER, WEEKDAYS, read_weekdays

_UNITS = {
    "km/h": "킬로미터 퍼 아워", "m/s": "미터 퍼 세컨드", "kb/s": "킬로바이트 퍼 세컨드", "mb/s": "메가바이트 퍼 세컨드",
    "km": "킬로미터", "cm": "센티미터", "mm": "밀리미터", "m": "미터", "μm": "마이크로미터", "nm": "나노미터",
    "kg": "킬로그램", "mg": "밀리그램", "μg": "마이크로그램", "g": "그램", "t": "톤", "ml": "밀리리터", "dl": "데시리터",
    "l": "리터", "cc": "시시", "w": "와트", "kw": "킬로와트", "mw": "메가와트", "gw": "기가와트", "kwh": "킬로와트시",
    "wh": "와트시", "v": "볼트", "kv": "킬로볼트", "mah": "밀리암페어시", "ma": "밀리암페어", "hz": "헤르츠",
    "khz": "킬로헤르츠", "mhz": "메가헤르츠", "ghz": "기가헤르츠", "kb": "킬로바이트", "mb": "메가바이트",
    "gb": "기가바이트", "tb": "테라바이트", "kbps": "킬로비피에스", "mbps": "메가비피에스", "gbps": "기가비피에스",
    "bps": "비피에스", "bpm": "비피엠", "rpm": "아르피엠", "fps": "에프피에스", "dpi": "디피아이", "ppm": "피피엠",
    "db": "데시벨", "cal": "칼로리", "kcal": "킬로칼로리", "kj": "킬로줄", "j": "줄", "pa": "파스칼", "hpa": "헥토파스칼",
    "kpa": "킬로파스칼", "mpa": "메가파스칼", "ha": "헥타르", "px": "픽셀", "ft": "피트", "lb": "파운드", "oz": "온스",
    "mph": "마일 퍼 아워", "kt": "노트", "ms": "밀리초", "sec": "초", "min": "분", "℃": "도", "°c": "도", "℉": "화씨도",
    "°f": "화씨도", "°": "도", "%": "퍼센트", "‰": "퍼밀", "%p": "퍼센트 포인트", "%포인트": "퍼센트 포인트",
    "m2": "제곱미터", "m3": "세제곱미터", "km2": "제곱킬로미터", "cm2": "제곱센티미터", "cm3": "세제곱센티미터",
    "μg/m3": "마이크로그램 퍼 세제곱미터", "μg/m2": "마이크로그램 퍼 제곱미터", "kg/m2": "킬로그램 퍼 제곱미터",
    "kg/m3": "킬로그램 퍼 세제곱미터", "g/cm3": "그램 퍼 세제곱센티미터", "mg/dl": "밀리그램 퍼 데시리터", "mg/l": "밀리그램 퍼 리터",
    "g/l": "그램 퍼 리터", "mg/kg": "밀리그램 퍼 킬로그램", "mmhg": "밀리미터에이치지", "l/min": "리터 퍼 분",
    "km3": "세제곱킬로미터", "mm2": "제곱밀리미터", "mm3": "세제곱밀리미터",
}  # fmt: skip
_FIRST_OF_UNIT = {"℉": "화씨 ", "°f": "화씨 "}
_SYMBOLS = {
    "&": " 앤드 ", "+": " 더하기 ", "×": " 곱하기 ", "÷": " 나누기 ", "@": " 골뱅이 ", "#": " 샵 ",
    "%": " 퍼센트 ", "°": " 도 ", "℃": " 도 ", "℉": " 화씨도 ", "μ": " 마이크로 ", "‰": " 퍼밀 ",
} | {sign: f" {name} " for sign, name in CURRENCIES.items()}  # fmt: skip
_SILENT = str.maketrans(dict.fromkeys("()[]{}<>|_*\\^/", " ") | {"·": ","})
"""What only shapes the page: brackets, rules, bullets."""

_TIMES = re.compile(r"(?<![A-Za-z])([1-9][0-9]{0,6}(?:mm|cm|m|g|kg|ml|L)?) ?[xX] ?(?=[0-9])")
_SHORT_FORMS = (
    (re.compile(r"\(주\) ?(?=[가-힣A-Za-z])"), "주식회사 "),
    (re.compile(r"(?<=[가-힣A-Za-z])\(주\)"), " 주식회사"),
    (re.compile(r"\(유\)(?=[가-힣A-Za-z])"), "유한회사 "),
    (re.compile(r"\(재\)(?=[가-힣A-Za-z])"), "재단법인 "),
    (re.compile(r"\(사\)(?=[가-힣A-Za-z])"), "사단법인 "),
    (re.compile(r"(?<![0-9가-힣A-Za-z])'(?=[0-9]{2}년)"), ""),
    (re.compile(r"(?<![A-Za-z0-9])([A-F])\+(?![0-9A-Za-z+])"), r"\1 플러스"),
    (re.compile(r"(?<![A-Za-z0-9])([A-D])-(?=[ ,.를을가이와로]|$)"), r"\1 마이너스"),
    (re.compile(r"(?<![A-Za-z])Rh ?([+-])"), r"아르에이치 \1"),
    (re.compile(r"(?<=에이치 )\+"), "플러스"),
    (re.compile(r"(?<=에이치 )-"), "마이너스"),
    (re.compile(r"(?<![A-Za-z])(Ctrl|Alt|Shift|Cmd|Command|Win) ?\+ ?(?=[A-Za-z0-9])"), r"\1 "),
    (re.compile(r"(?<![0-9A-Za-z가-힣)+])\+(?=[0-9])"), "플러스 "),
    (_TIMES, r"\1 곱하기 "),
    (re.compile(r"(?:^| )#(?=[가-힣])"), ", "),
    (re.compile(r"\(([0-9]{1,3})\) ?~ ?\(([0-9]{1,3})\)"), r"\1~\2"),
    (re.compile(r"(?<=[가-힣])\(\.(?=[A-Za-z]{2,5}\))"), "(점 "),
    (
        re.compile(
            r"(?<=[가-힣])\.(?=(?:jpg|jpeg|png|pdf|xlsx?|docx?|pptx?|hwpx?|mp3|mp4|zip|txt|gif)(?![A-Za-z0-9]))"
        ),
        " 점 ",
    ),
    (re.compile(r"(?<=[가-힣A-Za-z])/(?=[가-힣])|(?<=[가-힣])/(?=[가-힣A-Za-z])"), ", "),
)
"""Firms by the letter in brackets, grades, keys pressed together, signs, and words of which one holds."""

_UNIT = "|".join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True))
_DIGIT = re.compile("[0-9]")
_QUANTITY = re.compile(
    rf"((?<![A-Za-z])-)?({NUMBER})(\.[0-9]+)?( ?(?:{_UNIT})(?![A-Za-z])|( ?)(?=([가-힣]{{1,4}})))?",
    re.IGNORECASE,
)
_BARE_UNIT = re.compile(
    "(?<![A-Za-z0-9/])(μg/m3|mg/dl|[ckm]?m[23]|kg|km|cm|mm|mg|ml)(?![A-Za-z0-9])"
)
_LATIN = re.compile(r"[A-Za-z]+(?:[-'][A-Za-z]+)*")
_TITLE_DOT = re.compile(r"\b(Mr|Mrs|Ms|Dr|Prof|Jr|St|No|vs|etc)\.(?= ?[^ .])", re.IGNORECASE)
_PERSON = re.compile("(?:손님|어르신|선생님|고객님?|할머니|할아버지|어머님|아버님) ?$")
_FOOD = re.compile(
    "(?:마늘|생강|식빵|빵|귤|오렌지|사과|두부|묵|고기|시금치|부추|미나리|쪽파|대파|파|라면|과자) ?$"
)
_KITCHEN = re.compile("(?:쪽|모|근|단|봉|대)(?:[ ,.을를이은도만과와씩]|$)")
"""Counters that are native after what is eaten: 마늘 5쪽, but 5쪽을 보세요."""
_ASIDE = re.compile(r"(?<=[가-힣]) ?\((?=[^()]{1,200}\))")
_PARTICLE_AFTER = re.compile(
    r"(?<=[0-9가-힣A-Za-z])\)(?=(?:에서|에게|으로|까지|부터|은|는|이|가|을|를|의|에|도|만|와|과|로)(?:[ ,.!?]|$))"
)
"""A bracket before a particle, which joins what stands in it: A씨(43)를."""
_ASIDE_ENDS = re.compile(r"(?<=[가-힣])\) (?=[가-힣])")
"""What stands in brackets is said after a pause, and what follows it too."""
_EQUALS = re.compile(r"([가-힣]?) ?= ?")
_WORD_AROUND = re.compile(r"\S+")
_HAS_LATIN = re.compile("[A-Za-z]")


def normalize(text: str) -> str:
    """Return the words of a Korean text that would be spoken, in NFC, single spaces between.

    Args:
        text: Any Unicode text; NFC and NFD are the same.

    Raises:
        TextError: A character has no reading (other scripts, unknown symbols).
    """
    spoken = plain(text)
    if jamo.is_hangul(spoken.replace(" ", "").replace(".", "")):
        return _tidy(spoken)
    spoken = read_hanja(spoken)
    for pattern, words in _SHORT_FORMS:
        spoken = pattern.sub(words, spoken)
    if _HAS_LATIN.search(spoken):
        spoken = read_addresses(spoken)
        spoken = mixed_words().sub(lambda found: loan_words()[found[0].lower()], spoken)
        spoken = _TITLE_DOT.sub(r"\1", spoken)
        spoken = _BARE_UNIT.sub(lambda found: _UNITS[found[0]], spoken)
    elif _DIGIT.search(spoken):
        spoken = mixed_words().sub(lambda found: loan_words()[found[0].lower()], spoken)
    spoken = read_constructs(spoken)
    if _DIGIT.search(spoken):
        spoken = _QUANTITY.sub(_read_quantity, spoken)
    spoken = _LATIN.sub(lambda found: read_latin(found[0]), spoken)
    spoken = _symbols(spoken)
    _refuse_rest(spoken, text)
    spoken = _tidy(spoken)
    # 1~월 has become 일~월, which would be read as days if it were normalised again
    return _tidy(WEEKDAYS.sub(read_weekdays, spoken)) if "~" in spoken or "-" in spoken else spoken


def _read_quantity(found: re.Match[str]) -> str:
    sign, digits, decimals, unit, space, counter = found.groups()
    minus = "마이너스 " if sign and not _ends_word(found.string, found.start()) else ""
    dash = "-" if sign and not minus else ""
    if counter is not None:
        rest = found.string[found.end() : found.end() + 12]
        return f"{dash}{minus}{_before_counter(found, digits, decimals, rest)}{space}"
    if unit:
        key = unit.strip().lower()
        name = _UNITS[key]
        gap = "" if name.startswith("퍼센트") else " "
        if key in _FIRST_OF_UNIT:
            return f"{dash}{_FIRST_OF_UNIT[key]}{minus}{decimal(digits, decimals)} 도"
        return f"{dash}{minus}{decimal(digits, decimals)}{gap}{name}"
    if not decimals and digits.startswith("0") and len(digits) > 1:
        return dash + minus + one_by_one(digits, zero="공")
    return dash + minus + decimal(digits, decimals)


def _before_counter(found: re.Match[str], digits: str, decimals: str | None, rest: str) -> str:
    """Return a number in words before what it counts."""
    if decimals:
        return decimal(digits, decimals)
    whole = digits.replace(",", "")
    if (
        rest.startswith("시")
        and not rest.startswith(("시간", "시즌", "시리즈"))
        and int(whole) < 25
    ):
        before = found.string[max(0, found.start() - 3) : found.start()].rstrip()
        return hour_words(whole, before.endswith(("오전", "오후")))
    before = found.string[max(0, found.start() - 6) : found.start()]
    if _KITCHEN.match(rest) and _FOOD.search(before) and 1 <= int(whole) <= 99:
        return native(int(whole), before_counter=True)
    if rest.startswith("분께") and _is_minutes(before.rstrip(), whole):
        return sino(whole)
    if rest.startswith("분") and _PERSON.search(before):
        return counted(whole, "명")
    return counted(whole, rest)


def _is_minutes(before: str, digits: str) -> bool:
    """True if 분께 means about that minute, as in 2시 40분께; 어르신 3분께 is to three persons."""
    no_person = not before or not jamo.is_syllable(before[-1])
    return before.endswith("시") or (int(digits) >= 10 and no_person)


def _ends_word(text: str, place: int) -> bool:
    """True if a word ends just before ``place``: a hyphen there is none of a negative number."""
    return place > 0 and not (text[place - 1].isspace() or text[place - 1] in "([{<=~")


def _symbols(text: str) -> str:
    if "=" in text:
        text = _EQUALS.sub(
            lambda found: (with_particle(found[1], "은는") if found[1] else "") + " ", text
        )
    if "(" in text:
        text = _PARTICLE_AFTER.sub("", _ASIDE.sub(", ", text))
        text = _ASIDE_ENDS.sub(", ", text)
    for symbol, words in _SYMBOLS.items():
        if symbol in text:
            text = text.replace(symbol, words)
    return text.translate(_SILENT)


def _refuse_rest(spoken: str, original: str) -> None:
    """Raise the error for the first character that is not Hangul, punctuation or space."""
    for place, character in enumerate(spoken):
        if jamo.is_syllable(character) or character.isspace() or character in jamo.PUNCTUATION:
            continue
        word = next(m[0] for m in _WORD_AROUND.finditer(spoken) if m.start() <= place < m.end())
        name = unicodedata.name(character, f"U+{ord(character):04X}")
        raise TextError.unreadable(
            word, original, f"{character!r} ({name}) has no Korean reading: write it in Hangul"
        )


_REPEATED_STOPS = re.compile(r"\.{2,}|…[.…]*")
_BEFORE_STOP = re.compile(r" +(?=[.,?!…;:])")


def _tidy(text: str) -> str:
    text = _BEFORE_STOP.sub("", " ".join(text.split())).lstrip(", ")
    return _REPEATED_STOPS.sub("…", text)
