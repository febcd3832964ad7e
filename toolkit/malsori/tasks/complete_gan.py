"""A model that brings its own discriminators and losses, played as it asks to be.

Axes: B utterances, T frames, S samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from malsori.data.batch import Batch
from malsori.models.voice import CompleteModel
from malsori.modules.features import FeatureExtractor
from malsori.tasks.demonstration import conditions_of, demonstrate, features_of, metrics_of
from malsori.tasks.task import Demonstration, TaskContext, Turn


class CompleteGan(nn.Module):
    """Features for the model; its moves are the turns."""

    averaged = "generator"
    weights: Mapping[str, Mapping[str, float]] = {
        "generator": {"loss": 1.0},
        "discriminator": {"loss": 1.0},
    }

    def __init__(self, context: TaskContext, model: CompleteModel) -> None:
        super().__init__()
        self.model = model
        self.features = FeatureExtractor(context.voice.audio, context.statistics)
        self.metrics = metrics_of(model)
        self.validation_losses = model.validation_losses

    @property
    def players(self) -> Mapping[str, nn.Module]:
        """The model's own, in the order of their turns."""
        return self.model.players

    def turns(self, batch: Batch) -> Iterator[Turn]:
        """Yield the model's moves."""
        for move in self.model.moves(*self._recordings(batch)):
            yield Turn(player=move.player, losses={"loss": move.loss}, shown=move.shown)

    @torch.no_grad()
    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """Return the generator's losses on one batch."""
        return self.model.losses(*self._recordings(batch))

    @torch.no_grad()
    def demonstrate(self, batch: Batch) -> Demonstration:
        """Speak the batch's tokens freely, and align its recordings if the model aligns."""
        return demonstrate(self.model, batch, self.features)

    def _recordings(self, batch: Batch) -> tuple[Any, ...]:
        """Return what a move is made from, in the order of ``CompleteModel.moves``."""
        return (
            batch.tokens,
            batch.token_lengths,
            features_of(batch, self.features),
            conditions_of(batch),
        )
