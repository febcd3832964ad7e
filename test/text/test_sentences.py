"""Where sentences end."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.text.sentences import sentence_gaps


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, without the white space between them."""
    found, start = [], 0
    for end, following in (*sentence_gaps(text), (len(text), len(text))):
        found.append(text[start:end])
        start = following
    return found


@pytest.mark.parametrize(
    "text",
    [
        "One. | Two! | Three? | Four… | Five",
        "값이 있다. | 나무가 있다。 | 끝",
        "Mr. Smith met Dr. Lee. | They spoke.",
        "George W. Bush spoke. | He left.",
        "It was I. | We left.",
        "J.R.R. Tolkien wrote it.",
        "the U.S. Army and the U.K. law",
        "He lives in the U.S. | She does not.",
        "at 5 p.m. sharp",
        "He left at 5 p.m. | The end.",
        "Acme Inc. said so. | And left.",
        "on Jan. 5 and p. 12, c. 1850",
        "It happened in Jan. | He left.",
        "He has 5. | 7 are mine.",
        "apples, etc. and pears",
        "e.g. this one",
        "hello there. | how are you",
        "여기. | b는 없다.",
    ],
)
def test_sentences(text: str) -> None:
    assert sentences(text.replace(" | ", " ")) == text.split(" | ")


def test_new_lines_end_sentences_whatever_stands_before_them() -> None:
    assert sentences("Mr.\nSmith\n\nsaid") == ["Mr.", "Smith", "said"]


@settings(deadline=None)
@given(st.text("aA. \n!?US5", max_size=30))
def test_nothing_but_white_space_is_left_out(text: str) -> None:
    assert "".join("".join(sentences(text)).split()) == "".join(text.split())


@pytest.mark.parametrize("piece", ["A.", "A. ", ". ", "a. b ", " ", "\n", "p. 1 "])
def test_time_is_linear(piece: str) -> None:
    def seconds(letters: int) -> float:
        text = (piece * letters)[:letters]
        start = time.process_time()
        list(sentence_gaps(text))
        return time.process_time() - start

    seconds(100)
    assert min(seconds(80_000) for _ in range(2)) < 10 * seconds(20_000) + 0.1
