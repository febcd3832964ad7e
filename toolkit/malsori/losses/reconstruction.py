"""Distances between generated and recorded waveforms, in fp32.

Axes: B utterances, S samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from malsori.core.ranges import SIZE, within
from malsori.core.registry import Entry
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.mel import FLOOR, mel_filters, power_spectrum, reflect_pad


@dataclass(frozen=True, kw_only=True)
class MelLossConfig:
    """The spectrogram on which waveforms are compared; rate and hop are the audio settings'."""

    n_fft: int = 1024
    """Points of the Fourier transform; the window is as long."""
    mel_bands: int = 80
    """Bands between 0 Hz and half the sample rate."""

    def __post_init__(self) -> None:
        within(self, SIZE, "n_fft", "mel_bands")


class MelLoss(nn.Module):
    """Mean absolute difference of natural-log mel spectrograms.

    Source: Kong et al. 2020 (HiFi-GAN), arXiv:2010.05646, section 2.4.
    """

    window: Tensor
    filters: Tensor

    def __init__(self, config: MelLossConfig, audio: AudioConfig) -> None:
        super().__init__()
        self.n_fft, self.hop = config.n_fft, audio.hop
        filters = mel_filters(
            audio.sample_rate, config.n_fft, config.mel_bands, 0.0, audio.sample_rate / 2
        )
        self.register_buffer("window", torch.hann_window(config.n_fft), persistent=False)
        self.register_buffer("filters", torch.from_numpy(filters.T.copy()), persistent=False)

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        """Return the distance, (), of waveforms of (B, 1, S)."""
        with torch.autocast(fake.device.type, enabled=False):
            return F.l1_loss(self._log_mel(fake), self._log_mel(real))

    def _log_mel(self, wav: Tensor) -> Tensor:
        wav = wav.squeeze(1).float()
        lengths = torch.full((len(wav),), wav.shape[1], device=wav.device)
        padded = reflect_pad(wav, lengths, self.n_fft // 2)
        power = power_spectrum(padded, self.n_fft, self.hop, self.window)
        return (power.clamp_min(FLOOR).sqrt() @ self.filters).clamp_min(FLOOR).log()


MEL = Entry(
    config=MelLossConfig,
    build=MelLoss,
    summary="L1 of log-mel spectrograms",
    source="Kong et al. 2020, arXiv:2010.05646",
)
