"""Token labels: letters that fonts can draw, and none over another."""

from __future__ import annotations

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from malsori.score.token_labels import LABEL_ROWS, place, readable


def test_conjoining_jamo_become_letters() -> None:
    tokens = unicodedata.normalize("NFD", "값뵀")
    assert [readable(token) for token in tokens] == ["ㄱ", "ㅏ", "ㅄ", "ㅂ", "ㅙ", "ㅆ"]


@pytest.mark.parametrize(
    ("token", "label"), [("AH0", "AH0"), ("<space>", "␣"), (".", "."), ("가", "가"), ("ᅀ", "ㅿ")]
)
def test_other_tokens(token: str, label: str) -> None:
    assert readable(token) == label


@given(st.lists(st.integers(0, 30), min_size=1, max_size=80))
def test_labels_of_a_row_do_not_overlap(durations: list[int]) -> None:
    ends = (np.cumsum(durations) / 100).tolist()
    labels = place(["ᄀ"] * len(durations), ends, max(ends[-1], 0.01))
    for row in range(LABEL_ROWS):
        middles = [(label.start + label.end) / 2 for label in labels if label.row == row]
        assert (np.diff(middles) > 0).all()
        assert (np.diff(middles) >= 0.0135 * ends[-1] * 0.99).all()
    assert all(label.end > label.start for label in labels)


def test_a_few_long_tokens_stand_in_one_row() -> None:
    labels = place(["AH0", "B", "ER1"], [0.3, 0.6, 1.0], 1.0)
    assert [(label.text, label.row) for label in labels] == [("AH0", 0), ("B", 0), ("ER1", 0)]
