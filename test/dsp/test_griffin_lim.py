"""Griffin-Lim: magnitudes that fit the mel, phases that fit each other, no leak in a batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from malsori.core.errors import ConfigError
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.griffin_lim import GriffinLim
from malsori.models.vocoder import VocodingModel, vocode

AUDIO = AudioConfig(
    sample_rate=8000, n_fft=256, window=200, hop=50, mel_bands=40, mel_low_hz=0, mel_high_hz=4000
)
FINE = AudioConfig(
    sample_rate=8000, n_fft=128, window=128, hop=32, mel_bands=100, mel_low_hz=0, mel_high_hz=4000
)


def hummed(samples: int, hz: float = 130.0) -> Tensor:
    """Return a voice-like tone whose pitch glides, with some breath, (1, S)."""
    time = torch.arange(samples, dtype=torch.float64) / 8000
    phase = 2 * torch.pi * torch.cumsum(hz * (1 + 0.1 * torch.sin(3 * time)) / 8000, 0)
    wav = sum(torch.cos(k * phase + k * k) / k for k in range(1, 15))
    noise = torch.from_numpy(np.random.default_rng(1).normal(0, 0.02, samples))
    return (0.2 * wav + noise).float()[None]  # type: ignore[operator]


def mel_of(model: GriffinLim, wav: Tensor) -> Tensor:
    return model.analyse(wav, torch.tensor([wav.shape[1]])).mel


def misfit(model: GriffinLim, wav: Tensor, magnitudes: Tensor) -> float:
    """Return spectral convergence: how far the waveform's magnitudes are from those asked for."""
    wav = torch.nn.functional.pad(wav, (model.n_fft // 2, model.n_fft // 2))
    frames = wav.unfold(1, model.n_fft, model.hop)[:, : magnitudes.shape[1]]
    found = torch.fft.rfft(frames * model.get_buffer("window")).abs()
    inside = slice(4, found.shape[1] - 4)
    error = (found - magnitudes[:, : found.shape[1]])[:, inside].norm()
    return float(error / magnitudes[:, inside].norm())


def test_magnitudes_are_what_the_mel_was_made_of() -> None:
    model = GriffinLim(AUDIO, inversions=200)
    mel = mel_of(model, hummed(4000))
    found = model.magnitudes(mel)
    assert found.shape == (1, 81, 129) and float(found.min()) >= 0
    goal = 10**mel
    assert float((found @ model.spectrogram.filters - goal).norm() / goal.norm()) < 0.01
    rough = GriffinLim(AUDIO, inversions=1).magnitudes(mel) @ model.spectrogram.filters
    assert float((rough - goal).norm() / goal.norm()) > 0.05


def test_bins_outside_of_all_bands_stay_silent() -> None:
    audio = AudioConfig(
        sample_rate=8000, n_fft=256, window=256, hop=64, mel_bands=10, mel_low_hz=500,
        mel_high_hz=2000,
    )  # fmt: skip
    model = GriffinLim(audio)
    found = model.magnitudes(torch.zeros(1, 3, 10))
    hz = torch.arange(129) * 8000 / 256
    assert torch.equal(found[..., hz <= 500], torch.zeros(1, 3, 17))
    assert torch.equal(found[..., hz >= 2000], torch.zeros(1, 3, 65))
    assert (found[..., (hz > 550) & (hz < 1900)] > 0).all()


def test_phases_come_to_fit_and_momentum_helps() -> None:
    wav = hummed(8000)
    found = {}
    for iterations, momentum in ((1, 0.0), (40, 0.0), (40, 0.99)):
        model = GriffinLim(AUDIO, iterations, momentum)
        mel = mel_of(model, wav)
        found[iterations, momentum] = misfit(model, model(mel)[:, 0], model.magnitudes(mel))
    assert found[1, 0.0] > 0.4
    assert found[40, 0.99] < 0.9 * found[40, 0.0] < 0.25, found


def test_a_steady_tone_becomes_one_sine() -> None:
    """Its phase goes on from frame to frame: in most pieces one sine of that pitch explains all."""
    model = GriffinLim(FINE, iterations=200, inversions=300)
    time = torch.arange(6400) / 8000
    angle = 2 * torch.pi * (8000 / 128 * 24) * time
    made = model(mel_of(model, 0.5 * torch.cos(angle)[None]))[0, 0, :6400]
    pieces = made[640:5760].reshape(-1, 256, 1)  # eight hops each
    waves = torch.stack([angle.cos(), angle.sin()], 1)[640:5760].reshape(-1, 256, 2)
    parts = waves.mT @ pieces / 128
    left = (pieces - waves @ parts).norm(dim=1) / pieces.norm(dim=1)
    assert float(left.median()) < 0.1
    assert float(parts.norm(dim=1).median()) == pytest.approx(0.5, rel=0.1)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=3), st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_a_batch_makes_what_its_parts_make_alone(lengths: list[int], seed: int) -> None:
    model = GriffinLim(AUDIO, iterations=3)
    mels = [torch.randn(n, 40, generator=torch.manual_seed(seed + n)) - 2 for n in lengths]
    batch = torch.full((len(lengths), max(lengths), 40), 3.0)  # loud padding
    for row, mel in zip(batch, mels, strict=True):
        row[: len(mel)] = mel
    together = vocode(model, batch, torch.tensor(lengths))
    for i, mel in enumerate(mels):
        alone = model(mel[None])[0, 0]
        assert int(together.wav_lengths[i]) == len(alone) == lengths[i] * 50
        torch.testing.assert_close(together.wav[i, : len(alone)], alone, atol=1e-5, rtol=1e-3)
        assert not together.wav[i, len(alone) :].any()


def test_it_stands_where_a_vocoder_does_and_draws_no_chance() -> None:
    model = GriffinLim(AUDIO, iterations=2)
    assert isinstance(model, VocodingModel)
    assert not list(model.parameters()) and not model.state_dict()
    mel = mel_of(model, hummed(1000))
    torch.manual_seed(1)
    first, state = model(mel), torch.get_rng_state()
    assert torch.equal(first, GriffinLim(AUDIO, iterations=2)(mel))
    assert torch.equal(state, torch.get_rng_state())
    assert not torch.equal(first, GriffinLim(AUDIO, iterations=2, seed=2)(mel))


def test_a_hop_as_long_as_the_window_still_gives_numbers() -> None:
    audio = AudioConfig(
        sample_rate=8000, n_fft=64, window=64, hop=64, mel_bands=8, mel_low_hz=0, mel_high_hz=4000
    )
    made = GriffinLim(audio, iterations=3)(torch.zeros(1, 4, 8))
    assert made.shape == (1, 1, 256) and torch.isfinite(made).all()


def test_other_bands_are_refused() -> None:
    with pytest.raises(ConfigError, match="mel: needs 40 bands, got 41"):
        GriffinLim(AUDIO)(torch.zeros(1, 3, 41))


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"iterations": 0}, "iterations: must be at least 1, got 0"),
        ({"inversions": -1}, "inversions: must be at least 1, got -1"),
        ({"momentum": 1.0}, r"momentum: must be in \[0, 1\), got 1.0"),
    ],
)
def test_senseless_numbers_are_refused(how: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        GriffinLim(AUDIO, **how)
