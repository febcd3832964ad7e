"""English abbreviations, initials and Roman numerals in words; some are read by their neighbours.

Sources: after the abbreviation lists of the LJ Speech Dataset's readme and The Chicago Manual of
Style (17th edition), chapter 10; the choice for ``St.`` and ``Dr.`` is our own rule.
"""

from __future__ import annotations

import re

from malsori.text.english_numbers import cardinal, ordinal, roman
from malsori.text.english_tables import ABBREVIATIONS, COUNTED, NUMBERED, REGNAL
from malsori.text.tables import word_set

_ABBREVIATION = re.compile(rf"\b({'|'.join(ABBREVIATIONS)})\.", re.IGNORECASE)
_CAPITAL = word_set("gen rep sen gov pres hon rev mt ms col")
"""Expanded with a capital only: written small they may be words that end a sentence."""
_COUNTED = re.compile(rf"\b({'|'.join(COUNTED)})\. ?(?=\d)", re.IGNORECASE)
_CIRCA = re.compile(r"\bc(?:a)?\. ?(?=\d{3,4}\b)")
_NUMBER_SIGN = re.compile(r"(?<!\w)# ?(?=\d)")
_UNDOTTED = re.compile(
    r"\b([Mm]r|MR|[Mm]rs|MRS|vs|Ms(?= [A-Z])|Prof(?= [A-Z])|Jr|Sr(?![.\w]))\b(?!')"
)
_LATIN = re.compile(
    r"\b(?:(e\.g\.)|(i\.e\.)|(Ph\.? ?D(?:\.(?=s\b)|\.?(?![A-Za-z])))|(w/o ?)|(w/ ?))"
)
_DOCTOR = re.compile(r"\b([Dd]r|DR|Dr)\b(\.)?(?!')")
_SAINT = re.compile(r"\bSt\b(\.)?(?!')")
_INITIALS = re.compile(r"(?<![\w.])(?:[A-Za-z]\.){2,}(?![A-Za-z])")
_INITIAL = re.compile(r"(?<!\b[AP] )\b([A-Z])\.(?= ?[A-Z])")
_BEFORE = re.compile(r"([A-Za-z]+|,) $")
_WINDOW = 30
_PLACES = word_set("In At To From Near Of And The By On For With Visit See Dear")
_ORDINALS = ("first", "second", "third", "th")
_ROMAN = re.compile(
    r"\b([A-Z][a-z]+)( )([IVXLC]+)\b(?!')(?=([.,;:!?)\"]|$| (?:of|was|and|in|had))?)"
)


def read_counted(text: str) -> str:
    """Return a text with ``No. 7``, ``#7`` and the like in words, ``number 7``."""
    text = _CIRCA.sub("circa ", text)
    text = _COUNTED.sub(lambda m: f"{COUNTED[m[1].lower()]} ", text)
    return _NUMBER_SIGN.sub("number ", text)


def read_abbreviations(text: str) -> str:
    """Return a text with abbreviations, initials and Roman numerals in words."""
    if "." in text or "/" in text or "Ph" in text:
        text = _LATIN.sub(_latin, text)
        text = _ABBREVIATION.sub(_expand, text)
    text = _UNDOTTED.sub(lambda m: ABBREVIATIONS[m[1].lower()], text)
    text = _DOCTOR.sub(lambda m: _by_neighbours(m, "doctor", "drive"), text)
    text = _SAINT.sub(lambda m: _by_neighbours(m, "saint", "street"), text)
    text = _ROMAN.sub(_numeral, text)
    if "." in text:
        text = _INITIALS.sub(_initials, text)
        text = _INITIAL.sub(r"\1 ", text)
    return text


def _latin(found: re.Match[str]) -> str:
    words = ("for example", "that is", "P H D", "without ", "with ")
    return next(word for word, group in zip(words, found.groups(), strict=True) if group)


def _expand(found: re.Match[str]) -> str:
    """Return an abbreviation in words; a stop that also ends the sentence stays."""
    written, word = found[1], found[1].lower()
    if word in _CAPITAL and not written[0].isupper():
        return found[0]
    if len(word) > 2 and written.isupper():  # EST., CORP.
        return found[0]
    return ABBREVIATIONS[word] + ("." if found.end() == len(found.string) else "")


def _by_neighbours(found: re.Match[str], title: str, road: str) -> str:
    """Return a title before a name, or what a road is called behind its name."""
    text, start, end = found.string, found.start(), found.end()
    before = _BEFORE.search(text, max(0, start - _WINDOW), start)
    name = before is not None and (before[1][0].isupper() and before[1] not in _PLACES)
    counted = before is not None and before[1].endswith(_ORDINALS) and not name
    titled = text[end : end + 1] == " " and text[end + 1 : end + 2].isupper()
    stop = "." if found[1] and (end == len(text) or (counted and titled)) else ""
    return road + stop if counted or (name and not titled) else title


def _initials(found: re.Match[str]) -> str:
    letters = " ".join(found[0].replace(".", "").upper())
    return letters + ("." if found.end() == len(found.string) else "")


def _numeral(found: re.Match[str]) -> str:
    name, _, letters, ends = found.groups()
    value = roman(letters)
    if not value:
        return found[0]
    if name in NUMBERED:
        return f"{name} {cardinal(str(value))}"
    if name in REGNAL and (letters != "I" or ends is not None):
        return f"{name} the {ordinal(str(value))}"
    if len(letters) > 1 and name[-1:].isalpha() and letters not in ("CV", "CC", "CD", "DC", "MC"):
        return f"{name} {cardinal(str(value))}"
    return found[0]
