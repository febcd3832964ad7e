"""Pictures: the file is one, and shows where the energy is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from malsori.score.plots import Picture, draw, log_mel, pitch_range

RATE = 16000


def test_a_tone_is_at_its_place_on_the_mel_axis() -> None:
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE).astype(np.float32)
    spectrogram = log_mel(tone, RATE)
    assert spectrogram.shape == (201, 128)
    band = 1000.0 / 2840.0 * 129 - 1  # 1000 Hz are 1000 mel, 8000 Hz are 2840
    assert spectrogram[100].argmax() == pytest.approx(band, abs=1)
    assert spectrogram.max() == 0.0


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 48000])
def test_no_band_is_empty(rate: int) -> None:
    noise = np.random.default_rng(0).normal(size=rate).astype(np.float32)
    assert log_mel(noise, rate).mean(0).min() > -40


def test_pitch_axis_holds_all_voiced_frames() -> None:
    low, high = pitch_range(np.array([0, 120], np.float32), np.array([0, 300, 0], np.float32))
    assert low < 120 < 300 < high
    assert pitch_range(np.zeros(3, np.float32)) == (80.0, 400.0)


@pytest.mark.parametrize("samples", [1, 50, RATE])
def test_a_picture_of_anything_can_be_drawn(tmp_path: Path, samples: int) -> None:
    path = tmp_path / "picture.png"
    picture = Picture(
        wav=np.zeros(samples, np.float32),
        sample_rate=RATE,
        axis_seconds=1.0,
        f0=np.zeros(samples // 80 + 1, np.float32),
        f0_hop_seconds=0.005,
        f0_range_hz=(80.0, 400.0),
        boundaries=[0.1, 0.5],
    )
    draw(picture, path)
    header = path.read_bytes()[:24]
    assert header.startswith(b"\x89PNG")
    assert int.from_bytes(header[16:20], "big") == 910
