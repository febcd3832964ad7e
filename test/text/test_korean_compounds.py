import pytest
from hypothesis import given
from hypothesis import strategies as st

from malsori.text.korean_compounds import n_part, tense_head

HANGUL = st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), max_size=8)


@pytest.mark.parametrize(
    ("word", "place"),
    [
        ("돌담길", 2),
        ("구김살", 2),
        ("어둠속", 2),
        ("바느질솜씨", 3),
        ("산길", -1),  # one syllable before it: in the table of words
        ("하굣길", -1),  # spelt with ㅅ: the regular rules
        ("굽은길", -1),
        ("김영길", -1),
        ("불법단속", -1),
        ("산들바람", -1),
        ("고추잠자리", -1),
        ("앞당길", -1),
    ],
)
def test_where_a_tense_head_begins(word: str, place: int) -> None:
    assert tense_head(word, len(word)) == place


@pytest.mark.parametrize(
    ("word", "end", "place"),
    [("바람불이", 3, 2), ("바람불면", 3, -1), ("주름살이", 3, -1), ("돌담길이", 3, 2)],
)
def test_what_follows_tells_a_verb_from_a_noun(word: str, end: int, place: int) -> None:
    assert tense_head(word, end) == place


@pytest.mark.parametrize(
    ("word", "place"),
    [
        ("국민연금", 2),
        ("과학연구원", 2),
        ("옛날이야기", 2),
        ("기초연금", -1),
        ("재활용품", -1),
        ("공용어", -1),
    ],
)
def test_where_a_part_with_n_begins(word: str, place: int) -> None:
    assert n_part(word, len(word)) == place


@given(HANGUL, st.sampled_from(["길", "속", "자리", "연금", "이야기", "연구원"]))
def test_the_first_part_has_two_syllables_at_least(first: str, last: str) -> None:
    word = first + last
    for place in (tense_head(word, len(word)), n_part(word, len(word))):
        assert place == -1 or 2 <= place < len(word)
