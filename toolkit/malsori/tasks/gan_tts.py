"""GAN text-to-speech: a model from tokens to waveform against an ensemble of discriminators.

Axes: B utterances, T frames, S samples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from malsori.core.config import Choice, build
from malsori.core.errors import ConfigError
from malsori.core.registry import Entry
from malsori.data.batch import Batch
from malsori.losses import LOSSES
from malsori.models import MODELS
from malsori.models.voice import CompleteModel, SpeakingModel, VoiceOutput
from malsori.modules.features import FeatureExtractor
from malsori.modules.lengths import windows
from malsori.tasks.adversarial import AdversarialConfig, AdversarialTask
from malsori.tasks.complete_gan import CompleteGan
from malsori.tasks.demonstration import conditions_of, demonstrate, features_of, metrics_of
from malsori.tasks.task import Demonstration, Material, TaskContext, Turn


@dataclass(frozen=True, kw_only=True)
class GanTtsConfig(AdversarialConfig):
    """Losses and discriminators; the defaults are those of the JETS recipe."""

    material: ClassVar[Material] = "speech"


class Pass(NamedTuple):
    """One forward pass: what was generated, and what was recorded at the same place."""

    output: VoiceOutput
    real: Tensor
    """(B, 1, segment · hop)."""


class GanTts(AdversarialTask):
    """Segments that the model speaks against the recorded ones at the same place."""

    def __init__(self, config: GanTtsConfig, context: TaskContext, model: Any) -> None:
        own: Mapping[str, float] = model.loss_weights
        super().__init__(config, model, context.voice.audio, own)
        self.metrics = metrics_of(model)
        self.features = FeatureExtractor(self.audio, context.statistics)
        self.model_losses = {
            name: build(LOSSES, Choice(name, LOSSES.entry(name).config())) for name in own
        }

    def turns(self, batch: Batch) -> Iterator[Turn]:
        """Yield the generator's turn, then the discriminator's."""
        output, real = self._generate(batch)
        yield from self.play(output.fake, real, self._own_losses(output, real))

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
        features = features_of(batch, self.features)
        output: VoiceOutput = self.model(
            batch.tokens, batch.token_lengths, features, conditions_of(batch)
        )
        hop = self.audio.hop
        real = windows(batch.wav, output.starts * hop, output.segment * hop)
        return Pass(output, real[:, None])

    def _own_losses(self, output: VoiceOutput, real: Tensor) -> dict[str, Tensor]:
        losses = {name: loss(output) for name, loss in self.model_losses.items()}
        losses["reconstruction"] = self.reconstruction(output.fake, real)
        return losses


def make_task(config: GanTtsConfig, context: TaskContext) -> GanTts | CompleteGan:
    """Return the game around the model in ``context``, or the one that it brings itself."""
    model = build(MODELS, context.model, context=context.voice)
    if not isinstance(model, SpeakingModel):
        raise ConfigError(
            f"model.name: {context.model.name!r} does not speak; it is trained by another task "
            "(task.name)"
        )
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
    summary="text to waveform, adversarially trained (JETS, VITS, VAEJETS)",
    source="Kong et al. 2020, arXiv:2010.05646; Lim et al. 2022, arXiv:2203.16852",
)
