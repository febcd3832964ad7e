"""Korean normalisation: numbers, symbols, units and Latin letters become words in Hangul.

What is left holds Hangul syllables, the inventory's punctuation and single spaces, nothing else;
what cannot become that is an error that names the word. Every pattern is linear in the text.
"""

from __future__ import annotations

import re
import unicodedata

from malsori.text import jamo
from malsori.text.frontend import TextError
from malsori.text.korean_latin import read_latin
from malsori.text.korean_numbers import counted, native, one_by_one, sino, takes_native

_VARIANTS = str.maketrans(
    {
        "“": '"', "”": '"', "„": '"', "‟": '"', "«": '"', "»": '"', "″": '"',
        "「": '"', "」": '"', "『": '"', "』": '"', "《": '"', "》": '"', "〈": '"', "〉": '"',
        "‘": "'", "’": "'", "‚": "'", "‛": "'", "`": "'", "´": "'", "′": "'",
        "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "―": "-", "−": "-", "─": "-",
        "〜": "~", "～": "~", "∼": "~", "。": ".", "、": ",", "·": ",", "・": ",", "ㆍ": ",",
        "⋯": "…", "‥": "…", "¡": "!", "¿": "?", "‼": "!", "⁉": "?", "⁈": "?",
        "(": " ", ")": " ", "[": " ", "]": " ", "{": " ", "}": " ", "<": " ", ">": " ",
        "【": " ", "】": " ", "〔": " ", "〕": " ", "|": " ", "_": " ", "*": " ", "\\": " ",
        "•": " ", "※": " ", "→": " ", "←": " ", "^": " ", "㈜": "주식회사 ",
    }
)  # fmt: skip
"""Typographic variants to the inventory's punctuation; brackets and ornaments to spaces."""

_LONE_JAMO = {
    "ㄱ": "기역", "ㄴ": "니은", "ㄷ": "디귿", "ㄹ": "리을", "ㅁ": "미음", "ㅂ": "비읍", "ㅅ": "시옷",
    "ㅇ": "이응", "ㅈ": "지읒", "ㅊ": "치읓", "ㅋ": "크", "ㅌ": "티읕", "ㅍ": "피읖", "ㅎ": "흐",
    "ㄲ": "쌍기역", "ㄸ": "쌍디귿", "ㅃ": "쌍비읍", "ㅆ": "쌍시옷", "ㅉ": "쌍지읒",
    "ㅏ": "아", "ㅐ": "애", "ㅑ": "야", "ㅒ": "얘", "ㅓ": "어", "ㅔ": "에", "ㅕ": "여", "ㅖ": "예",
    "ㅗ": "오", "ㅘ": "와", "ㅙ": "왜", "ㅚ": "외", "ㅛ": "요", "ㅜ": "우", "ㅝ": "워", "ㅞ": "웨",
    "ㅟ": "위", "ㅠ": "유", "ㅡ": "으", "ㅢ": "의", "ㅣ": "이",
}  # fmt: skip

_UNITS = {
    "km/h": "킬로미터 퍼 아워", "m/s": "미터 퍼 세컨드", "km": "킬로미터", "cm": "센티미터",
    "mm": "밀리미터", "m": "미터", "kg": "킬로그램", "mg": "밀리그램", "g": "그램", "t": "톤",
    "ml": "밀리리터", "l": "리터", "cc": "시시", "kw": "킬로와트", "w": "와트", "v": "볼트",
    "hz": "헤르츠", "khz": "킬로헤르츠", "mhz": "메가헤르츠", "ghz": "기가헤르츠", "kb": "킬로바이트",
    "mb": "메가바이트", "gb": "기가바이트", "tb": "테라바이트", "kcal": "킬로칼로리", "ha": "헥타르",
    "°c": "도", "°f": "도", "°": "도", "%": "퍼센트", "‰": "퍼밀", "%p": "퍼센트 포인트",
    "m2": "제곱미터", "m3": "세제곱미터", "km2": "제곱킬로미터", "cm2": "제곱센티미터",
}  # fmt: skip
_CURRENCIES = {"$": "달러", "₩": "원", "€": "유로", "£": "파운드", "¥": "엔"}
_SYMBOLS = {
    "&": " 앤드 ", "+": " 더하기 ", "=": " 는 ", "×": " 곱하기 ", "÷": " 나누기 ", "@": " 골뱅이 ",
    "#": " 샵 ", "/": " ", "%": " 퍼센트 ", "°": " 도 ", "$": " 달러 ", "₩": " 원 ", "€": " 유로 ",
    "£": " 파운드 ", "¥": " 엔 ", "℃": " 도 ",
}  # fmt: skip

_NUMBER = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)"
_UNIT = "|".join(re.escape(unit) for unit in sorted(_UNITS, key=len, reverse=True))
_DIGIT = re.compile("[0-9]")
_CLOCK = re.compile(r"(?<![0-9:])([0-9]{1,2}):([0-5][0-9])(?![0-9:])")
_DATE = re.compile(r"(?<![0-9.])([0-9]{4})[.\-/] ?([0-9]{1,2})[.\-/] ?([0-9]{1,2})(?![0-9])\.?")
_PHONE = re.compile(
    r"(?<![0-9-])(?:(0[0-9]{1,2})-([0-9]{3,4})-([0-9]{4})|(1[568][0-9]{2}|[0-9]{3})-([0-9]{4}))(?![0-9-])"
)
_MONEY = re.compile(rf"([$₩€£¥]) ?({_NUMBER})(\.[0-9]+)? ?(천|만|억|조|백만|십억)?")
_RANGE = re.compile(rf"(?<![0-9])(?<![0-9][,.])({_NUMBER})[~-](?={_NUMBER})")
_QUANTITY = re.compile(
    rf"((?<![A-Za-z])-)?({_NUMBER})(\.[0-9]+)?( ?(?:{_UNIT})(?![A-Za-z])|( ?)(?=([가-힣]{{1,4}})))?",
    re.IGNORECASE,
)
_LATIN = re.compile(r"[A-Za-z]+(?:-[A-Za-z]+)*")
_WORD_AROUND = re.compile(r"\S+")


def normalize(text: str) -> str:
    """Return the words of a Korean text that would be spoken, in NFC, single spaces between.

    Args:
        text: Any Unicode text; NFC and NFD are the same.

    Raises:
        TextError: A character has no reading (Hanja, other scripts, unknown symbols).
    """
    plain = _plain(text)
    if jamo.is_hangul(plain.replace(" ", "").replace(".", "")):
        return _tidy(plain)
    spoken = _numbers(plain)
    spoken = _LATIN.sub(lambda found: read_latin(found[0]), spoken)
    spoken = _symbols(spoken)
    _refuse_rest(spoken, text)
    return _tidy(spoken)


def _plain(text: str) -> str:
    """Return ``text`` in NFC with variants of letters, digits and punctuation made plain."""
    text = unicodedata.normalize("NFC", text)
    if text.isascii() or not _is_unusual(text):
        return text.translate(_VARIANTS)
    characters = []
    for character in text.translate(_VARIANTS):
        if jamo.is_syllable(character) or character in jamo.PUNCTUATION:
            characters.append(character)
        elif character in _LONE_JAMO:
            characters.append(_LONE_JAMO[character])
        elif unicodedata.category(character) in ("Cf", "Mn", "Me", "Sk", "Co", "Cn"):
            continue  # invisible marks and modifiers of emoji carry no words
        elif unicodedata.category(character) == "So" and ord(character) >= 0x2190:
            characters.append(_compatible(character))
        else:
            characters.append(_compatible(character))
    return "".join(characters).translate(_VARIANTS)


def _is_unusual(text: str) -> bool:
    return any(not (c.isascii() or jamo.is_syllable(c)) for c in text)


def _compatible(character: str) -> str:
    """Return the plain form of a full-width, circled or squared character; emoji vanish."""
    if character in _SYMBOLS or character in _CURRENCIES:
        return "°C" if character == "℃" else character
    plain = unicodedata.normalize("NFKC", character)
    if plain != character:
        if any(0x1100 <= ord(c) <= 0x11FF for c in plain):
            return character  # a half-width or circled jamo: refused later
        return f" {plain} " if unicodedata.category(character) == "So" else plain
    if unicodedata.category(character) == "So":
        return " "
    return character


def _numbers(text: str) -> str:
    if not _DIGIT.search(text):
        return text
    text = _DATE.sub(_read_date, text)
    text = _CLOCK.sub(_read_clock, text)
    text = _PHONE.sub(_read_phone, text)
    text = _MONEY.sub(_read_money, text)
    text = _RANGE.sub(r"\1에서 ", text) if _RANGE.search(text) else text
    text = _range_counters(text)
    return _QUANTITY.sub(_read_quantity, text)


def _range_counters(text: str) -> str:
    """Give both ends of ``3에서 5명`` the reading of the counter that only the second one has."""
    return _RANGE_WITH_COUNTER.sub(_read_range, text)


_RANGE_WITH_COUNTER = re.compile(
    r"(?<![0-9.,])([0-9]{1,2})에서 ([0-9]{1,2})(?![0-9.,])( ?)([가-힣]{1,4})"
)


def _read_range(found: re.Match[str]) -> str:
    first, second, space, counter = found.groups()
    if 1 <= int(first) <= 99 and takes_native(counter, int(first)):
        first_words = native(int(first), before_counter=True)
        return f"{first_words}에서 {counted(second, counter)}{space}{counter}"
    return f"{sino(first)}에서 {counted(second, counter)}{space}{counter}"


def _read_date(found: re.Match[str]) -> str:
    year, month, day = found.groups()
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return found[0]
    month = counted(month.lstrip("0"), "월")
    return f"{sino(year)}년 {month}월 {sino(day)}일"


def _read_clock(found: re.Match[str]) -> str:
    hour, minute = found.groups()
    if int(hour) > 24:
        return found[0]
    hour_words = counted(str(int(hour)), "시")
    return f"{hour_words}시" + ("" if minute == "00" else f" {sino(minute)}분")


def _read_phone(found: re.Match[str]) -> str:
    return " ".join(one_by_one(part, zero="공") for part in found.groups() if part)


def _read_money(found: re.Match[str]) -> str:
    sign, digits, decimals, scale = found.groups()
    return f"{_decimal(digits, decimals)}{scale or ''} {_CURRENCIES[sign]}"


def _read_quantity(found: re.Match[str]) -> str:
    sign, digits, decimals, unit, space, counter = found.groups()
    minus = "마이너스 " if sign and not _ends_word(found.string, found.start()) else ""
    dash = "-" if sign and not minus else ""
    if counter is not None:
        rest = found.string[found.end() : found.end() + 8]
        words = _decimal(digits, decimals) if decimals else counted(digits.replace(",", ""), rest)
        return f"{dash}{minus}{words}{space}"
    if unit:
        name = _UNITS[unit.strip().lower()]
        gap = "" if name.startswith("퍼센트") else " "
        return f"{dash}{minus}{_decimal(digits, decimals)}{gap}{name}"
    if not decimals and digits.startswith("0") and len(digits) > 1:
        return dash + minus + one_by_one(digits, zero="공")
    return dash + minus + _decimal(digits, decimals)


def _ends_word(text: str, place: int) -> bool:
    """True if a word ends just before ``place``: a hyphen there is none of a negative number."""
    return place > 0 and not text[place - 1].isspace()


def _decimal(digits: str, decimals: str | None) -> str:
    whole = sino(digits.replace(",", ""))
    return f"{whole}점{one_by_one(decimals[1:])}" if decimals else whole


def _symbols(text: str) -> str:
    for symbol, words in _SYMBOLS.items():
        if symbol in text:
            text = text.replace(symbol, words)
    return text


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
    text = _REPEATED_STOPS.sub("…", text)
    return _BEFORE_STOP.sub("", " ".join(text.split()))
