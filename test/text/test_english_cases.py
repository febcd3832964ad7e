"""Tables of what English readers say, one id a case; written before the rules were read.

A text and its reading are compared as phonemes: capitals and commas are nobody's business here.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from malsori.text import FRONTENDS, FrontEnd, FrontEndConfig
from malsori.text.english_normalizer import PUNCTUATION

pytest.importorskip("gruut_lang_en", reason="the extra [en] is not installed")
pytest.importorskip("pycrfsuite", reason="the extra [en] is not installed")


def rows(name: str) -> list[list[str]]:
    """Return the columns of every line of a table beside this file, without comments."""
    lines = (Path(__file__).parent / name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if not line.startswith("# ")]


@pytest.fixture(scope="module")
def en() -> FrontEnd:
    return FRONTENDS.entry("en").build(FrontEndConfig())


def sounds(en: FrontEnd, text: str) -> list[str]:
    return [token for word in en(text) for token in word.tokens if token not in PUNCTUATION]


@pytest.mark.parametrize(
    ("construct", "written", "readings"),
    rows("english_cases.tsv"),
    ids=[f"{row[0]}-{row[1]}" for row in rows("english_cases.tsv")],
)
def test_constructs(en: FrontEnd, construct: str, written: str, readings: str) -> None:
    said = sounds(en, written)
    assert any(said == sounds(en, reading) for reading in readings.split(" | ")), en.normalize(
        written
    )


@pytest.mark.parametrize(
    ("sentence", "word", "phonemes"),
    [
        pytest.param(
            *row[:3],
            marks=pytest.mark.xfail(strict=True, reason="not told apart") if row[3:] else (),
        )
        for row in rows("english_heteronyms.tsv")
    ],
    ids=[f"{row[1]}-{row[0]}" for row in rows("english_heteronyms.tsv")],
)
def test_heteronyms(en: FrontEnd, sentence: str, word: str, phonemes: str) -> None:
    said = [each.tokens for each in en(sentence) if each.text.lower() == word.lower()]
    assert " ".join(said[-1]) == phonemes
