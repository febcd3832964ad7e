"""Mel, energy and F0 of one recording are ESPnet's; of a batch, ours keep their neighbours out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.f0 import extract_f0, log_f0
from malsori.dsp.mel import Spectrogram
from malsori.losses.reconstruction import MelLoss, MelLossConfig

RATES = [(24000, 1024, 256), (22050, 1024, 256), (16000, 512, 128)]
every_rate = pytest.mark.parametrize(("rate", "n_fft", "hop"), RATES)


def recording(rate: int) -> torch.Tensor:
    """Return a second of a tone with noise, (1, S)."""
    phases = 2 * np.pi * 150.0 * np.arange(rate) / rate
    tone = sum(0.2 / k * np.sin(k * phases) for k in range(1, 6))
    tone[: rate // 10] = 0.0
    noise = np.random.default_rng(0).normal(0, 0.01, rate)
    return torch.from_numpy((tone + noise).astype(np.float32))[None]


@every_rate
def test_mel_and_energy(espnet: object, rate: int, n_fft: int, hop: int) -> None:
    from espnet2.tts.feats_extract.energy import Energy
    from espnet2.tts.feats_extract.log_mel_fbank import LogMelFbank

    wav = recording(rate)
    sizes = {"fs": rate, "n_fft": n_fft, "hop_length": hop}
    mel, lengths = LogMelFbank(**sizes, fmin=80, fmax=7600)(wav)
    energy, _ = Energy(**sizes, use_token_averaged_energy=False)(wav, feats_lengths=lengths)
    audio = AudioConfig(sample_rate=rate, n_fft=n_fft, window=n_fft, hop=hop)
    ours, our_energy = Spectrogram(audio)(wav, torch.tensor([wav.shape[1]]))
    torch.testing.assert_close(ours, mel, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(our_energy, energy.squeeze(-1), rtol=1e-5, atol=1e-5)


@every_rate
def test_log_f0(espnet: object, rate: int, n_fft: int, hop: int) -> None:
    from espnet2.tts.feats_extract.dio import Dio

    wav = recording(rate)
    frames = wav.shape[1] // hop + 1
    theirs, _ = Dio(fs=rate, n_fft=n_fft, hop_length=hop, use_token_averaged_f0=False)(
        wav, feats_lengths=torch.tensor([frames])
    )
    ours = log_f0(extract_f0(wav[0].numpy(), rate, hop))
    assert ours is not None and abs(np.exp(np.median(ours)) - 150) < 5
    torch.testing.assert_close(torch.from_numpy(ours), theirs[0, :, 0], rtol=1e-5, atol=1e-5)


@every_rate
def test_mel_loss(espnet: object, rate: int, n_fft: int, hop: int) -> None:
    from espnet2.gan_tts.hifigan.loss import MelSpectrogramLoss

    real = recording(rate)[:, None, : 32 * hop]
    fake = (real.roll(50, 2) * 0.8).requires_grad_()
    theirs = MelSpectrogramLoss(fs=rate, n_fft=n_fft, hop_length=hop, fmin=0, log_base=None)
    audio = AudioConfig(sample_rate=rate, n_fft=n_fft, window=n_fft, hop=hop)
    ours = MelLoss(MelLossConfig(n_fft=n_fft), audio)
    expected, found = theirs(fake, real), ours(fake, real)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)
    (expected_gradient,) = torch.autograd.grad(expected, fake)
    (gradient,) = torch.autograd.grad(found, fake)
    size = float(expected_gradient.abs().max())
    torch.testing.assert_close(gradient, expected_gradient, rtol=0, atol=1e-4 * size)


def test_a_batch_changes_espnets_last_frames_and_not_ours(espnet: object) -> None:
    """ESPnet mirrors the end of the padded batch, so that shorter utterances end in zeros."""
    from espnet2.tts.feats_extract.log_mel_fbank import LogMelFbank

    rate, n_fft, hop = 16000, 512, 128
    short, long = recording(rate)[:, :9000], recording(rate)
    batch = torch.zeros(2, long.shape[1])
    batch[0, :9000], batch[1] = short[0], long[0]
    lengths, frames = torch.tensor([9000, long.shape[1]]), 9000 // hop + 1
    theirs = LogMelFbank(fs=rate, n_fft=n_fft, hop_length=hop)
    alone, _ = theirs(short)
    together, _ = theirs(batch, lengths)
    assert (together[0, : frames - 1] - alone[0, : frames - 1]).abs().max() > 0.1
    ours = Spectrogram(AudioConfig(sample_rate=rate, n_fft=n_fft, window=n_fft, hop=hop))
    torch.testing.assert_close(
        ours(batch, lengths)[0][0, :frames], ours(short, lengths[:1])[0][0], rtol=0, atol=1e-5
    )
