"""Fundamental frequency of made-up voices, and filling in between voiced frames."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.dsp.f0 import continuous, extract_f0, log_f0

RATE, HOP = 16000, 256


def voice(hz: float, seconds: float = 0.6) -> np.ndarray:
    """Return harmonics of a steady pitch, float32."""
    times = np.arange(round(seconds * RATE)) / RATE
    wav = sum(np.sin(2 * np.pi * hz * k * times) / k for k in range(1, int(4000 / hz)))
    return (0.1 * wav).astype(np.float32)


@pytest.mark.parametrize("hz", [90.0, 150.0, 220.0, 380.0])
def test_a_steady_voice_is_found(hz: float) -> None:
    wav = voice(hz)
    f0 = extract_f0(wav, RATE, HOP)
    assert f0.dtype == np.float32 and f0.shape == (len(wav) // HOP + 1,)
    inner = f0[5:-5]
    assert (inner > 0).all()
    np.testing.assert_allclose(inner, hz, rtol=0.01)


def test_what_is_outside_of_the_range_is_not_found() -> None:
    f0 = extract_f0(voice(300.0), RATE, HOP, low_hz=80, high_hz=200)
    assert not ((f0 > 290) & (f0 < 310)).any() and f0.max() < 210


def test_silence_is_unvoiced() -> None:
    assert not extract_f0(np.zeros(8000, np.float32), RATE, HOP).any()


@pytest.mark.parametrize("samples", [0, 1, 2, 100, 255, 256, 257, 1000, 4096])
@pytest.mark.parametrize("hop", [256, 300])
def test_the_number_of_frames_is_that_of_the_mel(samples: int, hop: int) -> None:
    wav = np.random.default_rng(0).normal(0, 0.1, samples).astype(np.float32)
    for rate in (16000, 22050, 24000):
        f0 = extract_f0(wav, rate, hop)
        assert f0.shape == (samples // hop + 1,) and np.isfinite(f0).all()


def slow_continuous(f0: list[float]) -> list[float]:
    voiced = [i for i, value in enumerate(f0) if value]
    out = []
    for i, value in enumerate(f0):
        before = [v for v in voiced if v <= i]
        after = [v for v in voiced if v >= i]
        if value or not voiced:
            out.append(value)
        elif not before:
            out.append(f0[after[0]])
        elif not after:
            out.append(f0[before[-1]])
        else:
            a, b = before[-1], after[0]
            out.append(f0[a] + (f0[b] - f0[a]) * (i - a) / (b - a))
    return out


contours = st.lists(st.just(0.0) | st.floats(50, 500, width=32), min_size=1, max_size=20)


@given(contours)
@settings(max_examples=60, deadline=None)
def test_gaps_are_filled_linearly(contour: list[float]) -> None:
    f0 = np.array(contour, dtype=np.float32)
    before = f0.copy()
    found = continuous(f0)
    np.testing.assert_allclose(found, slow_continuous(contour), rtol=1e-5)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(f0, before)
    logarithm = log_f0(f0)
    if f0.any():
        assert logarithm is not None and logarithm.dtype == np.float32
        np.testing.assert_allclose(np.exp(logarithm), found, rtol=1e-5)
    else:
        assert logarithm is None
