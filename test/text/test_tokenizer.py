import dataclasses
import pickle
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.core.errors import ConfigError
from malsori.text import FRONTENDS, TextError
from malsori.text.frontend import Word
from malsori.text.pieces import PieceModel, train_pieces
from malsori.text.tokenizer import Tokenizer, TokenizerConfig, with_blanks

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


@pytest.mark.parametrize("kind", ["phn", "char", "bpe"])
def test_blanks_stand_around_every_token(folder: Path, kind: str) -> None:
    plain, made = tokenizer(kind, folder), tokenizer(kind, folder, blanks=True)
    for text in TEXTS:
        tokens, words = made.tokens(text), made.words(text)
        assert tokens[::2] == ["<blank>"] * (len(plain.tokens(text)) + 1)
        assert tokens[1::2] == plain.tokens(text)
        assert tokens == [token for word in words for token in word.tokens]
        assert [word.text for word in words] == [word.text for word in plain.words(text)]
        assert all(len(word.tokens) > 1 for word in words)


def test_tokens_that_are_given(folder: Path) -> None:
    plain, made = tokenizer("phn", folder), tokenizer("phn", folder, blanks=True)
    assert plain.given(["a", "b"]) == [Word("a", ("a",)), Word("b", ("b",))]
    spaced = [Word("a", ("<blank>", "a", "<blank>")), Word("b", ("b", "<blank>"))]
    assert made.given(["a", "b"]) == spaced
    assert [w.text for w in made.given(["a", "<blank>", "b"])] == ["a", "<blank>", "b"]
    assert made.given([]) == []
    assert with_blanks([Word("-", ()), Word("a", ("a",))])[1].tokens == ("<blank>", "a", "<blank>")


def test_each_language_is_read_by_its_own_front_end() -> None:
    pytest.importorskip("gruut_lang_en", reason="the extra [en] is not installed")
    made = Tokenizer(TokenizerConfig(frontend="ko,en", spaces=True))
    alone = {name: Tokenizer(TokenizerConfig(frontend=name, spaces=True)) for name in ("ko", "en")}
    texts = {"ko": "값이 3개.", "en": "3 cups, please."}
    for name, text in texts.items():
        assert made.tokens(text, name) == alone[name].tokens(text)
        assert made.normalize(text, name) == alone[name].normalize(text)
    assert made.tokens("3", "ko") != made.tokens("3", "en")
    assert made.language == "ko, en" and pickle.loads(pickle.dumps(made)).config == made.config  # noqa: S301


def test_languages_share_one_list_in_which_no_letter_means_two_sounds() -> None:
    inventories = {
        name: Tokenizer(TokenizerConfig(frontend=name)).inventory or () for name in ("ko", "en")
    }
    shared = set(inventories["ko"]) & set(inventories["en"])
    assert shared and not any(character.isalnum() for symbol in shared for character in symbol)
    together = Tokenizer(TokenizerConfig(frontend="ko,en", spaces=True)).inventory or ()
    assert len(set(together)) == len(together) and together[-1] == "<space>"
    assert set(together) == {*inventories["ko"], *inventories["en"], "<space>"}


def test_languages_may_be_called_otherwise() -> None:
    made = Tokenizer(TokenizerConfig(frontend="kor=jamo, eng=en"))
    assert list(made.frontends) == ["kor", "eng"] and made.language == "ko, en"
    assert made.tokens("값", "kor") == ["ᄀ", "ᅡ", "ᆹ"]
    for unknown in ("ko", None):
        with pytest.raises(TextError, match="this tokenizer reads kor, eng"):
            made.tokens("값", unknown)
    assert Tokenizer(TokenizerConfig()).tokens("값", "whatever") == ["ᄀ", "ᅡ", "ᆸ"]


@pytest.mark.parametrize("kind", ["char", "bpe"])
def test_characters_and_pieces_of_several_languages(tmp_path: Path, kind: str) -> None:
    texts = [(text.replace("3시", "세시"), "ko") for text in TEXTS] + [
        ("two cups of tea", "en")
    ] * 3
    model, _ = train_pieces([text for text, _ in texts], 60)
    (tmp_path / "bpe.model").write_bytes(model)
    made = tokenizer(kind, tmp_path, frontend="ko,en")
    assert "".join(made.tokens("2 cups", "en")).replace("<space>", "▁").strip("▁") == "two▁cups"
    assert "두" not in made.tokens("two tea", "en")


def test_the_lexicon_belongs_to_one_language(tmp_path: Path) -> None:
    lexicon = tmp_path / "mine.tsv"
    lexicon.write_text("tea\tk ˈɔ f i\n", encoding="utf-8")
    config = TokenizerConfig(frontend="ko,en", lexicon=str(lexicon), lexicon_language="en")
    assert Tokenizer(config).tokens("tea", "en") == ["k", "ˈɔ", "f", "i"]
    assert "ᄀ" in Tokenizer(config).tokens("값", "ko")
    for wrong in (None, "fr"):
        with pytest.raises(ConfigError, match=r"lexicon_language: .*ko, en"):
            Tokenizer(dataclasses.replace(config, lexicon_language=wrong))
    with pytest.raises(ConfigError, match="frontend: 'ko' and 'g2pk' are both for 'ko': one of"):
        Tokenizer(TokenizerConfig(frontend="ko,g2pk"))


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


def test_the_users_lexicon_wins_over_the_voices_own(tmp_path: Path) -> None:
    for name, line in (("lexicon.tsv", "값\t감\n닭\t달\n"), ("mine.tsv", "값\t밤\n")):
        (tmp_path / name).write_text(line, encoding="utf-8")
    own = Tokenizer(TokenizerConfig(lexicon="lexicon.tsv"), tmp_path)
    both = own.with_lexicon(tmp_path / "mine.tsv")
    assert own.tokens("값 닭") == ["ᄀ", "ᅡ", "ᆷ", "ᄃ", "ᅡ", "ᆯ"]
    assert both.tokens("값 닭") == ["ᄇ", "ᅡ", "ᆷ", "ᄃ", "ᅡ", "ᆯ"]
    assert pickle.loads(pickle.dumps(both)).tokens("값") == ["ᄇ", "ᅡ", "ᆷ"]  # noqa: S301
    alone = Tokenizer(TokenizerConfig()).with_lexicon(tmp_path / "mine.tsv")
    assert alone.tokens("값") == ["ᄇ", "ᅡ", "ᆷ"]
    (tmp_path / "mine.tsv").write_text("값\n", encoding="utf-8")
    with pytest.raises(TextError, match=r"mine\.tsv:1: expected 'word<TAB>pronunciation'"):
        own.with_lexicon(tmp_path / "mine.tsv")
    with pytest.raises(ConfigError, match="a lexicon gives phonemes"):
        Tokenizer(TokenizerConfig(type="char")).with_lexicon("mine.tsv")


@pytest.mark.parametrize("frontend", ["ko", "jamo"])
@pytest.mark.parametrize("spaces", [True, False])
def test_pronunciations_written_into_a_text(frontend: str, spaces: bool) -> None:
    made = Tokenizer(TokenizerConfig(frontend=frontend, spaces=spaces))
    space = ["<space>"] * spaces
    wanted = ["ᄂ", "ᅡ", *space, "ᄆ", "ᅡ", "ᆯ", *space, "ᄂ", "ᅥ"]
    for text in ("나 {ᄆ ᅡ ᆯ} 너", "나 [[ᄆ ᅡ ᆯ]] 너"):
        assert made.tokens(text) == wanted
    with pytest.raises(TextError, match="'zz' is not a token of this front end"):
        made.tokens("[[zz]]")


@pytest.mark.parametrize("kind", ["char", "bpe"])
def test_what_spells_takes_no_pronunciations(folder: Path, kind: str) -> None:
    with pytest.raises(TextError, match=f"type '{kind}' spells and never pronounces"):
        tokenizer(kind, folder).tokens("나는 {ᄆ ᅡ ᆯ}")
    with pytest.raises(TextError, match="never pronounces"):
        tokenizer(kind, folder).normalize("나는 [[맏찝]]")


def test_parts_of_a_sentence_are_read_with_the_spaces_between() -> None:
    made = Tokenizer(TokenizerConfig(spaces=True, blanks=True))
    whole = made.words("나무가 있다.")
    apart = made.read(["나무", "가 ", "있다", "."])
    assert [len(words) for words in apart] == [1, 1, 2, 1]
    assert [t for words in apart for w in words for t in w.tokens] == [
        token for word in whole for token in word.tokens
    ]
    assert made.read(["", " "]) == [[], []]


def test_pieces_of_korean_and_english_go_round(tmp_path: Path) -> None:
    texts = ["나무가 많은 바다로 갑니다.", "two cups of tea, please!", "그 나무 밑에서"] * 4
    model, _ = train_pieces(texts, 60)
    (tmp_path / "bpe.model").write_bytes(model)
    made = tokenizer("bpe", tmp_path, frontend="ko,en")
    for text, language in (("나무 밑에서 갑니다", "ko"), ("cups of tea", "en")):
        tokens = made.tokens(text, language)
        assert "".join(tokens).replace("▁", " ").strip() == made.normalize(text, language)
        assert set(tokens) <= set(made.inventory or ())


@pytest.mark.parametrize(("phrases", "said"), [("word", "ᄋ ᅩ ᆮ ᄋ ᅡ ᆫ"), ("short", "ᄋ ᅩ ᄃ ᅡ ᆫ")])
def test_phrases_reach_the_front_end_that_has_them(phrases: str, said: str) -> None:
    made = Tokenizer(TokenizerConfig(frontend="ko,en", phrases=phrases))
    assert " ".join(made.tokens("옷 안", "ko")) == said
    assert made.tokens("tea", "en") == Tokenizer(TokenizerConfig(frontend="en")).tokens("tea")
