"""The mel loss against a Fourier transform written as a matrix product in NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from malsori.core.config import Choice, build
from malsori.dsp.audio_config import AudioConfig
from malsori.losses import RECONSTRUCTIONS
from malsori.losses.reconstruction import MelLoss, MelLossConfig

AUDIO = AudioConfig(sample_rate=8000, n_fft=64, window=64, hop=32, mel_high_hz=4000)
CONFIG = MelLossConfig(n_fft=128, mel_bands=10)


def make() -> MelLoss:
    return build(RECONSTRUCTIONS, Choice("mel", CONFIG), audio=AUDIO)


def slow_log_mel(wav: np.ndarray, filters: np.ndarray) -> np.ndarray:
    """Return natural-log mel amplitudes, (T, M): centred, mirrored frames, Hann window."""
    n_fft, hop = CONFIG.n_fft, AUDIO.hop
    padded = np.pad(wav.astype(np.float64), n_fft // 2, mode="reflect")
    at = np.arange(n_fft)
    window = 0.5 - 0.5 * np.cos(2 * math.pi * at / n_fft)
    bins = np.exp(-2j * math.pi * np.outer(np.arange(n_fft // 2 + 1), at) / n_fft)
    rows = []
    for start in range(0, len(padded) - n_fft + 1, hop):
        amplitude = np.abs(bins @ (padded[start : start + n_fft] * window))
        rows.append(np.log(np.maximum(amplitude @ filters, 1e-10)))
    return np.stack(rows)


def test_the_distance_is_the_mean_difference_of_log_mels() -> None:
    loss = make()
    random = np.random.default_rng(0)
    fake, real = random.normal(0, 0.1, (2, 2, 1, 320)).astype(np.float32)
    filters = loss.filters.double().numpy()
    slow = np.mean(
        [
            np.abs(slow_log_mel(f[0], filters) - slow_log_mel(r[0], filters))
            for f, r in zip(fake, real, strict=True)
        ]
    )
    found = loss(torch.from_numpy(fake), torch.from_numpy(real))
    assert float(found) == pytest.approx(slow, rel=1e-4)


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
