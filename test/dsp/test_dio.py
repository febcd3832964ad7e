"""The rough fundamental frequency is that of WORLD's own program, whatever the signal."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.dsp.dio import dio

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message=".*pkg_resources.*")
    import pyworld


def gliding_voice(seed: int, seconds: float, rate: int) -> np.ndarray:
    """Return stretches of voice that glides, of noise and of near silence, (S,).

    Not of digital silence: the zeros that are counted there are those of rounding.
    """
    random = np.random.default_rng(seed)
    count = round(seconds * rate)
    knots = np.linspace(0, count, 2 + int(3 * seconds))
    hz = np.interp(np.arange(count), knots, random.uniform(60, 450, len(knots)))
    phase = 2 * np.pi * np.cumsum(hz) / rate
    voice = sum(np.sin(k * phase + random.uniform(0, 6)) / k for k in range(1, 8))
    kinds = random.integers(0, 4, len(knots))[np.searchsorted(knots[1:-1], np.arange(count))]
    noise = random.normal(0, 0.05, count)
    return np.where(kinds < 2, voice + noise, np.where(kinds == 2, noise, noise / 100)) + 0.02


def check(wav: np.ndarray, rate: int, hop: int, low_hz: float, high_hz: float) -> np.ndarray:
    ours = dio(wav, rate, hop, low_hz, high_hz)
    period = hop / rate * 1000
    theirs, _ = pyworld.dio(wav, rate, f0_floor=low_hz, f0_ceil=high_hz, frame_period=period)
    assert ours.shape == (len(wav) // hop + 1,)
    frames = min(len(ours), len(theirs))  # pyworld's may lack one by rounding
    assert frames >= len(ours) - 1
    np.testing.assert_allclose(ours[:frames], theirs[:frames], rtol=1e-7, atol=0)
    return ours


@pytest.mark.parametrize(("rate", "hop"), [(8000, 80), (22050, 256), (24000, 300), (44100, 512)])
@pytest.mark.parametrize(("low_hz", "high_hz"), [(80.0, 400.0), (70.0, 500.0), (40.0, 1000.0)])
def test_every_rate_and_range(rate: int, hop: int, low_hz: float, high_hz: float) -> None:
    found = check(gliding_voice(rate, 6.0, rate), rate, hop, low_hz, high_hz)
    assert 0.1 < np.mean(found > 0) < 0.9


@given(seed=st.integers(0, 10**6), samples=st.integers(1, 30000))
@settings(max_examples=40, deadline=None)
def test_whatever_the_signal_and_its_length(seed: int, samples: int) -> None:
    check(gliding_voice(seed, 2.0, 16000)[:samples], 16000, 200, 80.0, 400.0)


@pytest.mark.parametrize("samples", [5534, 6806, 6807, 6808, 6809, 13614, 13615, 13616, 13617])
def test_zeros_at_the_edges_of_blocks_are_neither_lost_nor_found_twice(samples: int) -> None:
    check(gliding_voice(1, 1.0, 24000)[:samples], 24000, 256, 80.0, 400.0)
