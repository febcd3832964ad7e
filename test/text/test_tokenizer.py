import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.core.errors import ConfigError
from malsori.text import FRONTENDS, TextError
from malsori.text.pieces import PieceModel, train_pieces
from malsori.text.tokenizer import Tokenizer, TokenizerConfig

TEXTS = ["나는 학교에 갔다.", "너는 학교에 왔다.", "학교에 가는 나는 3시에 왔다!"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bpe")
    model, _ = train_pieces([text.replace("3시", "세시") for text in TEXTS], 30)
    (path / "bpe.model").write_bytes(model)
    return path


def tokenizer(kind: str, folder: Path, **settings: object) -> Tokenizer:
    model = "bpe.model" if kind == "bpe" else None
    return Tokenizer(TokenizerConfig(type=kind, bpe_model=model, **settings), folder)


@pytest.mark.parametrize("kind", ["phn", "char", "bpe"])
@pytest.mark.parametrize("spaces", [True, False])
def test_tokens_are_those_of_the_words(folder: Path, kind: str, spaces: bool) -> None:
    made = tokenizer(kind, folder, spaces=spaces)
    for text in TEXTS:
        tokens = made.tokens(text)
        assert tokens == [token for word in made.words(text) for token in word.tokens]
        assert made.inventory is None or set(tokens) <= set(made.inventory)
        assert pickle.loads(pickle.dumps(made)).tokens(text) == tokens  # noqa: S301


def test_characters_with_spaces(folder: Path) -> None:
    assert tokenizer("char", folder).tokens("3시 나") == ["세", "시", "<space>", "나"]


def test_spaces_stand_before_words_only(folder: Path) -> None:
    made = tokenizer("phn", folder, spaces=True)
    assert made.tokens("나, 너!") == ["ᄂ", "ᅡ", ",", "<space>", "ᄂ", "ᅥ", "!"]


def test_pieces_spell_the_normalised_text(folder: Path) -> None:
    made = tokenizer("bpe", folder)
    for text in TEXTS:
        assert "".join(made.tokens(text)).replace("▁", " ").strip() == made.normalize(text)


def test_piece_outside_of_the_training_text_is_refused(folder: Path) -> None:
    with pytest.raises(TextError, match="뷁"):
        tokenizer("bpe", folder).tokens("나는 뷁")


def test_training_is_deterministic() -> None:
    assert train_pieces(TEXTS, 40) == train_pieces(TEXTS, 40)


@pytest.mark.parametrize("vocabulary", [1, 20, 10_000])
def test_any_vocabulary_works_on_a_tiny_text(tmp_path: Path, vocabulary: int) -> None:
    model, pieces = train_pieces(TEXTS, vocabulary)
    (tmp_path / "bpe.model").write_bytes(model)
    assert len(PieceModel(tmp_path / "bpe.model").inventory) == pieces - 1  # but for the unknown


def test_no_text_is_refused() -> None:
    with pytest.raises(TextError, match="empty"):
        train_pieces(["", " "], 100)


def test_wrong_settings_are_named(folder: Path) -> None:
    with pytest.raises(ConfigError, match="bpe_model"):
        Tokenizer(TokenizerConfig(type="bpe"))
    with pytest.raises(ConfigError, match="lexicon"):
        Tokenizer(TokenizerConfig(type="char", lexicon="x.tsv"))
    with pytest.raises(ConfigError, match="did you mean 'ko'"):
        Tokenizer(TokenizerConfig(frontend="koo"))
    with pytest.raises(TextError, match=r"missing\.model"):
        Tokenizer(TokenizerConfig(type="bpe", bpe_model="missing.model"), folder)
    (folder / "broken.model").write_bytes(b"no model")
    with pytest.raises(TextError, match=r"broken\.model: not a sentencepiece"):
        Tokenizer(TokenizerConfig(type="bpe", bpe_model="broken.model"), folder)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=30))
def test_jamo_front_end_spells_or_refuses(text: str) -> None:
    made = Tokenizer(TokenizerConfig(frontend="jamo"))
    try:
        tokens = made.tokens(text)
    except TextError:
        return
    assert set(tokens) <= set(made.inventory or ())


def test_korean_front_ends_share_one_inventory() -> None:
    found = [FRONTENDS.entry(n).build(FRONTENDS.entry(n).config()) for n in ("ko", "jamo", "g2pk")]
    assert len({front_end.inventory for front_end in found}) == 1
    assert Tokenizer(TokenizerConfig(frontend="jamo")).tokens("값") == ["ᄀ", "ᅡ", "ᆹ"]


@pytest.mark.parametrize("name", FRONTENDS.names())
def test_every_entry_has_the_interface(name: str) -> None:
    entry = FRONTENDS.entry(name)
    front_end = entry.build(entry.config())
    assert front_end.name == name and front_end.language in ("ko", "en") and entry.summary
    assert len(set(front_end.inventory)) == len(front_end.inventory)
    assert not {"<blank>", "<unk>", "<space>"} & set(front_end.inventory)
