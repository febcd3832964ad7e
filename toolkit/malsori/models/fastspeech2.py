"""FastSpeech 2: tokens to mel spectrogram; a vocoder makes it audible.

Durations are learnt from an alignment on the way, as in JETS, or are given.

Axes: B utterances, N tokens, T mel frames, M mel bands, D model width.

Source: Ren et al. 2021, "FastSpeech 2: Fast and High-Quality End-to-End Text to Speech", ICLR,
arXiv:2006.04558.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from malsori.core.config import Choice, build, choice
from malsori.core.errors import ConfigError
from malsori.core.registry import Entry
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.wavelet import contour_of
from malsori.models.contour import ContourOutput, ContourPredictor, PitchConfig
from malsori.models.front import Alignment, Front, FrontConfig, FrontOutput
from malsori.models.voice import Conditions, Controls, Prosody, Recital, VoiceContext
from malsori.modules import STACKS
from malsori.modules.alignment import average_by_token, token_of_frame
from malsori.modules.features import Features
from malsori.modules.initialisation import initialise
from malsori.modules.lengths import longest, valid_positions
from malsori.modules.postnet import Postnet, PostnetConfig
from malsori.modules.predictors import ScalarEmbedding
from malsori.modules.upsampling import gaussian_upsample

OFF_PATH = -1e4
"""Log-probability of what given durations rule out."""


@dataclass(frozen=True, kw_only=True)
class FastSpeech2Config(FrontConfig):
    """FastSpeech 2; the sizes are those of JETS."""

    decoder: Choice = choice(STACKS, "transformer")
    """Stack over frames."""
    durations: Literal["learnt", "given"] = "learnt"
    """learnt: an aligner learns them on the way; given: they come from data.durations, TextGrids of
    'malsori align' or of MFA."""
    pitch: PitchConfig = PitchConfig(layers=5, kernel=5, detach=True)
    """Predictor of normalised log-F0, per token or per frame."""
    postnet: PostnetConfig = PostnetConfig(layers=0)
    """Tacotron 2's post-net behind the mel; none by default, as published."""

    @property
    def segment(self) -> int:
        """Frames of an utterance that it needs at least; it is trained on whole ones."""
        return 1

    def check(self, audio: AudioConfig) -> None:
        """Take any audio settings: no waveform is made."""


@dataclass(frozen=True, kw_only=True)
class FastSpeech2Output(FrontOutput):
    """What the losses read."""

    mel: Tensor
    """Predicted before the post-net, normalised, (B, T, M)."""
    postnet_mel: Tensor
    """Behind it; the same without one."""
    mel_target: Tensor
    valid_frames: Tensor
    """True where a frame exists, (B, T)."""
    melody: ContourOutput | None
    """Pitch of frames, where it is predicted frame by frame."""


class Sung(NamedTuple):
    """Tokens over their frames, with pitch and energy."""

    frames: Tensor
    """(B, T, D)."""
    prosody: Prosody
    """That they have."""
    melody: ContourOutput | None
    """What was predicted for frames."""


class FastSpeech2(Front):
    """Tokens to mel; in training also recording to alignment."""

    def __init__(self, config: FastSpeech2Config, context: VoiceContext) -> None:
        super().__init__(config, context)
        width, masked, audio = config.width, config.masked, context.audio
        self.learns_durations = config.durations == "learnt"
        if not self.learns_durations:
            del self.aligner
        self.contour_predictor: ContourPredictor | None = None
        if config.pitch.level != "token":
            del self.pitch_predictor
            seconds = audio.hop / audio.sample_rate
            self.contour_predictor = ContourPredictor(config.pitch, width, seconds, masked)
            self.voicing_embedding = ScalarEmbedding(config.pitch_embedding, width)
        self.decoder = build(STACKS, config.decoder, width=width, masked=masked)
        self.out = nn.Linear(width, audio.mel_bands)
        self.postnet = Postnet(config.postnet, audio.mel_bands) if config.postnet.layers else None
        initialise(self)

    @property
    def loss_weights(self) -> Mapping[str, float]:
        """Losses of this model's output with their weights."""
        weights = {"mel": 1.0, "duration": 1.0, "pitch": 1.0, "energy": 1.0}
        if self.contour_predictor is not None:
            del weights["pitch"]
            weights["voicing"] = 1.0
            if self.contour_predictor.wavelet:
                weights |= {"pitch_waves": 1.0, "pitch_range": 1.0}
            else:
                weights["frame_pitch"] = 1.0
        if self.postnet is not None:
            weights["postnet_mel"] = 1.0
        if self.learns_durations:
            weights |= {"forward_sum": 1.0, "binarisation": 1.0}
        return weights

    def forward(
        self, tokens: Tensor, token_lengths: Tensor, features: Features, conditions: Conditions
    ) -> FastSpeech2Output:
        """Return mel spectrograms of the recordings' durations, and what else the losses read.

        Args:
            tokens: Ids, (B, N); 0 at padding.
            token_lengths: (B,), each at most its ``features.mel_lengths``.
            features: The recordings; with ``durations`` if they are given, with ``voiced`` if pitch
                is predicted for frames.
            conditions: Speaker, language, style.

        Raises:
            ConfigError: The features lack something.
        """
        if self.contour_predictor is not None and features.voiced is None:
            raise ConfigError("model.pitch.level: needs to know which frames are voiced")
        found = self.align(tokens, token_lengths, features, conditions)
        mel_lengths, count = features.mel_lengths, features.mel.shape[1]
        sung = self._sing(found.hidden, found.prosody, token_lengths, mel_lengths, count)
        valid = valid_positions(mel_lengths, count)
        mel, bettered = self._draw(sung.frames, valid)
        return FastSpeech2Output(
            **vars(self.judged(found, token_lengths, mel_lengths)),
            mel=mel,
            postnet_mel=bettered,
            mel_target=features.mel,
            valid_frames=valid,
            melody=sung.melody,
        )

    def recite(
        self,
        tokens: Tensor,
        token_lengths: Tensor,
        conditions: Conditions | None = None,
        controls: Controls | None = None,
        prosody: Prosody | None = None,
    ) -> Recital:
        """Return mel spectrograms for tokens; a batch gives those of its utterances alone.

        Args:
            tokens: Ids, (B, N); 0 at padding.
            token_lengths: (B,).
            conditions: Speaker, language, style.
            controls: Changes to predicted prosody.
            prosody: Spoken instead of the predictions; ``controls`` then does nothing. Where it has
                no contour, frames have the pitch of their tokens.
        """
        valid = valid_positions(token_lengths, tokens.shape[1])
        hidden, _ = self.encode(tokens, valid, conditions or Conditions())
        changed = None if prosody else self.predict(hidden, valid, controls or Controls())
        durations = (prosody or changed).durations  # type: ignore[union-attr]
        mel_lengths = durations.sum(1)
        count = longest(mel_lengths)
        sung = self._sing(hidden, prosody, token_lengths, mel_lengths, count, changed)
        _, mel = self._draw(sung.frames, valid_positions(mel_lengths, count))
        return Recital(mel=mel, mel_lengths=mel_lengths, prosody=sung.prosody)

    def align(
        self, tokens: Tensor, token_lengths: Tensor, features: Features, conditions: Conditions
    ) -> Alignment:
        """Return encoded tokens and how the recordings speak them; see ``Front.align``.

        Raises:
            ConfigError: Durations should be given and are not, or the other way round.
        """
        if self.learns_durations:
            if features.durations is not None:
                raise ConfigError(
                    "model.durations: durations are given, but 'learnt' is set; set 'given', or "
                    "leave data.durations out"
                )
            return super().align(tokens, token_lengths, features, conditions)
        if features.durations is None:
            raise ConfigError(
                "model.durations: 'given', but none are; set data.durations to a folder of "
                "TextGrids ('malsori align')"
            )
        valid = valid_positions(token_lengths, tokens.shape[1])
        told = conditions.with_own_style(features.mel, features.mel_lengths)
        hidden, summary = self.encode(tokens, valid, told)
        path = token_of_frame(features.durations, features.mel.shape[1])
        there = torch.arange(tokens.shape[1], device=tokens.device) == path[..., None]
        log_p = torch.where(there, 0.0, OFF_PATH)
        prosody = Prosody.recorded(features, features.durations)
        return Alignment(hidden, summary, valid, log_p, prosody)

    def token_pitch(self, hidden: Tensor, valid: Tensor) -> Tensor:
        """Return predicted normalised log-F0 of tokens, (B, N); 0 where frames have it instead."""
        if self.contour_predictor is not None:
            return torch.zeros_like(hidden[..., 0])
        return super().token_pitch(hidden, valid)

    def _sing(
        self,
        hidden: Tensor,
        given: Prosody | None,
        token_lengths: Tensor,
        mel_lengths: Tensor,
        frames: int,
        changed: Prosody | None = None,
    ) -> Sung:
        """Return tokens over their frames, (B, T, D), with the pitch and energy that they have.

        Args:
            hidden: Encoded tokens, (B, N, D).
            given: What is spoken, unless it is predicted.
            token_lengths: (B,).
            mel_lengths: (B,).
            frames: T.
            changed: What is predicted of tokens, if nothing is given. Where pitch is predicted for
                frames, its pitch is what is added to that.
        """
        prosody = given or changed
        assert prosody is not None
        lengths = (prosody.durations, token_lengths, mel_lengths, frames)
        if self.contour_predictor is None:
            return Sung(self.spread(hidden, prosody, *lengths[1:]), prosody, None)
        spread = gaussian_upsample(hidden + self.energy_embedding(prosody.energy), *lengths)
        valid = valid_positions(mel_lengths, frames)
        melody = self.contour_predictor(spread, valid)
        if prosody.contour is None:
            of_tokens = gaussian_upsample(prosody.pitch[..., None], *lengths).squeeze(-1)
            pitch, target = (of_tokens if given else melody.pitch + of_tokens) * valid, None
        else:
            target = self.contour_predictor.apart(prosody.contour, valid)
            pitch = prosody.contour if target is None else contour_of(target) * valid
        voiced = (melody.voiced if prosody.voiced is None else prosody.voiced) * valid
        melody = replace(melody, pitch_target=pitch, voiced=voiced, waves_target=target)
        spread = spread + self.pitch_embedding(pitch * voiced) + self.voicing_embedding(voiced)
        prosody = replace(
            prosody,
            pitch=average_by_token(pitch, prosody.durations),
            contour=pitch,
            voiced=voiced,
        )
        return Sung(spread, prosody, melody)

    def _draw(self, frames: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mel before and behind the post-net, (B, T, M) each; 0 where not ``valid``."""
        mel = self.out(self.decoder(frames, valid)) * valid[..., None]
        return mel, mel if self.postnet is None else self.postnet(mel, valid)


ENTRY = Entry(
    config=FastSpeech2Config,
    build=FastSpeech2,
    summary="tokens to mel, with durations learnt or given; a vocoder makes it audible",
    source="Ren et al. 2021, arXiv:2006.04558",
)
