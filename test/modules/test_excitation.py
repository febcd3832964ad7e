"""The source of a voice: right frequencies, continuous phases, silence where there is none."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.modules.excitation import NOISE, SINE, HarmonicSource, Melody

RATE, HOP = 8000, 80


def source(harmonics: int = 4) -> HarmonicSource:
    return HarmonicSource(harmonics, RATE, HOP).eval()


def steady(hz: float, frames: int = 50, voiced: float = 1.0) -> Melody:
    return Melody(torch.full((1, frames), hz), torch.full((1, frames), voiced))


@given(st.floats(70, 900), st.integers(1, 6))
@settings(max_examples=30, deadline=None)
def test_a_steady_pitch_gives_its_multiples(hz: float, harmonics: int) -> None:
    made = source(harmonics)(steady(hz))[0].numpy()
    assert made.shape == (harmonics + 1, 50 * HOP)
    window = np.hanning(50 * HOP)
    for k in range(1, harmonics + 1):
        if k * hz >= RATE / 2:
            assert not made[k - 1].any()  # nothing above half the sample rate
            continue
        spectrum = np.abs(np.fft.rfft(made[k - 1] * window))
        assert abs(np.argmax(spectrum) * RATE / (50 * HOP) - k * hz) <= 2.0
        assert np.abs(made[k - 1]).max() == pytest.approx(SINE, rel=0.1)


def test_a_gliding_pitch_has_no_jumps() -> None:
    f0 = torch.linspace(100, 300, 40)[None]
    made = source(1)(Melody(f0, torch.ones(1, 40)))[0, 0]
    steepest = SINE * 2 * np.pi * 300 / RATE
    assert made.diff().abs().max() <= steepest * 1.01
    turns = float((made[:-1].sign() * made[1:].sign() < 0).sum()) / 2
    assert turns == pytest.approx(200 * 40 * HOP / RATE, rel=0.02)  # the mean of 100 and 300 Hz


def test_unvoiced_frames_have_noise_alone() -> None:
    made = source()(steady(150.0, 400, voiced=0.0))[0]
    assert not made[:-1].any()
    assert float(made[-1].std()) == pytest.approx(NOISE, rel=0.05)
    assert torch.equal(made[-1], source()(steady(90.0, 400))[0, -1])  # the same every time


def test_a_batch_gives_what_its_parts_give_alone() -> None:
    f0, voiced = torch.rand(2, 9) * 200 + 80, (torch.rand(2, 9) > 0.4).float()
    valid = torch.arange(9)[None] < torch.tensor([[6], [9]])
    loud = Melody(torch.where(valid, f0, 999.0), torch.where(valid, voiced, 1.0))
    together = source()(loud, valid)
    alone = source()(Melody(f0[:1, :6], voiced[:1, :6]))
    assert torch.equal(together[:1, :, : 6 * HOP], alone)
    assert not together[0, :, 6 * HOP :].any()


def test_training_begins_anywhere_in_a_period() -> None:
    net = source().train()
    torch.manual_seed(0)
    melody = Melody(torch.full((6, 3), 100.0), torch.ones(6, 3))
    begins = net(melody)[:, 0, 0]
    assert len({round(float(x), 3) for x in begins}) == 6
    assert not torch.equal(net(melody)[0, -1], net(melody)[1, -1])
