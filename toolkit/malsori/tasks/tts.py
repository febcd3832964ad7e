"""Text-to-speech in two parts: a model from tokens to mel spectrogram, trained without adversaries.

It is listened to through Griffin-Lim; a vocoder is trained by a task of its own.

Axes: B utterances, T frames, M mel bands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from malsori.core.config import Choice, build
from malsori.core.errors import ConfigError
from malsori.core.registry import Entry
from malsori.data.batch import Batch
from malsori.dsp.griffin_lim import GriffinLim
from malsori.losses import LOSSES
from malsori.models import MODELS
from malsori.models.composed import ComposedModel
from malsori.models.voice import AcousticModel
from malsori.modules.features import FeatureExtractor
from malsori.tasks.demonstration import conditions_of, demonstrate, features_of
from malsori.tasks.task import Demonstration, Material, TaskContext, Turn, loss_weights

ITERATIONS = 16
"""Of Griffin-Lim in demonstrations: enough to hear what is said, and quick."""


@dataclass(frozen=True, kw_only=True)
class TtsConfig:
    """Weights of the losses."""

    material: ClassVar[Material] = "speech"
    weights: dict[str, float] = field(default_factory=dict)
    """Loss weights that differ from the model's, which are 1 each: mel, postnet_mel, duration,
    energy, forward_sum, binarisation; pitch (token), frame_pitch and voicing (frame), pitch_waves,
    pitch_range and voicing (wavelet)."""


class Tts(nn.Module):
    """One player, the acoustic model; shown by free speech and, if it aligns, alignments."""

    averaged = "acoustic"

    def __init__(self, config: TtsConfig, context: TaskContext) -> None:
        super().__init__()
        self.model: Any = build(MODELS, context.model, context=context.voice)
        if not isinstance(self.model, AcousticModel):
            raise ConfigError(
                f"model.name: the task tts trains 'fastspeech2', not {context.model.name!r}, which "
                "makes no mel spectrograms of texts"
            )
        own: Mapping[str, float] = self.model.loss_weights
        self.metrics: Mapping[str, bool] = {"mcd": False}
        if "forward_sum" in own:
            self.metrics = {**self.metrics, "diagonality": True}
        self.features = FeatureExtractor(context.voice.audio, context.statistics)
        self.griffin_lim = GriffinLim(context.voice.audio, ITERATIONS)
        self.statistics = context.statistics
        self.weights = {"acoustic": loss_weights(own, config.weights, list(own))}
        self.losses = {
            name: build(LOSSES, Choice(name, LOSSES.entry(name).config())) for name in own
        }
        self.validation_losses = tuple(own)

    @property
    def players(self) -> Mapping[str, nn.Module]:
        """The acoustic model."""
        return {"acoustic": self.model}

    def turns(self, batch: Batch) -> Iterator[Turn]:
        """Yield the one turn."""
        yield Turn(player="acoustic", losses=self._losses(batch))

    @torch.no_grad()
    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """Return all losses on one batch."""
        return self._losses(batch)

    @torch.no_grad()
    def demonstrate(self, batch: Batch) -> Demonstration:
        """Speak the batch's tokens freely, and align its recordings if the model aligns."""
        speaking = ComposedModel(self.model, self.griffin_lim, self.statistics).to(batch.wav.device)
        return demonstrate(speaking, batch, self.features, aligns="diagonality" in self.metrics)

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        features = features_of(batch, self.features)
        output = self.model(batch.tokens, batch.token_lengths, features, conditions_of(batch))
        return {name: loss(output) for name, loss in self.losses.items()}


ENTRY = Entry(
    config=TtsConfig,
    build=Tts,
    summary="text to mel spectrogram (FastSpeech 2); a vocoder or Griffin-Lim makes it audible",
    source="Ren et al. 2021, arXiv:2006.04558",
)
