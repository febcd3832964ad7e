"""Spectra against a Fourier transform written as a sum, and Slaney's filters."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.mel import FLOOR, Spectrogram, mel_filters, power_spectrum, reflect_pad

AUDIO = AudioConfig(
    sample_rate=8000, n_fft=64, window=48, hop=20, mel_bands=7, mel_low_hz=100, mel_high_hz=3800
)


def mirrored(wav: np.ndarray, i: int) -> float:
    """Return sample ``i``, mirrored once beyond either end, then silence."""
    i = 2 * (len(wav) - 1) - i if i >= len(wav) else i
    i = -i if -len(wav) < i < 0 else i
    return float(wav[i]) if 0 <= i < len(wav) else 0.0


def slow_power(wav: np.ndarray, audio: AudioConfig) -> np.ndarray:
    """Return power, (T, F), of centred frames, each bin as a sum over samples."""
    n_fft = audio.n_fft
    padded = np.array(
        [mirrored(wav, i) for i in range(-(n_fft // 2), len(wav) + n_fft // 2)], dtype=np.float64
    )
    window = np.zeros(n_fft)
    left = (n_fft - audio.window) // 2
    for i in range(audio.window):
        window[left + i] = math.sin(math.pi * i / audio.window) ** 2  # periodic Hann
    frames = []
    for t in range(len(wav) // audio.hop + 1):
        part = padded[t * audio.hop : t * audio.hop + n_fft] * window
        row = []
        for k in range(n_fft // 2 + 1):
            angles = 2 * math.pi * k * np.arange(n_fft) / n_fft
            row.append((part @ np.cos(angles)) ** 2 + (part @ np.sin(angles)) ** 2)
        frames.append(row)
    return np.array(frames)


def slaney_mel(hz: float) -> float:
    """Return mels by the published rule: 3 mels per 200 Hz, then 27 steps per factor of 6.4."""
    return hz * 3 / 200 if hz < 1000 else 15 + 27 * math.log(hz / 1000) / math.log(6.4)


def slow_filters(audio: AudioConfig) -> np.ndarray:
    """Return (M, F), found without an inverse of the scale: corners by bisection."""
    low, high = slaney_mel(audio.mel_low_hz), slaney_mel(audio.mel_high_hz)
    corners = []
    for i in range(audio.mel_bands + 2):
        goal = low + (high - low) * i / (audio.mel_bands + 1)
        below, above = 0.0, audio.sample_rate / 2
        for _ in range(80):
            middle = (below + above) / 2
            below, above = (middle, above) if slaney_mel(middle) < goal else (below, middle)
        corners.append(below)
    out = np.zeros((audio.mel_bands, audio.n_fft // 2 + 1))
    for m in range(audio.mel_bands):
        left, centre, right = corners[m : m + 3]
        for k in range(out.shape[1]):
            hz = k * audio.sample_rate / audio.n_fft
            if left < hz <= centre:
                out[m, k] = (hz - left) / (centre - left)
            elif centre < hz < right:
                out[m, k] = (right - hz) / (right - centre)
        out[m] *= 2 / (right - left)
    return out


def filters_of(audio: AudioConfig) -> np.ndarray:
    return mel_filters(
        audio.sample_rate, audio.n_fft, audio.mel_bands, audio.mel_low_hz, audio.mel_high_hz
    )


@pytest.mark.parametrize("audio", [AUDIO, AudioConfig(), AudioConfig(sample_rate=16000)])
def test_filters_are_slaneys(audio: AudioConfig) -> None:
    np.testing.assert_allclose(filters_of(audio), slow_filters(audio), atol=1e-7, rtol=1e-4)


@pytest.mark.parametrize("rate", [16000, 22050, 24000])
def test_no_band_of_a_recipe_is_deaf(rate: int) -> None:
    assert (filters_of(AudioConfig(sample_rate=rate)).sum(1) > 0).all()
    assert (mel_filters(rate, 1024, 80, 0.0, rate / 2).sum(1) > 0).all()  # the mel loss


def test_filters_are_triangles_of_equal_area_in_rising_order() -> None:
    filters = mel_filters(24000, 32768, 40, 80.0, 7600.0).astype(np.float64)  # fine bins
    assert (filters >= 0).all()
    np.testing.assert_allclose(filters.sum(1) * 24000 / 32768, 1.0, rtol=1e-3)  # Hz · 1/Hz
    peaks = filters.argmax(1)
    assert (np.diff(peaks) > 0).all()
    for row, peak in zip(filters, peaks, strict=True):
        assert (np.diff(row[: peak + 1]) >= 0).all() and (np.diff(row[peak:]) <= 0).all()
    below_1_khz = peaks[peaks * 24000 / 32768 < 900] * 24000 / 32768
    assert np.ptp(np.diff(below_1_khz)) < 2  # the scale is linear there


def test_the_mel_of_an_utterance_is_that_of_the_definition() -> None:
    torch.manual_seed(0)
    wav = torch.randn(313) * 0.1
    mel, energy = Spectrogram(AUDIO)(wav[None], torch.tensor([313]))
    power = slow_power(wav.numpy(), AUDIO)
    amplitudes = np.sqrt(power) @ slow_filters(AUDIO).T
    assert mel.shape == (1, 313 // 20 + 1, 7)
    np.testing.assert_allclose(mel[0], np.log10(np.maximum(amplitudes, 1e-10)), atol=1e-4)
    np.testing.assert_allclose(energy[0], np.sqrt(power.sum(1)), rtol=1e-4)


levels = st.sampled_from([0.0, 1e-8, 1e-3, 1.0, 32768.0])  # silence to 16-bit numbers
samples = st.one_of(st.just(1), st.integers(33, 150))  # 33: mirrored no further than itself


@given(st.lists(st.tuples(samples, levels), min_size=1, max_size=3), st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_mel_and_energy_are_the_definitions_at_any_length_and_level(
    batch: list[tuple[int, float]], seed: int
) -> None:
    random = np.random.default_rng(seed)
    lengths = [length for length, _ in batch]
    wav = np.full((len(batch), max(lengths)), 1e3, dtype=np.float32)  # loud padding
    for row, (length, level) in zip(wav, batch, strict=True):
        row[:length] = random.normal(size=length) * level
    mel, energy = Spectrogram(AUDIO)(torch.from_numpy(wav), torch.tensor(lengths))
    filters = slow_filters(AUDIO).T
    for i, length in enumerate(lengths):
        power = slow_power(wav[i, :length], AUDIO)
        frames = len(power)
        assert frames == length // AUDIO.hop + 1 and mel.shape[2] == 7
        loudest = np.sqrt(power.max(1, keepdims=True))
        amplitudes = np.maximum(np.sqrt(np.maximum(power, FLOOR)) @ filters, FLOOR)
        found = 10 ** mel[i, :frames].double().numpy()
        error = np.abs(found - amplitudes)
        assert (error <= 1e-4 * amplitudes + 1e-6 * loudest).all()
        total = np.sqrt(np.maximum(power.sum(1), FLOOR))
        np.testing.assert_allclose(energy[i, :frames], total, rtol=1e-4)


def test_a_tone_peaks_in_its_own_band() -> None:
    audio = AudioConfig()
    wav = torch.sin(2 * math.pi * 1000 * torch.arange(24000) / 24000)[None]
    mel, _ = Spectrogram(audio)(wav, torch.tensor([24000]))
    bin_of_tone = round(1000 / 24000 * 1024)
    assert int(mel[0, 40].argmax()) == int(filters_of(audio)[:, bin_of_tone].argmax())


def test_silence_is_finite() -> None:
    mel, energy = Spectrogram(AUDIO)(torch.zeros(1, 100), torch.tensor([100]))
    assert torch.isfinite(mel).all() and (energy > 0).all()
    assert float(energy.max()) < 1e-4 and float(mel.max()) < -4


@given(st.lists(st.integers(1, 150), min_size=2, max_size=3), st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_neighbours_in_a_batch_change_nothing(lengths: list[int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    wav = torch.randn(len(lengths), max(lengths), generator=generator)
    for row, length in zip(wav, lengths, strict=True):
        row[length:] = 1e3  # loud padding
    spectrogram = Spectrogram(AUDIO)
    together = spectrogram(wav, torch.tensor(lengths))
    for row, length in enumerate(lengths):
        alone = spectrogram(wav[row : row + 1, :length], torch.tensor([length]))
        frames = AUDIO.frames(length)
        for ours, theirs in zip(together, alone, strict=True):
            assert theirs.shape[1] == frames
            torch.testing.assert_close(ours[row, :frames], theirs[0], atol=1e-4, rtol=1e-4)


@given(st.integers(2, 40), st.integers(0, 39))
@settings(max_examples=40, deadline=None)
def test_padding_mirrors_at_each_utterances_own_ends(length: int, pad: int) -> None:
    wav = torch.rand(1, 50) + 1
    found = reflect_pad(wav, torch.tensor([length]), pad)
    assert found.shape == (1, 50 + 2 * pad)
    if pad < length:
        mirrored = np.pad(wav[0, :length].numpy(), pad, mode="reflect")
        np.testing.assert_array_equal(found[0, : length + 2 * pad], mirrored)
    else:
        np.testing.assert_array_equal(found[0, pad : pad + length], wav[0, :length])
        assert torch.isfinite(found).all()


def test_one_sample_is_enough() -> None:
    found = reflect_pad(torch.tensor([[3.0]]), torch.tensor([1]), 2)
    assert found.tolist() == [[0.0, 0.0, 3.0, 0.0, 0.0]]


def test_the_gradient_of_power_at_silence_is_finite() -> None:
    wav = torch.zeros(1, 128, requires_grad=True)
    power_spectrum(wav, 64, 16, torch.hann_window(64)).clamp_min(FLOOR).sqrt().sum().backward()
    assert torch.isfinite(wav.grad).all()


def test_a_silent_batch_member_does_not_hide_others() -> None:
    wav = torch.stack([torch.zeros(200), torch.ones(200)])
    _, energy = Spectrogram(AUDIO)(wav, torch.tensor([200, 200]))
    assert float(energy[0].max()) < 1e-4 < float(energy[1].min())
