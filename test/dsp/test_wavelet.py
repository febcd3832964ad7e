"""Wavelets of pitch: closed form, round trip, padding."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from malsori.dsp.wavelet import SCALES, PitchSpectrogram, contour_of, pitch_spectrogram

FRAME = 0.01


def all_valid(contour: Tensor) -> Tensor:
    return torch.ones(contour.shape, dtype=torch.bool)


def spoken(seconds: float, seed: int = 0) -> Tensor:
    """Return a contour that falls, with accents and small jolts, (1, T)."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds / FRAME)) * FRAME
    contour = 5.3 - 0.05 * time
    for _ in range(4):
        at, width = random.uniform(0, seconds), random.uniform(0.06, 0.4)
        contour += random.uniform(-0.3, 0.5) * np.exp(-(((time - at) / width) ** 2))
    return torch.from_numpy(contour).float()[None]


@pytest.mark.parametrize("hz", [0.5, 1.0, 4.0])
def test_a_sine_keeps_its_shape_and_each_scale_has_its_share(hz: float) -> None:
    """Of a sine, scale τ holds ln 2 · (τω)² exp(−(τω)²/2)."""
    time = torch.arange(6000) * FRAME
    wave = torch.sin(2 * math.pi * hz * time)[None] * 0.2 + 5
    found = pitch_spectrogram(wave, all_valid(wave), FRAME)
    assert found.mean.item() == pytest.approx(5, abs=1e-3)
    assert found.std.item() == pytest.approx(0.2 / math.sqrt(2), rel=1e-3)
    inside = slice(2600, 3400)
    normalised = ((wave - found.mean) / found.std)[0, inside]
    for i in range(SCALES):
        square = (0.02 * 2**i * 2 * math.pi * hz) ** 2
        share = math.log(2) * square * math.exp(-square / 2)
        torch.testing.assert_close(
            found.waves[0, inside, i], share * normalised, atol=3e-3, rtol=0.0
        )


@given(st.floats(0.5, 8.0), st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_scales_add_up_to_the_contour(seconds: float, seed: int) -> None:
    contour = spoken(seconds, seed)
    found = pitch_spectrogram(contour, all_valid(contour), FRAME)
    assert found.waves.shape == (1, contour.shape[1], SCALES)
    again = contour_of(found)
    inside = slice(5, contour.shape[1] - 5)
    off = float((again - contour)[:, inside].square().mean().sqrt())
    assert off < 0.06 * float(found.std) + 1e-3


def test_what_is_left_out_is_faster_than_ten_hertz() -> None:
    kept = {}
    for hz in (3.0, 8.0, 25.0):
        wave = torch.sin(2 * math.pi * hz * torch.arange(2000) * FRAME)[None]
        found = contour_of(pitch_spectrogram(wave, all_valid(wave), FRAME))
        kept[hz] = float(found[0, 500:1500].std() / wave[0, 500:1500].std())
    assert kept[3.0] > 0.95 and kept[8.0] > 0.75 and kept[25.0] < 0.05


def test_moving_and_stretching_a_contour_changes_mean_and_deviation_alone() -> None:
    contour = spoken(3)
    one = pitch_spectrogram(contour, all_valid(contour), FRAME)
    other = pitch_spectrogram(2 * contour - 4, all_valid(contour), FRAME)
    torch.testing.assert_close(other.waves, one.waves, atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(other.mean, 2 * one.mean - 4)
    torch.testing.assert_close(other.std, 2 * one.std)
    moved = contour_of(PitchSpectrogram(one.waves, one.mean + 1, one.std))
    torch.testing.assert_close(moved, contour_of(one) + 1)


@given(st.lists(st.integers(1, 60), min_size=1, max_size=3))
@settings(max_examples=20, deadline=None)
def test_padding_changes_nothing(lengths: list[int]) -> None:
    rows = [torch.randn(n, generator=torch.manual_seed(n)) + 5 for n in lengths]
    batch = torch.full((len(lengths), max(lengths)), 1e3)  # loud padding
    for row, contour in zip(batch, rows, strict=True):
        row[: len(contour)] = contour
    valid = torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]
    together = pitch_spectrogram(batch, valid, FRAME)
    for i, contour in enumerate(rows):
        alone = pitch_spectrogram(contour[None], all_valid(contour[None]), FRAME)
        torch.testing.assert_close(
            together.waves[i, : len(contour)], alone.waves[0], atol=1e-5, rtol=1e-4
        )
        torch.testing.assert_close(together.mean[i], alone.mean[0])
        assert not together.waves[i, len(contour) :].any()


def test_a_contour_that_does_not_vary_comes_back_as_it_was() -> None:
    flat = torch.full((1, 50), 5.0)
    found = pitch_spectrogram(flat, all_valid(flat), FRAME)
    assert torch.isfinite(found.waves).all() and float(found.waves.abs().max()) < 0.1
    torch.testing.assert_close(contour_of(found), flat)


@pytest.mark.parametrize("frame_seconds", [0.01, 0.016, 0.04])
def test_frames_may_be_far_apart(frame_seconds: float) -> None:
    """A contour that does not move in the middle has no wave there, at any rate of frames."""
    contour = torch.cat([torch.zeros(200), torch.ones(200)])[None]
    found = pitch_spectrogram(contour, all_valid(contour), frame_seconds)
    assert float(found.waves[0, 100, :2].abs().max()) < 1e-3
    assert float(found.waves[0, 195:205, :2].abs().max()) > 0.05
