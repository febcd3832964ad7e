from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture
def exp(lively_run: Path, tmp_path: Path) -> Path:
    """Return a copy of the run, to be decoded into."""
    return shutil.copytree(lively_run, tmp_path / "exp")


def test_decodes_into_the_run_folder(malsori: Run, exp: Path, tiny_corpus: Any) -> None:
    words = ("decode", "--exp", exp, "--data", tiny_corpus.data / "test")
    done = malsori(*words)
    assert done.code == 0 and done.out == "" and "real-time factor" in done.err
    out = exp / "decode" / "test"
    assert len(list((out / "wav").glob("*.wav"))) == 2
    free = (out / "durations").read_text()
    assert malsori(*words, "--teacher-forcing", "--out", exp / "forced", "--batch", "1 s").code == 0
    assert (exp / "forced" / "durations").read_text() != free


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--checkpoint", "step-1"), "no checkpoint 'step-1'; there: step-3, step-6"),
        (("--device", "gpu"), "device: 'gpu' cannot be used here"),
    ],
)
def test_mistake_is_one_line(
    malsori: Run, exp: Path, tiny_corpus: Any, words: tuple[str, ...], told: str
) -> None:
    done = malsori("decode", "--exp", exp, "--data", tiny_corpus.data / "test", *words)
    assert done.code == 1 and told in done.line


def test_data_that_is_not_there(malsori: Run, exp: Path, tmp_path: Path) -> None:
    done = malsori("decode", "--exp", exp, "--data", tmp_path / "none")
    assert done.code == 1 and f"{tmp_path / 'none'}: no such data dir" in done.line


def test_token_list_that_does_not_match(malsori: Run, exp: Path, tiny_corpus: Any) -> None:
    with open(exp / "tokens.txt", "a") as file:
        file.write("new\n")
    done = malsori("decode", "--exp", exp, "--data", tiny_corpus.data / "test")
    assert done.code == 1 and "tokens.txt is of another model" in done.line
