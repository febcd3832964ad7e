"""Mel-cepstra: the definition, SPTK's figures, and what a distortion must and must not notice."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.dsp.cepstrum import (
    DECIBELS_PER_DISTANCE,
    SpeechFrames,
    align,
    analyse,
    distortion,
    frequency_transform,
    mel_alpha,
    mel_cepstral_distortion,
    mel_cepstrum,
    spectral_envelope,
)

RATE = 16000


def vowel(
    formants: tuple[float, ...] = (700.0, 1200.0, 2600.0),
    seconds: float = 0.5,
    hz: float = 150.0,
    rate: int = RATE,
) -> np.ndarray:
    """Harmonics of a falling pitch, weighted by resonances: enough of a voice for the analysis."""
    times = np.arange(round(seconds * rate)) / rate
    pitch = hz * (1.0 - 0.2 * times / seconds)
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    wav = np.zeros_like(times)
    for number in range(1, int(rate / 2 / hz)):
        gain = sum(1.0 / (1.0 + ((number * hz - formant) / 120.0) ** 2) for formant in formants)
        wav += gain * np.sin(number * phase)
    return (0.3 * wav / np.abs(wav).max()).astype(np.float32)


def test_equal_recordings_have_no_distortion() -> None:
    assert mel_cepstral_distortion(vowel(), vowel(), RATE) == pytest.approx(0.0, abs=1e-5)


@given(gain=st.floats(0.01, 3.0))
@settings(max_examples=8, deadline=None)
def test_gain_does_not_count(gain: float) -> None:
    assert mel_cepstral_distortion(vowel(), gain * vowel(), RATE) < 0.01


def test_a_slower_copy_costs_little_beside_another_vowel() -> None:
    slower = mel_cepstral_distortion(vowel(), vowel(seconds=0.8), RATE)
    other = mel_cepstral_distortion(vowel(), vowel((300.0, 2300.0, 3000.0)), RATE)
    assert other > 3.0
    assert slower < 0.3 * other


def test_the_order_of_the_two_recordings_does_not_count() -> None:
    first, second = vowel(), vowel((300.0, 2300.0, 3000.0), seconds=0.4)
    one_way = mel_cepstral_distortion(first, second, RATE)
    assert mel_cepstral_distortion(second, first, RATE) == pytest.approx(one_way, rel=0.02)


def test_c0_is_left_out_and_decibels_are_right() -> None:
    frames = np.zeros((4, 25))
    louder = frames.copy()
    louder[:, 0], louder[:, 3] = 5.0, 0.1
    f0 = np.zeros(4, np.float32)
    warping = align(SpeechFrames(frames, f0), SpeechFrames(louder, f0))
    assert distortion(warping) == pytest.approx(0.1 * DECIBELS_PER_DISTANCE)
    assert pytest.approx(6.1418, abs=1e-4) == DECIBELS_PER_DISTANCE


@pytest.mark.parametrize("samples", [1, 5, 200, 3000])
@pytest.mark.parametrize("level", [0.0, 0.5])
def test_silence_and_scraps_can_be_analysed(samples: int, level: float) -> None:
    wav = np.full(samples, level, np.float32)
    frames = analyse(wav, RATE)
    assert np.isfinite(frames.mel_cepstrum).all()
    assert frames.mel_cepstrum.shape == (len(frames.f0), 25)


@pytest.mark.parametrize("wav", [np.zeros(0), np.zeros((2, 800))])
def test_what_is_no_row_of_samples_is_refused(wav: np.ndarray) -> None:
    with pytest.raises(ValueError, match="one row of samples"):
        analyse(wav, RATE)


@given(alpha=st.floats(-0.6, 0.6), seed=st.integers(0, 100))
@settings(max_examples=25, deadline=None)
def test_frequency_transform_bends_the_axis(alpha: float, seed: int) -> None:
    """The log spectrum of the new cepstrum at the bent frequency is the old one at the plain."""
    cepstrum = np.random.default_rng(seed).normal(size=6)
    bent = frequency_transform(6, 120, alpha) @ cepstrum
    omega = np.linspace(0.0, np.pi, 9)
    bent_omega = omega + 2 * np.arctan2(alpha * np.sin(omega), 1 - alpha * np.cos(omega))
    expected = np.cos(np.outer(omega, np.arange(6))) @ cepstrum
    np.testing.assert_allclose(
        np.cos(np.outer(bent_omega, np.arange(121))) @ bent, expected, atol=1e-6
    )


def test_no_bend_only_cuts_off() -> None:
    np.testing.assert_array_equal(frequency_transform(6, 3, 0.0), np.eye(4, 6))


@pytest.mark.parametrize(
    ("rate", "alpha"),
    [(8000, 0.312), (16000, 0.41), (22050, 0.455), (24000, 0.466), (44100, 0.544), (48000, 0.554)],
)
def test_alpha_is_the_usual_one(rate: int, alpha: float) -> None:
    assert mel_alpha(rate) == pytest.approx(alpha, abs=1e-9)


@pytest.mark.parametrize("rate", [16000, 22050])
def test_mel_cepstrum_is_that_of_sptk(rate: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pysptk = pytest.importorskip("pysptk")
    wav = vowel(rate=rate).astype(np.float64)
    hop = rate // 200
    envelope = spectral_envelope(
        wav + np.random.default_rng(0).normal(scale=1e-5, size=len(wav)),
        analyse(wav, rate).f0,
        rate,
        hop,
    )
    expected = pysptk.sp2mc(envelope, order=24, alpha=mel_alpha(rate))
    np.testing.assert_allclose(mel_cepstrum(envelope, rate, 24), expected, atol=1e-6)
    assert pysptk.util.mcepalpha(rate) == pytest.approx(mel_alpha(rate), abs=1.1e-3)


def test_silence_is_unvoiced_and_a_vowel_voiced() -> None:
    wav = np.concatenate([np.zeros(RATE, np.float32), vowel(), np.zeros(RATE, np.float32)])
    f0 = analyse(wav, RATE).f0
    assert not analyse(np.zeros(3 * RATE, np.float32), RATE).f0.any()
    assert not f0[:190].any()
    assert not f0[-190:].any()
    assert (f0[210:290] > 100).mean() > 0.9
