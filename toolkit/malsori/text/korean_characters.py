"""Korean text in plain characters: variants of letters, digits and marks become the plain ones.

What stays is Hangul syllables, ASCII, Hanja, the inventory's punctuation and a few symbols that the
normaliser reads; emoji and invisible marks vanish; single jamo get their names.
"""

from __future__ import annotations

import re
import unicodedata

from malsori.text import jamo
from malsori.text.korean_numbers import sino

_VARIANTS = str.maketrans(
    {
        "“": '"', "”": '"', "„": '"', "‟": '"', "«": '"', "»": '"', "″": '"',
        "「": '"', "」": '"', "『": '"', "』": '"', "《": '"', "》": '"', "〈": '"', "〉": '"',
        "‘": "'", "’": "'", "‚": "'", "‛": "'", "`": "'", "´": "'", "′": "'",
        "‐": "-", "‑": "-", "‒": "-", "–": "-", "—": "-", "―": "-", "−": "-", "─": "-",
        "〜": "~", "～": "~", "∼": "~", "。": ".", "、": ",", "・": "·", "ㆍ": "·", "•": "·", "⋅": "·",
        "⋯": "…", "‥": "…", "¡": "!", "¿": "?", "‼": "!", "⁉": "?", "⁈": "?", "⁄": "/", "∕": "/",
        "【": "(", "】": ")", "〔": "(", "〕": ")", "（": "(", "）": ")", "※": " ", "→": " ", "←": " ", "↑": " ", "↓": " ", "↔": " ", "⇒": " ",
        "㈜": "주식회사 ", "㈔": "사단법인 ", "㉾": "우편 ", "™": "", "®": "", "©": " ", "№": "넘버 ",
        "½": " 1/2", "⅓": " 1/3", "⅔": " 2/3", "¼": " 1/4", "¾": " 3/4", "⅕": " 1/5", "⅛": " 1/8",
        "∞": " 무한대 ", "√": " 루트 ", "±": " 플러스 마이너스 ", "≠": " 같지 않다 ", "≤": " 작거나 같다 ", "≥": " 크거나 같다 ", "≈": " 약 ", "≒": " 약 ", "π": "파이",
        "α": "알파", "β": "베타", "γ": "감마", "δ": "델타", "λ": "람다", "Ω": "옴", "θ": "세타",
        "σ": "시그마", "Σ": "시그마", "Δ": "델타", "ω": "오메가", "㏊": "ha", "ℓ": "l", "µ": "μ",
    }
)  # fmt: skip
"""Typographic variants to the inventory's punctuation, ASCII or words."""

_LONE_JAMO = {
    "ㄱ": "기역", "ㄴ": "니은", "ㄷ": "디귿", "ㄹ": "리을", "ㅁ": "미음", "ㅂ": "비읍", "ㅅ": "시옷",
    "ㅇ": "이응", "ㅈ": "지읒", "ㅊ": "치읓", "ㅋ": "크", "ㅌ": "티읕", "ㅍ": "피읖", "ㅎ": "흐",
    "ㄲ": "쌍기역", "ㄸ": "쌍디귿", "ㅃ": "쌍비읍", "ㅆ": "쌍시옷", "ㅉ": "쌍지읒",
    "ㅏ": "아", "ㅐ": "애", "ㅑ": "야", "ㅒ": "얘", "ㅓ": "어", "ㅔ": "에", "ㅕ": "여", "ㅖ": "예",
    "ㅗ": "오", "ㅘ": "와", "ㅙ": "왜", "ㅚ": "외", "ㅛ": "요", "ㅜ": "우", "ㅝ": "워", "ㅞ": "웨",
    "ㅟ": "위", "ㅠ": "유", "ㅡ": "으", "ㅢ": "의", "ㅣ": "이",
}  # fmt: skip
_INITIAL_NAMES = {
    jamo.INITIALS[jamo.INITIAL[letter]]: name
    for letter, name in _LONE_JAMO.items()
    if letter in jamo.INITIAL and letter not in "ㅋㅎ"
} | {"ᄏ": "키읔", "ᄒ": "히읗"}
_SHORTHAND = {
    "ㄱㅅ": "감사", "ㅇㅋ": "오케이", "ㅊㅋ": "축하", "ㅈㅅ": "죄송", "ㄱㄱ": "고고", "ㄴㄴ": "노노", "ㅇㅇ": "응",
    "ㅂㅂ": "바이바이", "ㅇㅈ": "인정", "ㅎㅇ": "하이",
}  # fmt: skip
"""What people mean by a few consonants typed alone."""
_NAMES_BEFORE_PARTICLES = {"ㅋ": "키읔", "ㅎ": "히읗"}
_PARTICLE = re.compile("(?:부터|까지|[은는이가을를와과의도])(?![가-힣])")
_JAMO_RUN = re.compile("[ㄱ-ㅣ]+")
_TEARS = re.compile("[ㅠㅜ]+")
_NUMBERED_RANGE = re.compile("(?<=[①-⑳]) ?[~〜～∼] ?(?=[①-⑳])")

_ROMAN_CHARACTERS = {
    character: sino(str(number))
    for start in ("Ⅰ", "ⅰ")
    for number, character in enumerate(map(chr, range(ord(start), ord(start) + 12)), 1)
}
_INVISIBLE = frozenset({"Cf", "Mn", "Me", "Sk", "Co", "Cn"})
_POWERS = {"²": "제곱", "³": "세제곱"}
_UNIT_LETTERS = re.compile("[A-Za-zμ]+[23]?")
_SQUARED = re.compile("(?:^|[^A-Za-z])[ckm]?m$")
"""A length before a raised 2 or 3, which make an area and a volume of it."""
_KEPT = frozenset("·₩€£¥×÷°‰℃℉μ")
"""Characters that are no ASCII and mean something to the normaliser."""


def plain(text: str) -> str:
    """Return ``text`` in NFC with variants of letters, digits and punctuation made plain."""
    text = unicodedata.normalize("NFC", text)
    if text.isascii() or not any(_is_unusual(character) for character in text):
        return text
    text = _NUMBERED_RANGE.sub("에서 ", text)
    text = _JAMO_RUN.sub(_read_jamo, text.translate(_VARIANTS))
    characters: list[str] = []
    for character in text:
        if not _is_unusual(character) or character in _KEPT or character in jamo.PUNCTUATION:
            characters.append(character)
        elif character in _POWERS:
            after_unit = _SQUARED.search("".join(characters[-3:])) is not None
            power = "2" if character == "²" else "3"
            characters.append(power if after_unit else f" {_POWERS[character]}")
        elif character in _ROMAN_CHARACTERS:
            characters.append(_ROMAN_CHARACTERS[character])
        elif unicodedata.category(character) in _INVISIBLE:
            continue
        else:
            characters.append(_compatible(character))
    return "".join(characters).translate(_VARIANTS)


def _is_unusual(character: str) -> bool:
    return not (character.isascii() or jamo.is_syllable(character))


def _read_jamo(found: re.Match[str]) -> str:
    """Return the words for jamo that stand alone; crying eyes say nothing."""
    run = found[0]
    if run in _SHORTHAND:
        return _SHORTHAND[run]
    if run in _NAMES_BEFORE_PARTICLES and _PARTICLE.match(found.string, found.end()):
        return _NAMES_BEFORE_PARTICLES[run]
    half = run[: len(run) // 2]
    if run == half * 2 and half in _SHORTHAND:
        return _SHORTHAND[half] * 2
    at_word = found.start() > 0 and not found.string[found.start() - 1].isspace()
    if len(run) > 1 or at_word:
        run = _TEARS.sub(" ", run)
    return "".join(_LONE_JAMO.get(letter, letter) for letter in run)


def _compatible(character: str) -> str:
    """Return the plain form of a full-width, circled, squared or accented one; emoji vanish."""
    form = unicodedata.normalize("NFKD", character)
    category = unicodedata.category(character)
    if form != character:
        letters = [_INITIAL_NAMES[c] for c in form if c in _INITIAL_NAMES]
        if letters and len(form.strip("()")) == 1 and category == "So":
            return f" {letters[0]} "  # a circled consonant
        if any(0x1100 <= ord(c) <= 0x11FF for c in form):
            return character  # a half-width or circled syllable's jamo: refused later
        form = "".join(c for c in form if unicodedata.category(c) != "Mn")
        if form.isdigit() and form.isascii() and category == "No":
            return sino(form)  # a circled or raised digit
        if _UNIT_LETTERS.fullmatch(form) and not form.isupper():
            return form  # a unit, which its particle follows: 75㎏의
        if form.isascii():
            return f" {form} " if category in ("So", "No") else form
        form = unicodedata.normalize("NFKC", character)
        return f" {form} " if category == "So" else form
    return " " if category == "So" else character
