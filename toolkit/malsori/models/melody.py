"""Pitch and voicing of every frame, for generators that are given what to sing.

Axes: B utterances, N tokens, T frames, D model width.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor, nn

from malsori.core.errors import ConfigError
from malsori.models.voice import Prosody, VoiceContext
from malsori.modules.excitation import Melody
from malsori.modules.features import Features
from malsori.modules.lengths import valid_positions
from malsori.modules.predictors import PredictorConfig, VariancePredictor
from malsori.modules.upsampling import gaussian_upsample

LOWEST_HZ = 20.0
"""Of what is sung, whatever is predicted."""


@dataclass(frozen=True, kw_only=True)
class MelodyOutput:
    """Predicted pitch and voicing of frames, and what they should be; all (B, T)."""

    pitch: Tensor
    """Normalised log-F0."""
    pitch_target: Tensor
    voicing: Tensor
    """Logits of being voiced."""
    voiced: Tensor
    """1 where voiced, else 0."""
    valid_frames: Tensor
    """True where a frame exists."""


class MelodyPredictor(nn.Module):
    """Pitch and voicing of frames, from what the generator is given and from the tokens' pitch.

    What is predicted of the pitch is how a frame differs from its tokens, so that whoever moves
    the tokens' pitch moves the voice; where tokens have none, how it differs from the mean.

    Args:
        config: Sizes of both predictors.
        width: D.
        context: Tells how pitch was normalised.
        masked: Keep padding out of the convolutions.
    """

    def __init__(
        self, config: PredictorConfig, width: int, context: VoiceContext, masked: bool = True
    ) -> None:
        super().__init__()
        self.mean, self.std = context.pitch_mean, context.pitch_std
        self.highest_hz = context.audio.sample_rate / 4
        self.pitch_predictor = VariancePredictor(config, width, masked)
        self.voicing_predictor = VariancePredictor(config, width, masked)

    def forward(
        self, frames: Tensor, prosody: Prosody, token_lengths: Tensor, frame_lengths: Tensor
    ) -> MelodyOutput:
        """Return predictions for decoded ``frames``, (B, T, D); they stand as targets too."""
        of_tokens = gaussian_upsample(
            prosody.pitch[..., None],
            prosody.durations,
            token_lengths,
            frame_lengths,
            frames.shape[1],
        )
        return self.beside(of_tokens.squeeze(-1), frames, frame_lengths)

    def beside(self, base: Tensor | float, frames: Tensor, frame_lengths: Tensor) -> MelodyOutput:
        """Return predictions as ``forward`` does, where ``base`` is known of the pitch.

        Args:
            base: Normalised log-F0 about which it moves, (B, T) or one number.
            frames: (B, T, D).
            frame_lengths: (B,).
        """
        valid = valid_positions(frame_lengths, frames.shape[1])
        pitch = (base + self.pitch_predictor(frames, valid).float()) * valid
        voicing = self.voicing_predictor(frames, valid).float()
        return MelodyOutput(
            pitch=pitch,
            pitch_target=pitch,
            voicing=voicing,
            voiced=(voicing > 0).float(),
            valid_frames=valid,
        )

    def taught(self, sung: MelodyOutput, features: Features) -> tuple[MelodyOutput, Melody]:
        """Return predictions with the recordings as targets, and what the recordings sing, (B, T).

        Raises:
            ConfigError: Nobody knows which frames are voiced.
        """
        recorded = self.recorded(features)
        return replace(sung, pitch_target=features.pitch, voiced=recorded.voiced), recorded

    def recorded(self, features: Features) -> Melody:
        """Return what recordings sing, (B, T).

        Raises:
            ConfigError: Nobody knows which frames are voiced.
        """
        if features.voiced is None:
            raise ConfigError("generator.harmonics: needs to know which frames are voiced")
        return self.spoken(features.pitch, features.voiced)

    def spoken(self, pitch: Tensor, voiced: Tensor) -> Melody:
        """Return normalised ``pitch``, (B, T), in Hz, beside ``voiced``."""
        f0 = (pitch.float() * self.std + self.mean).exp()
        return Melody(f0.clamp(LOWEST_HZ, self.highest_hz), voiced)
