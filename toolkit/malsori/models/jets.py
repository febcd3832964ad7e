"""JETS: FastSpeech 2 and HiFi-GAN trained jointly, with alignment learning.

Axes: B utterances, N tokens, T mel frames, M mel bands, D model width, S samples.

Source: Lim, Jung, Kim 2022, "JETS: Jointly Training FastSpeech2 and HiFi-GAN for End to End Text to
Speech", Interspeech 2022, arXiv:2203.16852. Reference implementation: ESPnet 202511.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from torch import Tensor

from malsori.core.config import Choice, build, choice
from malsori.core.errors import ConfigError
from malsori.core.registry import Entry
from malsori.dsp.audio_config import AudioConfig
from malsori.models.front import Front, FrontConfig, FrontOutput
from malsori.models.melody import MelodyOutput, MelodyPredictor
from malsori.models.plan import Plan, SpeaksByPlan
from malsori.models.voice import Conditions, Controls, Prosody, VoiceContext
from malsori.modules import GENERATORS, STACKS
from malsori.modules.excitation import Melody
from malsori.modules.features import Features
from malsori.modules.initialisation import initialise, initialise_as_espnet
from malsori.modules.lengths import random_starts, valid_positions, windows
from malsori.modules.predictors import PredictorConfig
from malsori.modules.transformer import Surroundings, Transformer


@dataclass(frozen=True, kw_only=True)
class JetsConfig(FrontConfig):
    """JETS; the defaults are the KSS recipe."""

    decoder: Choice = choice(STACKS, "transformer")
    """Stack over frames."""
    melody: PredictorConfig = PredictorConfig(kernel=5, dropout=0.1)
    """Predictors of each frame's pitch and voicing, for a generator with harmonics."""
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

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.segment < 1:
            raise ConfigError(f"segment: must be at least 1 frame, got {self.segment}")

    def check(self, audio: AudioConfig) -> None:
        """Refuse audio settings that this model cannot speak with, before any data is read."""
        check_hop(self.generator, audio.hop)


@dataclass(frozen=True, kw_only=True)
class JetsOutput(FrontOutput):
    """What the losses read."""

    fake: Tensor
    """Generated segments, (B, 1, segment · hop)."""
    starts: Tensor
    """First frame of each segment, (B,)."""
    segment: int
    """Frames of a segment."""
    melody: MelodyOutput | None
    """For a generator with harmonics."""


class Jets(SpeaksByPlan, Front):
    """Tokens to waveform; in training also recording to alignment."""

    def __init__(self, config: JetsConfig, context: VoiceContext) -> None:
        config.check(context.audio)
        super().__init__(config, context)
        settings: GeneratorSettings = config.generator.config
        self.hop, self.segment, self.context = context.audio.hop, config.segment, settings.context
        self.decoder = build(STACKS, config.decoder, width=config.width, masked=config.masked)
        self.melody: MelodyPredictor | None = None
        self.decodes_late = False
        """Whether the decoder's last block waits until its frames are wanted: sound begins sooner.
        Where a melody is heard in the frames, all of them are wanted at once."""
        if settings.harmonics:
            self.melody = MelodyPredictor(config.melody, config.width, context, config.masked)
        elif isinstance(self.decoder, Transformer) and len(self.decoder.blocks):
            self.decodes_late = True
            self.context += self.decoder.reach
        initialise(self)  # the generator comes after it: it has an initialisation of its own
        self.generator_is_told = config.condition_generator and self.conditioning.present
        self.generator = build(
            GENERATORS,
            config.generator,
            width=config.width,
            condition=config.width if self.generator_is_told else 0,
            sample_rate=context.audio.sample_rate,
        )
        if config.initialisation == "espnet":
            initialise_as_espnet(self)

    @property
    def loss_weights(self) -> Mapping[str, float]:
        """Losses of this model's output with their weights in the reference recipe."""
        weights = super().loss_weights
        return weights if self.melody is None else {**weights, "frame_pitch": 1.0, "voicing": 1.0}

    def forward(
        self, tokens: Tensor, token_lengths: Tensor, features: Features, conditions: Conditions
    ) -> JetsOutput:
        """Return generated segments and what the losses read.

        Args:
            tokens: Ids, (B, N); 0 at padding.
            token_lengths: (B,), each at most its ``features.mel_lengths``.
            features: The recordings; with ``voiced`` for a generator with harmonics.
            conditions: Speaker, language, style.

        Raises:
            ConfigError: The generator has harmonics, and nobody knows which frames are voiced.
        """
        found = self.align(tokens, token_lengths, features, conditions)
        prosody, mel_lengths = found.prosody, features.mel_lengths
        count = features.mel.shape[1]
        spread = self.spread(found.hidden, prosody, token_lengths, mel_lengths, count)
        frames = self.decoder(spread, valid_positions(mel_lengths, count))
        segment = features.window(self.segment)
        starts = random_starts(mel_lengths, segment)
        sung = melody = None
        if self.melody is not None:
            sung = self.melody(frames, prosody, token_lengths, mel_lengths)
            sung, spoken = self.melody.taught(sung, features)
            melody = Melody(*(windows(x, starts, segment) for x in spoken))
        told = found.told if self.generator_is_told else None
        return JetsOutput(
            **vars(self.judged(found, token_lengths, mel_lengths)),
            fake=self.generator(windows(frames, starts, segment), told, melody=melody),
            starts=starts,
            segment=segment,
            melody=sung,
        )

    def plan(
        self,
        tokens: Tensor,
        token_lengths: Tensor,
        conditions: Conditions | None = None,
        controls: Controls | None = None,
        prosody: Prosody | None = None,
    ) -> Plan:
        """Return what the waveform is made from; arguments as for ``synthesize``."""
        valid = valid_positions(token_lengths, tokens.shape[1])
        hidden, told = self.encode(tokens, valid, conditions or Conditions())
        if prosody is None:
            prosody = self.predict(hidden, valid, controls or Controls())
        lengths = prosody.durations.sum(1)
        count = int(lengths.max())
        spread = self.spread(hidden, prosody, token_lengths, lengths, count)
        frames, around = self.begin(spread, valid_positions(lengths, count))
        melody = None
        if self.melody is not None:
            sung = self.melody(frames, prosody, token_lengths, lengths)
            melody = self.melody.spoken(sung.pitch, sung.voiced)
        return Plan(
            frames=frames,
            frame_lengths=lengths,
            prosody=prosody,
            told=told if self.generator_is_told else None,
            excitation=self.generator.excite(melody, valid_positions(lengths, count)),
            around=around,
        )

    def begin(self, spread: Tensor, valid: Tensor) -> tuple[Tensor, Surroundings | None]:
        """Return decoded frames, (B, T, D), or what they are made of if it decodes late.

        Args:
            spread: Tokens spread over their frames, (B, T, D).
            valid: True where a frame is, (B, T).
        """
        if self.decodes_late:
            return self.decoder.begin(spread, valid)  # type: ignore[no-any-return]
        return self.decoder(spread, valid), None

    def sound(self, plan: Plan, valid: Tensor | None = None) -> Tensor:
        """Return samples of a plan or a window of one, (B, 1, T · hop); see ``PlanningModel``."""
        frames = plan.frames
        if plan.around is not None:
            frames = self.decoder.finish(frames, plan.around, valid)
        return self.generator(frames, plan.told, valid, plan.excitation)  # type: ignore[no-any-return]


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
    def context(self) -> int:
        """Frames on either side that a frame's samples hang on."""
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
