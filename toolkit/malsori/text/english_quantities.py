"""English amounts in words: money, units, percent, fractions, ranges, and all that is left.

Sources: those of the tables; the decimal comma is read where only it makes sense (``€3,50``).
"""

from __future__ import annotations

import re

from malsori.text.english_numbers import (
    apart,
    cardinal,
    decimal,
    fraction,
    one_by_one,
    ordinal,
    plural,
)
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
from malsori.text.tables import word_set

NUMBER = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)"
_AMOUNT = rf"({NUMBER})(?:\.([0-9]+))?"
_START = r"(?<![\w.,])"
_SIGN = r"(?:(?<![\w.)])(-))?"
_SCALE = r"(?:([ -]?(?:thousand|million|billion|trillion)\b)|(bn|mn|tn|[kKmMbBT])\b)?"
_MONEY = re.compile(
    rf"{_SIGN}(?:(US|CA|HK|NZ|NT|[ACS])(?=\$))?(?<!\d)([{''.join(CURRENCIES)}]) ?(-)?"
    rf"(?:({NUMBER})(?:\.([0-9]+))?|\.([0-9]+)){_SCALE}"
)
_ONE_THING = re.compile(
    r"\b(?:an?|the|th(?:is|at|ese|ose)|each|every|some|two|his|her|my|your|our|their|its) $",
    re.IGNORECASE,
)
_THING = re.compile(r"[ -]([a-z]+)\b")
_WINDOW = 8
_NO_THING = word_set(
    "a an the and or but to in for on at of from per as by with than that which who he she it they "
    "we you i is was are were be been has had have will would can could should may might in out up "
    "down off over under more less each every extra apiece back when while if because so not only "
    "into after before during until since between through this these those my his her its our your "
    "their"
)
"""Words behind an amount that is not a quality of the next word: ``the $5 that he paid``."""
_MONEY_RANGE = re.compile(
    rf"([{''.join(CURRENCIES)}]) ?{_AMOUNT} ?[-–] ?\1?{_AMOUNT}{_SCALE}(?![\w]|[.,]\d)"
)
_MONEY_AFTER = re.compile(
    rf"{_START}(-)?{_AMOUNT}{_SCALE} ?([{''.join(CURRENCIES)}]|{'|'.join(CODES)})(?!\w)"
)
_MONEY_CODE = re.compile(rf"\b({'|'.join(CODES)}) ?{_AMOUNT}{_SCALE}(?!\w)")
_PER = re.compile(
    r"(?<![\d.,])(\d(?:[.,]?\d)*[kKmM]?[$£€¥]?(?: ?[A-Za-z]{1,3})?)/"
    r"(day|week|month|year|hour|minute|second|person|night|head|unit|piece|mile|share|mo|yr|wk|hr)\b"
)
_SHORT = {"mo": "month", "yr": "year", "wk": "week", "hr": "hour"}
_COMMA = re.compile(
    r"(?<![\w.,])\d{1,3}(?:\.\d{3})+,\d{1,2}(?![\w.,])|(?<=[€$£])\d{1,3},\d\d(?![\w,]|\.\d)"
)
"""``1.234,56`` and ``€3,50``."""
_SPACED = re.compile(r"(?<![\w.,])(?<!\d )\d{1,2}(?: \d{3}){2,}(?![\w,]| \d)")
_MANY = re.compile(
    r"(?<![\w.,$£€¥])(\d+)(?:\.(\d+))?"
    r"(bn|mn|(?<=\.\d)[kKMB]|(?<=\.\d\d)[kKMB]|[kKMB](?= (?:[a-z]{2,20}s|people|of)\b))(?!\w)"
)
"""``10bn``, ``1.5M``, ``20k users``; not ``4K`` and ``5K run``."""
_CENTS = re.compile(rf"{_START}({NUMBER}) ?¢")
_RANGE = re.compile(r"(?<![\d.,:/#-])(\d[\d.,]*(?<![.,]) ?(?:%|°[CF]?)?)(?:-| ?[–—] ?)(?=[$£€]?\d)")
_UNIT = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))
_SQUARED = r"(?:\^([23])|(?<=m)([23]))?"
_MEASURE = re.compile(
    rf"(?<![\d.,])(?<![A-Za-z])({NUMBER})(?:\.([0-9]+))?( ?[-–]?)({_UNIT}){_SQUARED}"
    rf"(?:/({_UNIT}){_SQUARED})?(?![\w^/'])"
)
_DOTTED_UNIT = re.compile(
    rf"(?<![\d.,])({NUMBER})(?:\.([0-9]+))? ?({'|'.join(DOTTED_UNITS)})\.(?=\W|$)"
)
_FEET = re.compile(r"(?<![\w.,'])(\d{1,2})' ?(\d{1,2})(?:\"|''|(?![\w'.]))")
_INCHES = re.compile(r'"|(?<![\w.,])(\d+)(?:\.(\d+))?"(?= [a-z]|[,;]|$)')
_ABOUT = re.compile(r"(?<![^\s(\"])~ ?(?=[$£€]?\.?\d)")
_SCIENTIFIC = re.compile(r"(?<![\w.,])(\d+)(?:\.(\d+))?[eE]([+-]?)(\d{1,3})(?!\w)")
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
_ORDINALS = re.compile(r"(?<=\d)(st|nd|rd|th)[-–](?=\d+(?:st|nd|rd|th)\b)")
_SEVERAL = re.compile(r"(?<=[A-Za-z])-?(\d{1,4})s\b")
"""``MP3s``."""
_POINT = re.compile(r"(?<![\w.,])\.([0-9]+)")
_PLAIN = re.compile(rf"(?:(?<![\w.)])(-))?{_AMOUNT}")
_ONE = ("1", None)


def read_money(text: str) -> str:
    """Return a text whose amounts of money are in words."""
    text = _PER.sub(lambda m: f"{m[1]} per {_SHORT.get(m[2], m[2])}", text)
    text = _COMMA.sub(lambda m: m[0].replace(".", "").replace(",", "."), text)
    text = _SPACED.sub(lambda m: m[0].replace(" ", ","), text)
    text = _MANY.sub(lambda m: f"{decimal(m[1], m[2])} {SCALES[m[3]]}", text)
    text = _MONEY_RANGE.sub(_money_range, text)
    text = _MONEY.sub(_money, text)
    text = _MONEY_AFTER.sub(_money_after, text)
    text = _MONEY_CODE.sub(lambda m: _sum(CODES[m[1]], m[2], m[3], _scale(m[4], m[5])), text)
    return _CENTS.sub(lambda m: f"{cardinal(m[1])} cent{'' if m[1] == '1' else 's'}", text)


def read_measures(text: str) -> str:
    """Return a text whose numbers with units are in words; ranges become ``to``."""
    text = _ABOUT.sub("about ", text)
    text = _SCIENTIFIC.sub(_scientific, text)
    text = _FRACTION.sub(lambda m: _SPOKEN_FRACTIONS.get(m[0], m[0]), text)
    text = _MIXED.sub(_mixed, text)
    text = _FRACTION.sub(lambda m: apart(m, fraction(m[1], m[2])), text)
    text = _RANGE.sub(r"\1 to ", text)
    text = _BY.sub(" by ", text)
    text = _inches(_FEET.sub(_feet, text)) if "'" in text or '"' in text else text
    text = _DEGREES.sub(_degrees, text)
    text = _DOTTED_UNIT.sub(_dotted_unit, text)
    return _MEASURE.sub(_measure, text)


def read_numbers(text: str) -> str:
    """Return a text in which no digit is left."""
    text = _ORDINALS.sub(r"\1 to ", text)
    text = _ORDINAL.sub(lambda m: apart(m, ordinal(m[1].replace(",", ""))), text)
    text = _SEVERAL.sub(lambda m: f" {plural(cardinal(m[1]))}", text)
    text = _RATIO.sub(lambda m: f"{cardinal(m[1])} to {cardinal(m[2])}", text)
    text = _POWER.sub(_power, text)
    text = _POINT.sub(lambda m: f"point {one_by_one(m[1])}", text)
    return _PLAIN.sub(_plain, text)


def _scale(word: str | None, letter: str | None) -> str:
    return word.strip(" -") if word else SCALES[letter] if letter else ""


def _money(found: re.Match[str]) -> str:
    minus, prefix, sign, inner, whole, decimals, only, word, letter = found.groups()
    currency = CURRENCIES[sign]
    if prefix:
        one, many = (f"{DOLLARS[prefix]} {name}" for name in currency[:2])
        currency = currency._replace(one=one, many=many)
    words = _sum(currency, whole or "0", decimals or only, _scale(word, letter), _is_quality(found))
    return f" minus {words}" if minus or inner else words


def _is_quality(found: re.Match[str]) -> bool:
    """Return whether an amount tells of what kind the next word is: ``a $20 bill``."""
    text, start, end = found.string, found.start(), found.end()
    thing = _THING.match(text, end)
    if thing is None:
        return False
    if text[end] == "-" or (found[8] or "").startswith("-"):
        return True
    return thing[1] in ("bill", "bills", "coin", "coins", "note", "notes") or (
        thing[1] not in _NO_THING
        and _ONE_THING.search(text, max(0, start - _WINDOW), start) is not None
    )


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
    single = adjective or (whole.lstrip("0") == "1" and not scale)
    if scale or (decimals and (len(decimals) != 2 or not currency.part)):
        name = currency.one if adjective else currency.many
        return f"{decimal(digits, decimals)} {scale} {name}".replace("  ", " ")
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


def _inches(text: str) -> str:
    """Return ``10" pipe`` in words; a mark that closes a quotation is none of inches."""
    is_open = False

    def read(found: re.Match[str]) -> str:
        nonlocal is_open
        if found[1] is None or is_open:
            is_open = not is_open
            return found[0]
        number = decimal(found[1], found[2])
        return f"{number} inch" + ("" if found.string[found.end() :][:1] == " " else "es")

    return _INCHES.sub(read, text)


def _scientific(found: re.Match[str]) -> str:
    whole, decimals, sign, exponent = found.groups()
    minus = "minus " if sign == "-" else ""
    return f"{decimal(whole, decimals)} times ten to the power of {minus}{cardinal(exponent)}"


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
