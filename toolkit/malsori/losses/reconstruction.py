"""Distances between generated and recorded waveforms, in fp32.

Axes: B utterances, S samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from malsori.core.errors import ConfigError
from malsori.core.ranges import SIZE, within
from malsori.core.registry import Entry
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.mel import FLOOR, mel_filters, power_spectrum, reflect_pad

STFT_FLOOR = 1e-7
"""Smallest power of a spectrum's bin that counts in the STFT loss: about what rounding to 16 bits
leaves in silence."""


class Reconstruction(Protocol):
    """A distance of waveforms."""

    reference_weight: float
    """What a task multiplies it with, unless its settings say otherwise, beside an adversarial loss
    of weight 1 and feature matching of weight 2."""

    def __call__(self, fake: Tensor, real: Tensor) -> Tensor:
        """Return the distance, (), of waveforms of (B, 1, S)."""
        ...


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

    Source: Kong et al. 2020 (HiFi-GAN), arXiv:2010.05646, section 2.4; so is the weight.
    """

    reference_weight = 45.0
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


@dataclass(frozen=True, kw_only=True)
class StftLossConfig:
    """The spectrograms on which waveforms are compared; defaults: the paper's, for 24 kHz."""

    n_ffts: tuple[int, ...] = (1024, 2048, 512)
    """Points of each Fourier transform."""
    hops: tuple[int, ...] = (120, 240, 50)
    """Samples between the frames of each."""
    windows: tuple[int, ...] = (600, 1200, 240)
    """Hann window of each in samples, at most its points."""

    def __post_init__(self) -> None:
        within(self, SIZE, "n_ffts", "hops", "windows")
        if not self.n_ffts:
            raise ConfigError("n_ffts: need at least one, got none")
        for name, values in (("hops", self.hops), ("windows", self.windows)):
            if len(values) != len(self.n_ffts):
                raise ConfigError(
                    f"{name}: need one for each of n_ffts {list(self.n_ffts)}, got {list(values)}"
                )
        for n_fft, hop, window in zip(self.n_ffts, self.hops, self.windows, strict=True):
            if not hop <= window <= n_fft:
                raise ConfigError(
                    f"windows: need hop <= window <= n_fft, got {hop}, {window}, {n_fft}"
                )


class StftLoss(nn.Module):
    """Spectral convergence and mean absolute difference of log magnitudes at several resolutions.

    The norms of spectral convergence run over the whole batch, where the paper has one waveform: a
    silent segment among others would make its share boundless.

    Its reference weight makes it as large as the mel loss with its own: measured on speech against
    imitations of it (noise, random phases, Griffin-Lim), 45 · mel / STFT is 11 to 30.

    Source: Yamamoto et al. 2020 (Parallel WaveGAN), arXiv:1910.11480, section 2.3.
    """

    reference_weight = 20.0

    def __init__(self, config: StftLossConfig, audio: AudioConfig) -> None:
        super().__init__()
        self.sizes = list(zip(config.n_ffts, config.hops, strict=True))
        for i, window in enumerate(config.windows):
            self.register_buffer(f"window_{i}", torch.hann_window(window), persistent=False)

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        """Return the distance, (), of waveforms of (B, 1, S): the mean over resolutions."""
        with torch.autocast(fake.device.type, enabled=False):
            parts = [
                _distance(self._magnitude(fake, i), self._magnitude(real, i))
                for i in range(len(self.sizes))
            ]
            return torch.stack(parts).mean()

    def _magnitude(self, wav: Tensor, i: int) -> Tensor:
        """Return magnitudes at one resolution, (B, T, F)."""
        n_fft, hop = self.sizes[i]
        wav = wav.squeeze(1).float()
        lengths = torch.full((len(wav),), wav.shape[1], device=wav.device)
        padded = reflect_pad(wav, lengths, n_fft // 2)
        power = power_spectrum(padded, n_fft, hop, self.get_buffer(f"window_{i}"))
        return power.clamp_min(STFT_FLOOR).sqrt()


def _distance(fake: Tensor, real: Tensor) -> Tensor:
    """Return spectral convergence and log distance, added, of magnitudes."""
    convergence = torch.linalg.vector_norm(real - fake) / torch.linalg.vector_norm(real)
    return convergence + F.l1_loss(fake.log(), real.log())


MEL = Entry(
    config=MelLossConfig,
    build=MelLoss,
    summary="L1 of log-mel spectrograms",
    source="Kong et al. 2020, arXiv:2010.05646",
)
STFT = Entry(
    config=StftLossConfig,
    build=StftLoss,
    summary="spectral convergence and L1 of log magnitudes, several resolutions",
    source="Yamamoto et al. 2020, arXiv:1910.11480",
)
