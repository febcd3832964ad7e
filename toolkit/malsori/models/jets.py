"""JETS: FastSpeech 2 and HiFi-GAN trained jointly, with alignment learning.

Axes: B utterances, N tokens, T mel frames, M mel bands, D model width, S samples.

Source: Lim, Jung, Kim 2022, "JETS: Jointly Training FastSpeech2 and HiFi-GAN for End to End Text to
Speech", Interspeech 2022, arXiv:2203.16852. Reference implementation: ESPnet 202511.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Protocol

from torch import Tensor, nn

from malsori.core.config import Choice, build, choice
from malsori.core.errors import ConfigError
from malsori.core.ranges import SIZE, within
from malsori.core.registry import Entry
from malsori.dsp.audio_config import AudioConfig
from malsori.models.melody import MelodyOutput, MelodyPredictor
from malsori.models.voice import Conditions, Controls, Prosody, Speech, VoiceContext
from malsori.modules import GENERATORS, STACKS
from malsori.modules.alignment import (
    Aligner,
    Prior,
    average_by_token,
    path_log_probability,
    search_durations,
)
from malsori.modules.conditioning import Conditioning, SpeakerEmbeddingConfig, StyleConfig
from malsori.modules.excitation import Melody
from malsori.modules.initialisation import initialise, initialise_as_espnet
from malsori.modules.lengths import random_starts, valid_positions, windows
from malsori.modules.predictors import (
    EmbeddingConfig,
    PredictorConfig,
    ScalarEmbedding,
    VariancePredictor,
    durations_from_log,
)
from malsori.modules.upsampling import gaussian_upsample


@dataclass(frozen=True, kw_only=True)
class JetsConfig:
    """JETS; the defaults are the KSS recipe."""

    width: int = 256
    """Channels between the parts."""
    encoder: Choice = choice(STACKS, "transformer")
    """Stack over tokens."""
    decoder: Choice = choice(STACKS, "transformer")
    """Stack over frames."""
    duration: PredictorConfig = PredictorConfig(dropout=0.1)
    """Predictor of log(frames + 1)."""
    pitch: PredictorConfig = PredictorConfig(layers=5, kernel=5, detach=True)
    """Predictor of normalised log-F0 per token."""
    energy: PredictorConfig = PredictorConfig()
    """Predictor of normalised energy per token."""
    melody: PredictorConfig = PredictorConfig(kernel=5, dropout=0.1)
    """Predictors of each frame's pitch and voicing, for a generator with harmonics."""
    pitch_embedding: EmbeddingConfig = EmbeddingConfig()
    """Pitch to a vector per token."""
    energy_embedding: EmbeddingConfig = EmbeddingConfig()
    """Energy to a vector per token."""
    prior: Prior = "proper"
    """Diagonal prior of the aligner: proper (rows sum to 1) or published (ESPnet's)."""
    padding: Literal["masked", "seen"] = "masked"
    """masked: an utterance gives the same whatever batch it is in; seen: convolutions before the
    generator read what lies behind its end, as ESPnet's do."""
    initialisation: Literal["proper", "espnet"] = "proper"
    """proper: of the generator HiFi-GAN's own; espnet: Xavier's law on everything, the gains and
    directions of weight norm too, which makes half of the gains negative."""
    generator: Choice = choice(GENERATORS, "hifigan_v1")
    """Frames to waveform."""
    condition_generator: bool = True
    """Tell the generator, too, what the tokens are told: speaker, language, style; where there is
    nothing to tell it changes nothing."""
    segment: int = 64
    """Frames of the random windows that the generator is trained on; shorter in batches with an
    utterance shorter than that."""
    style: StyleConfig = StyleConfig()
    """Global style tokens."""
    speaker_embedding: SpeakerEmbeddingConfig = SpeakerEmbeddingConfig()
    """External speaker vectors."""

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
    melody: MelodyOutput | None
    """For a generator with harmonics."""


class Jets(nn.Module):
    """Tokens to waveform; in training also recording to alignment."""

    def __init__(self, config: JetsConfig, context: VoiceContext) -> None:
        super().__init__()
        config.check(context.audio)
        width, masked = config.width, config.padding == "masked"
        self.segment = config.segment
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
        self.decoder = build(STACKS, config.decoder, width=width, masked=masked)
        settings: GeneratorSettings = config.generator.config
        self.melody = (
            MelodyPredictor(config.melody, width, context, masked) if settings.harmonics else None
        )
        initialise(self)  # the generator comes after it: it has an initialisation of its own
        self.generator_is_told = config.condition_generator and self.conditioning.present
        self.generator = build(
            GENERATORS,
            config.generator,
            width=width,
            condition=width if self.generator_is_told else 0,
            sample_rate=context.audio.sample_rate,
        )
        if config.initialisation == "espnet":
            initialise_as_espnet(self)
        self.hop = context.audio.hop

    @property
    def loss_weights(self) -> Mapping[str, float]:
        """Losses of this model's output with their weights in the reference recipe."""
        weights = {"duration": 1.0, "pitch": 1.0, "energy": 1.0}
        weights |= {"forward_sum": 2.0, "binarisation": 2.0}
        return weights if self.melody is None else {**weights, "frame_pitch": 1.0, "voicing": 1.0}

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
        voiced: Tensor | None = None,
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
            voiced: 1 where a frame is voiced, else 0, (B, T); needed by a generator with harmonics.
        """
        hidden, told, valid, log_p, prosody = self._align(
            tokens, token_lengths, mel, mel_lengths, pitch, energy, conditions
        )
        frames = self._decode(hidden, prosody, token_lengths, mel_lengths, mel.shape[1])
        segment = min(self.segment, int(mel_lengths.min()))
        starts = random_starts(mel_lengths, segment)
        sung = melody = None
        if self.melody is not None:
            if voiced is None:
                raise ConfigError("generator.harmonics: needs to know which frames are voiced")
            sung = self.melody(frames, prosody, token_lengths, mel_lengths)
            sung = replace(sung, pitch_target=pitch, voiced=voiced)
            melody = Melody(
                *(windows(x, starts, segment) for x in self.melody.spoken(pitch, voiced))
            )
        return JetsOutput(
            fake=self.generator(windows(frames, starts, segment), told, melody=melody),
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
            melody=sung,
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
        hidden, told = self._encode(tokens, valid, conditions or Conditions())
        if prosody is None:
            prosody = self._predict(hidden, valid, controls or Controls())
        frame_lengths = prosody.durations.sum(1)
        frames = int(frame_lengths.max())
        decoded = self._decode(hidden, prosody, token_lengths, frame_lengths, frames)
        valid_frames = valid_positions(frame_lengths, frames) if len(tokens) > 1 else None
        melody = None
        if self.melody is not None:
            sung = self.melody(decoded, prosody, token_lengths, frame_lengths)
            melody = self.melody.spoken(sung.pitch, (sung.voicing > 0).float())
        wav = self.generator(decoded, told, valid_frames, melody).squeeze(1).float()
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
        hidden, told = self._encode(tokens, valid, conditions)
        log_p = self.aligner(hidden, token_lengths, mel, mel_lengths)
        durations = search_durations(log_p, token_lengths, mel_lengths)
        prosody = Prosody(
            durations=durations,
            pitch=average_by_token(pitch, durations),
            energy=average_by_token(energy, durations),
        )
        return Alignment(hidden, told, valid, log_p, prosody)

    def _encode(
        self, tokens: Tensor, valid: Tensor, conditions: Conditions
    ) -> tuple[Tensor, Tensor | None]:
        """Return the conditioned encoding, (B, N, D), and what the generator is told, (B, D)."""
        told = self.conditioning.read(
            speaker=conditions.speaker,
            language=conditions.language,
            embedding=conditions.embedding,
            mel=conditions.style_mel,
            mel_lengths=conditions.style_mel_lengths,
        )
        hidden = self.conditioning.tell(self.encoder(self.embedding(tokens), valid), told)
        return hidden, self.conditioning.summary(told) if self.generator_is_told else None

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
    told: Tensor | None
    """What the generator is told of speaker, language and style, (B, D) or (1, D)."""
    valid: Tensor
    """True where a token exists, (B, N)."""
    log_p: Tensor
    """Log-probability of tokens given frames, with prior, (B, T, N)."""
    prosody: Prosody
    """Of the recordings, on the best path."""


class GeneratorSettings(Protocol):
    """What the settings of every waveform generator tell."""

    @property
    def harmonics(self) -> int:
        """Sines that it is given to colour; 0 if it needs no melody."""
        ...

    @property
    def hop(self) -> int:
        """Samples made from each frame."""
        ...

    @property
    def hop_told(self) -> str:
        """Which setting the hop follows from, and its value: ``upsampling: [8, 8, 2, 2]``."""
        ...


def check_hop(generator: Choice, hop: int) -> None:
    """Refuse a waveform generator that makes another number of samples a frame than ``hop``."""
    made: GeneratorSettings = generator.config
    if made.hop != hop:
        raise ConfigError(
            f"model.generator.{made.hop_told} makes {made.hop} samples a frame, but audio.hop is "
            f"{hop}; the two must be equal"
        )


ENTRY = Entry(
    config=JetsConfig,
    build=Jets,
    summary="FastSpeech 2 and HiFi-GAN trained jointly, alignment learnt on the way",
    source="Lim et al. 2022, arXiv:2203.16852",
)
