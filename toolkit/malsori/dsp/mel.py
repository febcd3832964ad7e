"""Spectra of batches of waveforms on any device.

Axes: B utterances, S samples, T frames, F = n_fft // 2 + 1 frequency bins, M mel bands.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from malsori.dsp.audio_config import AudioConfig

FLOOR = 1e-10
"""Smallest power and mel amplitude before the logarithm, as in the reference recipe."""


class MelFrames(NamedTuple):
    """Mel spectrograms of a batch."""

    mel: Tensor
    """Log10 mel amplitudes, (B, T, M)."""
    lengths: Tensor
    """Frames of each utterance, (B,)."""


def reflect_pad(wav: Tensor, lengths: Tensor, pad: int) -> Tensor:
    """Return waveforms mirrored at *their own* ends by ``pad`` samples, (B, S + 2·pad).

    Unlike padding the batch as a whole, this makes the frames of an utterance independent of
    how long its neighbours are.

    Args:
        wav: (B, S); what stands beyond an utterance's length is ignored.
        lengths: Samples of each utterance, (B,), at least 1.
        pad: Samples at each side.
    """
    last = (lengths - 1)[:, None]
    index = torch.arange(-pad, wav.shape[1] + pad, device=wav.device)[None].abs()
    index = torch.where(index > last, 2 * last - index, index)
    inside = (index >= 0) & (index <= last)  # a mirror image shorter than the pad ends in silence
    padded = wav.gather(1, index.clamp(0, wav.shape[1] - 1))
    return padded.masked_fill(~inside, 0.0)


def power_spectrum(wav: Tensor, n_fft: int, hop: int, window: Tensor) -> Tensor:
    """Return the power of frames that start at every hop of already padded ``wav``, (B, T, F)."""
    spectrum = torch.stft(wav, n_fft, hop, len(window), window, center=False, return_complex=True)
    return (spectrum.real.square() + spectrum.imag.square()).transpose(
        1, 2
    )  # (B, F, T) -> (B, T, F)


@functools.lru_cache(maxsize=16)
def mel_filters(
    sample_rate: int, n_fft: int, bands: int, low_hz: float, high_hz: float
) -> NDArray[np.float32]:
    """Return triangular filters of equal area on Slaney's mel scale, (M, F).

    The scale is linear below 1 kHz (200/3 Hz a mel) and logarithmic above (27 steps to 6.4 kHz).

    Source: Slaney, Auditory Toolbox, 1998; the convention of librosa's ``filters.mel``.
    """
    step, break_hz, log_step = 200.0 / 3, 1000.0, np.log(6.4) / 27.0

    def to_mel(hz: float) -> float:
        if hz < break_hz:
            return hz / step
        return float(break_hz / step + np.log(hz / break_hz) / log_step)

    mels = np.linspace(to_mel(low_hz), to_mel(high_hz), bands + 2)
    above = break_hz * np.exp(log_step * (mels - break_hz / step))
    edges = np.where(mels < break_hz / step, mels * step, above)
    bins = np.linspace(0, sample_rate / 2, n_fft // 2 + 1)
    rising = (bins[None] - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins[None]) / np.diff(edges)[1:, None]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return (triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None]).astype(np.float32)


class Spectrogram(nn.Module):
    """Log-mel spectrogram (base 10) and frame energy, both from one Fourier transform."""

    window: Tensor
    filters: Tensor

    def __init__(self, audio: AudioConfig) -> None:
        super().__init__()
        self.audio = audio
        filters = mel_filters(
            audio.sample_rate, audio.n_fft, audio.mel_bands, audio.mel_low_hz, audio.mel_high_hz
        )
        self.register_buffer("window", torch.hann_window(audio.window), persistent=False)
        self.register_buffer("filters", torch.from_numpy(filters.T.copy()), persistent=False)

    def forward(self, wav: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return log10 mel amplitudes, (B, T, M), and energy, (B, T), with T = S // hop + 1.

        Frames are centred on multiples of the hop; energy is the square root of the power summed
        over bins. Frames beyond an utterance's own end hold no meaning.

        Args:
            wav: (B, S), full scale 1.
            lengths: Samples of each utterance, (B,).
        """
        audio = self.audio
        padded = reflect_pad(wav.float(), lengths, audio.n_fft // 2)
        power = power_spectrum(padded, audio.n_fft, audio.hop, self.window)
        energy = power.sum(-1).clamp_min(FLOOR).sqrt()
        mel = (power.clamp_min(FLOOR).sqrt() @ self.filters).clamp_min(FLOOR).log10()
        return mel, energy

    def frames(self, lengths: Tensor) -> Tensor:
        """Return the frames of waveforms of ``lengths`` samples, (B,)."""
        return lengths // self.audio.hop + 1


class HifiganSpectrogram(Spectrogram):
    """The same as HiFi-GAN's authors compute it, still to base 10.

    Frames lie about the middle of their hop samples, not about the first, so that there are
    S // hop of them (one for less than a hop); the floors are higher.

    Source: Kong et al. 2020, their code at github.com/jik876/hifi-gan, ``meldataset.py``.
    """

    added_power = 1e-9
    floor = 1e-5
    """Smallest mel amplitude."""

    def forward(self, wav: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Return log10 mel amplitudes, (B, T, M), and energy, (B, T), with T = S // hop.

        Args:
            wav: (B, S), full scale 1.
            lengths: Samples of each utterance, (B,).
        """
        audio = self.audio
        wav = F.pad(wav.float(), (0, max(0, audio.hop - wav.shape[1])))
        padded = reflect_pad(wav, lengths, (audio.n_fft - audio.hop) // 2)
        power = power_spectrum(padded, audio.n_fft, audio.hop, self.window) + self.added_power
        mel = (power.sqrt() @ self.filters).clamp_min(self.floor).log10()
        return mel, power.sum(-1).sqrt()

    def frames(self, lengths: Tensor) -> Tensor:
        """Return the frames of waveforms of ``lengths`` samples, (B,)."""
        return (lengths // self.audio.hop).clamp_min(1)
