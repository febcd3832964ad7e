"""GAN text-to-speech: a model from tokens to waveform against an ensemble of discriminators.

Axes: B utterances, T frames, S samples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from malsori.core.config import Choice, build, choice
from malsori.core.errors import ConfigError
from malsori.core.registry import Entry
from malsori.data.batch import Batch
from malsori.losses import ADVERSARIAL, LOSSES, RECONSTRUCTIONS
from malsori.losses.adversarial import feature_matching_loss
from malsori.models import MODELS
from malsori.models.voice import CompleteModel, VoiceOutput
from malsori.modules.discriminators import DiscriminatorConfig, Discriminators
from malsori.modules.features import FeatureExtractor, Features
from malsori.modules.lengths import windows
from malsori.tasks.complete_gan import CompleteGan
from malsori.tasks.demonstration import conditions_of, demonstrate, metrics_of
from malsori.tasks.task import Demonstration, TaskContext, Turn, loss_weights


@dataclass(frozen=True, kw_only=True)
class GanTtsConfig:
    """Losses and discriminators; the defaults are those of the JETS recipe."""

    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    """The ensemble that judges waveforms."""
    adversarial: Choice = choice(ADVERSARIAL, "least_squares")
    """The game between generator and discriminators."""
    reconstruction: Choice = choice(RECONSTRUCTIONS, "mel")
    """Distance of generated segments from recorded ones."""
    weights: dict[str, float] = field(default_factory=dict)
    """Loss weights that differ from the reference recipe: adversarial 1, reconstruction 45,
    feature_matching 2, and those of the model."""


class Pass(NamedTuple):
    """One forward pass: what was generated, and what was recorded at the same place."""

    output: VoiceOutput
    real: Tensor
    """(B, 1, segment · hop)."""


class GanTts(nn.Module):
    """Generator first, then discriminator; one pass of the discriminator serves both turns.

    The discriminator's weights and inputs are the same in both turns, so that its graph is built
    once: the generator's turn runs back through it to the generator's parameters only, then the
    discriminator's turn to its own.
    """

    averaged = "generator"

    def __init__(self, config: GanTtsConfig, context: TaskContext, model: Any) -> None:
        super().__init__()
        self.audio = context.voice.audio
        self.model = model
        self.metrics = metrics_of(model)
        self.discriminator = Discriminators(config.discriminator)
        self.features = FeatureExtractor(self.audio, context.statistics)
        self.adversarial = build(ADVERSARIAL, config.adversarial)
        self.reconstruction = build(RECONSTRUCTIONS, config.reconstruction, audio=self.audio)
        own: Mapping[str, float] = self.model.loss_weights
        reference = {"adversarial": 1.0, "reconstruction": 45.0, "feature_matching": 2.0, **own}
        self.weights = {
            "generator": loss_weights(reference, config.weights, list(reference)),
            "discriminator": {"real": 1.0, "fake": 1.0},
        }
        self.model_losses = {
            name: build(LOSSES, Choice(name, LOSSES.entry(name).config())) for name in own
        }
        self.validation_losses = (*own, "reconstruction")

    @property
    def players(self) -> Mapping[str, nn.Module]:
        """The generator, then the discriminator."""
        return {"generator": self.model, "discriminator": self.discriminator}

    def turns(self, batch: Batch) -> Iterator[Turn]:
        """Yield the generator's turn, then the discriminator's."""
        output, real = self._generate(batch)
        judged = self.discriminator(real, output.fake)
        losses = self._own_losses(output, real)
        losses["adversarial"] = self.adversarial.generator(judged.fake)
        losses["feature_matching"] = feature_matching_loss(judged.real, judged.fake)
        yield Turn(player="generator", losses=losses, retain_graph=True)
        on_real, on_fake = self.adversarial.discriminator(judged.real, judged.fake)
        yield Turn(player="discriminator", losses={"real": on_real, "fake": on_fake})

    @torch.no_grad()
    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """Return the model's own losses and the reconstruction loss on one batch."""
        output, real = self._generate(batch)
        return self._own_losses(output, real)

    @torch.no_grad()
    def demonstrate(self, batch: Batch) -> Demonstration:
        """Speak the batch's tokens freely, and align its recordings."""
        return demonstrate(self.model, batch, self.features)

    def _generate(self, batch: Batch) -> Pass:
        features = self._features(batch)
        output: VoiceOutput = self.model(
            batch.tokens,
            batch.token_lengths,
            features.mel,
            features.mel_lengths,
            features.pitch,
            features.energy,
            conditions_of(batch),
            None if batch.voiced is None else batch.voiced[:, : features.pitch.shape[1]],
        )
        hop = self.audio.hop
        real = windows(batch.wav, output.starts * hop, output.segment * hop)
        return Pass(output, real[:, None])

    def _own_losses(self, output: VoiceOutput, real: Tensor) -> dict[str, Tensor]:
        losses = {name: loss(output) for name, loss in self.model_losses.items()}
        losses["reconstruction"] = self.reconstruction(output.fake, real)
        return losses

    def _features(self, batch: Batch) -> Features:
        found: Features = self.features(batch.wav, batch.wav_lengths, batch.log_f0)
        return found


def make_task(config: GanTtsConfig, context: TaskContext) -> GanTts | CompleteGan:
    """Return the game around the model in ``context``, or the one that it brings itself."""
    model = build(MODELS, context.model, context=context.voice)
    if not isinstance(model, CompleteModel):
        return GanTts(config, context, model)
    for part in dataclasses.fields(config):
        if getattr(config, part.name) != getattr(GanTtsConfig(), part.name):
            raise ConfigError(
                f"task.{part.name}: {context.model.name} brings its own; set it in model.params, "
                "and leave compat out, which sets it too"
            )
    return CompleteGan(context, model)


ENTRY = Entry(
    config=GanTtsConfig,
    build=make_task,
    summary="text to waveform, adversarially trained (JETS, VITS)",
    source="Kong et al. 2020, arXiv:2010.05646; Lim et al. 2022, arXiv:2203.16852",
)
