"""English dates and times of day in words.

Sources: ISO 8601 for ``2024-03-05`` and ``15:30``; ``3/5/2024`` is read as in the United States,
month first, unless the first number is no month; ``5.3.2024`` has the day first.
"""

from __future__ import annotations

import re

from malsori.text.english_numbers import apart, cardinal, ordinal, plural, year
from malsori.text.english_tables import MONTHS, WEEKDAYS

_SHORT_MONTHS = {name[:3]: name for name in MONTHS} | {"Sept": "September"}
_MONTH = rf"({'|'.join(MONTHS)}|{'|'.join(_SHORT_MONTHS)})"
_ISO = re.compile(r"(?<![\d.-])(\d{4})-(\d\d)-(\d\d)(?:T(?=\d)|(?![\d-]))")
_SLASHES = re.compile(r"(?<![\d/.])(\d{1,2})/(\d{1,2})/(\d{4}|\d\d)(?![\d/])")
_YEAR_FIRST = re.compile(r"(?<![\d/.])(\d{4})/(\d{1,2})/(\d{1,2})(?![\d/])")
_STOPS = re.compile(r"(?<![\d.])(\d{1,2})\.(\d{1,2})\.(\d{4})(?![\d.])")
_MONTH_DAY = re.compile(
    rf"\b{_MONTH}\b\.? (\d{{1,2}})(?:st|nd|rd|th)?(?: ?[-–] ?(\d{{1,2}})(?:st|nd|rd|th)?)?"
    r"(?![\d:%/]|[.,]\d)(?:,? (\d{4})(?![\d:,/-]))?"
)
_DAY_MONTH = re.compile(
    rf"(\b[Tt]he )?(?<![\d.,:/$£€-])(\d{{1,2}})(st|nd|rd|th)?( of)? {_MONTH}\b(\.(?=.))?"
    r"(?:,? (\d{4})(?![\d:,/-]))?"
)
_MONTH_YEAR = re.compile(rf"\b({'|'.join(_SHORT_MONTHS)})\.? (?=\d{{4}}\b)")
_WEEKDAY = re.compile(
    rf"\b({'|'.join(WEEKDAYS)})\.?,? (?=(?:{'|'.join(MONTHS)}|{'|'.join(_SHORT_MONTHS)})\b|\d)",
    re.IGNORECASE,
)
_NAMES = "|".join([*MONTHS, *_SHORT_MONTHS, *(day.title() for day in WEEKDAYS)])
_SPAN = re.compile(rf"\b({_NAMES})\b\.? ?[-–] ?({_NAMES})\b(\.(?=.))?")
"""``Jan-Mar``, ``Mon.-Fri.``"""
_DECADES = re.compile(r"(?<=\d)('?s) ?[-–] ?(?='?\d+'?s\b)")
_MEDIEVAL = re.compile(r"(?<=\b[Ii]n )(10\d\d)(?=[,.;)]|$)(?![.,]\d)")
_DECADE = re.compile(r"(?<![0-9.,])((?:1[1-9]|20)?[0-9]0)'?s\b")
_HUNDREDS = re.compile(r"(?<![\d.,])([1-9](?:00|0?0?,?000))'?s\b")
_SHORT_DECADE = re.compile(r"(?<![\w.,])'([0-9]0)s\b")
_SHORT_YEAR = re.compile(r"(?<![\w.,])'(\d\d)(?![\w'\"]|[.,]\d)")
_YEAR = re.compile(r"(?<![0-9.,$£€-])(1[1-9][0-9]{2}|20[0-9]{2})(?![0-9]|[.,][0-9])")
_NOON = r"([AaPp])\.?[Mm]\b\.?"
_TIME = re.compile(rf"(?<![\d:.])(2[0-4]|[01]?\d):([0-5]\d)(?::([0-5]\d))?(?![\d:])(?: ?{_NOON})?")
_HOUR = re.compile(rf"(?<![\d:.,/$£€-])(1[0-2]|0?[1-9])(?:\.([0-5]\d))? ?{_NOON}")
_OCLOCK = re.compile(r"(?<![\d:.,])(\d{1,2}) ?o'clock\b", re.IGNORECASE)
_TIME_RANGE = re.compile(
    rf"(?<![\d:.])(\d{{1,2}}(?::\d\d)?(?: ?{_NOON})?) ?[-–] ?"
    r"(?=\d{1,2}(?::\d\d)?(?: ?[AaPp]\.?[Mm]|[^\d:]|$))"
)


def read_dates(text: str) -> str:
    """Return a text whose dates, years, decades and times of day are in words."""
    text = _ISO.sub(lambda m: _date(m[1], m[2], m[3], m), text)
    text = _YEAR_FIRST.sub(lambda m: _date(m[1], m[2], m[3], m), text)
    text = _SLASHES.sub(_american, text)
    text = _STOPS.sub(lambda m: _date(m[3], m[2], m[1], m), text)
    text = _WEEKDAY.sub(lambda m: f"{WEEKDAYS[m[1].lower()]}, ", text)
    text = _DAY_MONTH.sub(_day_month, text)
    text = _MONTH_DAY.sub(_month_day, text)
    text = _MONTH_YEAR.sub(lambda m: f"{_SHORT_MONTHS[m[1]]} ", text)
    if ":" in text or "m" in text or "M" in text:
        text = _TIME_RANGE.sub(_time_range, text)
        text = _TIME.sub(_time, text)
        text = _HOUR.sub(lambda m: _clock(m[1], m[2], None, m[3], m), text)
    return _OCLOCK.sub(lambda m: f"{cardinal(m[1])} o'clock", text)


def read_spans(text: str) -> str:
    """Return a text with ``Jan-Mar`` and ``Mon.-Fri.`` in words."""
    return _SPAN.sub(_span, text)


def read_years(text: str) -> str:
    """Return a text whose years and decades are in words; what has a unit is in words already."""
    text = _DECADES.sub(r"\1 to ", text)
    text = _MEDIEVAL.sub(lambda m: year(m[1]), text)
    text = _SHORT_DECADE.sub(lambda m: plural(cardinal(m[1])), text)
    text = _DECADE.sub(_decade, text)
    text = _HUNDREDS.sub(
        lambda m: plural(cardinal(m[1].replace(",", ""))).removeprefix("one "), text
    )
    text = _SHORT_YEAR.sub(lambda m: apart(m, _year(m[1])), text)
    return _YEAR.sub(lambda m: apart(m, year(m[1])), text)


def _year(digits: str) -> str:
    if len(digits) == 4:
        return year(digits)
    return f"oh {cardinal(digits)}" if digits.startswith("0") else cardinal(digits)


def _decade(found: re.Match[str]) -> str:
    digits = found[1]
    return apart(found, plural(year(digits) if len(digits) == 4 else cardinal(digits)))


def _date(years: str, month: str, day: str, found: re.Match[str]) -> str:
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return found[0]
    return apart(found, f"{MONTHS[int(month) - 1]} {ordinal(day)}, {_year(years)}")


def _american(found: re.Match[str]) -> str:
    first, second, years = found.groups()
    if int(first) > 12:
        first, second = second, first
    return _date(years, first, second, found)


def _named(month: str) -> str:
    return _SHORT_MONTHS.get(month, month)


def _month_day(found: re.Match[str]) -> str:
    month, day, last, years = found.groups()
    if not 1 <= int(day) <= 31:
        return found[0]
    words = f"{_named(month)} {ordinal(day)}"
    words += f" to {ordinal(last)}" if last else ""
    return words + (f", {year(years)}" if years else "")


def _day_month(found: re.Match[str]) -> str:
    the, day, suffix, of, month, _, years = found.groups()
    if not 1 <= int(day) <= 31 or (month == "May" and not (suffix or of or years)):
        return found[0]  # "in 5 May be"
    words = f"{the or 'the '}{ordinal(day)} of {_named(month)}"
    return words + (f", {year(years)}" if years else "")


def _span(found: re.Match[str]) -> str:
    """Return two months or two days of the week in full, with ``to`` between."""
    first, last = (WEEKDAYS.get(name.lower()) or _named(name) for name in found.groups()[:2])
    return f"{first} to {last}"


def _time_range(found: re.Match[str]) -> str:
    written = found[1]
    is_time = ":" in written or found[2] is not None
    return f"{written} to " if is_time else found[0]


def _time(found: re.Match[str]) -> str:
    return _clock(found[1], found[2], found[3], found[4], found)


def _clock(
    hour: str, minute: str | None, second: str | None, half: str | None, found: re.Match[str]
) -> str:
    """Return a time of day; a stop behind ``p.m.`` that also ends the sentence stays."""
    words = [cardinal(hour)]
    if minute and int(minute):
        words.append(f"oh {cardinal(minute)}" if minute.startswith("0") else cardinal(minute))
    elif minute and not half:
        words.append("hundred" if int(hour) > 12 or hour == "00" else "o'clock")
    if second and int(second):
        words.append(f"and {cardinal(second)} second{'' if int(second) == 1 else 's'}")
    if half:
        words.append(f"{half.upper()} M")
    rest = found.string[found.end() :][:4].lstrip(" \"'")
    ends = not rest or (rest[0].isupper() and not rest[1:2].isupper())  # not before EST
    stop = "." if found[0].endswith(".") and ends else ""
    return apart(found, " ".join(words) + stop)
