"""Stage 1: trimming, rejection, and that it can be run again."""

from __future__ import annotations

import logging
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.core.errors import MalsoriError
from malsori.data.check import check
from malsori.data.datadir import DataDir
from malsori.data.prepare import Limits, Split, Utterance, clean_text, prepare

RATE = 16000
TEXT = "안녕하세요."


def tone(seconds: float = 0.8, rate: int = RATE) -> np.ndarray:
    wav = 0.4 * np.sin(2 * np.pi * 220 * np.arange(round(seconds * rate)) / rate)
    edge = round(0.1 * rate)
    wav[:edge] = wav[-edge:] = 0.0
    return wav


@pytest.fixture
def corpus(tmp_path: Path) -> list[Utterance]:
    utterances = []
    for i in range(20):
        wav = tmp_path / "audio" / f"u{i:02d}.wav"
        wav.parent.mkdir(exist_ok=True)
        soundfile.write(wav, tone(), RATE)
        utterances.append(Utterance(id=f"u{i:02d}", wav=wav, text=TEXT, speaker="s", language="ko"))
    return utterances


def test_the_data_dirs_are_right_and_silence_is_cut(
    corpus: list[Utterance], tmp_path: Path
) -> None:
    sizes = prepare(corpus, tmp_path / "data", split=Split(dev=2, test=2), sample=3)
    assert sizes == {"train": 16, "dev": 2, "test": 2, "train_sample": 3}
    for name in sizes:
        assert check(tmp_path / "data" / name) == []
    data = DataDir(tmp_path / "data" / "train")
    assert data.text(0) == TEXT and data.language(0) == "ko" and data.speakers() == ["s"]
    source = data.source(0)
    assert source.start == pytest.approx(0.05, abs=0.03)
    assert source.end == pytest.approx(0.75, abs=0.03)
    assert Path(source.path).is_absolute()
    assert data.seconds[0] == pytest.approx((source.end or 0) - source.start, abs=1e-4)
    assert (tmp_path / "data" / "rejected.tsv").read_text() == ""
    sample = DataDir(tmp_path / "data" / "train_sample")
    assert [sample.key(i) for i in range(3)] == [data.key(i) for i in range(3)]


def test_silence_can_be_kept(corpus: list[Utterance], tmp_path: Path) -> None:
    prepare(corpus, tmp_path / "data", trim=False)
    assert DataDir(tmp_path / "data" / "train").seconds[0] == 0.8


def test_a_second_run_writes_the_same_bytes_in_any_order(
    corpus: list[Utterance], tmp_path: Path
) -> None:
    prepare(corpus, tmp_path / "data")
    files = {
        path.relative_to(tmp_path / "data"): path.read_bytes()
        for path in (tmp_path / "data").rglob("*")
        if path.is_file()
    }
    prepare(corpus[::-1], tmp_path / "data", jobs=3)
    for path, content in files.items():
        assert (tmp_path / "data" / path).read_bytes() == content
    assert {path.name for path in (tmp_path / "data").iterdir()} == {
        *("train", "dev", "test", "rejected.tsv", "examined.tsv")
    }


def audio(samples: np.ndarray, rate: int = RATE, subtype: str | None = None) -> Callable:  # type: ignore[type-arg]
    return lambda path: soundfile.write(path, samples, rate, subtype=subtype)


BAD: dict[str, tuple[Callable, str]] = {  # type: ignore[type-arg]
    "missing": (lambda path: path.unlink(), "no such audio file"),
    "truncated": (lambda path: path.write_bytes(path.read_bytes()[:-999]), "truncated"),
    "zero-length": (lambda path: path.write_bytes(b""), "zero-length"),
    "no samples": (audio(np.zeros(0)), "zero-length"),
    "silent": (audio(np.zeros(RATE)), "silent"),
    "faint": (audio(tone() * 1e-3), "silent"),
    "nan": (audio(np.array([0.5, np.nan] * 8000), subtype="FLOAT"), "not finite"),
    "text": (lambda path: path.write_text("x" * 5000), "not audio"),
    "short": (audio(tone()[2000:3000]), "0.06 s of speech; 0.2 to 30 s are used"),
}


@pytest.mark.parametrize("case", BAD)
def test_one_bad_file_is_rejected_and_never_stops_the_stage(
    corpus: list[Utterance], tmp_path: Path, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    spoil, told = BAD[case]
    spoil(corpus[7].wav)
    with caplog.at_level(logging.INFO, "malsori"):
        prepare(corpus, tmp_path / "data")
    (row,) = (tmp_path / "data" / "rejected.tsv").read_text().splitlines()
    key, reason = row.split("\t")
    assert key == "u07" and told in reason
    assert "1 of 20 utterances rejected" in caplog.text
    for name in ("train", "dev", "test"):
        assert check(tmp_path / "data" / name) == []
        assert DataDir(tmp_path / "data" / name).find("u07") is None


def test_other_kinds_of_audio_are_accepted(
    corpus: list[Utterance], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    audio(np.stack([tone(), tone()], axis=1))(corpus[3].wav)
    audio(tone(rate=8000), 8000)(corpus[4].wav)
    if shutil.which("ffmpeg"):
        mp3 = ["ffmpeg", "-y", "-loglevel", "error", "-i", str(corpus[4].wav)]
        subprocess.run([*mp3, "-f", "mp3", str(corpus[5].wav)], check=True, timeout=60)
    assert sum(prepare(corpus, tmp_path / "data").values()) == 20
    assert "sample rate: 16000 Hz (18 files), 8000 Hz (2 files)" in caplog.text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"text": " \u200b\n"}, "empty text"),
        ({"text": "가" * 200}, "too short for a text of 200 characters"),
        ({"problem": "the corpus says so"}, "the corpus says so"),
        ({"speaker": "a b"}, "speaker 'a b' is empty or has white space"),
        ({"speaker": ""}, "speaker '' is empty"),
    ],
)
def test_an_utterance_that_cannot_be_used_is_rejected(
    corpus: list[Utterance], tmp_path: Path, change: dict[str, str], told: str
) -> None:
    fields = {"id": "u05", "wav": corpus[5].wav, "text": TEXT, "speaker": "s", "language": "ko"}
    corpus[5] = Utterance(**{**fields, **change})  # type: ignore[arg-type]
    prepare(corpus, tmp_path / "data")
    assert told in (tmp_path / "data" / "rejected.tsv").read_text()


def test_an_id_is_used_once(corpus: list[Utterance], tmp_path: Path) -> None:
    again = Utterance(id="u05", wav=corpus[6].wav, text="또", speaker="s", language="ko")
    assert sum(prepare([*corpus, again], tmp_path / "data").values()) == 20
    assert "u05\tthe id is used twice" in (tmp_path / "data" / "rejected.tsv").read_text()


def test_too_many_rejected_fail_and_are_listed(corpus: list[Utterance], tmp_path: Path) -> None:
    for each in corpus[:3]:
        each.wav.write_bytes(b"")
    with pytest.raises(MalsoriError, match=r"3 of 20 utterances rejected \(15%\), more than 10%"):
        prepare(corpus, tmp_path / "data")
    assert len((tmp_path / "data" / "rejected.tsv").read_text().splitlines()) == 3
    assert not (tmp_path / "data" / "train").exists()
    assert sum(prepare(corpus, tmp_path / "data", limits=Limits(max_rejected=0.2)).values()) == 17


def test_a_rejected_utterance_moves_no_other_into_another_set(
    corpus: list[Utterance], tmp_path: Path
) -> None:
    prepare(corpus, tmp_path / "a")
    corpus[4].wav.write_bytes(b"")
    prepare(corpus, tmp_path / "b")
    for name in ("train", "dev", "test"):
        before, after = DataDir(tmp_path / "a" / name), DataDir(tmp_path / "b" / name)
        keys = {before.key(i) for i in range(len(before))} - {"u04"}
        assert {after.key(i) for i in range(len(after))} == keys


@given(text=st.text())
@settings(max_examples=200, deadline=None)
def test_cleaned_text_fits_one_line_and_stays_as_it_is(text: str) -> None:
    cleaned = clean_text(text)
    assert clean_text(cleaned) == cleaned
    assert len(cleaned.splitlines()) <= 1 and cleaned == cleaned.strip()


def test_nothing_listed(tmp_path: Path) -> None:
    with pytest.raises(MalsoriError, match="lists no utterances"):
        prepare([], tmp_path / "data")
