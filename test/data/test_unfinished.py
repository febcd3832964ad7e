"""Stage 3 goes on within a set where it was killed."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from malsori.core.errors import MalsoriError
from malsori.data import stats
from malsori.data.unfinished import UnfinishedArchive

CHUNK = 2
RUN = """
import json, os, signal, sys
from pathlib import Path
from malsori.data import stats
from malsori.dsp.audio_config import AudioConfig

data, tokens, out, audio, last = sys.argv[1:]
extract, heard = stats.extract_f0, []

def counted(*words):
    heard.append(words)
    if len(heard) > int(last):
        os.kill(os.getpid(), signal.SIGKILL)
    return extract(*words)

stats.CHUNK, stats.extract_f0 = 2, counted
stats.collect([Path(data)], Path(tokens), AudioConfig(**json.loads(audio)), Path(out))
"""


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Lengths of what is measured, in order."""
    found: list[int] = []
    extract = stats.extract_f0

    def counted(wav: np.ndarray, *words: Any) -> np.ndarray:
        found.append(len(wav))
        return extract(wav, *words)

    monkeypatch.setattr(stats, "CHUNK", CHUNK)
    monkeypatch.setattr(stats, "extract_f0", counted)
    return found


def collect(corpus: Any, out: Path) -> None:
    stats.collect([corpus.data / "train"], corpus.tokens, corpus.settings().audio, out)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_killed_in_the_middle_of_a_set(
    copy_corpus: Callable[[], Any], tmp_path: Path, heard: list[int]
) -> None:
    corpus = copy_corpus()
    collect(corpus, tmp_path / "whole")
    count = len(heard)
    assert count >= 8
    audio = json.dumps(dataclasses.asdict(corpus.settings().audio))
    words = [corpus.data / "train", corpus.tokens, tmp_path / "killed", audio, 5]
    done = subprocess.run(
        [sys.executable, "-c", RUN, *map(str, words)], capture_output=True, timeout=60, check=False
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert not list((tmp_path / "killed").glob("*.f0.ark"))
    heard.clear()
    collect(corpus, tmp_path / "killed")
    assert len(heard) == count - 4, "two chunks of two were there"
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def spoil_the_journal(folder: Path) -> None:
    path = folder / ".train.f0.ark.journal"
    path.write_bytes(path.read_bytes()[:-3])


def spoil_the_archive(folder: Path) -> None:
    path = folder / ".train.f0.ark.unfinished"
    path.write_bytes(path.read_bytes()[:-3])


def leave_more_behind(folder: Path) -> None:
    with open(folder / ".train.f0.ark.unfinished", "ab") as file:
        file.write(b"half a vector")


def make_it_of_something_else(folder: Path) -> None:
    path = folder / ".train.f0.ark.journal"
    path.write_bytes(b"\n".join(path.read_bytes().split(b"\n")[1:]))


@pytest.mark.parametrize(
    ("spoil", "left"),
    [
        (lambda folder: None, 2),
        (leave_more_behind, 2),
        (spoil_the_journal, 1),
        (spoil_the_archive, 1),
        (make_it_of_something_else, 0),
    ],
)
def test_what_is_not_whole_is_measured_again(
    copy_corpus: Callable[[], Any],
    tmp_path: Path,
    heard: list[int],
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Path], None],
    left: int,
) -> None:
    corpus = copy_corpus()
    collect(corpus, tmp_path / "whole")
    count, measure = len(heard), stats._measure

    def interrupted(chunk: stats.Chunk) -> stats.Result:
        if chunk.rows.start == 2 * CHUNK:
            raise KeyboardInterrupt
        return measure(chunk)

    with monkeypatch.context() as patched:
        patched.setattr(stats, "_measure", interrupted)
        with pytest.raises(KeyboardInterrupt):
            collect(corpus, tmp_path / "half")
    spoil(tmp_path / "half")
    heard.clear()
    collect(corpus, tmp_path / "half")
    assert len(heard) == count - left * CHUNK
    assert contents(tmp_path / "half") == contents(tmp_path / "whole")


def test_a_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "stats").write_text("a file")
    with pytest.raises(MalsoriError, match=r"train\.f0\.ark: cannot be written"):
        UnfinishedArchive(tmp_path / "stats" / "train.f0.ark", "key")
