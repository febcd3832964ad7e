"""The alignment network alone: which frames of a recording belong to which token.

Axes: B utterances, N tokens, T mel frames, M mel bands, D width.

Source: Badlani et al. 2021, "One TTS Alignment To Rule Them All", arXiv:2108.10447.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from malsori.core.config import Choice, build, choice
from malsori.core.ranges import SIZE, within
from malsori.core.registry import Entry
from malsori.dsp.audio_config import AudioConfig
from malsori.models.voice import Analysis, Conditions, Prosody, VoiceContext
from malsori.modules import STACKS
from malsori.modules.alignment import (
    Aligner,
    Prior,
    path_log_probability,
    search_durations,
)
from malsori.modules.features import Features
from malsori.modules.initialisation import initialise
from malsori.modules.lengths import valid_positions


@dataclass(frozen=True, kw_only=True)
class AlignerConfig:
    """The alignment network."""

    width: int = 256
    """Channels of tokens and frames where they are compared."""
    encode: bool = False
    """Let ``encoder`` read the whole text first. Without it a token is known by itself and its two
    neighbours alone, so that it can only be found where it sounds."""
    encoder: Choice = choice(STACKS, "transformer")
    """Stack over tokens, if ``encode``."""
    prior: Prior = "proper"
    """Diagonal prior: proper (rows sum to 1) or published (ESPnet's)."""

    def __post_init__(self) -> None:
        within(self, SIZE, "width")

    @property
    def segment(self) -> int:
        """Frames of an utterance that it needs at least; it is trained on whole ones."""
        return 1

    def check(self, audio: AudioConfig) -> None:
        """Take any audio settings: no waveform is made."""


@dataclass(frozen=True, kw_only=True)
class AlignerOutput:
    """What the losses read."""

    log_p: Tensor
    """Log-probability of tokens given frames, with prior, (B, T, N)."""
    path_log_p: Tensor
    """Mean of ``log_p`` along the best path, (B,)."""
    durations: Tensor
    """Frames per token on the best path, (B, N)."""
    token_lengths: Tensor
    mel_lengths: Tensor


class AlignmentNetwork(nn.Module):
    """Tokens and a recording to an alignment; it does not speak.

    Speakers and languages are not told apart: any voice can be aligned.

    Args:
        config: Settings.
        context: What the data decides.
    """

    def __init__(self, config: AlignerConfig, context: VoiceContext) -> None:
        super().__init__()
        self.embedding = nn.Embedding(context.tokens, config.width, padding_idx=0)
        self.encoder: nn.Module | None = None
        if config.encode:
            self.encoder = build(STACKS, config.encoder, width=config.width)
        self.aligner = Aligner(config.width, context.audio.mel_bands, config.prior)
        initialise(self)

    @property
    def loss_weights(self) -> Mapping[str, float]:
        """Losses of this model's output with their weights."""
        return {"forward_sum": 1.0, "binarisation": 1.0}

    def forward(
        self, tokens: Tensor, token_lengths: Tensor, features: Features, conditions: Conditions
    ) -> AlignerOutput:
        """Return the alignment of recordings.

        Args:
            tokens: Ids, (B, N); 0 at padding.
            token_lengths: (B,), each at most its ``features.mel_lengths``.
            features: The recordings; their mel is looked at.
            conditions: Not looked at.
        """
        hidden = self.embedding(tokens)
        if self.encoder is not None:
            hidden = self.encoder(hidden, valid_positions(token_lengths, tokens.shape[1]))
        mel, mel_lengths = features.mel, features.mel_lengths
        log_p = self.aligner(hidden, token_lengths, mel, mel_lengths)
        durations = search_durations(log_p, token_lengths, mel_lengths)
        return AlignerOutput(
            log_p=log_p,
            path_log_p=path_log_probability(log_p, durations, mel_lengths),
            durations=durations,
            token_lengths=token_lengths,
            mel_lengths=mel_lengths,
        )

    def analyse(
        self, tokens: Tensor, token_lengths: Tensor, features: Features, conditions: Conditions
    ) -> Analysis:
        """Return how the recordings speak their tokens; see ``forward``."""
        found = self(tokens, token_lengths, features, conditions)
        return Analysis(Prosody.recorded(features, found.durations), found.log_p)


ENTRY = Entry(
    config=AlignerConfig,
    build=AlignmentNetwork,
    summary="the alignment network alone, for 'malsori align'; does not speak",
    source="Badlani et al. 2021, arXiv:2108.10447",
)
