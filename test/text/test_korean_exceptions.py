from pathlib import Path

import pytest

from malsori.text import jamo
from malsori.text.korean_exceptions import entries, read_entry
from malsori.text.korean_hanja import read_hanja
from malsori.text.korean_latin import LETTER_NAMES, loan_words, read_latin

PACKAGE = Path(jamo.__file__).parent


@pytest.mark.parametrize(
    ("line", "word", "respelling"),
    [
        ("갈'등\t26", "갈등", "갈뜽"),
        ("솔+잎\t29", "솔잎", "솔맆"),
        ("꽃+잎\t29", "꽃잎", "꽃닢"),
        ("의견*란\t20", "의견란", "의견난"),
        ("겉|옷\t15", "겉옷", "거돗"),
        ("첫|인상\t15", "첫인상", "처딘상"),
        ("공'권*력\t20", "공권력", "공꿘녁"),
        ("디귿이\t16\t디그시", "디귿이", "디그시"),
        ("물들\t-", "물들", "물들"),
    ],
)
def test_marks_become_a_respelling(line: str, word: str, respelling: str) -> None:
    entry = read_entry(line)
    assert (entry.word, entry.respelling) == (word, respelling)


def test_anchors_are_read() -> None:
    entry = read_entry("^이'점$\t28")
    assert entry.at_start and entry.at_end and entry.word == "이점"


@pytest.mark.parametrize("line", ["갈등", "갈등\t26", "갈'등\t-", "gal\t26", "a\tb\tc\td"])
def test_bad_line_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=line[:1]):
        read_entry(line)


def test_table_is_large_and_has_no_word_twice() -> None:
    words = [entry.word for entry in entries()]
    assert len(words) > 2000 and len(set(words)) == len(words)


def test_respellings_keep_the_number_of_syllables() -> None:
    for entry in entries():
        assert len(entry.word) == len(entry.respelling), entry


def test_loan_words_are_hangul() -> None:
    for word, reading in loan_words().items():
        assert word.isascii() and jamo.is_hangul(reading.replace(" ", "")), word
    assert len(loan_words()) > 1000


def test_unknown_letters_get_their_names() -> None:
    assert read_latin("qzx") == "큐제트엑스" and len(LETTER_NAMES) == 26


def test_hanja_table_has_one_reading_a_character() -> None:
    lines = (PACKAGE / "hanja.tsv").read_text(encoding="utf-8").splitlines()
    characters = "".join(line.split("\t")[1] for line in lines if not line.startswith("#"))
    assert len(characters) == len(set(characters)) > 8000
    assert jamo.is_hangul(read_hanja("學而時習之"))
    assert read_hanja("\u9fff") == "\u9fff"  # a character without a Korean reading stays
