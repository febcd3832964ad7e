"""Reading and writing waveforms, and every way in which a file can be bad."""

from __future__ import annotations

import logging
import pickle
import shutil
import struct
import subprocess
from pathlib import Path

import kaldiio
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.dsp.audio import AudioError, info, read, write

RATE = 16000


def tone(seconds: float, rate: int = RATE, hz: float = 200.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype("f4")


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(1.0), RATE)
    return path


def test_written_audio_comes_back_within_a_quantisation_step(tmp_path: Path) -> None:
    write(tmp_path / "new" / "x.wav", tone(0.3), RATE)
    samples, rate = read(tmp_path / "new" / "x.wav")
    assert rate == RATE and samples.dtype == np.float32
    np.testing.assert_allclose(samples, tone(0.3), atol=1.1 / 32767)
    assert soundfile.info(tmp_path / "new" / "x.wav").subtype == "PCM_16"


def test_clipped_peaks_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "malsori"):
        write(tmp_path / "x.wav", np.array([0.0, 2.5, -2.5], "f4"), RATE)
    assert "clipped, the peak is 2.50" in caplog.text
    np.testing.assert_allclose(read(tmp_path / "x.wav")[0], [0, 1, -1], atol=1e-4)


def test_a_waveform_that_is_not_finite_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="not finite"):
        write(tmp_path / "x.wav", np.array([0.0, np.inf], "f4"), RATE)
    assert not list(tmp_path.iterdir())


@given(start=st.integers(0, 99), length=st.integers(1, 100))
@settings(max_examples=30, deadline=None)
def test_a_piece_is_that_part_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, start: int, length: int
) -> None:
    path = tmp_path_factory.mktemp("piece") / "a.wav"
    soundfile.write(path, tone(1.0), RATE)
    end = min(start + length, 100)
    piece, _ = read(path, start=start / 100, end=end / 100)
    whole, _ = read(path)
    np.testing.assert_array_equal(piece, whole[start * 160 : end * 160])


@pytest.mark.parametrize(
    ("start", "end"), [(0.5, 0.5), (0.6, 0.5), (0.5, 1.1), (1.0, None), (-1, 1)]
)
def test_a_piece_outside_of_the_file_is_refused(wav: Path, start: float, end: float | None) -> None:
    with pytest.raises(AudioError, match=r"no piece from .* in 1 s of audio"):
        read(wav, start=start, end=end)


def test_an_end_just_beyond_the_file_is_its_end(wav: Path) -> None:
    assert len(read(wav, start=0.5, end=1.01)[0]) == RATE // 2


@pytest.mark.parametrize("rate", [8000, 22050, 24000, 44100])
def test_resampling_keeps_the_tone_and_its_length(wav: Path, rate: int) -> None:
    samples, got = read(wav, rate)
    assert got == rate and abs(len(samples) - rate) <= 1
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    assert np.argmax(spectrum) * rate / len(samples) == pytest.approx(200, abs=1.5)
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.02)


def test_stereo_is_averaged(tmp_path: Path) -> None:
    both = np.stack([tone(0.2), np.zeros(3200, "f4")], axis=1)
    soundfile.write(tmp_path / "s.flac", both, RATE)
    np.testing.assert_allclose(read(tmp_path / "s.flac")[0], tone(0.2) / 2, atol=1e-4)
    assert info(tmp_path / "s.flac").channels == 2
    assert info(tmp_path / "s.flac").seconds == pytest.approx(0.2)


def truncated_wav(wav: Path) -> None:
    wav.write_bytes(wav.read_bytes()[:-8001])


def cut_in_header(wav: Path) -> None:
    wav.write_bytes(wav.read_bytes()[:30])


def empty(wav: Path) -> None:
    wav.write_bytes(b"")


def no_samples(wav: Path) -> None:
    soundfile.write(wav, np.zeros(0), RATE)


def text_file(wav: Path) -> None:
    wav.write_text("this is not audio at all\n" * 100)


def not_finite(wav: Path) -> None:
    samples = tone(1.0)
    samples[77] = np.nan
    soundfile.write(wav, samples, RATE, subtype="FLOAT")


def truncated_flac(wav: Path) -> None:
    flac = wav.with_suffix(".flac")
    noise = np.random.default_rng(1).normal(0, 0.1, RATE)
    soundfile.write(flac, noise, RATE)
    wav.write_bytes(flac.read_bytes()[: flac.stat().st_size // 2])


def missing(wav: Path) -> None:
    wav.unlink()


def folder(wav: Path) -> None:
    wav.unlink()
    wav.mkdir()


BAD = {
    truncated_wav: "truncated: 23999 bytes of audio where its header says 32000",
    cut_in_header: "truncated",
    empty: "zero-length: the file is empty",
    no_samples: "zero-length: the file has no samples",
    text_file: "not audio",
    not_finite: "not finite",
    truncated_flac: "truncated",
    missing: "no such audio file",
    folder: "cannot be read",
}


@pytest.mark.parametrize("spoil", BAD, ids=lambda f: f.__name__)
def test_a_bad_file_is_one_line_with_its_name_and_the_reason(wav: Path, spoil) -> None:  # type: ignore[no-untyped-def]
    spoil(wav)
    with pytest.raises(AudioError) as caught:
        read(wav)
    assert str(caught.value).startswith(f"{wav}: ")
    assert BAD[spoil] in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.reason in str(caught.value) and str(wav) not in caught.value.reason


def test_a_wav_written_to_a_pipe_is_no_truncated_one(wav: Path) -> None:
    content = bytearray(wav.read_bytes())
    content[4:8] = content[40:44] = struct.pack("<I", 0xFFFFFFFF)  # sizes unknown when streaming
    assert content[36:40] == b"data"
    wav.write_bytes(content)
    assert len(read(wav)[0]) == RATE


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg makes the MP3")
def test_an_mp3_named_wav_is_read(wav: Path, tmp_path: Path) -> None:
    mp3 = tmp_path / "really_mp3.wav"
    command = ["ffmpeg", "-loglevel", "error", "-i", str(wav), "-f", "mp3", str(mp3)]
    subprocess.run(command, check=True, timeout=60)
    samples, rate = read(mp3)
    assert rate == RATE and len(samples) / rate == pytest.approx(1.0, abs=0.1)


def test_audio_in_a_kaldi_archive(tmp_path: Path) -> None:
    whole = np.round(tone(0.5) * 32767).astype(np.int16)
    other = np.round(tone(0.5, hz=300) * 32767).astype(np.int16)
    ark, scp = tmp_path / "a.ark", tmp_path / "a.scp"
    kaldiio.save_ark(str(ark), {"a": (RATE, whole), "b": (RATE, other)}, scp=str(scp))
    places = dict(line.split() for line in scp.read_text().splitlines())
    for key, wanted in (("a", whole), ("b", other)):
        samples, rate = read(places[key], start=0.1, end=0.3)
        assert rate == RATE
        np.testing.assert_allclose(samples, wanted[1600:4800] / 32768, atol=1e-6)
        assert info(places[key]).frames == len(wanted)


class Payload:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):  # type: ignore[no-untyped-def]
        return Path.touch, (self.path,)


def test_a_pickle_in_an_archive_is_never_opened(tmp_path: Path) -> None:
    ark, trace = tmp_path / "a.ark", tmp_path / "trace"
    ark.write_bytes(b"a PKL" + pickle.dumps(Payload(trace)))
    with pytest.raises(AudioError, match="no audio"):
        read(f"{ark}:2")
    assert not trace.exists()


@pytest.mark.parametrize("place", ["a.ark:0", "a.ark:99999", "missing.ark:3"])
def test_a_bad_place_in_an_archive_is_named(tmp_path: Path, place: str) -> None:
    kaldiio.save_ark(str(tmp_path / "a.ark"), {"a": (RATE, np.zeros(160, np.int16))})
    with pytest.raises(AudioError, match=place.split(":")[0]):
        read(f"{tmp_path}/{place}")


def test_a_truncated_archive_member_is_refused(tmp_path: Path) -> None:
    ark = tmp_path / "a.ark"
    kaldiio.save_ark(str(ark), {"a": (RATE, np.ones(1600, np.int16))})
    ark.write_bytes(ark.read_bytes()[:-1000])
    with pytest.raises(AudioError):
        read(f"{ark}:2")


def test_a_file_whose_name_ends_like_an_archive_offset_is_a_file(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "x:12", tone(0.1), RATE, format="WAV")
    assert len(read(tmp_path / "x:12")[0]) == 1600


def test_the_error_survives_a_worker_process() -> None:
    error = pickle.loads(pickle.dumps(AudioError("a.wav", "truncated")))  # noqa: S301
    assert str(error) == "a.wav: truncated" and error.reason == "truncated"
