"""VITS: a variational autoencoder from tokens to waveform, its prior sharpened by a flow.

Axes: B utterances, N tokens, T frames, F spectrogram bins, D model width (the latent's too),
G condition, S samples.

Source: Kim, Kong, Son 2021, "Conditional Variational Autoencoder with Adversarial Learning for
End-to-End Text-to-Speech", ICML 2021, arXiv:2106.06103. Reference implementation: ESPnet 202511,
whose text encoder is a conformer in place of the paper's transformer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from malsori.core.config import Choice, build, choice
from malsori.core.errors import ConfigError, MalsoriError
from malsori.core.ranges import SIZE, within
from malsori.core.registry import Entry
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.linear import LinearSpectrogram
from malsori.models.jets import GeneratorSettings, check_hop
from malsori.models.latent import carry_over, converted, seeded_noise
from malsori.models.melody import MelodyOutput, MelodyPredictor
from malsori.models.plan import Plan, SpeaksByPlan
from malsori.models.voice import (
    Analysis,
    Conditions,
    Controls,
    Converted,
    Prosody,
    VoiceContext,
)
from malsori.modules import GENERATORS, STACKS
from malsori.modules.alignment import token_of_frame
from malsori.modules.conditioning import Conditioning, SpeakerEmbeddingConfig
from malsori.modules.duration_flow import DurationFlow, DurationFlowConfig
from malsori.modules.excitation import Melody
from malsori.modules.features import Features
from malsori.modules.flow import FlowConfig, ResidualFlow
from malsori.modules.lengths import random_starts, valid_positions, windows
from malsori.modules.posterior import Posterior, PosteriorEncoder
from malsori.modules.predictors import LONGEST_TOKEN, PredictorConfig, VariancePredictor
from malsori.modules.prior_search import search_prior
from malsori.modules.text_prior import TextEmbedding, TextPrior, TokenPrior
from malsori.modules.wavenet import WaveNetConfig

ENERGY = ("energy_scale", "energy_shift")
"""Controls of what is drawn, unseen, with the latent."""


@dataclass(frozen=True, kw_only=True)
class VitsConfig:
    """VITS; the defaults are ESPnet's recipe for LJSpeech."""

    width: int = 192
    """Channels of encoded tokens and of the latent; even."""
    condition: int = 256
    """Numbers that speaker and language become, where the voice has more than one of either."""
    encoder: Choice = choice(
        STACKS,
        "conformer",
        layers=6,
        hidden=768,
        kernel=1,
        activation="relu",
        dropout=0.1,
        position_dropout=0.0,
        attention_dropout=0.0,
    )
    """Stack over tokens; the paper's is ``relative_transformer``."""
    padding: Literal["masked", "seen"] = "masked"
    """masked: an utterance gives the same whatever batch it is in; seen: convolutions of the
    encoder read what lies behind its end, as ESPnet's do."""
    posterior: WaveNetConfig = WaveNetConfig()
    """Stack from linear spectrum to latent; training only."""
    flow: FlowConfig = FlowConfig()
    """Between posterior and prior."""
    duration: Literal["stochastic", "plain", "log"] = "stochastic"
    """stochastic: durations are drawn from their law; plain: one duration, the likeliest; log:
    likewise, from a network that says log(frames) itself, rounded up, as the original's does."""
    duration_flow: DurationFlowConfig = DurationFlowConfig()
    """The stochastic predictor."""
    duration_predictor: PredictorConfig = PredictorConfig()
    """The plain predictor, of log(frames + 1). Neither of the two sends a gradient to the
    encoder."""
    diagonal_prior: float = 0.0
    """Weight of a prior for the diagonal in the search for the alignment, that of JETS's aligner.
    Published: 0. With few recordings or steps 1 spares it the time in which every token is as good
    as any other."""
    melody: PredictorConfig = PredictorConfig(kernel=5, dropout=0.1)
    """Predictors of each frame's pitch and voicing from the latent, for a generator with
    harmonics."""
    generator: Choice = choice(GENERATORS, "hifigan_v1")
    """Frames to waveform."""
    segment: int = 32
    """Frames of the random windows that the generator is trained on; shorter in batches with an
    utterance shorter than that."""
    noise: float = 0.667
    """When speaking, spread of the latent about its mean, as a share of the prior's; 0 is dull."""
    duration_noise: float = 0.8
    """When speaking, likewise of durations that are drawn; 0 always speaks in the same rhythm."""
    noise_seed: int = 0
    """Of what is drawn when speaking: a text is spoken the same way each time, alone or in a
    batch."""
    speaker_embedding: SpeakerEmbeddingConfig = SpeakerEmbeddingConfig()
    """External speaker vectors."""

    def __post_init__(self) -> None:
        within(self, SIZE, "width", "condition")
        within(self, "[0, 2]", "noise", "duration_noise")
        within(self, "[0, 1000]", "diagonal_prior")
        within(self, "[0, 4294967295]", "noise_seed")
        if self.duration_predictor.detach:
            raise ConfigError(
                "duration_predictor.detach: must be false, got True: what the predictor reads of "
                "the encoder is detached always, and what it is told of the speaker never"
            )
        if self.segment < 1:
            raise ConfigError(f"segment: must be at least 1 frame, got {self.segment}")

    def check(self, audio: AudioConfig) -> None:
        """Refuse audio settings that this model cannot speak with, before any data is read."""
        check_hop(self.generator, audio.hop)


@dataclass(frozen=True, kw_only=True)
class VitsOutput:
    """What the losses read."""

    fake: Tensor
    """Generated segments, (B, 1, segment · hop)."""
    starts: Tensor
    """First frame of each segment, (B,)."""
    segment: int
    """Frames of a segment."""
    log_p: Tensor
    """Log-likelihood of frames under each token's prior, (B, T, N); −inf at padded tokens."""
    durations: Tensor
    """Frames per token on the likeliest path, (B, N)."""
    z: Tensor
    """The posterior's sample in the prior's space, (B, T, D)."""
    posterior_log_scale: Tensor
    """(B, T, D)."""
    prior_mean: Tensor
    """Of each frame's token, (B, T, D); so is ``prior_log_scale``."""
    prior_log_scale: Tensor
    valid_frames: Tensor
    """True where a frame exists, (B, T)."""
    valid_tokens: Tensor
    """True where a token exists, (B, N)."""
    duration_bound: Tensor | None
    """Bound of the durations' negative log-likelihood, (B,); of the stochastic predictor."""
    log_durations: Tensor | None
    """Predicted log(frames + 1), (B, N); of the plain predictor."""
    melody: MelodyOutput | None
    """For a generator with harmonics."""


class Vits(SpeaksByPlan, nn.Module):
    """Tokens to waveform; in training also recording to latent."""

    def __init__(self, config: VitsConfig, context: VoiceContext) -> None:
        super().__init__()
        config.check(context.audio)
        self.config = config
        settings: GeneratorSettings = config.generator.config
        self.hop, self.context = context.audio.hop, settings.context
        width, self.spectrogram = config.width, LinearSpectrogram(context.audio)
        self.conditioning = Conditioning(
            config.condition,
            speakers=context.speakers,
            languages=context.languages,
            embedding=config.speaker_embedding,
        )
        condition = config.condition if self.conditioning.present else 0
        masked = config.padding == "masked"
        stack = build(STACKS, config.encoder, width=width, masked=masked)
        self.embedding = TextEmbedding(context.tokens, width)
        self.text = TextPrior(stack, width, width)
        self.posterior = PosteriorEncoder(config.posterior, self.spectrogram.bins, width, condition)
        self.flow = ResidualFlow(config.flow, width, condition)
        self.duration_flow: DurationFlow | None = None
        self.duration_predictor: VariancePredictor | None = None
        self.duration_condition: nn.Linear | None = None
        if config.duration == "stochastic":
            self.duration_flow = DurationFlow(config.duration_flow, width, condition)
        else:
            eps = 1e-5 if config.duration == "log" else 1e-12
            self.duration_predictor = VariancePredictor(config.duration_predictor, width, eps=eps)
            self.duration_condition = nn.Linear(condition, width) if condition else None
        self.melody: MelodyPredictor | None = None
        if settings.harmonics:
            self.melody = MelodyPredictor(config.melody, width, context)
        self.generator = build(
            GENERATORS,
            config.generator,
            width=width,
            condition=condition,
            sample_rate=context.audio.sample_rate,
        )

    @property
    def loss_weights(self) -> Mapping[str, float]:
        """Losses of this model's output with their weights in the reference recipe."""
        durations = "duration" if self.duration_flow is None else "duration_likelihood"
        weights = {"kl": 1.0, durations: 1.0}
        return weights if self.melody is None else {**weights, "frame_pitch": 1.0, "voicing": 1.0}

    @property
    def uses_style(self) -> bool:
        """Whether the voice has style tokens."""
        return False

    def forward(
        self, tokens: Tensor, token_lengths: Tensor, features: Features, conditions: Conditions
    ) -> VitsOutput:
        """Return generated segments and what the losses read.

        Args:
            tokens: Ids, (B, N); 0 at padding.
            token_lengths: (B,), each at most its ``features.mel_lengths``.
            features: The recordings; the samples themselves are looked at.
            conditions: Speaker, language.
        """
        found = self.align(tokens, token_lengths, features, conditions)
        lengths, count = features.mel_lengths, features.mel.shape[1]
        prior, told, durations = found.prior, found.told, found.durations
        valid = valid_positions(token_lengths, tokens.shape[1])
        bound = log_durations = None
        if self.duration_flow is not None:
            bound = self.duration_flow(prior.hidden, valid, durations, told)
        else:
            log_durations = self._predict(prior.hidden, valid, told)
            if self.config.duration == "log":
                log_durations = F.softplus(log_durations)  # log(d + 1), if it is log d
        segment = features.window(self.config.segment)
        starts = random_starts(lengths, segment)
        latent, sung, melody = found.posterior.sample, None, None
        if self.melody is not None:
            sung, spoken = self.melody.taught(self.melody.beside(0, latent, lengths), features)
            melody = Melody(*(windows(x, starts, segment) for x in spoken))
        return VitsOutput(
            fake=self.generator(windows(latent, starts, segment), told, melody=melody),
            starts=starts,
            segment=segment,
            log_p=found.log_p,
            durations=durations,
            z=found.z,
            posterior_log_scale=found.posterior.log_scale,
            prior_mean=_by_frame(prior.mean, durations, count),
            prior_log_scale=_by_frame(prior.log_scale, durations, count),
            valid_frames=valid_positions(lengths, count),
            valid_tokens=valid,
            duration_bound=bound,
            log_durations=log_durations,
            melody=sung,
        )

    def analyse(
        self, tokens: Tensor, token_lengths: Tensor, features: Features, conditions: Conditions
    ) -> Analysis:
        """Return how the recordings speak their tokens."""
        found = self.align(tokens, token_lengths, features, conditions)
        return Analysis(Prosody.recorded(features, found.durations), found.log_p)

    def align(
        self, tokens: Tensor, token_lengths: Tensor, features: Features, conditions: Conditions
    ) -> LatentAlignment:
        """Return what is said of tokens and of recordings, and how the two fit; see ``forward``."""
        told = self._tell(conditions)
        valid = valid_positions(token_lengths, tokens.shape[1])
        prior = self.text(self.embedding(tokens), valid)
        heard = valid_positions(features.mel_lengths, features.mel.shape[1])
        linear = self.spectrogram(features.wav, features.wav_lengths)
        posterior = self.posterior(linear, heard, told)
        z = self.flow(posterior.sample, heard, told)
        durations, log_p = search_prior(
            *(z, prior.mean, prior.log_scale, token_lengths, features.mel_lengths),
            diagonal=self.config.diagonal_prior,
        )
        return LatentAlignment(prior, posterior, z, durations, log_p, told)

    def plan(
        self,
        tokens: Tensor,
        token_lengths: Tensor,
        conditions: Conditions | None = None,
        controls: Controls | None = None,
        prosody: Prosody | None = None,
    ) -> Plan:
        """Return what the waveform is made from.

        Args:
            tokens: Ids, (B, N); 0 at padding.
            token_lengths: (B,).
            conditions: Speaker, language.
            controls: Speed, and pitch where the generator has harmonics; all else is drawn, unseen,
                with the latent.
            prosody: Its durations are spoken instead of drawn ones; speed then does nothing.

        Raises:
            MalsoriError: Something shall be changed that is drawn unseen.
        """
        controls = controls or Controls()
        _refuse_unseen(controls, ENERGY if self.melody is not None else (*ENERGY, "pitch_shift"))
        told = self._tell(conditions or Conditions())
        valid = valid_positions(token_lengths, tokens.shape[1])
        prior = self.text(self.embedding(tokens), valid)
        if prosody is None:
            durations = self._durations(prior.hidden, valid, told, controls.speed)
        else:
            durations = prosody.durations
        lengths = durations.sum(1)
        count = int(lengths.max())
        spoken = valid_positions(lengths, count)
        noise = self._noise(lengths, prior.mean.shape[2]) * self.config.noise
        scale = _by_frame(prior.log_scale, durations, count).exp()
        z = _by_frame(prior.mean, durations, count) + noise * scale
        latent = self.flow.inverse(z, spoken, told)
        melody = None
        if self.melody is not None:
            base = _by_frame(_by_token(controls.pitch_shift, durations), durations, count)
            sung = self.melody.beside(base.squeeze(-1), latent, lengths)
            melody = self.melody.spoken(sung.pitch, sung.voiced)
        unknown = torch.full(durations.shape, torch.nan, device=tokens.device)
        return Plan(
            frames=latent,
            frame_lengths=lengths,
            prosody=Prosody(durations=durations, pitch=unknown, energy=unknown),
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
            features: The recordings; the samples themselves are looked at.
            source: Speaker, language of the recordings.
            target: Speaker, language of what is returned.
            pitch_shift: Added to the pitch that a generator with harmonics sings; without harmonics
                it is in the latent, and this does nothing.
        """
        told = self._tell(source), self._tell(target)
        lengths = features.mel_lengths
        valid = valid_positions(lengths, features.mel.shape[1])
        linear = self.spectrogram(features.wav, features.wav_lengths)
        noise = self._noise(lengths, self.config.width)
        latent = carry_over(self.posterior, self.flow, linear, valid, told, noise)
        melody = None
        if self.melody is not None:
            sung = self.melody.beside(pitch_shift, latent, lengths)
            melody = self.melody.spoken(sung.pitch, sung.voiced)
        wav = self.generator(latent, told[1], valid if len(latent) > 1 else None, melody)
        return converted(wav, features)

    def _tell(self, conditions: Conditions) -> Tensor | None:
        """Return speaker and language as numbers, (B, G) or (1, G); None for a voice of one."""
        told = self.conditioning.read(
            speaker=conditions.speaker,
            language=conditions.language,
            embedding=conditions.embedding,
        )
        return self.conditioning.summary(told)

    def _durations(
        self,
        hidden: Tensor,
        valid: Tensor,
        told: Tensor | None,
        speed: float | Tensor,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Return whole frames per token, at least 1 each, (B, N) int64."""
        if self.duration_flow is not None:
            noise = self._noise(valid.sum(1), 2) if noise is None else noise
            log = self.duration_flow.inverse(hidden, valid, told, noise, self.config.duration_noise)
            frames = (log.exp() / speed).ceil()
        else:
            log = self._predict(hidden, valid, told)
            if self.config.duration == "log":
                frames = (log.float().exp() / speed).ceil()
            else:
                frames = ((log.float().exp() - 1) / speed).round()
        return frames.clamp(1, LONGEST_TOKEN).long() * valid

    def _predict(self, hidden: Tensor, valid: Tensor, told: Tensor | None) -> Tensor:
        """Return the plain predictor's log(frames + 1) or log(frames), (B, N)."""
        assert self.duration_predictor is not None
        hidden = hidden.detach()
        if self.duration_condition is not None and told is not None:
            hidden = hidden + self.duration_condition(told.detach())[:, None]
        return self.duration_predictor(hidden, valid)  # type: ignore[no-any-return]

    def _noise(self, lengths: Tensor, channels: int) -> Tensor:
        """Return standard normal noise, (B, longest, channels), as each utterance alone has it."""
        return seeded_noise(lengths, channels, self.config.noise_seed)


class LatentAlignment(NamedTuple):
    """Tokens and recordings encoded, and how the two fit."""

    prior: TokenPrior
    posterior: Posterior
    z: Tensor
    """The posterior's sample in the prior's space, (B, T, D)."""
    durations: Tensor
    """Frames per token on the likeliest path, (B, N)."""
    log_p: Tensor
    """Log-likelihood of frames under each token's prior, (B, T, N)."""
    told: Tensor | None
    """Speaker and language, (B, G) or (1, G)."""


def _by_frame(values: Tensor, durations: Tensor, frames: int) -> Tensor:
    """Return each frame's token's values, (B, T, C), for ``values`` of (B, N, C)."""
    index = token_of_frame(durations, frames)[..., None]
    return values.gather(1, index.expand(-1, -1, values.shape[2]))


def _by_token(value: float | Tensor, durations: Tensor) -> Tensor:
    """Return a control of everything, of utterances or of tokens for each token, (B, N, 1)."""
    value = torch.as_tensor(value, dtype=torch.float32, device=durations.device)
    return value.expand(durations.shape)[..., None]


def _refuse_unseen(controls: Controls, names: tuple[str, ...]) -> None:
    usual = Controls()
    for name in names:
        value, neutral = getattr(controls, name), getattr(usual, name)
        if bool((torch.as_tensor(value) != neutral).any()):
            drawn = name.partition("_")[0]
            tag = "volume" if drawn == "energy" else drawn
            raise MalsoriError(
                f"{drawn}: this voice draws it itself; leave it at 0, and {tag} out of <prosody>"
            )


ENTRY = Entry(
    config=VitsConfig,
    build=Vits,
    summary="variational autoencoder with a flow, alignment searched on its prior",
    source="Kim et al. 2021, arXiv:2106.06103",
)
