"""Pitch and voicing of every frame: predicted as they are, or as wavelets of many lengths.

Axes: B utterances, T frames, D model width, W wavelet scales.

Source: Ren et al. 2021 (FastSpeech 2), arXiv:2006.04558, section 2.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from malsori.dsp.wavelet import (
    SCALES,
    PitchSpectrogram,
    contour_of,
    pitch_spectrogram,
)
from malsori.models.melody import MelodyOutput
from malsori.modules.predictors import PredictorConfig, PredictorLayers


@dataclass(frozen=True, kw_only=True)
class PitchConfig(PredictorConfig):
    """How pitch is predicted."""

    level: Literal["token", "frame", "wavelet"] = "token"
    """token: one value for each; frame: a contour with voicing; wavelet: the same, but the contour
    is the sum of ten waves from 20 ms to 10 s, and an utterance's mean and deviation."""


@dataclass(frozen=True, kw_only=True)
class ContourOutput(MelodyOutput):
    """Predicted contours, and what they should be."""

    waves: PitchSpectrogram | None = None
    """The contour as predicted, taken apart, if that is how."""
    waves_target: PitchSpectrogram | None = None


class ContourPredictor(PredictorLayers):
    """Predict the contour of frames.

    Args:
        config: Sizes, and whether as wavelets.
        width: D.
        frame_seconds: From one frame to the next.
        masked: Keep padding out of the convolutions.
    """

    def __init__(
        self, config: PitchConfig, width: int, frame_seconds: float, masked: bool = True
    ) -> None:
        super().__init__(config, width, masked)
        self.frame_seconds = frame_seconds
        self.wavelet = config.level == "wavelet"
        self.voicing = nn.Linear(self.channels, 1)
        self.out = nn.Linear(self.channels, SCALES if self.wavelet else 1)
        self.range = nn.Linear(self.channels, 2) if self.wavelet else None

    def forward(self, frames: Tensor, valid: Tensor) -> ContourOutput:
        """Return predictions for ``frames``, (B, T, D); they stand as targets too.

        Args:
            frames: Tokens over their frames.
            valid: True where a frame exists, (B, T).
        """
        hidden = self.hidden(frames, valid)
        voicing = self.voicing(hidden).squeeze(-1).float() * valid
        waves, made = None, self.out(hidden).float() * valid[..., None]
        if self.range is None:
            pitch = made.squeeze(-1)
        else:
            whole = (hidden * valid[..., None]).sum(1) / valid.sum(1, keepdim=True)
            mean, std = self.range(whole).float().unbind(-1)
            waves = PitchSpectrogram(made, mean, F.softplus(std))
            pitch = contour_of(waves) * valid
        return ContourOutput(
            pitch=pitch,
            pitch_target=pitch,
            voicing=voicing,
            voiced=(voicing > 0).float() * valid,
            valid_frames=valid,
            waves=waves,
            waves_target=waves,
        )

    def apart(self, contour: Tensor, valid: Tensor) -> PitchSpectrogram | None:
        """Return a recorded contour, (B, T), as it is predicted: taken apart, or None as it is."""
        return pitch_spectrogram(contour, valid, self.frame_seconds) if self.wavelet else None
