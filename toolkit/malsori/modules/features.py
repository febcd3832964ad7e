"""What a model sees of a recording: normalised mel, pitch and energy.

Axes: B utterances, S samples, T frames, M mel bands.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from malsori.core.errors import ConfigError
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.mel import Spectrogram
from malsori.dsp.statistics import Statistics
from malsori.modules.lengths import valid_positions


@dataclass(frozen=True, kw_only=True)
class Features:
    """What is known of a batch of recordings; what stands beyond an utterance's length is 0."""

    mel: Tensor
    """Normalised log-mel, (B, T, M)."""
    mel_lengths: Tensor
    """Frames, (B,)."""
    pitch: Tensor
    """Normalised log-F0, (B, T)."""
    energy: Tensor
    """Normalised, (B, T)."""
    wav: Tensor
    """The recordings themselves, (B, S), full scale 1."""
    wav_lengths: Tensor
    """(B,)."""
    voiced: Tensor | None = None
    """1 where a frame is voiced, else 0, (B, T); None where that was not kept."""
    durations: Tensor | None = None
    """Frames per token, (B, N), where they are given; None where they are learnt."""
    shortest: int | None = None
    """Frames of the shortest recording, if the host knows; None makes ``window`` ask the device."""

    def window(self, size: int) -> int:
        """Return ``size`` frames, or fewer where a recording is shorter."""
        shortest = int(self.mel_lengths.min()) if self.shortest is None else self.shortest
        return min(size, shortest)


class FeatureExtractor(nn.Module):
    """Compute features once per batch, on the batch's device, always in fp32."""

    def __init__(self, audio: AudioConfig, statistics: Statistics) -> None:
        super().__init__()
        if len(statistics.mel_mean) != audio.mel_bands:
            raise ConfigError(
                f"audio.mel_bands: {audio.mel_bands}, but the statistics have "
                f"{len(statistics.mel_mean)} bands; run stage 3 ('malsori stats') again"
            )
        self.hop = audio.hop
        self.statistics = statistics
        self.spectrogram = Spectrogram(audio)
        for name in ("mel_mean", "mel_std"):
            values = torch.tensor(getattr(statistics, name))
            self.register_buffer(name, values, persistent=False)

    @torch.no_grad()
    def forward(
        self,
        wav: Tensor,
        wav_lengths: Tensor,
        log_f0: Tensor,
        voiced: Tensor | None = None,
        shortest_wav: int | None = None,
    ) -> Features:
        """Return the features, normalised.

        Args:
            wav: (B, S), full scale 1.
            wav_lengths: (B,).
            log_f0: Natural logarithm of continuous F0, (B, T).
            voiced: 1 where a frame is voiced, else 0, (B, T).
            shortest_wav: Samples of the shortest recording, if the host knows.
        """
        with torch.autocast(wav.device.type, enabled=False):
            mel, energy = self.spectrogram(wav, wav_lengths)
            lengths = wav_lengths // self.hop + 1
            frames = mel.shape[1]
            valid = valid_positions(lengths, frames)
            numbers = self.statistics
            mel = (mel - self.mel_mean) / self.mel_std  # type: ignore[operator]
            pitch = (log_f0[:, :frames] - numbers.pitch_mean) / numbers.pitch_std
            energy = (energy - numbers.energy_mean) / numbers.energy_std
            return Features(
                mel=mel * valid[..., None],
                mel_lengths=lengths,
                pitch=pitch * valid,
                energy=energy * valid,
                wav=wav,
                wav_lengths=wav_lengths,
                voiced=None if voiced is None else voiced[:, :frames],
                shortest=None
                if shortest_wav is None
                else self.spectrogram.audio.frames(shortest_wav),
            )
