"""Linear spectra of batches of waveforms, as posterior encoders read them.

Axes: B utterances, S samples, T frames, F = n_fft // 2 + 1 frequency bins.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.mel import FLOOR, power_spectrum, reflect_pad


class LinearSpectrogram(nn.Module):
    """Magnitudes of the same frames as the mel spectrogram's, not normalised."""

    window: Tensor

    def __init__(self, audio: AudioConfig) -> None:
        super().__init__()
        self.audio = audio
        self.bins = audio.n_fft // 2 + 1
        self.register_buffer("window", torch.hann_window(audio.window), persistent=False)

    @torch.no_grad()
    def forward(self, wav: Tensor, lengths: Tensor) -> Tensor:
        """Return magnitudes, (B, T, F) fp32 with T = S // hop + 1.

        Frames beyond an utterance's own end hold no meaning.

        Args:
            wav: (B, S), full scale 1.
            lengths: Samples of each utterance, (B,).
        """
        with torch.autocast(wav.device.type, enabled=False):
            padded = reflect_pad(wav.float(), lengths, self.audio.n_fft // 2)
            power = power_spectrum(padded, self.audio.n_fft, self.audio.hop, self.window)
            return power.clamp_min(FLOOR).sqrt()
