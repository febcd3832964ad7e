"""The three commands of doc/your_own_corpus.md, run as they stand there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "doc" / "your_own_corpus.md").read_text(encoding="utf-8")
RECORDINGS = 24


def make_recordings(folder: Path) -> None:
    """Write the shortest sentences of the corpus in this repository as the page says it."""
    corpus = ROOT / "egs" / "mini_kss" / "corpus"
    lines = (corpus / "transcript.v.1.4.txt").read_text(encoding="utf-8").splitlines()
    rows = sorted((line.split("|") for line in lines), key=lambda row: float(row[4]))
    (folder / "wavs").mkdir(parents=True)
    with open(folder / "metadata.csv", "w", encoding="utf-8") as file:
        for name, _, text, *_ in rows[:RECORDINGS]:
            shutil.copy(corpus / name, folder / "wavs")
            file.write(f"{Path(name).stem}|{text}\n")


@pytest.mark.slow
def test_three_commands_make_a_voice(tmp_path: Path) -> None:
    make_recordings(tmp_path / "recordings")
    block = re.search(r"```\n(.*?)```", PAGE, flags=re.S)
    assert block is not None
    first, second, third = block[1].splitlines()
    assert first.startswith("malsori new-recipe") and third.startswith("malsori synthesize")
    assert second.startswith("my_voice/run.sh")
    done = subprocess.run(
        ["bash", "-e", "-c", block[1]],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{RECORDINGS} utterances of 1 speaker(s), 16000 Hz; Korean" in done.stdout
    about = soundfile.info(tmp_path / "hello.wav")
    assert about.samplerate == 16000 and 0.5 < about.duration < 30
    named = set(re.findall(r"`(my_voice/[\w./]+)`", PAGE))
    made = {name for name in named if "/report/" not in name}
    assert len(made) > 5 and [name for name in made if not (tmp_path / name).exists()] == []


def test_the_page_is_about_options_that_there_are() -> None:
    run = (ROOT / "egs" / "ljspeech" / "run.sh").read_text(encoding="utf-8")
    options = {
        f"--{name.replace('_', '-')}" for name in re.findall(r"^([a-z_]+)=", run, flags=re.M)
    }
    for line in re.findall(r"my_voice/run\.sh( [^`\n]*)", PAGE):
        for word in re.findall(r"--[a-z-]+", line):
            assert word in options | {"--stage", "--stop-stage"}, word
