"""English numbers in words: cardinals, ordinals, years, decimals, money, times of day."""

from __future__ import annotations

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
