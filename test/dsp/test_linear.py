"""Linear spectra: frames by NumPy, independent of the batch."""

from __future__ import annotations

import numpy as np
import torch

from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.linear import LinearSpectrogram
from malsori.dsp.mel import Spectrogram

AUDIO = AudioConfig(sample_rate=8000, n_fft=64, window=48, hop=16, mel_bands=6, mel_high_hz=4000)


def test_frames_by_numpy_and_an_utterance_knows_no_neighbours() -> None:
    torch.manual_seed(0)
    net, wav = LinearSpectrogram(AUDIO), torch.randn(2, 200)
    together = net(wav, torch.tensor([130, 200]))
    assert together.shape == (2, 200 // 16 + 1, 33)
    alone = net(wav[:1, :130], torch.tensor([130]))
    torch.testing.assert_close(together[:1, : alone.shape[1]], alone)
    window = np.zeros(64)
    window[8:56] = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(48) / 48)
    mirrored = np.pad(wav[0, :130].double().numpy(), 32, mode="reflect")
    for frame in (0, 4, 8):
        part = mirrored[16 * frame : 16 * frame + 64] * window
        expected = torch.from_numpy(np.abs(np.fft.rfft(part))).float()
        torch.testing.assert_close(together[0, frame], expected, atol=1e-4, rtol=1e-4)


def test_energy_is_that_of_the_mel_spectrogram() -> None:
    wav, lengths = torch.randn(1, 200), torch.tensor([200])
    _, energy = Spectrogram(AUDIO)(wav, lengths)
    found = LinearSpectrogram(AUDIO)(wav, lengths).square().sum(-1).sqrt()
    torch.testing.assert_close(found, energy)


def test_silence_has_a_floor() -> None:
    silent = LinearSpectrogram(AUDIO)(torch.zeros(1, 100), torch.tensor([100]))
    torch.testing.assert_close(silent, torch.full_like(silent, 1e-5))
