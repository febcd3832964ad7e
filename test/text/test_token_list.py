from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from malsori.text import TextError
from malsori.text.jamo import INVENTORY
from malsori.text.tokens import TokenList

SYMBOLS = st.lists(
    st.text(
        st.characters(exclude_categories=("Cs", "Zs", "Zl", "Zp", "Cc")), min_size=1, max_size=3
    )
    .filter(lambda symbol: symbol.split() == [symbol])
    .filter(lambda symbol: symbol not in ("<blank>", "<unk>")),
    unique=True,
    max_size=20,
)


@given(SYMBOLS)
def test_saved_list_comes_back(
    tmp_path_factory: pytest.TempPathFactory, symbols: list[str]
) -> None:
    path = tmp_path_factory.mktemp("tokens") / "tokens.txt"
    tokens = TokenList.of(symbols)
    tokens.save(path)
    back = TokenList.load(path)
    assert back == tokens and back.hash() == tokens.hash() and len(back) == len(symbols) + 2
    assert back.decode(back.encode(symbols)) == symbols


def test_first_ids_are_blank_and_unknown() -> None:
    tokens = TokenList.of(INVENTORY)
    assert tokens.symbols[:3] == ("<blank>", "<unk>", "ᄀ")
    assert tokens.encode(["ᄀ"]) == [2]


def test_unknown_token_and_id_are_named() -> None:
    tokens = TokenList.of("ab")
    with pytest.raises(TextError, match="'c'"):
        tokens.encode(["a", "c"])
    for number in (-1, 4):
        with pytest.raises(TextError, match=str(number)):
            tokens.decode([number])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a\nb\n", "starts with"),
        ("<blank>\n<unk>\na\na\n", "'a' is there twice"),
        ("<blank>\n<unk>\n\na\n", "token 2 is empty"),
        ("<blank>\n<unk>\na b\n", "white space"),
        ("", "starts with"),
    ],
)
def test_wrong_file_is_refused(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "tokens.txt"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(TextError, match=message) as caught:
        TokenList.load(path)
    assert "tokens.txt" in str(caught.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TextError, match=r"tokens\.txt"):
        TokenList.load(tmp_path / "tokens.txt")


def test_order_changes_the_hash() -> None:
    assert TokenList.of("ab").hash() != TokenList.of("ba").hash()
