"""English normalisation: numbers, dates, money, abbreviations, addresses and symbols become words.

What is left holds letters a to z (any case), apostrophes within words, the inventory's punctuation
and single spaces; what cannot become that is an error that names the word.
"""

from __future__ import annotations

import re
import unicodedata

from malsori.text.english_abbreviations import read_abbreviations, read_counted
from malsori.text.english_addresses import read_addresses
from malsori.text.english_codes import read_codes
from malsori.text.english_dates import read_dates, read_spans, read_years
from malsori.text.english_quantities import read_measures, read_money, read_numbers
from malsori.text.english_tables import GREEK, SYMBOLS
from malsori.text.frontend import TextError

PUNCTUATION = (".", ",", "?", "!", "…", "-", "~", "'", '"', ";", ":")

_VARIANTS = str.maketrans(
    {
        "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "″": '"',
        "‘": "'", "’": "'", "‚": "'", "‛": "'", "`": "'", "´": "'", "′": "'", "ʼ": "'",
        "‐": "-", "‑": "-", "‒": "-", "−": "-", "⋯": "…", "²": "^2", "³": "^3", "№": "No.",
        "™": " ", "®": " ", "©": " ", "ℓ": "L",
        "ø": "o", "Ø": "O", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ß": "ss", "đ": "d",
        "ł": "l", "Ł": "L", "ð": "th", "þ": "th", "ı": "i",
    }
)  # fmt: skip
_SPOKEN = str.maketrans(
    {symbol: f" {words} " for symbol, words in SYMBOLS.items()}
    | {letter: f" {name} " for letter, name in GREEK.items()}
    | {letter.upper(): f" {name} " for letter, name in GREEK.items()}
    | {"ς": " sigma "}
)
_VULGAR = re.compile(r"(?<=[0-9])(?=[¼-¾⅐-⅞])")
_SMILEY = re.compile(r"(?<!\S)[:;]-?[()DPp](?!\S)")
_COMPARED = re.compile(r"(?<=[\w.)%]) ?([<>]) ?(?=[\w$(-])")
_LIMIT = re.compile(r"([\w.)%] ?)?([<>]) ?(?=[-$£€]?\.?[0-9])")
_SHARP = re.compile(r"\b([A-G])#(?!\w)")
_FIRM = re.compile(r"\b([A-Z]{1,3})&([A-Z]{1,3})\b")
_LEADING_DOT = re.compile(r"(?<![\w.])\.(?=[A-Za-z])")
_TAG_LIKE = re.compile(r"<(?=[A-Za-z/])[^<>]*>")
_HASHTAG = re.compile(r"(?<![\w&])#(?=[A-Za-z])")
_RUN = re.compile(r"\S+")
_DIGIT = re.compile("[0-9]")
_STOPS = re.compile(r"\.{2,}|…[.…]*")
_TO_REFUSE = re.compile(r"[^A-Za-z\s.,?!…\-~'\";:]")
_SPACED_STOP = re.compile(r" +(?=[.,?!…;:])")
_SHOUTED = re.compile(r"\b(?:US|IT|AM|ID|AD|MA|PA|LED|UN|OR)\b")
LEAST_SHOUTED = 3
"""Words in capitals, and nothing else, that make a text one that shouts."""


def normalize(text: str) -> str:
    """Return the words of an English text that would be spoken, with single spaces.

    Args:
        text: Any Unicode text; NFC and NFD are the same.

    Raises:
        TextError: A character has no English reading.
    """
    spoken = read_addresses(_plain(text))
    if spoken.isupper() and spoken.count(" ") + 1 >= LEAST_SHOUTED:
        spoken = _SHOUTED.sub(lambda m: m[0].lower(), spoken)
    if "&" in spoken:
        spoken = _FIRM.sub(lambda m: f"{' '.join(m[1])} and {' '.join(m[2])}", spoken)
    if _DIGIT.search(spoken):
        spoken = _LIMIT.sub(_limit, spoken)
        spoken = read_codes(read_dates(read_counted(spoken)))
        spoken = read_measures(read_money(spoken))
        spoken = read_numbers(read_years(spoken))
    if "-" in spoken or "–" in spoken:
        spoken = read_spans(spoken)
    spoken = read_abbreviations(_LEADING_DOT.sub("dot ", spoken))
    if _TO_REFUSE.search(spoken):
        spoken = _symbols(spoken)
        _refuse_rest(spoken, text)
    return _tidy(spoken)


def _plain(text: str) -> str:
    """Return ``text`` with accents dropped and variants of letters and punctuation made plain."""
    if text.isascii():
        return text.replace("`", "'")
    text = _VULGAR.sub(" ", unicodedata.normalize("NFC", text)).translate(_VARIANTS)
    if text.isascii():
        return text
    characters = []
    for character in unicodedata.normalize("NFKD", text).translate(_VARIANTS):
        category = unicodedata.category(character)
        if category == "So" and character not in "°":
            characters.append(" ")  # emoji and ornaments are not read
        elif category not in ("Cf", "Mn", "Me", "Sk", "Co", "Cn"):
            characters.append(character)
    return unicodedata.normalize("NFC", "".join(characters))


def _limit(found: re.Match[str]) -> str:
    """Return ``less than`` before a number, with ``is`` between two."""
    words = "less than " if found[2] == "<" else "greater than "
    return f"{found[1].strip()} is {words}" if found[1] else words


def _symbols(text: str) -> str:
    """Return ``text`` with what stands for words in words, and without brackets."""
    if "<" in text or ">" in text:
        text = _TAG_LIKE.sub(lambda m: f" {m[0][1:-1]} ", text)
        text = _COMPARED.sub(
            lambda m: " is less than " if m[1] == "<" else " is greater than ", text
        )
    text = _SHARP.sub(r"\1 sharp", text)
    text = _HASHTAG.sub(" hashtag ", _SMILEY.sub(" ", text))
    return text.translate(_SPOKEN)


def _refuse_rest(spoken: str, original: str) -> None:
    found = _TO_REFUSE.search(spoken)
    if found is None:
        return
    place, character = found.start(), found[0]
    word = next(m[0] for m in _RUN.finditer(spoken) if m.end() > place)
    name = unicodedata.name(character, f"U+{ord(character):04X}")
    raise TextError.unreadable(
        word, original, f"{character!r} ({name}) has no English reading: write it in letters"
    )


def _tidy(text: str) -> str:
    return _SPACED_STOP.sub("", " ".join(_STOPS.sub("…", text).split()))
