import pytest

from malsori.text import TextError
from malsori.text.english_normalizer import normalize
from malsori.text.english_numbers import MOST_DIGITS, cardinal, ordinal, year

TABLE = [
    ("Mr. Smith", "mister Smith"),
    ("Dr. No", "doctor No"),
    ("St. Paul", "saint Paul"),
    ("etc.", "et cetera."),
    ("e.g. this", "for example this"),
    ("No. 7", "number seven"),
    ("No. I won't", "No. I won't"),
    ("1,234", "one thousand two hundred thirty four"),
    ("3.14", "three point one four"),
    ("007", "zero zero seven"),
    ("1905", "nineteen oh five"),
    ("2004", "two thousand four"),
    ("1900", "nineteen hundred"),
    ("1960s", "nineteen sixties"),
    ("22nd", "twenty second"),
    ("5th", "fifth"),
    ("20th", "twentieth"),
    ("10:30", "ten thirty"),
    ("9:05", "nine oh five"),
    ("$1", "one dollar"),
    ("$3.50", "three dollars and fifty cents"),
    ("£2 million", "two million pounds"),
    ("50%", "fifty percent"),
    ("A & B", "A and B"),
    ("-5", "minus five"),
    ("B52", "B fifty two"),
    ("U.S. law", "U S law"),
    ("“well”", '"well"'),
    ("well—yes", "well - yes"),
    ("café", "cafe"),
    ("wait...", "wait…"),
    ("(a)", "a"),
    ("J. Smith", "J Smith"),
    ("1,234.5", "one thousand two hundred thirty four point five"),
    ("0", "zero"),
]


@pytest.mark.parametrize(("text", "words"), TABLE, ids=[text for text, _ in TABLE])
def test_reading(text: str, words: str) -> None:
    assert normalize(text) == words


@pytest.mark.parametrize("text", ["漢", "Привет", "∑"])
def test_what_has_no_reading_is_refused(text: str) -> None:
    with pytest.raises(TextError, match="no English reading"):
        normalize(text)


def test_numbers() -> None:
    assert cardinal("1000000") == "one million"
    assert cardinal("1" * (MOST_DIGITS + 1)) == " ".join(["one"] * (MOST_DIGITS + 1))
    assert [ordinal(n) for n in ("1", "12", "30", "101")] == [
        "first",
        "twelfth",
        "thirtieth",
        "one hundred first",
    ]
    assert year("1066") == "ten sixty six"
