"""What every model that speaks shares: what it is built for, how it is asked, what it returns.

Axes: B utterances, N tokens, T frames, S samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol, runtime_checkable

from torch import Tensor, nn

from malsori.dsp.audio_config import AudioConfig
from malsori.models.controls import Controls as Controls
from malsori.modules.alignment import average_by_token
from malsori.modules.conditioning import SpeakerEmbeddingConfig
from malsori.modules.features import Features


@dataclass(frozen=True, kw_only=True)
class VoiceContext:
    """What the data and the audio settings decide about a model; derived, never typed."""

    audio: AudioConfig
    """Sample rate, hop and mel bands."""
    tokens: int
    """Symbols in the token list; id 0 is padding."""
    speakers: int = 1
    """Different speakers in the training set."""
    languages: int = 1
    """Different languages in the training set."""
    pitch_mean: float = 5.3
    """Of the natural logarithm of F0 in Hz in the training set."""
    pitch_std: float = 0.3
    """Likewise; pitch is normalised with both."""


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Whose voice, which language, which style; what the model was not trained for stays None."""

    speaker: Tensor | None = None
    """Index of the speaker, (B,)."""
    language: Tensor | None = None
    """Index of the language, (B,)."""
    embedding: Tensor | None = None
    """External speaker embedding, (B, E)."""
    style_mel: Tensor | None = None
    """Normalised mel of a reference recording for the style, (B, T, M) or (1, T, M) for all; for
    None the style tokens are weighted evenly."""
    style_mel_lengths: Tensor | None = None
    """(B,) or (1,)."""

    def with_own_style(self, mel: Tensor, mel_lengths: Tensor) -> Conditions:
        """Return these with the recordings as style, unless a style is given already.

        Args:
            mel: Normalised log-mel of the recordings, (B, T, M).
            mel_lengths: (B,).
        """
        if self.style_mel is not None:
            return self
        return replace(self, style_mel=mel, style_mel_lengths=mel_lengths)


@dataclass(frozen=True, kw_only=True)
class Prosody:
    """Given durations, pitch and energy, in place of predicted ones (teacher forcing)."""

    durations: Tensor
    """Frames per token, (B, N) int64."""
    pitch: Tensor
    """Normalised log-F0 per token, (B, N)."""
    energy: Tensor
    """Normalised energy per token, (B, N)."""
    contour: Tensor | None = None
    """Normalised log-F0 per frame, (B, T), for models that sing frame by frame; None: that of the
    tokens."""
    voiced: Tensor | None = None
    """1 where a frame is voiced, else 0, (B, T), for the same models; None: predicted."""

    @classmethod
    def recorded(cls, features: Features, durations: Tensor) -> Prosody:
        """Return what recordings have, token by token.

        Args:
            features: The recordings.
            durations: Frames per token, (B, N).
        """
        return cls(
            durations=durations,
            pitch=average_by_token(features.pitch, durations),
            energy=average_by_token(features.energy, durations),
            contour=features.pitch,
            voiced=features.voiced,
        )


@dataclass(frozen=True, kw_only=True)
class Speech:
    """What a model says."""

    wav: Tensor
    """(B, S), full scale 1; zero behind an utterance's end."""
    wav_lengths: Tensor
    """(B,)."""
    prosody: Prosody
    """What was spoken: predicted and changed, or given."""
    mel: Tensor | None = None
    """What was made audible, of a model that speaks through a vocoder: log10 mel amplitudes, (B, T,
    M), not normalised; an utterance has as many frames as its durations add up to."""


class VoiceOutput(Protocol):
    """What a model returns in training: generated segments, and what its own losses read."""

    fake: Tensor
    """Generated segments, (B, 1, segment · hop)."""
    starts: Tensor
    """First frame of each segment, (B,)."""
    segment: int
    """Frames of a segment."""
    log_p: Tensor
    """Alignment log-probabilities, (B, T, N)."""
    durations: Tensor
    """Frames per token, (B, N)."""


@runtime_checkable
class SpeakingModel(Protocol):
    """A network from tokens to a waveform."""

    @property
    def uses_style(self) -> bool:
        """Whether a style recording changes what is said."""
        ...

    def synthesize(
        self,
        tokens: Tensor,
        token_lengths: Tensor,
        conditions: Conditions | None = None,
        controls: Controls | None = None,
        prosody: Prosody | None = None,
    ) -> Speech:
        """Return speech for tokens."""
        ...


@dataclass(frozen=True, kw_only=True)
class Recital:
    """What a model says to a vocoder."""

    mel: Tensor
    """Normalised log-mel, (B, T, M); zero behind an utterance's end."""
    mel_lengths: Tensor
    """(B,)."""
    prosody: Prosody
    """Predicted and changed, or given."""


@runtime_checkable
class AcousticModel(Protocol):
    """A network from tokens to a mel spectrogram; a vocoder makes it audible."""

    @property
    def loss_weights(self) -> Mapping[str, float]:
        """Losses of this model's output with their weights."""
        ...

    @property
    def uses_style(self) -> bool:
        """Whether a style recording changes what is said."""
        ...

    def recite(
        self,
        tokens: Tensor,
        token_lengths: Tensor,
        conditions: Conditions | None = None,
        controls: Controls | None = None,
        prosody: Prosody | None = None,
    ) -> Recital:
        """Return mel spectrograms for tokens."""
        ...


class Analysis(NamedTuple):
    """How recordings speak their tokens."""

    prosody: Prosody
    """Of the recordings, on the likeliest path."""
    log_p: Tensor
    """Alignment log-probabilities, (B, T, N)."""


@runtime_checkable
class AligningModel(Protocol):
    """A network that learns which frames of a recording belong to which token."""

    def analyse(
        self, tokens: Tensor, token_lengths: Tensor, features: Features, conditions: Conditions
    ) -> Analysis:
        """Return how the recordings speak their tokens."""
        ...


class Converted(NamedTuple):
    """Recordings in the voice of somebody else."""

    wav: Tensor
    """(B, S), full scale 1; zero behind a recording's end."""
    wav_lengths: Tensor
    """(B,), those of the recordings."""


@runtime_checkable
class ConvertingModel(Protocol):
    """A network that says what recordings say in the voice of somebody else."""

    melody: nn.Module | None
    """What the pitch that the generator sings is from; None where it finds pitch in the latent."""

    def convert(
        self, features: Features, source: Conditions, target: Conditions, pitch_shift: float = 0.0
    ) -> Converted:
        """Return the recordings, spoken by others.

        Args:
            features: The recordings; with ``voiced`` for a model with ``melody``.
            source: Who speaks in them.
            target: Who shall.
            pitch_shift: Added to normalised log-F0, by a model with ``melody``.
        """
        ...


class VoiceModel(SpeakingModel, AligningModel, Protocol):
    """A network from tokens to a waveform, trained on segments, judged by the task."""

    @property
    def loss_weights(self) -> Mapping[str, float]:
        """Losses of this model's output with their weights in the reference recipe."""
        ...

    def __call__(
        self, tokens: Tensor, token_lengths: Tensor, features: Features, conditions: Conditions
    ) -> VoiceOutput:
        """Return generated segments and what the losses read."""
        ...


@dataclass(frozen=True, kw_only=True)
class Move:
    """What a player of a complete model minimises in its turn."""

    player: str
    loss: Tensor
    """The weighted sum of all its losses, ()."""
    shown: Mapping[str, Tensor] = field(default_factory=dict)
    """The parts of the loss under the model's own names, each (), without gradient."""


@runtime_checkable
class CompleteModel(SpeakingModel, Protocol):
    """A network that brings its own discriminators and losses: it plays both sides itself."""

    players: Mapping[str, nn.Module]
    """``generator``, which speaks, and ``discriminator``, in the order of their turns."""
    validation_losses: tuple[str, ...]
    """Names among what ``losses`` returns that may choose the best checkpoint."""

    def moves(
        self, tokens: Tensor, token_lengths: Tensor, features: Features, conditions: Conditions
    ) -> Iterator[Move]:
        """Yield each player's move on one batch; the player is stepped before the next one."""
        ...

    def losses(
        self, tokens: Tensor, token_lengths: Tensor, features: Features, conditions: Conditions
    ) -> dict[str, Tensor]:
        """Return the generator's losses on a batch that is not trained on."""
        ...


@runtime_checkable
class KnowsVectors(Protocol):
    """Settings of a model that can be told speakers by vectors of a speaker encoder."""

    @property
    def speaker_embedding(self) -> SpeakerEmbeddingConfig:
        """The vectors."""
        ...


def embedding_size(config: object) -> int:
    """Return how many numbers a speaker vector has for a model with these settings; 0 for none."""
    return config.speaker_embedding.size if isinstance(config, KnowsVectors) else 0


def speaking_part(model: nn.Module) -> nn.Module:
    """Return the network whose weights speak: a complete model's generator, any other as it is."""
    return model.players["generator"] if isinstance(model, CompleteModel) else model
