"""Audio of all kinds and faults through stage 1: decoded if possible, else told why not."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from malsori.data.layouts import beside
from malsori.data.layouts.rows import read_text
from malsori.data.prepare import Limits, Split, prepare

RATE = 22050
Writer = Callable[[Path], object]


def sound(rate: int = RATE, seconds: float = 1.5, channels: int = 1) -> np.ndarray:
    """Return noise under a slow envelope: no format shrinks it to nothing, (S, channels)."""
    rng = np.random.default_rng(0)
    times = np.arange(round(rate * seconds)) / rate
    wav = 0.3 * np.sin(2 * np.pi * 180 * times) + 0.05 * rng.standard_normal(len(times))
    return np.repeat(wav[:, None], channels, axis=1)


def kind(format: str, subtype: str | None = None, rate: int = RATE, channels: int = 1) -> Writer:
    wav = sound(rate, channels=channels)
    return lambda path: soundfile.write(path, wav, rate, format=format, subtype=subtype)


def without_length(path: Path) -> None:
    """Write an MP3 of constant rate without the frame that tells its length."""
    kind("WAV")(path.with_suffix(".aside"))
    words = ["ffmpeg", "-loglevel", "error", "-i", str(path.with_suffix(".aside"))]
    subprocess.run([*words, "-write_xing", "0", "-f", "mp3", str(path)], check=True, timeout=60)


GOOD: dict[str, Writer] = {
    **{f"{rate} Hz": kind("WAV", rate=rate) for rate in (8000, 11025, 44100, 48000, 96000, 192000)},
    **{
        f"wav {subtype}": kind("WAV", subtype)
        for subtype in (
            *("PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"),
            *("ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM"),
        )
    },
    "stereo": kind("WAV", channels=2),
    "six channels": kind("WAVEX", "PCM_24", channels=6),
    "flac": kind("FLAC", "PCM_24"),
    "vorbis": kind("OGG", "VORBIS"),
    "opus": kind("OGG", "OPUS", 48000),
    "mp3": kind("MP3"),
    **({"mp3 without a length": without_length} if shutil.which("ffmpeg") else {}),
    "w64": kind("W64", "PCM_16"),
    "rf64": kind("RF64", "PCM_16"),
    "aiff": kind("AIFF", "PCM_16"),
}


def cut(format: str, subtype: str, rate: int = RATE) -> Writer:
    def write(path: Path) -> None:
        kind(format, subtype, rate)(path)
        content = path.read_bytes()
        path.write_bytes(content[: len(content) * 6 // 10])

    return write


def samples(values: np.ndarray, subtype: str = "FLOAT") -> Writer:
    return lambda path: soundfile.write(path, values, RATE, format="WAV", subtype=subtype)


def with_one(value: float) -> np.ndarray:
    wav = sound()[:, 0]
    wav[500] = value
    return wav


def no_rate(path: Path) -> None:
    kind("WAV")(path)
    content = path.read_bytes()
    path.write_bytes(content[:24] + struct.pack("<I", 0) + content[28:])


BAD: dict[str, tuple[Writer, str]] = {
    "wav, cut": (cut("WAV", "PCM_16"), "truncated: "),
    "flac, cut": (cut("FLAC", "PCM_16"), "truncated or corrupt"),
    "mp3, cut": (cut("MP3", "MPEG_LAYER_III"), "truncated: "),
    "vorbis, cut": (cut("OGG", "VORBIS"), "truncated: the end of the Ogg stream"),
    "opus, cut": (cut("OGG", "OPUS", 48000), "truncated: the end of the Ogg stream"),
    "half a header": (lambda path: path.write_bytes(b"RIFF\0\0\0\0WAVEfmt "), "without audio"),
    "no byte": (lambda path: path.write_bytes(b""), "the file is empty"),
    "no sample": (samples(np.zeros(0)), "zero-length"),
    "silence": (samples(np.zeros(RATE)), "silent"),
    "an offset": (samples(np.full(RATE, 0.5)), "silent"),
    "NaN": (samples(with_one(np.nan)), "not finite"),
    "infinity": (samples(with_one(np.inf)), "not finite"),
    "integers as floats": (samples(sound()[:, 0] * 32768), "where 1 is full scale"),
    "text": (lambda path: path.write_text("This is a text."), "not audio"),
    "random bytes": (
        lambda path: path.write_bytes(np.random.default_rng(0).bytes(5000)),
        "not audio",
    ),
    "a folder": (lambda path: path.mkdir(), "no audio file but a folder"),
    "a pipe": (os.mkfifo, "no audio file but a device or a pipe"),
    "a link to nowhere": (lambda path: path.symlink_to("nowhere.wav"), "no such audio file"),
    "a link to itself": (lambda path: path.symlink_to(path.name), "cannot be read"),
    "no sample rate": (no_rate, "not audio"),
    "a moment": (samples(sound(seconds=0.01)), "0.2 to 30 s are used"),
}


def make(folder: Path, name: str, write: Writer) -> str:
    """Write one audio file with its text, under the suffix that most have; return its id."""
    write(folder / f"{name.replace(' ', '_')}.wav")
    (folder / f"{name.replace(' ', '_')}.txt").write_text("안녕하세요.")
    return name.replace(" ", "_")


def run(corpus: Path, out: Path) -> dict[str, str]:
    """Return why each utterance is rejected."""
    rows = beside.read_corpus(corpus, speaker="s", language="ko", extract_to=out)
    prepare(
        rows, out, split=Split(dev=1, test=1, rule="last"), limits=Limits(max_rejected=1.0), jobs=2
    )
    lines = (out / "rejected.tsv").read_text().splitlines()
    return dict(line.split("\t") for line in lines)


def test_every_kind_is_decoded(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    for name, write in GOOD.items():
        make(tmp_path / "corpus", name, write)
    assert run(tmp_path / "corpus", tmp_path / "data") == {}
    seconds = {
        line.split()[0]: float(line.split()[1])
        for one in ("train", "dev", "test")
        for line in (tmp_path / "data" / one / "utt2dur").read_text().splitlines()
    }
    assert len(seconds) == len(GOOD)
    assert {name for name, length in seconds.items() if abs(length - 1.5) > 0.08} == set()


def test_every_fault_is_told_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "corpus").mkdir()
    told = {}
    for name, (write, reason) in BAD.items():
        told[make(tmp_path / "corpus", name, write)] = reason
    for i in range(4):
        make(tmp_path / "corpus", f"z good {i}", kind("WAV"))
    rejected = run(tmp_path / "corpus", tmp_path / "data")
    assert rejected.keys() == told.keys()
    wrong = {key: reason for key, reason in rejected.items() if told[key] not in reason}
    assert wrong == {}


def test_a_text_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    assert read_text(tmp_path / "a.txt") == ("", "a.txt cannot be read (Is a directory)")
    (tmp_path / "b.txt").write_bytes("안녕".encode("cp949"))
    assert read_text(tmp_path / "b.txt") == ("", "b.txt is not UTF-8 (byte 0)")
