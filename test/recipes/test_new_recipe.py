"""A recipe for a made-up corpus: made by new-recipe, run through its first stages."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from malsori.bin import new_recipe as command
from malsori.core.errors import MalsoriError, UsageError
from malsori.data.check import check
from malsori.data.recipe import FILES, new_recipe

REPOSITORY = Path(__file__).resolve().parents[2]
SENTENCES = ["안녕하세요.", "고마워요.", "어디 가요?", "밥 먹었어요.", "꽃이 피었네!"]


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "made up corpus"
    (folder / "wavs").mkdir(parents=True)
    lines = []
    for i in range(12):
        seconds = np.arange(round(16000 * (0.8 + 0.05 * i))) / 16000
        soundfile.write(folder / "wavs" / f"t{i:02d}.wav", 0.3 * np.sin(1500 * seconds), 16000)
        lines.append(f"t{i:02d}|{SENTENCES[i % len(SENTENCES)]}\n")
    (folder / "metadata.csv").write_text("".join(lines))
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a source tree with one recipe whose three files are there."""
    root = tmp_path / "tree"
    shutil.copytree(REPOSITORY / "egs" / "ljspeech", root / "egs" / "ljspeech")
    shutil.copytree(REPOSITORY / "tools", root / "tools")
    (root / "egs" / "ljspeech" / "conf" / "train_jets.yaml").write_text("model:\n  name: jets\n")
    return root


def run(script: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    binaries = str(Path(sys.executable).parent)
    environment = {**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}"}
    return subprocess.run(
        [str(script), *arguments], env=environment, capture_output=True, text=True, timeout=300
    )


def test_it_is_three_files_with_the_new_name_and_corpus(tree: Path, corpus: Path) -> None:
    folder = new_recipe("tones", "ljspeech", corpus=str(corpus), repository=tree)
    assert folder == tree / "egs" / "tones"
    found = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    assert found == sorted(FILES)
    text = (folder / "run.sh").read_text()
    assert "# tones: from the corpus to a packed JETS voice." in text
    assert f"corpus='{corpus}'  # folder" in text and "speaker=tones  # id" in text
    assert "LJSpeech" not in text and os.access(folder / "run.sh", os.X_OK)
    assert '"""Stage 1 of the tones recipe' in (folder / "local" / "prepare.py").read_text()
    assert (folder / "conf" / "train_jets.yaml").read_text() == "model:\n  name: jets\n"


def test_outside_of_the_source_tree_it_finds_the_runner(tree: Path, tmp_path: Path) -> None:
    folder = new_recipe("tones", "ljspeech", out=tmp_path / "x" / "mine", repository=tree)
    done = run(folder / "run.sh", "--help")
    assert done.returncode == 0, done.stderr
    assert "downloads/tones" in done.stdout and "8  export" in done.stdout


def test_its_first_stages_run(tree: Path, corpus: Path, tmp_path: Path) -> None:
    assert (Path(sys.executable).parent / "malsori").exists(), "install first: pip install -e ."
    folder = new_recipe(
        "tones", "ljspeech", out=tmp_path / "egs" / "tones", corpus=str(corpus), repository=tree
    )
    arguments = ["--language", "ko", "--frontend", "ko", "--stop-stage", "2"]
    done = run(folder / "run.sh", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    sizes = {}
    for name in ("train", "dev", "test"):
        assert check(folder / "data" / name) == []
        sizes[name] = len((folder / "data" / name / "text").read_text().splitlines())
    assert sizes == {"train": 10, "dev": 1, "test": 1}
    tokens = folder / "data" / "tokens" / "phn_ko"
    assert (tokens / "tokens.txt").read_text().splitlines()[:2] == ["<blank>", "<unk>"]
    rows = (tokens / "train.tokens").read_text().splitlines()
    assert len(rows) == 10 and all(len(row.split()) > 3 for row in rows)
    again = run(folder / "run.sh", *arguments)
    assert again.returncode == 0 and (tokens / "train.tokens").read_text().splitlines() == rows


@pytest.mark.parametrize(
    ("name", "source", "told"),
    [
        ("Bad Name", "ljspeech", "'Bad Name' is no recipe name"),
        ("../up", "ljspeech", "no recipe name"),
        ("tones", "ljspech", "no recipe named 'ljspech': did you mean 'ljspeech'?"),
    ],
)
def test_wrong_names_are_wrong_usage(tree: Path, name: str, source: str, told: str) -> None:
    with pytest.raises(UsageError, match=told.replace("?", r"\?")):
        new_recipe(name, source, repository=tree)


def test_a_recipe_without_a_corpus_of_its_own_is_not_copied() -> None:
    with pytest.raises(UsageError, match=r"'mini_multi' has no corpus of its own: copy one of kss"):
        new_recipe("tones", "mini_multi", repository=REPOSITORY)


def test_it_overwrites_nothing(tree: Path) -> None:
    with pytest.raises(MalsoriError, match="is there already"):
        new_recipe("ljspeech", "ljspeech", repository=tree)


def test_without_a_source_tree_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(MalsoriError, match=r"no recipes .* needs the source tree"):
        new_recipe("tones", "kss", repository=tmp_path)


@pytest.mark.parametrize(
    "recipe", sorted(path.parents[1].name for path in REPOSITORY.glob("egs/*/local/prepare.py"))
)
def test_every_recipe_can_be_copied(
    recipe: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    out = tmp_path / "copy"
    command.run(parser.parse_args(["my_voice", "--from", recipe, "--out", str(out)]))
    assert str(out / "run.sh") in capsys.readouterr().out
    done = run(out / "run.sh", "--help")
    assert done.returncode == 0 and "downloads/my_voice" in done.stdout
    with open(out / "run.sh") as file:
        assert file.readlines()[1].startswith("# my_voice: from the corpus to")
