"""A recording that vanished while reading processes were on it: one line, exit 1, no hang.

Readers ignore SIGTERM (the training process saves first), so an error that left them alive made
the interpreter wait for them for ever; and the error came through as a traceback.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.mark.parametrize("broken", ["audio", "f0"])
def test_one_line_and_the_end(copy_corpus: Callable[[], Any], tmp_path: Path, broken: str) -> None:
    corpus = copy_corpus()
    if broken == "audio":
        line = (corpus.data / "train" / "wav.scp").read_text("utf-8").splitlines()[3]
        copied = corpus.root / "gone.wav"
        text = (corpus.data / "train" / "wav.scp").read_text("utf-8")
        (corpus.data / "train" / "wav.scp").write_text(text.replace(line.split()[1], str(copied)))
    else:
        ark = corpus.stats / "train.f0.ark"
        ark.write_bytes(ark.read_bytes()[:200])
    command = [sys.executable, "-m", "malsori", "train", "--config", str(corpus.conf)]
    command += ["--exp", str(tmp_path / "exp"), "data.workers=2", "training.steps=50"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert "malsori train: error:" in last
    assert ("gone.wav" if broken == "audio" else "train.f0.ark") in last
