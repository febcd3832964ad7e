"""Each number that is measured is right on a waveform of which it is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.data.audio_files import AudioSource
from malsori.doctor.measurement import (
    LOWEST_DB,
    clipped_samples,
    is_silent,
    measure,
    measure_source,
    sound_hash,
)
from malsori.dsp.audio import AudioError

RATE = 16000


def sine(
    seconds: float = 1.0, rate: int = RATE, hz: float = 220.0, peak: float = 0.5
) -> np.ndarray:
    times = np.arange(round(seconds * rate)) / rate
    return (peak * np.sin(2 * np.pi * hz * times)).astype(np.float32)


def noise(seconds: float, level: float, rate: int = RATE) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (level * rng.standard_normal(round(seconds * rate))).astype(np.float32)


def test_level_peak_and_length_of_a_sine() -> None:
    found = measure(sine(), RATE)
    assert found["level_db"] == pytest.approx(20 * np.log10(0.5 / np.sqrt(2)), abs=0.05)
    assert found["peak_db"] == pytest.approx(20 * np.log10(0.5), abs=0.05)
    assert found["seconds"] == 1.0 and found["rate"] == RATE and found["clipped"] == 0


def test_silence_and_noise_around_and_inside() -> None:
    quiet = noise(1.0, 1e-3)
    parts = [quiet[: RATE // 2], sine(), quiet[: RATE * 3 // 10], sine(), quiet[: RATE // 5]]
    found = measure(np.concatenate(parts), RATE)
    assert found["lead"] == pytest.approx(0.5, abs=0.03)
    assert found["tail"] == pytest.approx(0.2, abs=0.03)
    assert found["pause"] == pytest.approx(0.3, abs=0.03)
    assert found["floor_db"] == pytest.approx(-60, abs=1.0)


@pytest.mark.parametrize("hz", [3000, 7000])
def test_the_band_of_what_was_upsampled(hz: int) -> None:
    low = noise(1.0, 0.1, 2 * hz)
    found = measure(soxr.resample(low, 2 * hz, 24000).astype(np.float32), 24000)
    assert 0.85 * hz < found["bandwidth"] < 1.1 * hz
    assert measure(noise(1.0, 0.1, 24000), 24000)["bandwidth"] > 11500


def test_flat_tops_are_counted_and_sines_are_not() -> None:
    for rate in (8000, 16000, 48000, 96000, 192000):
        for hz in (60.0, 100.0, 440.0):
            assert clipped_samples(sine(rate=rate, hz=hz, peak=0.9), rate) == 0
            assert clipped_samples(np.clip(sine(rate=rate, hz=hz, peak=2.0), -0.7, 0.7), rate) > 50
    assert clipped_samples(np.clip(sine(peak=3.0), -1, 1), RATE) > RATE / 2
    assert clipped_samples(np.zeros(100, np.float32), RATE) == 0


def test_the_hash_is_of_the_sound_not_of_the_file(tmp_path: Path) -> None:
    samples = np.round(sine() * 32767).astype(np.int16)
    soundfile.write(tmp_path / "a.wav", samples, RATE)
    soundfile.write(tmp_path / "b.flac", samples.astype(np.int32) << 16, RATE, subtype="PCM_24")
    soundfile.write(tmp_path / "c.wav", samples / 32768, RATE, subtype="FLOAT")
    hashes = {
        int(measure_source(AudioSource(path=str(tmp_path / name)))["hash"])
        for name in ("a.wav", "b.flac", "c.wav")
    }
    assert len(hashes) == 1
    assert sound_hash(sine()) != sound_hash(sine(hz=221.0))


def test_silence_is_measured(tmp_path: Path) -> None:
    found = measure(np.zeros(RATE, np.float32), RATE)
    assert is_silent(found) and found["level_db"] == LOWEST_DB and found["offset"] == 0


def test_a_wrong_suffix_and_several_channels(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.stack([sine(), sine()], 1), RATE, format="FLAC")
    found = measure_source(AudioSource(path=str(path)))
    assert found["misnamed"] and found["channels"] == 2
    assert found["format"].item().decode() == "FLAC PCM_16"


def test_what_is_no_utterance(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(700 * 1000), 1000)
    with pytest.raises(AudioError, match="700 s long, more than 600 s"):
        measure_source(AudioSource(path=str(tmp_path / "a.wav")))
    found = measure_source(AudioSource(path=str(tmp_path / "a.wav"), start=1.0, end=2.0))
    assert found["seconds"] == 1.0


@settings(max_examples=60, deadline=None)
@given(
    samples=st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=400),
    rate=st.sampled_from([8000, 22050, 48000, 192000]),
)
def test_whatever_the_samples_are_the_numbers_are_finite(samples: list[float], rate: int) -> None:
    found = measure(np.array(samples, np.float32), rate)
    numbers = [found[name] for name in found.dtype.names if found.dtype[name].kind == "f"]
    assert np.isfinite(numbers).all()
    assert 0 <= found["clipped"] <= 2 * len(samples) and 0 <= found["bandwidth"] <= rate / 2
    assert -1e-6 <= found["lead"] + found["tail"] <= found["seconds"] + 1e-6
