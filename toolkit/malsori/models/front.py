"""FastSpeech 2's front with alignment learning: what JETS and its relatives share.

Tokens are encoded, recordings aligned with them; durations, pitch and energy are learnt from the
alignment, and spread over frames.

Axes: B utterances, N tokens, T mel frames, D model width.

Source: Ren et al. 2021, FastSpeech 2, arXiv:2006.04558, section 2.3; Badlani et al. 2021,
arXiv:2108.10447; Lim, Jung, Kim 2022, JETS, arXiv:2203.16852.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from torch import Tensor, nn

from malsori.core.config import Choice, build, choice
from malsori.core.ranges import SIZE, within
from malsori.models.voice import Analysis, Conditions, Controls, Prosody, VoiceContext
from malsori.modules import STACKS
from malsori.modules.alignment import Aligner, Prior, path_log_probability, search_durations
from malsori.modules.conditioning import Conditioning, SpeakerEmbeddingConfig, StyleConfig, Told
from malsori.modules.features import Features
from malsori.modules.lengths import valid_positions
from malsori.modules.predictors import (
    EmbeddingConfig,
    PredictorConfig,
    ScalarEmbedding,
    VariancePredictor,
    durations_from_log,
)
from malsori.modules.upsampling import gaussian_upsample


@dataclass(frozen=True, kw_only=True)
class FrontConfig:
    """Tokens to frames; the defaults are the KSS recipe."""

    width: int = 256
    """Channels between the parts."""
    encoder: Choice = choice(STACKS, "transformer")
    """Stack over tokens."""
    duration: PredictorConfig = PredictorConfig(dropout=0.1)
    """Predictor of log(frames + 1)."""
    pitch: PredictorConfig = PredictorConfig(layers=5, kernel=5, detach=True)
    """Predictor of normalised log-F0 per token."""
    energy: PredictorConfig = PredictorConfig()
    """Predictor of normalised energy per token."""
    pitch_embedding: EmbeddingConfig = EmbeddingConfig()
    """Pitch to a vector per token."""
    energy_embedding: EmbeddingConfig = EmbeddingConfig()
    """Energy to a vector per token."""
    prior: Prior = "proper"
    """Diagonal prior of the aligner: proper (rows sum to 1) or published (ESPnet's)."""
    padding: Literal["masked", "seen"] = "masked"
    """masked: an utterance gives the same whatever batch it is in; seen: convolutions before the
    generator read what lies behind its end, as ESPnet's do."""
    style: StyleConfig = StyleConfig()
    """Global style tokens."""
    speaker_embedding: SpeakerEmbeddingConfig = SpeakerEmbeddingConfig()
    """External speaker vectors."""

    def __post_init__(self) -> None:
        within(self, SIZE, "width")

    @property
    def masked(self) -> bool:
        """Whether convolutions are kept from seeing padding."""
        return self.padding == "masked"


@dataclass(frozen=True, kw_only=True)
class FrontOutput:
    """What the losses read of the front."""

    log_p: Tensor
    """Log-probability of tokens given frames, with prior, (B, T, N)."""
    path_log_p: Tensor
    """Mean of ``log_p`` along the best path, (B,)."""
    durations: Tensor
    """Frames per token on the best path, (B, N)."""
    log_durations: Tensor
    """Predicted, (B, N); so are ``pitch`` and ``energy``."""
    pitch: Tensor
    pitch_target: Tensor
    """Mean over each token's frames, (B, N); so is ``energy_target``."""
    energy: Tensor
    energy_target: Tensor
    valid_tokens: Tensor
    """True where a token exists, (B, N)."""
    token_lengths: Tensor
    mel_lengths: Tensor


class Encoded(NamedTuple):
    """Tokens, read."""

    hidden: Tensor
    """Conditioned encoding, (B, N, D)."""
    told: Tensor | None
    """Speaker, language and style in one vector, (B, D) or (1, D); None where there is none."""


class Alignment(NamedTuple):
    """Tokens, read, and how recordings speak them."""

    hidden: Tensor
    """As in ``Encoded``; so is ``told``."""
    told: Tensor | None
    valid: Tensor
    """True where a token exists, (B, N)."""
    log_p: Tensor
    """Log-probability of tokens given frames, with prior, (B, T, N)."""
    prosody: Prosody
    """Of the recordings, on the best path."""


class Front(nn.Module):
    """What a model from tokens by way of frames begins with; such a model is derived from it.

    Args:
        config: Settings.
        context: What the data decides.
    """

    def __init__(self, config: FrontConfig, context: VoiceContext) -> None:
        super().__init__()
        width, masked = config.width, config.masked
        self.embedding = nn.Embedding(context.tokens, width, padding_idx=0)
        self.encoder = build(STACKS, config.encoder, width=width, masked=masked)
        self.conditioning = Conditioning(
            width,
            speakers=context.speakers,
            languages=context.languages,
            embedding=config.speaker_embedding,
            style=config.style,
            mel_bands=context.audio.mel_bands,
            masked=masked,
        )
        self.aligner = Aligner(width, context.audio.mel_bands, config.prior, masked)
        self.duration_predictor = VariancePredictor(config.duration, width, masked)
        self.pitch_predictor = VariancePredictor(config.pitch, width, masked)
        self.energy_predictor = VariancePredictor(config.energy, width, masked)
        self.pitch_embedding = ScalarEmbedding(config.pitch_embedding, width)
        self.energy_embedding = ScalarEmbedding(config.energy_embedding, width)

    @property
    def loss_weights(self) -> Mapping[str, float]:
        """Losses of the front's output with their weights in the reference recipe."""
        weights = {"duration": 1.0, "pitch": 1.0, "energy": 1.0}
        return {**weights, "forward_sum": 2.0, "binarisation": 2.0}

    @property
    def uses_style(self) -> bool:
        """Whether the voice has style tokens."""
        return self.conditioning.style is not None

    def analyse(
        self, tokens: Tensor, token_lengths: Tensor, features: Features, conditions: Conditions
    ) -> Analysis:
        """Return how the recordings speak their tokens; see ``align``."""
        found = self.align(tokens, token_lengths, features, conditions)
        return Analysis(found.prosody, found.log_p)

    def align(
        self, tokens: Tensor, token_lengths: Tensor, features: Features, conditions: Conditions
    ) -> Alignment:
        """Return encoded tokens and how the recordings speak them.

        Args:
            tokens: Ids, (B, N); 0 at padding.
            token_lengths: (B,), each at most its ``features.mel_lengths``.
            features: The recordings.
            conditions: Speaker, language; their style is the recordings' own unless it is given.
        """
        valid = valid_positions(token_lengths, tokens.shape[1])
        mel, mel_lengths = features.mel, features.mel_lengths
        hidden, told = self.encode(tokens, valid, conditions.with_own_style(mel, mel_lengths))
        log_p = self.aligner(hidden, token_lengths, mel, mel_lengths)
        durations = search_durations(log_p, token_lengths, mel_lengths)
        return Alignment(hidden, told, valid, log_p, Prosody.recorded(features, durations))

    def encode(self, tokens: Tensor, valid: Tensor, conditions: Conditions) -> Encoded:
        """Return the conditioned encoding of tokens, (B, N), where ``valid``."""
        told = self.read(conditions)
        hidden = self.conditioning.tell(self.encoder(self.embedding(tokens), valid), told)
        return Encoded(hidden, self.conditioning.summary(told))

    def read(self, conditions: Conditions) -> Told:
        """Return speaker, language and style as vectors."""
        return self.conditioning.read(
            speaker=conditions.speaker,
            language=conditions.language,
            embedding=conditions.embedding,
            mel=conditions.style_mel,
            mel_lengths=conditions.style_mel_lengths,
        )

    def predict(self, hidden: Tensor, valid: Tensor, controls: Controls) -> Prosody:
        """Return the prosody of tokens as the predictors hear it, changed by ``controls``."""
        energy = self.energy_predictor(hidden, valid).float()
        return Prosody(
            durations=durations_from_log(
                self.duration_predictor(hidden, valid), valid, controls.speed
            ),
            pitch=(self.token_pitch(hidden, valid).float() + controls.pitch_shift) * valid,
            energy=(energy * controls.energy_scale + controls.energy_shift) * valid,
        )

    def token_pitch(self, hidden: Tensor, valid: Tensor) -> Tensor:
        """Return predicted normalised log-F0 of tokens, (B, N)."""
        return self.pitch_predictor(hidden, valid)  # type: ignore[no-any-return]

    def spread(
        self,
        hidden: Tensor,
        prosody: Prosody,
        token_lengths: Tensor,
        frame_lengths: Tensor,
        frames: int,
    ) -> Tensor:
        """Return encoded tokens with their pitch and energy over their frames, (B, T, D)."""
        hidden = (
            hidden + self.pitch_embedding(prosody.pitch) + self.energy_embedding(prosody.energy)
        )
        return gaussian_upsample(hidden, prosody.durations, token_lengths, frame_lengths, frames)

    def judged(self, found: Alignment, token_lengths: Tensor, mel_lengths: Tensor) -> FrontOutput:
        """Return what the losses read: what was found in recordings, and what is predicted."""
        hidden, valid, prosody = found.hidden, found.valid, found.prosody
        return FrontOutput(
            log_p=found.log_p,
            path_log_p=path_log_probability(found.log_p, prosody.durations, mel_lengths),
            durations=prosody.durations,
            log_durations=self.duration_predictor(hidden, valid),
            pitch=self.token_pitch(hidden, valid),
            pitch_target=prosody.pitch,
            energy=self.energy_predictor(hidden, valid),
            energy_target=prosody.energy,
            valid_tokens=valid,
            token_lengths=token_lengths,
            mel_lengths=mel_lengths,
        )
