"""``malsori embed-speakers`` and ``malsori synthesize --speaker-wav`` from the command line."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from malsori.data.datadir import DataDir

Run = Callable[..., Any]


@pytest.fixture
def data(tiny_corpus: Any, tmp_path: Path) -> list[Path]:
    """Return copies of the tiny corpus's sets."""
    return [shutil.copytree(tiny_corpus.data / n, tmp_path / n) for n in ("train", "dev")]


def test_it_writes_what_it_says_and_then_does_nothing(malsori: Run, data: list[Path]) -> None:
    if importlib.util.find_spec("resemblyzer") is None:
        pytest.skip("resemblyzer is not there: run tools/installers/install_speakers.sh")
    first = malsori("embed-speakers", "--data", *data, "--threads", "1")
    assert first.code == 0, first.err
    assert first.out.splitlines() == [
        f"{data[0]}: 16 utterances, 1 speakers, vectors of 256, 0 rejected",
        f"{data[1]}: 2 utterances, 1 speakers, vectors of 256, 0 rejected",
    ]
    assert DataDir(data[0]).embedding_size == 256
    before = [path.stat().st_mtime_ns for path in data[0].iterdir()]
    again = malsori("embed-speakers", "--data", *data)
    assert again.out == first.out and "unchanged, kept" in again.err
    assert [path.stat().st_mtime_ns for path in data[0].iterdir()] == before
    assert malsori("data", "check", *data).code == 0


def test_without_the_package_it_is_one_line(
    malsori: Run, data: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    done = malsori("embed-speakers", "--data", data[0])
    assert done.code == 1
    assert done.line.endswith("is not installed: tools/installers/install_speakers.sh")
    assert not list(data[0].glob("xvector*"))


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--encoder", "resemblizer"), 1, "did you mean 'resemblyzer'"),
        (("--max-rejected", "2"), 2, "--max-rejected: 2 is not between 0 and 1"),
        (("--threads", "-1"), 2, "--threads: -1 is below 0"),
    ],
)
def test_a_bad_option_is_one_line(
    malsori: Run, data: list[Path], words: tuple[str, ...], code: int, told: str
) -> None:
    done = malsori("embed-speakers", "--data", data[0], *words)
    assert done.code == code and told in done.line


def test_a_voice_without_vectors_wants_no_recording(
    malsori: Run, tiny_pack: Path, tmp_path: Path
) -> None:
    said = ("--model", tiny_pack, "--text", "나무가 있다.", "--out", tmp_path / "x.wav")
    done = malsori("synthesize", *said, "--speaker-wav", tmp_path / "a.wav", tmp_path / "b.wav")
    assert done.code == 1 and "was trained without; leave it out" in done.line
    assert not (tmp_path / "x.wav").exists()
