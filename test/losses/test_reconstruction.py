"""The mel loss against a Fourier transform written as a matrix product in NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.core.config import Choice, build
from malsori.dsp.audio_config import AudioConfig
from malsori.losses import RECONSTRUCTIONS
from malsori.losses.reconstruction import MelLoss, MelLossConfig

AUDIO = AudioConfig(sample_rate=8000, n_fft=64, window=64, hop=32, mel_high_hz=4000)
CONFIG = MelLossConfig(n_fft=128, mel_bands=10)


def make() -> MelLoss:
    return build(RECONSTRUCTIONS, Choice("mel", CONFIG), audio=AUDIO)


def slow_filters() -> np.ndarray:
    """Return Slaney's triangles from 0 Hz to half the rate, (F, M), by interpolation."""
    top = AUDIO.sample_rate / 2
    hz = np.arange(int(top) + 1, dtype=np.float64)  # the scale is a table that is read backwards
    mels = np.where(
        hz < 1000, hz * 3 / 200, 15 + 27 * np.log(np.maximum(hz, 1) / 1000) / np.log(6.4)
    )
    corners = np.interp(np.linspace(0, mels[-1], CONFIG.mel_bands + 2), mels, hz)
    bins = np.arange(CONFIG.n_fft // 2 + 1) * AUDIO.sample_rate / CONFIG.n_fft
    columns = []
    for left, centre, right in zip(corners, corners[1:], corners[2:], strict=False):
        triangle = np.interp(bins, [left, centre, right], [0.0, 1.0, 0.0], left=0, right=0)
        columns.append(triangle * 2 / (right - left))
    return np.stack(columns, 1)


def mirrored(wav: np.ndarray, i: int) -> float:
    """Return sample ``i``, mirrored once beyond either end, then silence."""
    i = 2 * (len(wav) - 1) - i if i >= len(wav) else i
    i = -i if -len(wav) < i < 0 else i
    return float(wav[i]) if 0 <= i < len(wav) else 0.0


def slow_log_mel(wav: np.ndarray) -> np.ndarray:
    """Return natural-log mel amplitudes, (T, M): centred, mirrored frames, Hann window."""
    n_fft, hop = CONFIG.n_fft, AUDIO.hop
    reach = n_fft // 2
    padded = np.array([mirrored(wav, i) for i in range(-reach, len(wav) + reach)])
    at = np.arange(n_fft)
    window = 0.5 - 0.5 * np.cos(2 * math.pi * at / n_fft)
    bins = np.exp(-2j * math.pi * np.outer(np.arange(n_fft // 2 + 1), at) / n_fft)
    rows = []
    for start in range(0, len(padded) - n_fft + 1, hop):
        power = np.abs(bins @ (padded[start : start + n_fft] * window)) ** 2
        amplitude = np.sqrt(np.maximum(power, 1e-10))
        rows.append(np.log(np.maximum(amplitude @ slow_filters(), 1e-10)))
    return np.stack(rows)


levels = st.sampled_from([0.0, 1e-8, 1e-3, 0.1, 1.0, 100.0])
lengths = st.one_of(st.just(1), st.integers(65, 320))  # 65: mirrored no further than itself


@given(st.integers(1, 3), lengths, levels, levels, st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_the_distance_is_the_mean_difference_of_log_mels(
    batch: int, length: int, quiet: float, loud: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    fake = (random.normal(size=(batch, 1, length)) * quiet).astype(np.float32)
    real = (random.normal(size=(batch, 1, length)) * loud).astype(np.float32)
    slow = [
        np.abs(slow_log_mel(f[0]) - slow_log_mel(r[0])).mean()
        for f, r in zip(fake, real, strict=True)
    ]
    found = make()(torch.from_numpy(fake), torch.from_numpy(real))
    assert float(found) == pytest.approx(np.mean(slow), rel=1e-3, abs=1e-4)


def test_filters_reach_from_0_to_half_the_rate() -> None:
    filters = make().filters  # (F, M)
    assert filters.shape == (65, 10)
    assert filters[1, 0] > 0 and filters[-2, -1] > 0


def test_twice_as_loud_is_log_2_away() -> None:
    wav = torch.randn(1, 1, 640) * 0.1
    assert float(make()(2 * wav, wav)) == pytest.approx(math.log(2), rel=1e-3)
    assert float(make()(wav, wav)) == 0.0


def test_silence_has_a_finite_distance_and_gradient() -> None:
    fake = torch.zeros(1, 1, 320, requires_grad=True)
    loss = make()(fake, torch.randn(1, 1, 320))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(fake.grad).all()


def test_the_gradient_reaches_every_sample_in_fp32() -> None:
    fake = (torch.randn(1, 1, 320) * 0.1).requires_grad_()
    real = torch.randn(1, 1, 320) * 0.1
    plain = make()(fake, real)
    with torch.autocast("cpu", torch.bfloat16):
        cast = make()(fake, real)
    assert float(plain.detach()) == float(cast.detach())
    plain.backward()
    assert (fake.grad != 0).all()


def test_segments_of_one_frame_are_compared_too() -> None:
    """An utterance may be shorter than a whole transform; it must not crash."""
    loss = make()(torch.randn(1, 1, 32), torch.randn(1, 1, 32))
    assert torch.isfinite(loss)
