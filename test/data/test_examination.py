"""Stage 1 goes on where it was killed, and hears again what has changed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from malsori.core.errors import MalsoriError
from malsori.data import examination
from malsori.data.audio_files import AudioSource
from malsori.data.examination import Examined
from malsori.data.prepare import Utterance, prepare
from malsori.dsp import audio
from malsori.dsp.audio import AudioError

COUNT = 24
RATE = 16000
RUN = """
import os, signal, sys
from pathlib import Path
from malsori.data import script
from malsori.data.prepare import Utterance
from malsori.dsp import audio

wavs, heard, last, *words = sys.argv[1:]
read = audio.read

def counted(path, *rest):
    with open(heard, "a") as file:
        file.write(f"{path}\\n")
    if len(open(heard).readlines()) > int(last):
        os.kill(os.getpid(), signal.SIGKILL)
    return read(path, *rest)

audio.read = counted
parser = script.options("Stage 1.")
sys.argv = ["prepare.py", "--corpus", wavs, *words]
script.run(parser, lambda args: [
    Utterance(id=path.stem, wav=path, text="\uc548\ub155.", speaker="s")
    for path in sorted(args.corpus.iterdir())
])
"""


def tone(seconds: float = 0.8) -> np.ndarray:
    wav = 0.4 * np.sin(2 * np.pi * 220 * np.arange(round(seconds * RATE)) / RATE)
    wav[:1600] = wav[-1600:] = 0.0
    return wav


@pytest.fixture
def wavs(tmp_path: Path) -> Path:
    folder = tmp_path / "wavs"
    folder.mkdir()
    for i in range(COUNT):
        suffix = "flac" if i % 2 else "wav"
        soundfile.write(folder / f"u{i:02d}.{suffix}", tone(0.5 + 0.03 * i), 16000 + 50 * i)
    (folder / "u03.flac").write_text("no audio")
    return folder


def run(wavs: Path, out: Path, last: int, jobs: int) -> tuple[int, list[str]]:
    """Return how stage 1 ended and what it decoded; it kills itself at file number ``last``."""
    heard = out.with_suffix(".heard")
    heard.unlink(missing_ok=True)
    words = [str(wavs), str(heard), str(last), "--out", str(out), "--jobs", str(jobs)]
    done = subprocess.run(
        [sys.executable, "-c", RUN, *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode, heard.read_text().splitlines()


def content(out: Path) -> dict[str, bytes]:
    files = {path.relative_to(out): path for path in sorted(out.rglob("*")) if path.is_file()}
    return {str(name): path.read_bytes() for name, path in files.items()}


@pytest.mark.parametrize("jobs", [1, 3])
def test_killed_in_the_middle_it_goes_on_there(wavs: Path, tmp_path: Path, jobs: int) -> None:
    status, whole = run(wavs, tmp_path / "whole", 1000, jobs)
    assert status == 0 and len(whole) == COUNT
    status, first = run(wavs, tmp_path / "killed", 14, jobs)
    assert status == -signal.SIGKILL and len(first) >= 15
    assert not (tmp_path / "killed" / "train").exists()
    kept = (tmp_path / "killed" / "examined.tsv").read_bytes().count(b"\n") - 1
    assert 14 - jobs <= kept <= len(first) - 2  # all but what was being read, and u03
    status, second = run(wavs, tmp_path / "killed", 1000, jobs)
    assert status == 0 and len(second) == COUNT - kept
    expected, found = content(tmp_path / "whole"), content(tmp_path / "killed")
    if jobs > 1:  # threads write down what they heard as they come to it
        for files in (expected, found):
            files["examined.tsv"] = b"".join(sorted(files["examined.tsv"].splitlines(True)))
    assert expected == found and "no audio" not in str(found["train/wav.scp"])
    assert b"u03\tnot audio" in found["rejected.tsv"]


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is decoded, by its name."""
    names: list[str] = []
    read = audio.read

    def noted(path: str, *rest: float | None) -> tuple[np.ndarray, int]:
        names.append(Path(path).name)
        return read(path, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(examination.audio, "read", noted)
    return names


def listed(folder: Path, start: float = 0.0) -> list[Utterance]:
    return [
        Utterance(id=path.stem, wav=path, text="안녕.", speaker="s", start=start)
        for path in sorted(folder.iterdir())
    ]


def test_only_what_changed_is_heard_again(wavs: Path, tmp_path: Path, reads: list[str]) -> None:
    out = tmp_path / "data"
    prepare(listed(wavs), out)
    assert len(reads) == COUNT
    reads.clear()
    prepare(listed(wavs), out, trim=False)  # does not matter to what is heard
    assert reads == ["u03.flac"], "what cannot be used may have been mended"
    reads.clear()
    soundfile.write(wavs / "u04.wav", tone(0.9), 8000)
    os.utime(wavs / "u05.flac", (1, 1))
    prepare(listed(wavs), out)
    assert reads == ["u03.flac", "u04.wav", "u05.flac"]
    prepare(listed(wavs), tmp_path / "fresh")
    assert {k: v for k, v in content(out).items() if k != "examined.tsv"} == {
        k: v for k, v in content(tmp_path / "fresh").items() if k != "examined.tsv"
    }
    reads.clear()
    prepare(listed(wavs, start=0.05), out)
    assert len(reads) == COUNT, "another piece of the same file"


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_half_a_line_is_none(wavs: Path, tmp_path: Path, cut: int, reads: list[str]) -> None:
    out = tmp_path / "data"
    prepare(listed(wavs), out)
    before = content(out)
    path = out / "examined.tsv"
    path.write_bytes(path.read_bytes()[:-cut])
    reads.clear()
    prepare(listed(wavs), out)
    assert reads == ["u03.flac", f"u{COUNT - 1}.flac"] and content(out) == before


def test_a_spoilt_line_or_another_version(wavs: Path, tmp_path: Path, reads: list[str]) -> None:
    out = tmp_path / "data"
    prepare(listed(wavs), out)
    before, path = content(out), out / "examined.tsv"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:5], lines[5].replace(b"\t0.", b"\t9."), *lines[6:]]))
    reads.clear()
    prepare(listed(wavs), out)
    assert len(reads) == 2 and content(out)["train/segments"] == before["train/segments"]
    path.write_bytes(b"malsori examined 0\n" + b"".join(lines[1:]))
    reads.clear()
    prepare(listed(wavs), out)
    assert len(reads) == COUNT and content(out) == before


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(MalsoriError, match=r"examined\.tsv: cannot be written"):
        Examined(tmp_path / "data" / "examined.tsv")


def test_pieces_of_archives_are_found_by_the_archive(tmp_path: Path, reads: list[str]) -> None:
    soundfile.write(tmp_path / "a.wav", tone(), 16000)
    (tmp_path / "a.ark").write_bytes(b"a " + (tmp_path / "a.wav").read_bytes())
    source = AudioSource(path=f"{tmp_path / 'a.ark'}:2")
    for _ in range(2):
        with Examined(tmp_path / "examined.tsv") as examined:
            heard = examined.hear(source, 600)
    assert examined.known == 1 and len(reads) == 1
    assert heard.sample_rate == 16000 and heard.seconds == 0.8


def test_hours_in_one_file_are_not_decoded(tmp_path: Path, reads: list[str]) -> None:
    soundfile.write(tmp_path / "long.wav", np.zeros(660 * 8000, np.int16), 8000)
    with Examined(tmp_path / "examined.tsv") as examined:
        with pytest.raises(AudioError, match="11 min of audio in one piece: cut it into sentences"):
            examined.hear(AudioSource(path=str(tmp_path / "long.wav")), 600)
        assert reads == []
        with pytest.raises(AudioError, match="silent"):
            examined.hear(AudioSource(path=str(tmp_path / "long.wav")), 700)
    os.mkfifo(tmp_path / "pipe.wav")
    for name, told in (("pipe.wav", "a device or a pipe"), ("", "but a folder")):
        with pytest.raises(AudioError, match=told):
            examination.hear(AudioSource(path=str(tmp_path / name)), 600)
