"""VAEJETS: FastSpeech 2's front before the latent of VITS, which takes the mel decoder's place.

In training a posterior encoder turns the recording's mel into a latent sequence, of which the
generator makes windows audible. The front says, frame by frame, which Gaussian that sequence comes
from once a flow has carried it over. To speak, the Gaussian is drawn from, and the flow runs back.

Axes: B utterances, N tokens, T frames, M mel bands, D width of the front, Z latent channels,
S samples.

Its confs say ``task: {reconstruction: stft}``: the multi-resolution STFT loss where JETS has the
mel loss. The discriminators of VITS, one scale and five periods, are those the task has anyway.

Source: Lim, Jung, Kim 2022 (JETS), arXiv:2203.16852, for the front; Kim, Kong, Son 2021 (VITS),
arXiv:2106.06103, for posterior, flow and divergence; a stack over frames before the prior as in
Zhang et al. 2022 (VISinger), arXiv:2110.08813; Yamamoto et al. 2020, arXiv:1910.11480, for the STFT
loss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor, nn

from malsori.core.config import Choice, build, choice
from malsori.core.errors import ConfigError
from malsori.core.ranges import SIZE, within
from malsori.core.registry import Entry
from malsori.dsp.audio_config import AudioConfig
from malsori.models.front import Front, FrontConfig, FrontOutput
from malsori.models.jets import GeneratorSettings, check_hop
from malsori.models.latent import carry_over, converted, seeded_noise
from malsori.models.melody import MelodyOutput, MelodyPredictor
from malsori.models.plan import Plan, SpeaksByPlan
from malsori.models.voice import Conditions, Controls, Converted, Prosody, VoiceContext
from malsori.modules import GENERATORS, STACKS
from malsori.modules.excitation import Melody
from malsori.modules.features import Features
from malsori.modules.flow import FlowConfig, ResidualFlow
from malsori.modules.initialisation import initialise
from malsori.modules.lengths import random_starts, valid_positions, windows
from malsori.modules.posterior import PosteriorEncoder
from malsori.modules.predictors import PredictorConfig
from malsori.modules.text_prior import TextPrior, TokenPrior
from malsori.modules.wavenet import WaveNetConfig


@dataclass(frozen=True, kw_only=True)
class VaeJetsConfig(FrontConfig):
    """VAEJETS; the defaults are the front of JETS for KSS and the latent of VITS."""

    decoder: Choice = choice(STACKS, "transformer")
    """Stack over frames that the prior is read from; with ``layers: 0`` positions and a norm are
    all that is left of it."""
    latent: int = 192
    """Channels of the latent; even."""
    posterior: WaveNetConfig = WaveNetConfig()
    """Stack from mel to latent; for training and voice conversion."""
    flow: FlowConfig = FlowConfig()
    """Between posterior and prior."""
    melody: PredictorConfig = PredictorConfig(kernel=5, dropout=0.1)
    """Predictor of each frame's pitch and voicing, for a generator with harmonics."""
    generator: Choice = choice(GENERATORS, "hifigan_v1")
    """Latent to waveform. Posterior, flow and generator are all told speaker, language and style
    where there is any."""
    segment: int = 64
    """Frames of the random windows that the generator is trained on; shorter in batches with an
    utterance shorter than that."""
    noise: float = 0.667
    """When speaking, spread of the latent about its mean, as a share of the prior's; 0 is dull."""
    noise_seed: int = 0
    """Of what is drawn when speaking or converting: a text is spoken the same way each time, alone
    or in a batch."""

    def __post_init__(self) -> None:
        super().__post_init__()
        within(self, SIZE, "latent")
        within(self, "[0, 2]", "noise")
        within(self, "[0, 4294967295]", "noise_seed")
        if self.latent % 2:
            raise ConfigError(f"latent: must be even, got {self.latent}: the flow halves it")
        if self.segment < 1:
            raise ConfigError(f"segment: must be at least 1 frame, got {self.segment}")

    def check(self, audio: AudioConfig) -> None:
        """Refuse audio settings that this model cannot speak with, before any data is read."""
        check_hop(self.generator, audio.hop)


@dataclass(frozen=True, kw_only=True)
class VaeJetsOutput(FrontOutput):
    """What the losses read."""

    fake: Tensor
    """Generated segments, (B, 1, segment · hop)."""
    starts: Tensor
    """First frame of each segment, (B,)."""
    segment: int
    """Frames of a segment."""
    melody: MelodyOutput | None
    """For a generator with harmonics."""
    z: Tensor
    """The posterior's sample in the prior's space, (B, T, Z)."""
    posterior_log_scale: Tensor
    """(B, T, Z)."""
    prior_mean: Tensor
    """Of each frame, (B, T, Z); so is ``prior_log_scale``."""
    prior_log_scale: Tensor
    valid_frames: Tensor
    """True where a frame exists, (B, T)."""


class VaeJets(SpeaksByPlan, Front):
    """Tokens to waveform; in training also recording to alignment and latent."""

    def __init__(self, config: VaeJetsConfig, context: VoiceContext) -> None:
        config.check(context.audio)
        super().__init__(config, context)
        settings: GeneratorSettings = config.generator.config
        self.config, self.hop, self.context = config, context.audio.hop, settings.context
        decoder = build(STACKS, config.decoder, width=config.width, masked=config.masked)
        self.prior = TextPrior(decoder, config.width, config.latent)
        self.melody: MelodyPredictor | None = None
        if settings.harmonics:
            self.melody = MelodyPredictor(config.melody, config.width, context, config.masked)
        initialise(self)  # what follows has an initialisation of its own
        nn.init.xavier_uniform_(self.prior.output.weight, gain=0.1)  # near the standard normal law
        condition = config.width if self.conditioning.present else 0
        bands, latent = context.audio.mel_bands, config.latent
        self.posterior = PosteriorEncoder(config.posterior, bands, latent, condition)
        self.flow = ResidualFlow(config.flow, latent, condition)
        self.generator = build(
            GENERATORS,
            config.generator,
            width=latent,
            condition=condition,
            sample_rate=context.audio.sample_rate,
        )

    @property
    def loss_weights(self) -> Mapping[str, float]:
        """Losses of this model's output with their weights in the reference recipe."""
        weights = {**super().loss_weights, "kl": 1.0}
        return weights if self.melody is None else {**weights, "frame_pitch": 1.0, "voicing": 1.0}

    def forward(
        self, tokens: Tensor, token_lengths: Tensor, features: Features, conditions: Conditions
    ) -> VaeJetsOutput:
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
        prosody, lengths, count = found.prosody, features.mel_lengths, features.mel.shape[1]
        valid = valid_positions(lengths, count)
        prior = self._expect(found.hidden, prosody, token_lengths, lengths, count)
        posterior = self.posterior(features.mel, valid, found.told)
        segment = features.window(self.config.segment)
        starts = random_starts(lengths, segment)
        sung = melody = None
        if self.melody is not None:
            sung = self.melody(prior.hidden, prosody, token_lengths, lengths)
            sung, recorded = self.melody.taught(sung, features)
            melody = Melody(*(windows(x, starts, segment) for x in recorded))
        heard = windows(posterior.sample, starts, segment)
        return VaeJetsOutput(
            **vars(self.judged(found, token_lengths, lengths)),
            fake=self.generator(heard, found.told, melody=melody),
            starts=starts,
            segment=segment,
            melody=sung,
            z=self.flow(posterior.sample, valid, found.told),
            posterior_log_scale=posterior.log_scale,
            prior_mean=prior.mean,
            prior_log_scale=prior.log_scale,
            valid_frames=valid,
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
        spoken = valid_positions(lengths, count)
        prior = self._expect(hidden, prosody, token_lengths, lengths, count)
        spread = self._noise(lengths) * self.config.noise * prior.log_scale.exp()
        melody = None
        if self.melody is not None:
            sung = self.melody(prior.hidden, prosody, token_lengths, lengths)
            melody = self.melody.spoken(sung.pitch, sung.voiced)
        return Plan(
            frames=self.flow.inverse(prior.mean + spread, spoken, told),
            frame_lengths=lengths,
            prosody=prosody,
            told=told,
            excitation=self.generator.excite(melody, spoken),
        )

    def sound(self, plan: Plan, valid: Tensor | None = None) -> Tensor:
        """Return samples of a plan or a window of one, (B, 1, T · hop); see ``PlanningModel``."""
        return self.generator(plan.frames, plan.told, valid, plan.excitation)  # type: ignore[no-any-return]

    def convert(
        self, features: Features, source: Conditions, target: Conditions, pitch_shift: float = 0.0
    ) -> Converted:
        """Return the recordings, spoken by others; a batch gives the samples of each alone.

        Args:
            features: The recordings; with ``voiced`` for a generator with harmonics, which sings
                their ``pitch``.
            source: Speaker, language of the recordings; their style is their own unless it is
                given.
            target: Speaker, language of what is returned, and its style likewise.
            pitch_shift: Added to the ``pitch`` that a generator with harmonics sings; without
                harmonics pitch is in the latent, and this does nothing.

        Raises:
            ConfigError: The generator has harmonics, and nobody knows which frames are voiced.
        """
        mel, lengths = features.mel, features.mel_lengths
        styled = [each.with_own_style(mel, lengths) for each in (source, target)]
        before, after = (self.conditioning.summary(self.read(each)) for each in styled)
        valid = valid_positions(lengths, mel.shape[1])
        latent = carry_over(
            self.posterior, self.flow, mel, valid, (before, after), self._noise(lengths)
        )
        melody = None
        if self.melody is not None:
            melody = self.melody.recorded(replace(features, pitch=features.pitch + pitch_shift))
        return converted(self._sound(latent, after, lengths, melody), features)

    def _expect(
        self,
        hidden: Tensor,
        prosody: Prosody,
        token_lengths: Tensor,
        frame_lengths: Tensor,
        frames: int,
    ) -> TokenPrior:
        """Return the Gaussian that each frame's latent comes from, (B, T, Z)."""
        spread = self.spread(hidden, prosody, token_lengths, frame_lengths, frames)
        return self.prior(spread, valid_positions(frame_lengths, frames))  # type: ignore[no-any-return]

    def _sound(
        self, latent: Tensor, told: Tensor | None, lengths: Tensor, melody: Melody | None
    ) -> Tensor:
        """Return the waveform of whole utterances, (B, 1, T · hop)."""
        valid = valid_positions(lengths, latent.shape[1]) if len(latent) > 1 else None
        return self.generator(latent, told, valid, melody)  # type: ignore[no-any-return]

    def _noise(self, lengths: Tensor) -> Tensor:
        """Return standard normal noise, (B, T, Z), as each utterance alone has it."""
        return seeded_noise(lengths, self.config.latent, self.config.noise_seed)


ENTRY = Entry(
    config=VaeJetsConfig,
    build=VaeJets,
    summary="FastSpeech 2's front before the latent and flow of VITS; converts voices",
    source="Lim et al. 2022, arXiv:2203.16852; Kim et al. 2021, arXiv:2106.06103",
)
