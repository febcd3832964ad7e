"""Mel spectrogram to waveform without a trained network: Griffin-Lim, in its fast version.

The magnitudes of all frequency bins are guessed from the mel bands, then phases are sought that
fit them. It takes the place of a vocoder; it sounds rougher than one.

Axes: B utterances, S samples, T frames, F = n_fft // 2 + 1 frequency bins, M mel bands.

Source: Griffin, Lim 1984, "Signal estimation from modified short-time Fourier transform";
Perraudin, Balazs, Søndergaard 2013, "A fast Griffin-Lim algorithm".
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from malsori.core.errors import ConfigError
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.mel import MelFrames, Spectrogram

TINY = 1e-8
"""Keeps divisions off zero; far below what 16 bits hold."""


class GriffinLim(nn.Module):
    """A vocoder that is computed, not learnt: the same mel gives the same waveform.

    Args:
        audio: What the mel was made with.
        iterations: Steps towards phases that fit.
        momentum: Share of each step that is taken again in the next one; 0 is Griffin and Lim's.
        inversions: Steps towards magnitudes that fit the mel bands.
        seed: Of the phases that it starts from.

    Raises:
        ConfigError: A number is out of its range.
    """

    segment = 1
    """It is not trained, so that any window will do."""
    context: int | None = None
    """Phases of the whole are sought together."""
    inverse_filters: Tensor

    def __init__(
        self,
        audio: AudioConfig,
        iterations: int = 60,
        momentum: float = 0.99,
        inversions: int = 20,
        seed: int = 1,
    ) -> None:
        super().__init__()
        for name, count in (("iterations", iterations), ("inversions", inversions)):
            if count < 1:
                raise ConfigError(f"{name}: must be at least 1, got {count}")
        if not 0 <= momentum < 1:
            raise ConfigError(f"momentum: must be in [0, 1), got {momentum}")
        self.iterations, self.momentum, self.seed = iterations, momentum, seed
        self.inversions = inversions
        self.hop, self.bands, self.n_fft = audio.hop, audio.mel_bands, audio.n_fft
        self.spectrogram = Spectrogram(audio)
        side = audio.n_fft - audio.window
        window = F.pad(self.spectrogram.window, (side // 2, side - side // 2))
        self.register_buffer("window", window, persistent=False)
        filters = self.spectrogram.filters  # (F, M)
        mixing = filters / filters.sum(1, keepdim=True).clamp_min(TINY)
        spread = (mixing / filters.sum(0).clamp_min(TINY)).T.contiguous()
        self.register_buffer("inverse_filters", spread, persistent=False)

    @torch.no_grad()
    def analyse(self, wav: Tensor, wav_lengths: Tensor) -> MelFrames:
        """Return the mel spectrograms of recordings, in fp32.

        Args:
            wav: (B, S), full scale 1.
            wav_lengths: (B,).
        """
        mel, _ = self.spectrogram(wav, wav_lengths)
        return MelFrames(mel, self.spectrogram.frames(wav_lengths))

    def forward(self, mel: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return samples, (B, 1, T · hop); a batch gives the samples of its parts alone.

        Args:
            mel: Log10 mel amplitudes, (B, T, M), not normalised.
            valid: True where data is, (B, T); None where all utterances are equally long.

        Raises:
            ConfigError: ``mel`` has another number of bands.
        """
        if mel.shape[-1] != self.bands:
            raise ConfigError(f"mel: needs {self.bands} bands, got {mel.shape[-1]}")
        if valid is None:
            valid = torch.ones(mel.shape[:2], dtype=torch.bool, device=mel.device)
        with torch.autocast(mel.device.type, enabled=False):
            magnitudes = self.magnitudes(mel) * valid[..., None]
            spread = self._sum_of_windows(valid)
            wav = self._signal(self._phased(magnitudes, spread), spread)
        start, samples = self.n_fft // 2, mel.shape[1] * self.hop
        wav = wav[:, start : start + samples]
        return F.pad(wav, (0, samples - wav.shape[1]))[:, None]

    def magnitudes(self, mel: Tensor) -> Tensor:
        """Return amplitudes of frequency bins whose mel bands are ``mel``, (B, T, F), at least 0.

        It starts from what each band has on the average, and approaches the least squares of
        non-negative numbers by factors, which keep bins that are zero or smooth as they are.

        Args:
            mel: Log10 mel amplitudes, (B, T, M).

        Source: Lee, Seung 2001, "Algorithms for non-negative matrix factorization", theorem 1.
        """
        bands = torch.pow(10.0, mel.float())
        filters = self.spectrogram.filters
        goal = bands @ filters.T
        found = bands @ self.inverse_filters
        for _ in range(self.inversions):
            found = found * (goal / ((found @ filters) @ filters.T + TINY))
        return found

    def _phased(self, magnitudes: Tensor, spread: Tensor) -> Tensor:
        """Return the spectrum of these magnitudes, (B, T, F), with phases that fit each other."""
        phases = np.random.default_rng(self.seed).random(magnitudes[0].shape, dtype=np.float32)
        turns = torch.from_numpy(phases).to(magnitudes.device)  # of frame t whatever follows it
        spectrum = torch.polar(magnitudes, (2 * math.pi * turns).expand_as(magnitudes))
        before = torch.zeros_like(spectrum)
        for _ in range(self.iterations):
            consistent = self._spectrum(self._signal(spectrum, spread))
            ahead = consistent + self.momentum * (consistent - before)
            spectrum = magnitudes * (ahead / (ahead.abs() + TINY))
            before = consistent
        return spectrum

    def _sum_of_windows(self, valid: Tensor) -> Tensor:
        """Return the sum of squared windows of the frames that are there, (B, S)."""
        squares = self.get_buffer("window").square()
        return self._overlapped(valid[..., None] * squares).clamp_min(TINY)

    def _signal(self, spectrum: Tensor, spread: Tensor) -> Tensor:
        """Return the waveform nearest to a spectrum, (B, n_fft + (T − 1) · hop)."""
        frames = torch.fft.irfft(spectrum, self.n_fft) * self.get_buffer("window")
        return self._overlapped(frames) / spread

    def _spectrum(self, wav: Tensor) -> Tensor:
        frames = wav.unfold(1, self.n_fft, self.hop) * self.get_buffer("window")
        return torch.fft.rfft(frames)

    def _overlapped(self, frames: Tensor) -> Tensor:
        """Return the sum of frames, (B, T, n_fft), each a hop behind the one before it, (B, S)."""
        total = self.n_fft + (frames.shape[1] - 1) * self.hop
        columns = frames.transpose(1, 2)  # (B, T, n_fft) -> (B, n_fft, T)
        summed = F.fold(columns, (1, total), (1, self.n_fft), stride=(1, self.hop))
        return summed[:, 0, 0]
