"""English numbers that are not counted but told: telephone, card, flight, room and postal numbers.

Sources: ITU-T E.123 for the notation of telephone numbers; the North American Numbering Plan for
``911`` and its like; USPS Publication 28 for the states; how many digits are read together (``BA
one twenty three``) is our own rule.
"""

from __future__ import annotations

import re

from malsori.text.english_numbers import apart, cardinal, one_by_one, year
from malsori.text.english_tables import STATES

_PHONE = re.compile(
    r"(?<![\w.,-])(?:\+?(1)[ .-])?(?:\((\d{3})\) ?|(\d{3})[ .-])?(\d{3})[.-](\d{4})(?![\d-]|[.,]\d)"
)
_FOREIGN_PHONE = re.compile(r"(?<![\w.,+])\+(\d{1,3}(?:[ .-]\(?\d{1,5}\)?){2,6})(?![\d-])")
_CARD = re.compile(r"(?<![\w.,-])\d{4}(?:[ -]\d{4}){3}(?![\d-])")
_GROUPS = re.compile(r"(?<![\w.,/$£€–-])\d+(?:[-–]\d+){2,}(?![\w-]|[.,/]\d)")
_ZIP = re.compile(rf"\b({'|'.join(STATES)}) (\d{{5}})(?:-(\d{{4}}))?(?![\d-]|[.,]\d)")
_EMERGENCY = re.compile(
    r"\b((?:[Cc]all|[Dd]ial|[Pp]hone|[Rr]ing|[Tt]ext)(?:s|ed|ing|led|ling)? )"
    r"([2-9]11|112|988|999)\b(?![.,]\d|[-:%])"
)
_GLUED = re.compile(r"(?<![\w.'])([A-Z]{1,3})-?([1-9]\d{2,3})(?![.,:/-]?\d|[A-Za-z])")
_NAMED = re.compile(
    r"\b((?:Boeing|Airbus|Flight|Room|Route|Highway|Hwy\.|Interstate|Suite|Bus) )"
    r"([1-9]\d{2,3})(?![.,:/-]?\d|[A-Za-z])"
)
_DOTTED = re.compile(r"(?<![\w.,])v?(\d+(?:\.\d+){2,})(?![\w]|\.\d)")


def read_codes(text: str) -> str:
    """Return a text whose codes are in words; other numbers are left."""
    text = _FOREIGN_PHONE.sub(lambda m: f"plus {_grouped(m[1])}", text)
    text = _CARD.sub(lambda m: _grouped(m[0]), text)
    text = _ZIP.sub(_postal, text)
    text = _PHONE.sub(lambda m: ", ".join(one_by_one(part) for part in m.groups() if part), text)
    text = _EMERGENCY.sub(lambda m: m[1] + one_by_one(m[2]), text)
    text = _GROUPS.sub(_groups, text)
    text = _GLUED.sub(lambda m: f"{m[1]} {_in_pairs(m[2])}", text)
    text = _NAMED.sub(lambda m: m[1] + _in_pairs(m[2]), text)
    return _DOTTED.sub(_dotted, text)


def _grouped(digits: str) -> str:
    return ", ".join(one_by_one(part) for part in re.findall(r"\d+", digits))


def _postal(found: re.Match[str]) -> str:
    state, first, second = found.groups()
    return f"{STATES[state]} {one_by_one(first)}" + (f", {one_by_one(second)}" if second else "")


def _groups(found: re.Match[str]) -> str:
    """Return groups of digits one by one, or as numbers where all are short (``3-4-3``)."""
    parts = re.findall(r"\d+", found[0])
    is_short = all(len(part) < 3 and not part.startswith("0") for part in parts)
    return apart(found, ", ".join((cardinal if is_short else one_by_one)(part) for part in parts))


def _in_pairs(digits: str) -> str:
    """Return three or four digits as they are told: ``123`` is one twenty three."""
    if len(digits) == 4:
        return year(digits)
    if digits.endswith("00"):
        return cardinal(digits)
    rest = f"oh {cardinal(digits[2])}" if digits[1] == "0" else cardinal(digits[1:])
    return f"{cardinal(digits[0])} {rest}"


def _dotted(found: re.Match[str]) -> str:
    parts = found[1].split(".")
    is_address = len(parts) == 4 and all(len(part) <= 3 for part in parts)
    words = f" {'dot' if is_address else 'point'} ".join(cardinal(part) for part in parts)
    return f"version {words}" if found[0].startswith("v") else words
