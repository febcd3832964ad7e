"""Mel and STFT loss against a Fourier transform written as a matrix product in NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.core.config import Choice, build, from_dict, read_choice
from malsori.core.errors import ConfigError
from malsori.dsp.audio_config import AudioConfig
from malsori.losses import RECONSTRUCTIONS
from malsori.losses.reconstruction import MelLoss, MelLossConfig, StftLoss, StftLossConfig

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


def slow_power(wav: np.ndarray, n_fft: int, hop: int, window: int) -> np.ndarray:
    """Return power, (T, F): centred, mirrored frames, a Hann window in the middle of each."""
    reach = n_fft // 2
    padded = np.array([mirrored(wav, i) for i in range(-reach, len(wav) + reach)])
    at = np.arange(n_fft)
    shape = np.zeros(n_fft)
    first = (n_fft - window) // 2
    shape[first : first + window] = 0.5 - 0.5 * np.cos(2 * math.pi * np.arange(window) / window)
    bins = np.exp(-2j * math.pi * np.outer(np.arange(n_fft // 2 + 1), at) / n_fft)
    starts = range(0, len(padded) - n_fft + 1, hop)
    return np.stack([np.abs(bins @ (padded[s : s + n_fft] * shape)) ** 2 for s in starts])


def slow_log_mel(wav: np.ndarray) -> np.ndarray:
    """Return natural-log mel amplitudes, (T, M)."""
    power = slow_power(wav, CONFIG.n_fft, AUDIO.hop, CONFIG.n_fft)
    amplitude = np.sqrt(np.maximum(power, 1e-10))
    return np.log(np.maximum(amplitude @ slow_filters(), 1e-10))


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


RESOLUTIONS = StftLossConfig(n_ffts=(64, 128, 32), hops=(10, 31, 8), windows=(50, 128, 20))


def make_stft() -> StftLoss:
    return build(RECONSTRUCTIONS, Choice("stft", RESOLUTIONS), audio=AUDIO)


def slow_stft_loss(fake: np.ndarray, real: np.ndarray) -> float:
    """Return the paper's loss of waveforms of (B, 1, S), the norms over the batch."""
    total = 0.0
    for sizes in zip(RESOLUTIONS.n_ffts, RESOLUTIONS.hops, RESOLUTIONS.windows, strict=True):
        x, y = (
            np.sqrt(np.maximum(np.stack([slow_power(row[0], *sizes) for row in wav]), 1e-7))
            for wav in (fake.astype(np.float64), real.astype(np.float64))
        )
        total += np.sqrt(((y - x) ** 2).sum() / (y**2).sum()) + np.abs(np.log(y / x)).mean()
    return float(total / 3)


@given(st.integers(1, 3), lengths, levels, levels, st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_the_stft_loss_is_the_papers(
    batch: int, length: int, quiet: float, loud: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    fake = (random.normal(size=(batch, 1, length)) * quiet).astype(np.float32)
    real = (random.normal(size=(batch, 1, length)) * loud).astype(np.float32)
    found = make_stft()(torch.from_numpy(fake), torch.from_numpy(real))
    assert float(found) == pytest.approx(slow_stft_loss(fake, real), rel=1e-3, abs=1e-4)


@given(st.floats(0.1, 10.0), st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_k_times_as_loud_is_what_the_formula_says(factor: float, seed: int) -> None:
    """Every magnitude is k times as large: |k − 1| of the norm, log k of each logarithm."""
    wav = torch.randn(2, 1, 320, generator=torch.Generator().manual_seed(seed))
    expected = abs(factor - 1) + abs(math.log(factor))
    assert float(make_stft()(factor * wav, wav)) == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_the_sign_of_a_waveform_is_not_heard_by_the_stft_loss() -> None:
    wav = torch.randn(1, 1, 320)
    assert float(make_stft()(-wav, wav)) == 0.0


def test_equal_and_silent_waveforms_have_finite_gradients() -> None:
    wav = torch.randn(2, 1, 320)
    for fake, real in ((wav, wav), (0 * wav, wav), (wav, 0 * wav), (0 * wav, 0 * wav)):
        fake = fake.clone().requires_grad_()
        loss = make_stft()(fake, real)
        loss.backward()
        assert torch.isfinite(loss) and torch.isfinite(fake.grad).all()


def test_a_silent_segment_among_others_does_not_blow_up_the_stft_loss() -> None:
    real = torch.randn(4, 1, 320) * 0.1
    real[0] = 0
    fake = torch.randn(4, 1, 320) * 0.1
    beside = float(make_stft()(fake, real))
    assert beside < 6 < 100 < float(make_stft()(fake[:1], real[:1]))


def test_the_stft_losss_gradient_reaches_every_sample_in_fp32() -> None:
    fake = (torch.randn(1, 1, 320) * 0.1).requires_grad_()
    real = torch.randn(1, 1, 320) * 0.1
    plain = make_stft()(fake, real)
    with torch.autocast("cpu", torch.bfloat16):
        assert float(make_stft()(fake, real).detach()) == float(plain.detach())
    plain.backward()
    assert (fake.grad != 0).all()


def test_every_resolution_counts() -> None:
    fake, real = torch.randn(1, 1, 320), torch.randn(1, 1, 320)
    alone = [
        float(StftLoss(StftLossConfig(n_ffts=(n,), hops=(h,), windows=(w,)), AUDIO)(fake, real))
        for n, h, w in zip(RESOLUTIONS.n_ffts, RESOLUTIONS.hops, RESOLUTIONS.windows, strict=True)
    ]
    assert len({round(value, 4) for value in alone}) == 3
    assert float(make_stft()(fake, real)) == pytest.approx(sum(alone) / 3, rel=1e-5)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"n_ffts": (), "hops": (), "windows": ()}, "n_ffts: need at least one, got none"),
        ({"hops": (120, 240)}, r"hops: need one for each of n_ffts \[1024, 2048, 512\], got"),
        ({"windows": (600, 1200)}, r"windows: need one for each of n_ffts .*, got \[600, 1200\]"),
        ({"windows": (600, 1200, 600)}, r"windows: need hop <= window <= n_fft, got 50, 600, 512"),
        ({"hops": (120, 240, 300)}, r"windows: need hop <= window <= n_fft, got 300, 240, 512"),
        ({"hops": (120, 240, 0)}, r"hops: must be in \[1, 65536\], got 0"),
    ],
)
def test_impossible_resolutions_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        StftLossConfig(**changes)  # type: ignore[arg-type]


def test_resolutions_are_read_from_settings() -> None:
    tree = {"name": "stft", "n_ffts": [64], "hops": [16], "windows": [48]}
    chosen = read_choice(RECONSTRUCTIONS, tree, "task.reconstruction")
    assert chosen.config == StftLossConfig(n_ffts=(64,), hops=(16,), windows=(48,))
    assert from_dict(StftLossConfig, {}) == StftLossConfig()


@pytest.mark.parametrize("name", RECONSTRUCTIONS.names())
def test_every_reconstruction_loss_has_a_reference_weight(name: str) -> None:
    loss = build(RECONSTRUCTIONS, read_choice(RECONSTRUCTIONS, name, "x"), audio=AUDIO)
    assert loss.reference_weight > 0
    assert RECONSTRUCTIONS.entry("mel").build.reference_weight == 45.0


def test_weighted_both_losses_are_of_one_size() -> None:
    """Of harmonics against themselves with other phases, as an untrained generator gives them."""
    at, random = torch.arange(8192) / 8000, torch.Generator().manual_seed(0)
    waves = []
    for _ in range(2):
        phases = 2 * math.pi * torch.rand(30, 1, generator=random)
        sines = torch.sin(2 * math.pi * 120 * torch.arange(1, 31)[:, None] * at + phases)
        breath = 0.01 * torch.randn(8192, generator=random)
        waves.append((0.03 * sines.sum(0) + breath)[None, None])
    weighted = []
    for loss in (MelLoss(MelLossConfig(), AUDIO), StftLoss(StftLossConfig(), AUDIO)):
        weighted.append(loss.reference_weight * float(loss(*waves)))
    assert 0.3 < weighted[0] / weighted[1] < 3
