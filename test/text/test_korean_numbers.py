import pytest
from hypothesis import given
from hypothesis import strategies as st

from malsori.text.korean_numbers import counted, native, one_by_one, sino

DIGITS = {name: digit for digit, name in enumerate("영일이삼사오육칠팔구")}
SMALL, LARGE = (
    {"십": 10, "백": 100, "천": 1000},
    {"만": 10**4, "억": 10**8, "조": 10**12, "경": 10**16, "해": 10**20},
)


def value(words: str) -> int:
    """Read a Sino-Korean number back, by the grammar of such numbers."""
    total = group = digit = 0
    for letter in words:
        if letter in DIGITS:
            digit = DIGITS[letter]
        elif letter in SMALL:
            group, digit = group + (digit or 1) * SMALL[letter], 0
        else:
            total, group, digit = total + (group + digit or 1) * LARGE[letter], 0, 0
    return total + group + digit


@given(st.integers(0, 10**24 - 1))
def test_sino_numbers_can_be_read_back(number: int) -> None:
    assert value(sino(str(number))) == number


@given(st.integers(1, 99))
def test_native_numbers_differ(number: int) -> None:
    others = {native(n, before_counter=True) for n in range(1, 100) if n != number}
    assert native(number, before_counter=True) not in others


@pytest.mark.parametrize("number", [0, 100, -1])
def test_native_numbers_end_at_99(number: int) -> None:
    with pytest.raises(ValueError, match=str(number)):
        native(number, before_counter=False)


@pytest.mark.parametrize(
    ("digits", "counter", "words"),
    [
        ("20", "살", "스무"),
        ("21", "살이", "스물한"),
        ("100", "살", "백"),
        ("6", "월", "유"),
        ("12", "월", "십이"),
        ("3", "개", "세"),
        ("3", "개월", "삼"),
        ("3", "분", "삼"),
        ("3", "분께", "세"),
        ("30", "시", "삼십"),
        ("4", "", "사"),
        ("4", "번", "네"),
        ("4", "번지", "사"),
        ("1", "번째", "첫"),
        ("07", "학번", "공칠"),
    ],
)
def test_counters_choose_the_reading(digits: str, counter: str, words: str) -> None:
    assert counted(digits, counter) == words


def test_zero_has_two_names() -> None:
    assert one_by_one("010") == "영일영" and one_by_one("010", zero="공") == "공일공"
