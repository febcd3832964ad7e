import shutil
from pathlib import Path

import pytest

from malsori.core.errors import MalsoriError
from malsori.data.tokens import make_tokens
from malsori.text.tokenizer import Tokenizer, TokenizerConfig
from malsori.text.tokens import TokenList

TRAIN = {f"utt_{i:02d}": f"나는 {i}번 학교에 갔다." for i in range(1, 30)}


@pytest.fixture
def data(tmp_path: Path):
    def made(name: str, texts: dict[str, str]) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        rows = (f"{key} {text}\n" for key, text in sorted(texts.items()))
        (folder / "text").write_text("".join(rows), encoding="utf-8")
        return folder

    return made


@pytest.mark.parametrize("kind", ["phn", "char", "bpe"])
def test_folder_holds_all_that_training_and_speaking_need(data, tmp_path: Path, kind: str) -> None:
    sets = [data("train", TRAIN), data("dev", {"utt_90": "나는 학교에 갔다."})]
    out = tmp_path / "tokens"
    done = make_tokens(sets, out, TokenizerConfig(type=kind, vocabulary=60))
    assert [(s.name, s.utterances, s.rejected) for s in done] == [("train", 29, ()), ("dev", 1, ())]
    tokens = TokenList.load(out / "tokens.txt")
    opened = Tokenizer.open(out)
    for name, texts in (("train", TRAIN), ("dev", {"utt_90": "나는 학교에 갔다."})):
        rows = [
            line.split(" ") for line in (out / f"{name}.tokens").read_text("utf-8").splitlines()
        ]
        assert [row[0] for row in rows] == sorted(texts)
        for key, *symbols in rows:
            assert tokens.decode(tokens.encode(symbols)) == symbols == opened.tokens(texts[key])
    assert (out / "rejected.tsv").read_text() == ""
    assert (out / "bpe.model").exists() == (kind == "bpe")


def test_folder_is_the_same_when_made_again(data, tmp_path: Path) -> None:
    train, out = data("train", TRAIN), tmp_path / "tokens"

    def content() -> dict[str, bytes]:
        shutil.rmtree(out, ignore_errors=True)
        make_tokens([train], out, TokenizerConfig(type="bpe", vocabulary=60))
        return {path.name: path.read_bytes() for path in out.iterdir()}

    assert content() == content()


def test_unreadable_texts_are_left_out_and_listed(data, tmp_path: Path) -> None:
    texts = TRAIN | {"utt_97": "かな", "utt_98": "", "utt_99": "?!"}
    out = tmp_path / "tokens"
    make_tokens([data("train", texts)], out, TokenizerConfig(), max_rejected=0.1)
    rejected = [line.split("\t") for line in (out / "rejected.tsv").read_text("utf-8").splitlines()]
    assert [key for key, _ in rejected] == ["utt_97", "utt_98", "utt_99"]
    assert "かな" in rejected[0][1] and "empty" in rejected[1][1] and "no word" in rejected[2][1]
    assert len((out / "train.tokens").read_text("utf-8").splitlines()) == 29


def test_too_many_rejected_fail_and_leave_the_old_folder(data, tmp_path: Path) -> None:
    out = tmp_path / "tokens"
    make_tokens([data("train", TRAIN)], out, TokenizerConfig())
    before = (out / "train.tokens").read_bytes()
    worse = data("worse", TRAIN | {"utt_97": "か", "utt_98": "か"})
    with pytest.raises(MalsoriError, match=r"worse/text: 2 of 31 .*utt_97: .*か"):
        make_tokens([worse], out, TokenizerConfig())
    assert (out / "train.tokens").read_bytes() == before


def test_character_unknown_to_the_training_set_is_rejected(data, tmp_path: Path) -> None:
    dev = data("dev", {"utt_90": "나는 뷁", "utt_91": "나는"})
    done = make_tokens(
        [data("train", TRAIN), dev], tmp_path / "out", TokenizerConfig(type="char"), 0.5
    )
    assert [r.utterance for r in done[1].rejected] == ["utt_90"]


def test_lexicon_is_copied(data, tmp_path: Path) -> None:
    lexicon = tmp_path / "mine.tsv"
    lexicon.write_text("학교\tᄒ ᅡ ᆨ\n", encoding="utf-8")
    out = tmp_path / "tokens"
    make_tokens([data("train", TRAIN)], out, TokenizerConfig(lexicon=str(lexicon)))
    lexicon.unlink()
    assert Tokenizer.open(out).tokens("학교") == ["ᄒ", "ᅡ", "ᆨ"]


ENGLISH = {"x_1": "2 cups.", "x_2": "Please read it, 3 times!"}


def languages(folder: Path, found: dict[str, str]) -> Path:
    rows = (f"{key} {language}\n" for key, language in sorted(found.items()))
    (folder / "utt2lang").write_text("".join(rows))
    return folder


@pytest.mark.parametrize("kind", ["phn", "char", "bpe"])
def test_each_text_is_read_as_its_language_says(data, tmp_path: Path, kind: str) -> None:
    if kind == "phn":
        pytest.importorskip("gruut_lang_en", reason="the extra [en] is not installed")
    spoken = dict.fromkeys(TRAIN, "ko") | dict.fromkeys(ENGLISH, "en")
    train = languages(data("train", TRAIN | ENGLISH), spoken)
    test = languages(data("test", ENGLISH), dict.fromkeys(ENGLISH, "en"))
    out = tmp_path / "tokens"
    done = make_tokens(
        [train, test], out, TokenizerConfig(type=kind, frontend="ko,en", vocabulary=90)
    )
    assert [(each.utterances, each.rejected) for each in done] == [(31, ()), (2, ())]
    opened, listed = Tokenizer.open(out), TokenList.load(out / "tokens.txt")
    for name in ("train", "test"):
        for line in (out / f"{name}.tokens").read_text("utf-8").splitlines():
            key, *tokens = line.split(" ")
            assert tokens == opened.tokens((TRAIN | ENGLISH)[key], spoken[key])
            assert listed.encode(tokens)


@pytest.mark.parametrize(
    ("frontend", "found", "told"),
    [
        ("ko", "ko en", r"has texts in en, ko, but --frontend reads ko: .* en=NAME,ko=NAME"),
        ("ko,en", "ko fr", r"has texts in fr, ko, but --frontend reads ko, en"),
        ("ko,en", "fr fr", r"has texts in fr, but --frontend reads ko, en: .*--frontend fr=NAME"),
        ("ko,en", "", r"train: has no utt2lang to tell ko, en apart by"),
        ("ko,en", "ko", r"utt2lang:2: not 'utt_2' as in text: 'malsori data check"),
    ],
)
def test_a_language_that_nothing_reads_stops_the_stage(
    data, tmp_path: Path, frontend: str, found: str, told: str
) -> None:
    train = data("train", {"utt_1": "나", "utt_2": "너"})
    if found:
        languages(train, {f"utt_{i}": each for i, each in enumerate(found.split(), 1)})
    with pytest.raises(MalsoriError, match=told):
        make_tokens([train], tmp_path / "out", TokenizerConfig(frontend=frontend))
    assert not (tmp_path / "out").exists()


def test_one_front_end_reads_one_language_whatever_its_name(data, tmp_path: Path) -> None:
    train = languages(data("train", TRAIN), dict.fromkeys(TRAIN, "kor"))
    (done,) = make_tokens([train], tmp_path / "out", TokenizerConfig())
    assert done.utterances == len(TRAIN)


def test_wrong_data_is_named(data, tmp_path: Path) -> None:
    train = data("train", TRAIN)
    with pytest.raises(MalsoriError, match="'train'"):
        make_tokens([train, train], tmp_path / "out", TokenizerConfig())
    with pytest.raises(MalsoriError, match="nowhere"):
        make_tokens([tmp_path / "nowhere"], tmp_path / "out", TokenizerConfig())
    with pytest.raises(MalsoriError, match=r"tokenizer\.yaml"):
        Tokenizer.open(train)
