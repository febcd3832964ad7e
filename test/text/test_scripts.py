"""Which of several languages a text is in."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.text.scripts import language_by_script

TWO = {"kor": "ko", "eng": "en"}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("안녕하세요.", "kor"),
        ("Hello.", "eng"),
        ("KBS 뉴스입니다.", "kor"),
        ("ㅋㅋ", "kor"),
        ("大韓民國", "kor"),
        ("\u1106\u1161\u11af", "kor"),
        ("café", "eng"),
        ("12:30!", None),
        ("", None),
        ("привет", None),
    ],
)
def test_two_languages(text: str, name: str | None) -> None:
    assert language_by_script(text, TWO) == name


def test_what_two_can_be_is_open() -> None:
    three = TWO | {"deu": "de"}
    assert language_by_script("Hand", three) is None
    assert language_by_script("손", three) == "kor"
    assert language_by_script("값", {"said": "ko", "spelt": "ko"}) is None
    assert language_by_script("hand", {"a": "xx", "b": "yy"}) is None


@settings(deadline=None)
@given(st.text(max_size=20))
def test_any_text_has_one_or_none(text: str) -> None:
    assert language_by_script(text, TWO) in ("kor", "eng", None)
