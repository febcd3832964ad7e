"""English normalisation: numbers, money, abbreviations and symbols become words.

What is left holds letters a to z (any case), apostrophes within words, the inventory's punctuation
and single spaces; what cannot become that is an error that names the word.
"""

from __future__ import annotations

import re
import unicodedata

from malsori.text.english_numbers import cardinal, one_by_one, ordinal, plural, year
from malsori.text.frontend import TextError

PUNCTUATION = (".", ",", "?", "!", "…", "-", "~", "'", '"', ";", ":")

_VARIANTS = str.maketrans(
    {
        "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "″": '"',
        "‘": "'", "’": "'", "‚": "'", "‛": "'", "`": "'", "´": "'", "′": "'", "ʼ": "'",
        "‐": "-", "‑": "-", "‒": "-", "–": " - ", "—": " - ", "―": " - ", "−": "-",
        "(": " ", ")": " ", "[": " ", "]": " ", "{": " ", "}": " ", "<": " ", ">": " ",
        "|": " ", "_": " ", "*": " ", "\\": " ", "^": " ", "•": " ", "·": " ", "⋯": "…",
        "ø": "o", "Ø": "O", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ß": "ss", "đ": "d",
        "ł": "l", "Ł": "L", "ð": "th", "þ": "th", "ı": "i",
    }
)  # fmt: skip

_ABBREVIATIONS = {
    "mr": "mister", "mrs": "missus", "ms": "miz", "dr": "doctor", "drs": "doctors", "st": "saint",
    "co": "company", "jr": "junior", "sr": "senior", "maj": "major", "gen": "general",
    "rev": "reverend", "lt": "lieutenant", "hon": "honorable", "sgt": "sergeant",
    "capt": "captain", "esq": "esquire", "ltd": "limited", "col": "colonel", "ft": "fort",
    "prof": "professor", "messrs": "messieurs", "vs": "versus", "dept": "department",
    "etc": "et cetera", "vol": "volume", "jan": "january", "feb": "february",
    "aug": "august", "sept": "september", "oct": "october", "nov": "november", "dec": "december",
}  # fmt: skip
_SYMBOLS = {
    "&": " and ", "+": " plus ", "=": " equals ", "%": " percent ", "@": " at ", "#": " number ",
    "/": " ", "°": " degrees ", "$": " dollars ", "£": " pounds ", "€": " euros ",
    "×": " times ", "÷": " divided by ", "§": " section ",
}  # fmt: skip
_CURRENCIES = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
}

_NUMBER = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)"
_ABBREVIATION = re.compile(rf"\b({'|'.join(_ABBREVIATIONS)})\.", re.IGNORECASE)
_UNDOTTED = re.compile(r"\b(mr|mrs|dr)\b(?!')", re.IGNORECASE)
_LATIN_SHORT = re.compile(r"\b(?:(e\.g)|(i\.e))\.", re.IGNORECASE)
_INITIALS = re.compile(r"\b(?:[A-Za-z]\.){2,}")
_INITIAL = re.compile(r"\b([A-Z])\.(?= [A-Z])")
_NUMERO = re.compile(r"\bNo\. ?(?=[0-9])")
_MONEY = re.compile(
    rf"([$£€]) ?({_NUMBER})(?:\.([0-9]+))?( (?:thousand|million|billion|trillion)\b)?"
)
_TIME = re.compile(r"(?<![0-9:])([0-9]{1,2}):([0-5][0-9])(?![0-9:])")
_ORDINAL = re.compile(rf"(?<![0-9.,])({_NUMBER})(?:st|nd|rd|th)\b", re.IGNORECASE)
_DECADE = re.compile(r"(?<![0-9.,])((?:1[1-9]|20)?[0-9]0)'?s\b")
_YEAR = re.compile(r"(?<![0-9.,$£€])(1[1-9][0-9]{2}|20[0-9]{2})(?![0-9]|[.,][0-9])")
_PLAIN = re.compile(rf"(?:(?<![\w.])(-))?({_NUMBER})(?:\.([0-9]+))?")
_WORD_AROUND = re.compile(r"\S+")
_DIGIT = re.compile("[0-9]")
_STOPS = re.compile(r"\.{2,}|…[.…]*")


def normalize(text: str) -> str:
    """Return the words of an English text that would be spoken, with single spaces.

    Args:
        text: Any Unicode text; NFC and NFD are the same.

    Raises:
        TextError: A character has no English reading.
    """
    spoken = _plain(text)
    spoken = _LATIN_SHORT.sub(lambda m: "for example" if m[1] else "that is", spoken)
    spoken = _NUMERO.sub("number ", spoken)
    spoken = _ABBREVIATION.sub(_expand, spoken)
    spoken = _UNDOTTED.sub(lambda m: _ABBREVIATIONS[m[1].lower()], spoken)
    spoken = _INITIALS.sub(lambda m: " ".join(m[0].replace(".", " ").split()).upper(), spoken)
    spoken = _INITIAL.sub(r"\1", spoken)
    if _DIGIT.search(spoken):
        spoken = _numbers(spoken)
    for symbol, words in _SYMBOLS.items():
        spoken = spoken.replace(symbol, words)
    _refuse_rest(spoken, text)
    return _tidy(spoken)


def _plain(text: str) -> str:
    """Return ``text`` with accents dropped and variants of letters and punctuation made plain."""
    text = unicodedata.normalize("NFC", text).translate(_VARIANTS)
    if text.isascii():
        return text
    characters = []
    for character in unicodedata.normalize("NFKD", text).translate(_VARIANTS):
        category = unicodedata.category(character)
        if category == "So":
            characters.append(" ")  # emoji and ornaments are not read
        elif category not in ("Cf", "Mn", "Me", "Sk", "Co", "Cn"):
            characters.append(character)
    return unicodedata.normalize("NFC", "".join(characters))


def _expand(found: re.Match[str]) -> str:
    """Return an abbreviation in words; a stop that also ends the sentence stays."""
    word = _ABBREVIATIONS[found[1].lower()]
    return word + ("." if found.end() == len(found.string) else "")


def _numbers(text: str) -> str:
    text = _MONEY.sub(_read_money, text)
    text = _TIME.sub(_read_time, text)
    text = _ORDINAL.sub(lambda m: _apart(m, ordinal(m[1].replace(",", ""))), text)
    text = _DECADE.sub(_read_decade, text)
    text = _YEAR.sub(lambda m: _apart(m, year(m[1])), text)
    return _PLAIN.sub(_read_plain, text)


def _apart(found: re.Match[str], words: str) -> str:
    """Return ``words`` with spaces where the number touched letters."""
    text = found.string
    before = found.start() and text[found.start() - 1].isalpha()
    after = found.end() < len(text) and text[found.end()].isalpha()
    return (" " if before else "") + words + (" " if after else "")


def _read_money(found: re.Match[str]) -> str:
    sign, digits, decimals, scale = found.groups()
    one, many, one_part, many_parts = _CURRENCIES[sign]
    whole = digits.replace(",", "")
    if scale or (decimals and len(decimals) != 2):
        amount = cardinal(whole) + (f" point {one_by_one(decimals)}" if decimals else "")
        return f"{amount}{scale or ''} {many}"
    words = f"{cardinal(whole)} {one if int(whole) == 1 else many}" if len(whole) < 18 else ""
    words = words or f"{cardinal(whole)} {many}"
    if decimals and decimals != "00":
        words += f" and {cardinal(decimals)} {one_part if int(decimals) == 1 else many_parts}"
    return words


def _read_time(found: re.Match[str]) -> str:
    hour, minute = cardinal(found[1]), found[2]
    if minute == "00":
        return _apart(found, hour)
    minutes = f"oh {cardinal(minute)}" if minute.startswith("0") else cardinal(minute)
    return _apart(found, f"{hour} {minutes}")


def _read_decade(found: re.Match[str]) -> str:
    digits = found[1]
    return plural(year(digits) if len(digits) == 4 else cardinal(digits))


def _read_plain(found: re.Match[str]) -> str:
    sign, digits, decimals = found.groups()
    words = cardinal(digits.replace(",", ""))
    if digits.startswith("0") and len(digits) > 1:
        words = one_by_one(digits)
    if decimals:
        words += f" point {one_by_one(decimals)}"
    return _apart(found, f"minus {words}" if sign else words)


def _refuse_rest(spoken: str, original: str) -> None:
    for place, character in enumerate(spoken):
        if (character.isascii() and character.isalpha()) or character.isspace():
            continue
        if character in PUNCTUATION:
            continue
        word = next(m[0] for m in _WORD_AROUND.finditer(spoken) if m.start() <= place < m.end())
        name = unicodedata.name(character, f"U+{ord(character):04X}")
        raise TextError.unreadable(
            word, original, f"{character!r} ({name}) has no English reading: write it in letters"
        )


def _tidy(text: str) -> str:
    text = _STOPS.sub("…", text)
    return re.sub(r" +(?=[.,?!…;:])", "", " ".join(text.split()))
