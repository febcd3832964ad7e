"""English numbers in words: cardinals, ordinals, years, decimals, fractions, Roman numerals."""

from __future__ import annotations

import re

_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = [
    "zero",
    "ten",
    "twenty",
    "thirty",
    "forty",
    "fifty",
    "sixty",
    "seventy",
    "eighty",
    "ninety",
]
_SCALES = ("", "thousand", "million", "billion", "trillion", "quadrillion")
MOST_DIGITS = 3 * len(_SCALES)
_ORDINALS = {
    "one": "first", "two": "second", "three": "third", "five": "fifth", "eight": "eighth",
    "nine": "ninth", "twelve": "twelfth",
}  # fmt: skip


def cardinal(digits: str) -> str:
    """Return a whole number in words: ``"1066"`` → ``"one thousand sixty six"``.

    Args:
        digits: ASCII digits. More than 18 of them are read one by one.
    """
    digits = digits.lstrip("0") or "0"
    if len(digits) > MOST_DIGITS:
        return one_by_one(digits)
    number = int(digits)
    if number == 0:
        return _ONES[0]
    words: list[str] = []
    for place in range((len(digits) - 1) // 3, -1, -1):
        group = number // 1000**place % 1000
        if group:
            words += _below_thousand(group)
            if place:
                words.append(_SCALES[place])
    return " ".join(words)


def ordinal(digits: str) -> str:
    """Return an ordinal in words: ``"22"`` → ``"twenty second"``."""
    words = cardinal(digits).split()
    last = words[-1]
    if last in _ORDINALS:
        words[-1] = _ORDINALS[last]
    else:
        words[-1] = last[:-1] + "ieth" if last.endswith("y") else last + "th"
    return " ".join(words)


def year(digits: str) -> str:
    """Return a year of four digits in words: ``"1905"`` → ``"nineteen oh five"``."""
    first, second = int(digits[:2]), int(digits[2:])
    if first % 10 == 0 and second < 10:  # 2004, 1000
        return cardinal(digits)
    head = " ".join(_below_thousand(first))
    if second == 0:
        return f"{head} hundred"
    if second < 10:
        return f"{head} oh {_ONES[second]}"
    return f"{head} {' '.join(_below_thousand(second))}"


def one_by_one(digits: str) -> str:
    """Return the names of the digits."""
    return " ".join(_ONES[int(digit)] for digit in digits)


def plural(words: str) -> str:
    """Return the plural of a number's words: ``"sixty"`` → ``"sixties"``."""
    if words.endswith("y"):
        return words[:-1] + "ies"
    return words + ("es" if words.endswith("x") else "s")


def _below_thousand(number: int) -> list[str]:
    words = []
    if number >= 100:
        words += [_ONES[number // 100], "hundred"]
        number %= 100
    if number >= 20:
        words.append(_TENS[number // 10])
        number %= 10
    if number:
        words.append(_ONES[number])
    return words


_ROMAN = re.compile(r"(?=[IVXLC])(C{0,3})(XC|XL|L?X{0,3})(IX|IV|V?I{0,3})")
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}


def roman(letters: str) -> int:
    """Return the value of a Roman numeral below 400, ``"XIV"`` → 14; 0 for other letters."""
    if _ROMAN.fullmatch(letters) is None:
        return 0
    values = [_ROMAN_VALUES[letter] for letter in letters]
    return sum(
        -value if value < following else value
        for value, following in zip(values, [*values[1:], 0], strict=True)
    )


def decimal(digits: str, decimals: str | None) -> str:
    """Return a number in words: ``"1,234", "5"`` → ``"one thousand … four point five"``.

    Args:
        digits: Before the point, with or without commas; a leading zero (``007``) makes a code
            that is read digit by digit, and ``""`` is left out (``.5``).
        decimals: Behind the point, if any.
    """
    whole = digits.replace(",", "")
    code = whole.startswith("0") and len(whole) > 1
    words = one_by_one(whole) if code else cardinal(whole) if whole else ""
    return f"{words} point {one_by_one(decimals)}".strip() if decimals else words


def fraction(above: str, below: str) -> str:
    """Return a fraction in words: ``"3", "4"`` → ``"three quarters"``.

    Denominators above a hundred and fractions above one are read with ``over``.
    """
    parts, whole = int(above), int(below)
    if not 2 <= whole <= 100 or parts >= whole:
        return f"{cardinal(above)} over {cardinal(below)}"
    one = {2: "half", 4: "quarter"}.get(whole) or ordinal(below)
    if parts == 1:
        return f"one {one}"
    return f"{cardinal(above)} {'halves' if whole == 2 else plural(one)}"


def apart(found: re.Match[str], words: str) -> str:
    """Return ``words`` with spaces where what they stand for touched letters or digits."""
    text = found.string
    before = found.start() and text[found.start() - 1].isalnum()
    after = found.end() < len(text) and text[found.end()].isalnum()
    return (" " if before else "") + words + (" " if after else "")
