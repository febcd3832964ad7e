"""Alignment alone: learn which frames of a recording belong to which token.

Axes: B utterances, N tokens, T frames.
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
from malsori.losses import LOSSES
from malsori.models import MODELS
from malsori.models.aligner import AlignerOutput, AlignmentNetwork
from malsori.modules.features import FeatureExtractor
from malsori.tasks.demonstration import conditions_of, features_of, show_alignment
from malsori.tasks.task import Demonstration, Material, TaskContext, Turn, loss_weights


@dataclass(frozen=True, kw_only=True)
class AlignConfig:
    """Weights of the two losses."""

    material: ClassVar[Material] = "speech"
    weights: dict[str, float] = field(default_factory=dict)
    """Loss weights that differ from the model's: forward_sum 1, binarisation 1."""


class Align(nn.Module):
    """One player, the alignment network; shown by its alignments, judged by their diagonality."""

    averaged = "aligner"
    metrics: Mapping[str, bool] = {"diagonality": True}

    def __init__(self, config: AlignConfig, context: TaskContext) -> None:
        super().__init__()
        self.model: Any = build(MODELS, context.model, context=context.voice)
        if not isinstance(self.model, AlignmentNetwork):
            raise ConfigError(
                f"model.name: the task align trains 'aligner' alone, not {context.model.name!r}, "
                "which learns to align in its own task"
            )
        self.features = FeatureExtractor(context.voice.audio, context.statistics)
        own = self.model.loss_weights
        self.weights = {"aligner": loss_weights(own, config.weights, list(own))}
        self.losses = {
            name: build(LOSSES, Choice(name, LOSSES.entry(name).config())) for name in own
        }
        self.validation_losses = tuple(own)

    @property
    def players(self) -> Mapping[str, nn.Module]:
        """The alignment network."""
        return {"aligner": self.model}

    def turns(self, batch: Batch) -> Iterator[Turn]:
        """Yield the one turn."""
        yield Turn(player="aligner", losses=self._losses(batch))

    @torch.no_grad()
    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """Return both losses on one batch."""
        return self._losses(batch)

    @torch.no_grad()
    def demonstrate(self, batch: Batch) -> Demonstration:
        """Align the batch's recordings."""
        show = Demonstration(sample_rate=self.features.spectrogram.audio.sample_rate)
        features = features_of(batch, self.features)
        show_alignment(show, self.model, batch, features, conditions_of(batch))
        return show

    def _losses(self, batch: Batch) -> dict[str, Tensor]:
        features = features_of(batch, self.features)
        output: AlignerOutput = self.model(
            batch.tokens, batch.token_lengths, features, conditions_of(batch)
        )
        return {name: loss(output) for name, loss in self.losses.items()}


ENTRY = Entry(
    config=AlignConfig,
    build=Align,
    summary="which frames belong to which token, learnt alone (for 'malsori align')",
    source="Badlani et al. 2021, arXiv:2108.10447",
)
