"""Audio settings refuse what cannot be."""

from __future__ import annotations

import pytest

from malsori.core.errors import ConfigError
from malsori.dsp.audio_config import AudioConfig


def test_the_defaults_are_the_kss_recipe() -> None:
    config = AudioConfig()
    assert (config.sample_rate, config.n_fft, config.hop, config.mel_bands) == (
        24000,
        1024,
        256,
        80,
    )
    assert (config.mel_low_hz, config.mel_high_hz) == (80.0, 7600.0)


@pytest.mark.parametrize(("samples", "frames"), [(0, 1), (1, 1), (255, 1), (256, 2), (24000, 94)])
def test_frames_are_counted_from_0_on(samples: int, frames: int) -> None:
    assert AudioConfig().frames(samples) == frames


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sample_rate": 3999}, "sample_rate: 3999 Hz is too low"),
        ({"hop": 0}, "hop: need 0 < hop <= window <= n_fft, got 0, 1024, 1024"),
        ({"hop": 2000}, "hop: need .* got 2000, 1024, 1024"),
        ({"window": 2048}, "hop: need .* got 256, 2048, 1024"),
        ({"mel_bands": 0}, "mel_bands: must be at least 1, got 0"),
        ({"mel_bands": 10**9}, "mel_bands: need at most 1024, .* got 1000000000 and 1024"),
        ({"n_fft": 2**17}, "n_fft at most 65536, got 80 and 131072"),
        ({"mel_low_hz": -1.0}, "mel_high_hz: need .* got -1 and 7600"),
        ({"mel_low_hz": 7600.0}, "mel_high_hz: need .* got 7600 and 7600"),
        ({"sample_rate": 8000}, "mel_high_hz: need .* <= 4000 .* got 80 and 7600"),
        ({"f0_low_hz": 0.0}, "f0_high_hz: need .* got 0 and 400"),
        ({"f0_low_hz": 400.0}, "f0_high_hz: need .* got 400 and 400"),
    ],
)
def test_the_value_is_named(changes: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        AudioConfig(**changes)  # type: ignore[arg-type]
