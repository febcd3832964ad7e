"""JETS: FastSpeech 2 and HiFi-GAN trained jointly, with alignment learning.

Axes: B utterances, N tokens, T mel frames, M mel bands, D model width, S samples.

Source: Lim, Jung, Kim 2022, "JETS: Jointly Training FastSpeech2 and HiFi-GAN for End to End Text to
Speech", Interspeech 2022, arXiv:2203.16852. Reference implementation: ESPnet 202511.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from torch import Tensor, nn

from malsori.core.config import Choice, build, choice
from malsori.core.errors import ConfigError
from malsori.core.ranges import SIZE, within
from malsori.core.registry import Entry
from malsori.dsp.audio_config import AudioConfig
from malsori.models.voice import Conditions, Controls, Prosody, Speech, VoiceContext
from malsori.modules import GENERATORS
from malsori.modules.alignment import (
    Aligner,
    Prior,
    average_by_token,
    path_log_probability,
    search_durations,
)
from malsori.modules.conditioning import Conditioning, StyleConfig
from malsori.modules.lengths import random_starts, valid_positions, windows
from malsori.modules.predictors import (
    PredictorConfig,
    ScalarEmbedding,
    VariancePredictor,
    durations_from_log,
)
from malsori.modules.transformer import Transformer, TransformerConfig
from malsori.modules.upsampling import gaussian_upsample


@dataclass(frozen=True, kw_only=True)
class JetsConfig:
    """JETS; the defaults are the KSS recipe."""

    width: int = 256
    """Channels between the parts."""
    encoder: TransformerConfig = TransformerConfig()
    """Stack over tokens."""
    decoder: TransformerConfig = TransformerConfig()
    """Stack over frames."""
    duration: PredictorConfig = PredictorConfig(dropout=0.1)
    """Predictor of log(frames + 1)."""
    pitch: PredictorConfig = PredictorConfig(layers=5, kernel=5, detach=True)
    """Predictor of normalised log-F0 per token."""
    energy: PredictorConfig = PredictorConfig()
    """Predictor of normalised energy per token."""
    prior: Prior = "proper"
    """Diagonal prior of the aligner: proper (rows sum to 1) or published (ESPnet's)."""
    generator: Choice = choice(GENERATORS, "hifigan_v1")
    """Frames to waveform."""
    segment: int = 64
    """Frames of the random windows that the generator is trained on; shorter in batches with an
    utterance shorter than that."""
    style: StyleConfig = StyleConfig()
    """Global style tokens."""

    def __post_init__(self) -> None:
        within(self, SIZE, "width")
        if self.segment < 1:
            raise ConfigError(f"segment: must be at least 1 frame, got {self.segment}")

    def check(self, audio: AudioConfig) -> None:
        """Refuse audio settings that this model cannot speak with, before any data is read."""
        check_hop(self.generator, audio.hop)


@dataclass(frozen=True, kw_only=True)
class JetsOutput:
    """What the losses read."""

    fake: Tensor
    """Generated segments, (B, 1, segment · hop)."""
    starts: Tensor
    """First frame of each segment, (B,)."""
    segment: int
    """Frames of a segment."""
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


class Jets(nn.Module):
    """Tokens to waveform; in training also recording to alignment."""

    loss_weights: Mapping[str, float] = {
        "duration": 1.0,
        "pitch": 1.0,
        "energy": 1.0,
        "forward_sum": 2.0,
        "binarisation": 2.0,
    }

    def __init__(self, config: JetsConfig, context: VoiceContext) -> None:
        super().__init__()
        config.check(context.audio)
        width = config.width
        self.segment = config.segment
        self.embedding = nn.Embedding(context.tokens, width, padding_idx=0)
        self.encoder = Transformer(config.encoder, width)
        self.conditioning = Conditioning(
            width,
            speakers=context.speakers,
            languages=context.languages,
            style=config.style,
            mel_bands=context.audio.mel_bands,
        )
        self.aligner = Aligner(width, context.audio.mel_bands, config.prior)
        self.duration_predictor = VariancePredictor(config.duration, width)
        self.pitch_predictor = VariancePredictor(config.pitch, width)
        self.energy_predictor = VariancePredictor(config.energy, width)
        self.pitch_embedding = ScalarEmbedding(width)
        self.energy_embedding = ScalarEmbedding(width)
        self.decoder = Transformer(config.decoder, width)
        initialise(self)  # the generator comes after it: it has an initialisation of its own
        condition = width if self.conditioning.used else 0
        self.generator = build(GENERATORS, config.generator, width=width, condition=condition)
        self.hop = context.audio.hop

    @property
    def uses_style(self) -> bool:
        """Whether the voice has style tokens."""
        return self.conditioning.style is not None

    def forward(
        self,
        tokens: Tensor,
        token_lengths: Tensor,
        mel: Tensor,
        mel_lengths: Tensor,
        pitch: Tensor,
        energy: Tensor,
        conditions: Conditions,
    ) -> JetsOutput:
        """Return generated segments and what the losses read.

        Args:
            tokens: Ids, (B, N); 0 at padding.
            token_lengths: (B,), each at most its ``mel_lengths``.
            mel: Normalised log-mel, (B, T, M).
            mel_lengths: (B,).
            pitch: Normalised log-F0 per frame, (B, T).
            energy: Normalised energy per frame, (B, T).
            conditions: Speaker, language, style.
        """
        hidden, valid, condition, log_p, prosody = self._align(
            tokens, token_lengths, mel, mel_lengths, pitch, energy, conditions
        )
        frames = self._decode(hidden, prosody, token_lengths, mel_lengths, mel.shape[1])
        segment = min(self.segment, int(mel_lengths.min()))
        starts = random_starts(mel_lengths, segment)
        return JetsOutput(
            fake=self.generator(windows(frames, starts, segment), condition),
            starts=starts,
            segment=segment,
            log_p=log_p,
            path_log_p=path_log_probability(log_p, prosody.durations, mel_lengths),
            durations=prosody.durations,
            log_durations=self.duration_predictor(hidden, valid),
            pitch=self.pitch_predictor(hidden, valid),
            pitch_target=prosody.pitch,
            energy=self.energy_predictor(hidden, valid),
            energy_target=prosody.energy,
            valid_tokens=valid,
            token_lengths=token_lengths,
            mel_lengths=mel_lengths,
        )

    def analyse(
        self,
        tokens: Tensor,
        token_lengths: Tensor,
        mel: Tensor,
        mel_lengths: Tensor,
        pitch: Tensor,
        energy: Tensor,
        conditions: Conditions,
    ) -> tuple[Prosody, Tensor]:
        """Return the recordings' own prosody, and the alignment log-probabilities, (B, T, N)."""
        found = self._align(tokens, token_lengths, mel, mel_lengths, pitch, energy, conditions)
        return found.prosody, found.log_p

    def synthesize(
        self,
        tokens: Tensor,
        token_lengths: Tensor,
        conditions: Conditions | None = None,
        controls: Controls | None = None,
        prosody: Prosody | None = None,
    ) -> Speech:
        """Return speech for tokens; a batch gives the samples of its utterances alone.

        Args:
            tokens: Ids, (B, N); 0 at padding.
            token_lengths: (B,).
            conditions: Speaker, language, style.
            controls: Changes to predicted prosody.
            prosody: Spoken instead of the predictions; ``controls`` then does nothing.
        """
        valid = valid_positions(token_lengths, tokens.shape[1])
        hidden, condition = self._encode(tokens, valid, conditions or Conditions())
        if prosody is None:
            prosody = self._predict(hidden, valid, controls or Controls())
        frame_lengths = prosody.durations.sum(1)
        frames = int(frame_lengths.max())
        decoded = self._decode(hidden, prosody, token_lengths, frame_lengths, frames)
        valid_frames = valid_positions(frame_lengths, frames) if len(tokens) > 1 else None
        wav = self.generator(decoded, condition, valid_frames).squeeze(1).float()
        wav_lengths = frame_lengths * self.hop
        wav = wav * valid_positions(wav_lengths, wav.shape[1])
        return Speech(wav=wav, wav_lengths=wav_lengths, prosody=prosody)

    def _align(
        self,
        tokens: Tensor,
        token_lengths: Tensor,
        mel: Tensor,
        mel_lengths: Tensor,
        pitch: Tensor,
        energy: Tensor,
        conditions: Conditions,
    ) -> Alignment:
        """Return encoded tokens and how the recordings speak them; see ``forward``."""
        valid = valid_positions(token_lengths, tokens.shape[1])
        conditions = conditions.with_own_style(mel, mel_lengths)
        hidden, condition = self._encode(tokens, valid, conditions)
        log_p = self.aligner(hidden, token_lengths, mel, mel_lengths)
        durations = search_durations(log_p, token_lengths, mel_lengths)
        prosody = Prosody(
            durations=durations,
            pitch=average_by_token(pitch, durations),
            energy=average_by_token(energy, durations),
        )
        return Alignment(hidden, valid, condition, log_p, prosody)

    def _encode(
        self, tokens: Tensor, valid: Tensor, conditions: Conditions
    ) -> tuple[Tensor, Tensor | None]:
        """Return the conditioned encoding, (B, N, D), and the condition, (B, D) or None."""
        hidden = self.encoder(self.embedding(tokens), valid)
        condition = self.conditioning(
            speaker=conditions.speaker,
            language=conditions.language,
            embedding=conditions.embedding,
            mel=conditions.style_mel,
            mel_lengths=conditions.style_mel_lengths,
        )
        if condition is None:
            return hidden, None
        condition = condition.expand(len(tokens), -1)
        return hidden + condition[:, None], condition

    def _predict(self, hidden: Tensor, valid: Tensor, controls: Controls) -> Prosody:
        energy = self.energy_predictor(hidden, valid).float()
        return Prosody(
            durations=durations_from_log(
                self.duration_predictor(hidden, valid), valid, controls.speed
            ),
            pitch=(self.pitch_predictor(hidden, valid).float() + controls.pitch_shift) * valid,
            energy=(energy * controls.energy_scale + controls.energy_shift) * valid,
        )

    def _decode(
        self,
        hidden: Tensor,
        prosody: Prosody,
        token_lengths: Tensor,
        frame_lengths: Tensor,
        frames: int,
    ) -> Tensor:
        """Return the generator's input, (B, T, D)."""
        hidden = (
            hidden + self.pitch_embedding(prosody.pitch) + self.energy_embedding(prosody.energy)
        )
        upsampled = gaussian_upsample(
            hidden, prosody.durations, token_lengths, frame_lengths, frames
        )
        return self.decoder(upsampled, valid_positions(frame_lengths, frames))  # type: ignore[no-any-return]


class Alignment(NamedTuple):
    """Tokens encoded, and how recordings speak them."""

    hidden: Tensor
    """Conditioned encoding, (B, N, D)."""
    valid: Tensor
    """True where a token exists, (B, N)."""
    condition: Tensor | None
    """(B, D)."""
    log_p: Tensor
    """Log-probability of tokens given frames, with prior, (B, T, N)."""
    prosody: Prosody
    """Of the recordings, on the best path."""


class Upsampling(Protocol):
    """What the settings of every waveform generator tell."""

    @property
    def upsampling(self) -> tuple[int, ...]:
        """Factor of each step."""
        ...

    @property
    def hop(self) -> int:
        """Samples made from each frame."""
        ...


def initialise(module: nn.Module) -> None:
    """Give matrices and kernels below ``module`` Xavier's uniform law and set biases to 0.

    Embeddings and norms keep their own. HiFi-GAN's part must not go through this: weight norm's
    gains are not matrices of that kind.
    """
    for part in module.modules():
        if isinstance(part, (nn.Linear, nn.Conv1d, nn.Conv2d)):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)


def check_hop(generator: Choice, hop: int) -> None:
    """Refuse a waveform generator that makes another number of samples a frame than ``hop``."""
    made: Upsampling = generator.config
    if made.hop != hop:
        raise ConfigError(
            f"model.generator.upsampling: {list(made.upsampling)} makes {made.hop} samples a "
            f"frame, but audio.hop is {hop}; their product must equal the hop"
        )


ENTRY = Entry(
    config=JetsConfig,
    build=Jets,
    summary="FastSpeech 2 and HiFi-GAN trained jointly, alignment learnt on the way",
    source="Lim et al. 2022, arXiv:2203.16852",
)
