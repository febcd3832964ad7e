import pytest
from hypothesis import given
from hypothesis import strategies as st

from malsori.text import jamo

SYLLABLES = st.integers(0xAC00, 0xD7A3).map(chr)


def test_inventory_has_no_symbol_twice_and_keeps_its_order() -> None:
    assert len(set(jamo.INVENTORY)) == len(jamo.INVENTORY) == 19 + 21 + 27 + 11
    assert jamo.INVENTORY[0] == "ᄀ" and jamo.INVENTORY[19] == "ᅡ" and jamo.INVENTORY[40] == "ᆨ"
    assert jamo.INVENTORY[-11:] == tuple(".,?!…-~'\";:")


@given(SYLLABLES)
def test_split_and_join_are_inverse(syllable: str) -> None:
    assert jamo.join(jamo.split(syllable)) == syllable


@given(SYLLABLES)
def test_tokens_are_the_canonical_decomposition(syllable: str) -> None:
    import unicodedata

    tokens = jamo.syllable_tokens(jamo.split(syllable))
    assert "".join(tokens) == unicodedata.normalize("NFD", syllable)


@pytest.mark.parametrize("character", ["a", "ㄱ", "ᄀ", "漢"])
def test_only_syllables_can_be_split(character: str) -> None:
    with pytest.raises(ValueError, match=character):
        jamo.split(character)


def test_parts_are_replaced_by_letter() -> None:
    assert jamo.with_final("가", "ㄹ") == "갈"
    assert jamo.with_final("갈", " ") == "가"
    assert jamo.with_initial("이", "ㄴ") == "니"
    assert (jamo.initial_of("값"), jamo.vowel_of("값"), jamo.final_of("값")) == ("ㄱ", "ㅏ", "ㅄ")
