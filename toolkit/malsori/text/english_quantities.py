"""English amounts in words: money, units, percent, fractions, ranges, telephone numbers, the rest.

Sources: ITU-T E.123 for the notation of telephone numbers; the tables name theirs.
"""

from __future__ import annotations

import re

from malsori.text.english_numbers import apart, cardinal, decimal, fraction, one_by_one, ordinal
from malsori.text.english_tables import (
    CODES,
    CURRENCIES,
    DOLLARS,
    DOTTED_UNITS,
    PLURALS,
    SCALES,
    UNCHANGED,
    UNITS,
    Currency,
)

NUMBER = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)"
_AMOUNT = rf"({NUMBER})(?:\.([0-9]+))?"
_START = r"(?<![\w.,])"
_SIGN = r"(?:(?<![\w.)])(-))?"
_PHONE = re.compile(
    r"(?<![\w.,-])(?:\+?(1)[ .-])?(?:\((\d{3})\) ?|(\d{3})[ .-])?(\d{3})[.-](\d{4})(?![\d-]|[.,]\d)"
)
_FOREIGN_PHONE = re.compile(r"(?<![\w.,+])\+(\d{1,3}(?:[ .-]\(?\d{1,5}\)?){2,6})(?![\d-])")
_GROUPED = re.compile(r"(?<![\w.,-])(?:\d{4}(?:[ -]\d{4}){3}|\d{3}-\d\d-\d{4})(?![\d-])")
_ZIP = re.compile(r"(?<=\b[A-Z]{2} )(\d{5})(?:-(\d{4}))?(?![\d-]|[.,]\d)")
_DOTTED = re.compile(r"(?<![\w.,])v?(\d+(?:\.\d+){2,})(?![\w]|\.\d)")
_SCALE = r"(?:([ -]?(?:thousand|million|billion|trillion)\b)|(bn|mn|tn|[kKmMbBT])\b)?"
_MONEY = re.compile(
    rf"{_SIGN}(?:(US|CA|HK|NZ|NT|[ACS])(?=\$))?(?<!\d)([{''.join(CURRENCIES)}]) ?(-)?"
    rf"(?:({NUMBER})(?:\.([0-9]+))?|\.([0-9]+)){_SCALE}(?=([ -](?:bill|note|coin|fine)s?\b)?)"
)
_MONEY_RANGE = re.compile(
    rf"([{''.join(CURRENCIES)}]) ?{_AMOUNT} ?[-–] ?\1?{_AMOUNT}{_SCALE}(?![\w]|[.,]\d)"
)
_MONEY_AFTER = re.compile(
    rf"{_START}(-)?{_AMOUNT}{_SCALE} ?([{''.join(CURRENCIES)}]|{'|'.join(CODES)})(?!\w)"
)
_MONEY_CODE = re.compile(rf"\b({'|'.join(CODES)}) ?{_AMOUNT}{_SCALE}(?!\w)")
_CENTS = re.compile(rf"{_START}({NUMBER}) ?¢")
_RANGE = re.compile(r"(?<![\d.,:/#-])(\d[\d.,]*(?<![.,]) ?(?:%|°[CF]?)?)(?:-| ?[–—] ?)(?=[$£€]?\d)")
_UNIT = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))
_SQUARED = r"(?:\^([23])|(?<=m)([23]))?"
_MEASURE = re.compile(
    rf"(?<![\d.,])({NUMBER})(?:\.([0-9]+))?( ?[-–]?)({_UNIT}){_SQUARED}"
    rf"(?:/({_UNIT}){_SQUARED})?(?![\w^/'])"
)
_DOTTED_UNIT = re.compile(
    rf"(?<![\d.,])({NUMBER})(?:\.([0-9]+))? ?({'|'.join(DOTTED_UNITS)})\.(?=\W|$)"
)
_FEET = re.compile(r"(?<![\d.,'])(\d{1,2})' ?(\d{1,2})(?:\"|'')")
_DEGREES = re.compile(rf"{_SIGN}(?<![\d.,]){_AMOUNT} ?°(?: ?([CFKNSEW])\b)?")
_COMPASS = {"C": "Celsius", "F": "Fahrenheit", "K": "Kelvin", "N": "north", "S": "south"} | {
    "E": "east", "W": "west"
}  # fmt: skip
_MIXED = re.compile(r"(?<![\w.,/])(\d{1,4})[ -](\d{1,2})[/⁄](\d{1,3})(?![\d/⁄]|[.,]\d)")
_FRACTION = re.compile(r"(?<![\d.,/⁄])(\d{1,4})[/⁄](\d{1,4})(?![\d/⁄]|[.,]\d)")
_SPOKEN_FRACTIONS = {
    "24/7": "twenty four seven", "9/11": "nine eleven", "50/50": "fifty fifty",
}  # fmt: skip
_RATIO = re.compile(r"(?<![\d:.,])(\d{1,4}):(\d{1,4})(?![\d:])")
_BY = re.compile(r"(?<=\d) ?x ?(?=\d)")
_POWER = re.compile(r"(?<=[\w)])\^(-?\d+|[A-Za-z]\b)")
_ORDINAL = re.compile(rf"(?<![0-9.,])({NUMBER})(?:st|nd|rd|th)\b", re.IGNORECASE)
_POINT = re.compile(r"(?<![\w.,])\.([0-9]+)")
_PLAIN = re.compile(rf"(?:(?<![\w.)])(-))?{_AMOUNT}")
_ONE = ("1", None)


def read_codes(text: str) -> str:
    """Return a text whose telephone, card and dotted version numbers are in words."""
    text = _FOREIGN_PHONE.sub(lambda m: f"plus {_grouped(m[1])}", text)
    text = _GROUPED.sub(lambda m: _grouped(m[0]), text)
    text = _ZIP.sub(lambda m: _grouped(m[0]), text)
    text = _PHONE.sub(lambda m: ", ".join(one_by_one(part) for part in m.groups() if part), text)
    return _DOTTED.sub(_dotted, text)


def read_money(text: str) -> str:
    """Return a text whose amounts of money are in words."""
    text = _MONEY_RANGE.sub(_money_range, text)
    text = _MONEY.sub(_money, text)
    text = _MONEY_AFTER.sub(_money_after, text)
    text = _MONEY_CODE.sub(lambda m: _sum(CODES[m[1]], m[2], m[3], _scale(m[4], m[5])), text)
    return _CENTS.sub(lambda m: f"{cardinal(m[1])} cent{'' if m[1] == '1' else 's'}", text)


def read_measures(text: str) -> str:
    """Return a text whose numbers with units are in words; ranges become ``to``."""
    text = _FRACTION.sub(lambda m: _SPOKEN_FRACTIONS.get(m[0], m[0]), text)
    text = _MIXED.sub(_mixed, text)
    text = _FRACTION.sub(lambda m: apart(m, fraction(m[1], m[2])), text)
    text = _RANGE.sub(r"\1 to ", text)
    text = _BY.sub(" by ", text)
    text = _FEET.sub(_feet, text)
    text = _DEGREES.sub(_degrees, text)
    text = _DOTTED_UNIT.sub(_dotted_unit, text)
    return _MEASURE.sub(_measure, text)


def read_numbers(text: str) -> str:
    """Return a text in which no digit is left."""
    text = _ORDINAL.sub(lambda m: apart(m, ordinal(m[1].replace(",", ""))), text)
    text = _RATIO.sub(lambda m: f"{cardinal(m[1])} to {cardinal(m[2])}", text)
    text = _POWER.sub(_power, text)
    text = _POINT.sub(lambda m: f"point {one_by_one(m[1])}", text)
    return _PLAIN.sub(_plain, text)


def _grouped(digits: str) -> str:
    return ", ".join(one_by_one(part) for part in re.findall(r"\d+", digits))


def _dotted(found: re.Match[str]) -> str:
    parts = found[1].split(".")
    is_address = len(parts) == 4 and all(len(part) <= 3 for part in parts)
    words = f" {'dot' if is_address else 'point'} ".join(cardinal(part) for part in parts)
    return f"version {words}" if found[0].startswith("v") else words


def _scale(word: str | None, letter: str | None) -> str:
    return word.strip(" -") if word else SCALES[letter] if letter else ""


def _money(found: re.Match[str]) -> str:
    minus, prefix, sign, inner, whole, decimals, only, word, letter, thing = found.groups()
    currency = CURRENCIES[sign]
    if prefix:
        one, many = (f"{DOLLARS[prefix]} {name}" for name in currency[:2])
        currency = currency._replace(one=one, many=many)
    words = _sum(currency, whole or "0", decimals or only, _scale(word, letter), bool(thing))
    return f" minus {words}" if minus or inner else words


def _money_after(found: re.Match[str]) -> str:
    minus, whole, decimals, word, letter, sign = found.groups()
    words = _sum(CURRENCIES.get(sign) or CODES[sign], whole, decimals, _scale(word, letter))
    return f"minus {words}" if minus else words


def _money_range(found: re.Match[str]) -> str:
    sign, low, low_decimals, high, high_decimals, word, letter = found.groups()
    first = decimal(low, low_decimals)
    return f"{first} to {_sum(CURRENCIES[sign], high, high_decimals, _scale(word, letter))}"


def _sum(
    currency: Currency, digits: str, decimals: str | None, scale: str, adjective: bool = False
) -> str:
    whole = digits.replace(",", "")
    if scale or (decimals and (len(decimals) != 2 or not currency.part)):
        return f"{decimal(digits, decimals)} {scale} {currency.many}".replace("  ", " ")
    single = adjective or whole.lstrip("0") == "1"
    words = f"{cardinal(whole)} {currency.one if single else currency.many}"
    if decimals and decimals != "00":
        parts = currency.part if int(decimals) == 1 else currency.parts
        cents = f"{cardinal(decimals)} {parts}"
        return f"{words} and {cents}" if whole.strip("0") else cents
    return words


def _mixed(found: re.Match[str]) -> str:
    whole, above, below = found.groups()
    if not 0 < int(above) < int(below):
        return found[0]
    part = fraction(above, below)
    if above == "1" and int(below) <= 100:
        part = ("an " if below in ("8", "11", "18") else "a ") + part.removeprefix("one ")
    return apart(found, f"{cardinal(whole)} and {part}")


def _feet(found: re.Match[str]) -> str:
    feet = f"{cardinal(found[1])} {'foot' if found[1] == '1' else 'feet'}"
    return apart(found, f"{feet} {cardinal(found[2])} {'inch' if found[2] == '1' else 'inches'}")


def _dotted_unit(found: re.Match[str]) -> str:
    stop = "." if found.end() == len(found.string) else ""
    digits, decimals, unit = found.groups()
    name = DOTTED_UNITS[unit]
    if (digits, decimals) != _ONE:
        name = PLURALS.get(name, name + "s")
    return f"{decimal(digits, decimals)} {name}{stop}"


def _degrees(found: re.Match[str]) -> str:
    minus, digits, decimals, side = found.groups()
    name = "degree" if (digits, decimals) == _ONE else "degrees"
    words = f"{decimal(digits, decimals)} {name} {_COMPASS.get(side, '')}".strip()
    return apart(found, f"minus {words}" if minus else words)


def _measure(found: re.Match[str]) -> str:
    digits, decimals, gap, unit, power, glued_power, per, per_power, per_glued = found.groups()
    if unit == "s" and gap == "" and digits.endswith("0") and len(digits) in (2, 4):
        return found[0]  # 1990s, 90s
    adjective = gap.endswith(("-", "–"))
    one = adjective or (digits, decimals) == _ONE
    words = f"{decimal(digits, decimals)} {_unit(unit, power or glued_power, one)}"
    return words + (f" per {_unit(per, per_power or per_glued, True)}" if per else "")


def _unit(unit: str, power: str | None, one: bool) -> str:
    name = UNITS[unit]
    head, per, rest = name.partition(" per ")
    if not one and head not in UNCHANGED and not head.endswith("hertz"):
        *before, last = head.split(" ")
        head = " ".join([*before, PLURALS.get(last, last + "s")])
    squared = {"2": "square ", "3": "cubic "}.get(power or "", "")
    return squared + head + per + rest


def _power(found: re.Match[str]) -> str:
    exponent = found[1]
    if exponent in ("2", "3"):
        return " squared " if exponent == "2" else " cubed "
    return f" to the power of {exponent.replace('-', 'minus ')}"


def _plain(found: re.Match[str]) -> str:
    sign, digits, decimals = found.groups()
    words = decimal(digits, decimals)
    return apart(found, f"minus {words}" if sign else words)
