"""Losses of mels and of pitch as wavelets: closed forms, and padding that counts nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from malsori.dsp.wavelet import PitchSpectrogram
from malsori.losses import LOSSES


def loss(name: str, output: Any) -> Tensor:
    entry = LOSSES.entry(name)
    return entry.build(entry.config())(output)


VALID = torch.tensor([[True, True, False], [True, False, False]])


def test_mels_are_compared_over_frames_that_are_there() -> None:
    mel = torch.zeros(2, 3, 4)
    target = torch.full((2, 3, 4), 9.0)
    target[0, :2], target[1, 0] = 1.0, torch.tensor([0.0, 0.0, 0.0, 8.0])
    output = SimpleNamespace(mel=mel, postnet_mel=mel + 1, mel_target=target, valid_frames=VALID)
    assert float(loss("mel", output)) == pytest.approx((1 + 1 + 2) / 3)
    assert float(loss("postnet_mel", output)) == pytest.approx((0 + 0 + 10 / 4) / 3)


def test_waves_and_range_are_squared_errors() -> None:
    waves = torch.zeros(2, 3, 10)
    waves[0, 0, :3], waves[1, 0, 9] = 1.0, 3.0
    waves[1, 1:] = 1e3  # padding
    found = PitchSpectrogram(waves, torch.tensor([1.0, 2.0]), torch.tensor([1.0, 1.0]))
    target = PitchSpectrogram(torch.zeros(2, 3, 10), torch.zeros(2), torch.ones(2))
    melody = SimpleNamespace(waves=found, waves_target=target, valid_frames=VALID)
    output = SimpleNamespace(melody=melody)
    assert float(loss("pitch_waves", output)) == pytest.approx((3 + 0 + 9) / 3)
    assert float(loss("pitch_range", output)) == pytest.approx((1 + 4) / 2)


@pytest.mark.parametrize("name", ["mel", "postnet_mel"])
def test_they_are_fp32_whatever_the_network_ran_in(name: str) -> None:
    mel = torch.full((2, 3, 4), 1.0078125, dtype=torch.bfloat16)
    target = torch.full((2, 3, 4), 1.0)
    output = SimpleNamespace(mel=mel, postnet_mel=mel, mel_target=target, valid_frames=VALID)
    found = loss(name, output)
    assert found.dtype == torch.float32 and float(found) == pytest.approx(0.0078125)
