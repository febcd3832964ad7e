"""The corpora in this repository: small, licensed, and read by their recipes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
import soundfile

from malsori.data.check import check
from malsori.data.combine import Part, combine

REPOSITORY = Path(__file__).resolve().parents[2]
MEGABYTES = {"mini_kss": 6, "mini_ljspeech": 5}
SETS = {
    "mini_kss": {"train": 77, "dev": 4, "test": 4, "train_sample": 12},
    "mini_ljspeech": {"train": 23, "dev": 2, "test": 2, "train_sample": 8},
}


def prepare(recipe: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "local/prepare.py", *arguments],
        cwd=REPOSITORY / "egs" / recipe,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "toolkit")},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("recipe", MEGABYTES)
def test_it_is_small_and_says_its_licence(recipe: str) -> None:
    corpus = REPOSITORY / "egs" / recipe / "corpus"
    size = sum(path.stat().st_size for path in corpus.rglob("*"))
    assert size <= MEGABYTES[recipe] * 1_000_000
    assert {"mini_kss": "CC BY 2.0 FR", "mini_ljspeech": "public domain"}[recipe] in (
        corpus / "README.md"
    ).read_text()
    assert f"egs/{recipe}/corpus" in (REPOSITORY / "NOTICE").read_text()


def test_the_recipe_of_two_corpora_has_no_copy_of_them(tmp_path: Path) -> None:
    folder = REPOSITORY / "egs" / "mini_multi"
    tracked = [
        p for p in folder.rglob("*") if not {"data", "exp"} & set(p.relative_to(folder).parts)
    ]
    assert sorted(path.name for path in tracked if path.is_file()) == [
        "README.md", "run.sh", "train_jets.yaml",
    ]  # fmt: skip
    for recipe in SETS:
        done = prepare(recipe, "--corpus", "corpus", "--out", str(tmp_path / recipe))
        assert done.returncode == 0, done.stderr
    combine([Part(name=recipe, path=tmp_path / recipe) for recipe in SETS], tmp_path / "both")
    for name, count in SETS["mini_kss"].items():
        both = (tmp_path / "both" / name / "text").read_text().splitlines()
        assert len(both) == count + SETS["mini_ljspeech"][name]
        assert check(tmp_path / "both" / name) == []


@pytest.mark.parametrize("recipe", SETS)
def test_stage_1_uses_every_utterance(recipe: str, tmp_path: Path) -> None:
    done = prepare(recipe, "--corpus", "corpus", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    for name, count in SETS[recipe].items():
        assert len((tmp_path / name / "text").read_text().splitlines()) == count
        assert check(tmp_path / name) == []
    assert (tmp_path / "rejected.tsv").read_text() == ""


def test_every_korean_sentence_is_attributed_and_speakable() -> None:
    corpus = REPOSITORY / "egs" / "mini_kss" / "corpus"
    rows = [line.split("|") for line in (corpus / "transcript.v.1.4.txt").read_text().splitlines()]
    attributed = [
        line.split("\t") for line in (corpus / "ATTRIBUTION.tsv").read_text().splitlines()
    ]
    assert [[*row[:2], row[5]] for row in rows] == [row[:3] for row in attributed[1:]]
    assert all("tatoeba.org #" in row[3] and "CC-BY 2.0" in row[3] for row in attributed[1:])
    assert len({row[1] for row in rows}) == len(rows) >= 80
    for name, text, expanded, decomposed, seconds, _ in rows:
        assert re.fullmatch(r"[가-힣,. ?!]+", text) and text == expanded
        assert 4 <= len(re.findall("[가-힣]", text)) <= 25
        assert unicodedata.normalize("NFD", text) == decomposed
        info = soundfile.info(corpus / name)
        assert (info.samplerate, info.channels, info.subtype) == (16000, 1, "PCM_16")
        assert info.duration == pytest.approx(float(seconds), abs=0.051)


def test_the_korean_sentences_have_every_initial_and_every_vowel() -> None:
    corpus = REPOSITORY / "egs" / "mini_kss" / "corpus"
    lines = (corpus / "transcript.v.1.4.txt").read_text().splitlines()
    jamo = set(unicodedata.normalize("NFD", "".join(line.split("|")[1] for line in lines)))
    assert {chr(0x1100 + i) for i in range(19)} <= jamo
    assert {chr(0x1161 + i) for i in range(21)} <= jamo


@pytest.mark.parametrize("recipe", ["kss", "ljspeech", "mini_kss", "mini_ljspeech"])
def test_a_missing_corpus_is_one_line_and_exit_code_1(recipe: str, tmp_path: Path) -> None:
    done = prepare(recipe, "--corpus", str(tmp_path / "nothing"), "--out", str(tmp_path / "data"))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "no such corpus: download" in line and "./run.sh --corpus PATH" in line
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("recipe", ["kss", "ljspeech"])
def test_wrong_usage_is_exit_code_2(recipe: str) -> None:
    assert prepare(recipe).returncode == 2
    assert prepare(recipe, "--corpus", "x", "--nonsense", "1").returncode == 2
