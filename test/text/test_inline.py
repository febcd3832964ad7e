"""Pronunciations written into a text: brackets that fit, and brackets that do not."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.text import FRONTENDS, TextError
from malsori.text.inline import LONGEST, Part, split_inline
from malsori.text.pronunciation import read_normalized, read_words

INVENTORY = ("t", "ˈi", "p")
PIECES = st.sampled_from(["[[", "]]", "{", "}", "[", "]", "t", "ˈi", "x", " ", "\n", "말"])


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a {t ˈi} b", [Part("a ", False), Part("t ˈi", True), Part(" b", False)]),
        ("{t x}", [Part("{t x}", False)]),
        ("[[x]]", [Part("x", True)]),
        ("[[t", [Part("[[t", False)]),
        ("t]]", [Part("t]]", False)]),
        ("{t", [Part("{t", False)]),
        ("{{t}}", [Part("{", False), Part("t", True), Part("}", False)]),
        ("[[[t]]]", [Part("[", False), Part("t", True), Part("]", False)]),
        ("[[a [[t]] b]]", [Part("[[a ", False), Part("t", True), Part(" b]]", False)]),
        ("[[t\nˈi]]", [Part("[[t\nˈi]]", False)]),
        ("[[]]{ }", [Part("[[]]{ }", False)]),
        (f"[[{'t' * (LONGEST + 1)}]]", [Part(f"[[{'t' * (LONGEST + 1)}]]", False)]),
    ],
    ids=range(12),
)
def test_parts(text: str, parts: list[Part]) -> None:
    assert split_inline(text, INVENTORY) == parts


@settings(deadline=None)
@given(st.lists(PIECES, max_size=20).map("".join))
def test_nothing_is_lost(text: str) -> None:
    parts = split_inline(text, INVENTORY)
    left = "".join(part.text for part in parts)
    unbracketed = str.maketrans("", "", "[]{} \n")
    assert left.translate(unbracketed) == text.translate(unbracketed)
    assert all(part.text for part in parts)


@settings(deadline=None)
@given(st.lists(PIECES, max_size=20).map("".join))
def test_brackets_of_any_kind_become_tokens_or_an_error(text: str) -> None:
    for name in ("ko", "jamo"):
        front_end = FRONTENDS.entry(name).build(FRONTENDS.entry(name).config())
        try:
            words = read_words(front_end, text)
            normalized = read_normalized(front_end, text)
        except TextError:
            continue
        tokens = [token for word in words for token in word.tokens]
        assert set(tokens) <= set(front_end.inventory)
        again = [token for word in read_words(front_end, normalized) for token in word.tokens]
        assert again == tokens


@pytest.mark.parametrize("piece", ["{", "[[", "{t", "[[t", "]]", "{t}", "[[t]]", "[[t]", "{ "])
def test_time_is_linear(piece: str) -> None:
    def seconds(letters: int) -> float:
        text = (piece * letters)[:letters]
        start = time.process_time()
        split_inline(text, INVENTORY)
        return time.process_time() - start

    seconds(100)
    assert min(seconds(80_000) for _ in range(2)) < 10 * seconds(20_000) + 0.1
