from pathlib import Path

import pytest

from malsori.bin.main import main
from malsori.text.tokens import TokenList


@pytest.fixture
def train(tmp_path: Path) -> Path:
    folder = tmp_path / "train"
    folder.mkdir()
    (folder / "text").write_text("a 안녕하세요.\nb 값이 3개.\n", encoding="utf-8")
    return folder


def test_folder_is_written(train: Path, tmp_path: Path) -> None:
    out = tmp_path / "tokens"
    assert main(["tokens", "--data", str(train), "--out", str(out), "--spaces"]) == 0
    assert TokenList.load(out / "tokens.txt").symbols[-1] == "<space>"
    assert (out / "train.tokens").read_text("utf-8").splitlines()[1] == (
        "b ᄀ ᅡ ᆸ ᄊ ᅵ <space> ᄉ ᅦ ᄀ ᅢ ."
    )


@pytest.mark.parametrize(
    ("kind", "begins"), [("phn", "b <blank> ᄀ <blank> ᅡ <blank> ᆸ "), ("char", "b <blank> 값 ")]
)
def test_blanks_around_every_token(train: Path, tmp_path: Path, kind: str, begins: str) -> None:
    out, words = tmp_path / "out", ["--type", kind, "--blanks"]
    assert main(["tokens", "--data", str(train), "--out", str(out), *words]) == 0
    line = (out / "train.tokens").read_text("utf-8").splitlines()[1]
    assert line.startswith(begins) and line.endswith(" . <blank>")
    symbols = TokenList.load(out / "tokens.txt").symbols
    assert symbols.count("<blank>") == 1 and len(symbols) > 10


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--max-rejected", "2"], 2, "between 0 and 1"),
        (["--vocabulary", "0"], 2, "at least 1"),
        (["--frontend", "korean"], 1, "known:"),
        (["--lexicon", "nowhere.tsv"], 1, "nowhere.tsv"),
        (["--type", "char", "--lexicon", "x.tsv"], 1, "lexicon"),
        (["--frontend", "ko,en"], 1, "has no utt2lang to tell ko, en apart by"),
        (["--lexicon-language", "en"], 1, "lexicon_language: 'en' is not in ko"),
    ],
)
def test_wrong_use_is_one_line(
    train: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    code: int,
    message: str,
) -> None:
    assert main(["tokens", "--data", str(train), "--out", str(tmp_path / "out"), *words]) == code
    error = capsys.readouterr().err
    assert message in error and not (tmp_path / "out").exists()
