"""What the trainer asks of a task: players, turns, validation, demonstration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from malsori.core.config import Choice
from malsori.data.batch import Batch
from malsori.dsp.statistics import Statistics
from malsori.models.voice import VoiceContext

Material = Literal["speech", "recordings"]
"""What a task is trained on: speech, which is recordings with their tokens, F0, speakers and
statistics (stages 1 to 3), or recordings alone."""


class TaskConfig(Protocol):
    """What the settings of every task tell."""

    material: ClassVar[Material]
    """What it is trained on."""


@dataclass(frozen=True, kw_only=True)
class TaskContext:
    """What a task is built for."""

    model: Choice
    """The model to train."""
    voice: VoiceContext
    """What the data decides about the model."""
    statistics: Statistics
    """Of the training features; neutral for a task that is trained on recordings alone."""


class Cut(NamedTuple):
    """A place where a graph is cut in two, so that each half goes back, and is freed, by itself."""

    end: Tensor
    """Of the first half."""
    start: Tensor
    """Of the second half: a leaf with the same values, which gathers their gradient."""

    @classmethod
    def after(cls, tensor: Tensor) -> Cut:
        """Return the cut behind a tensor."""
        return cls(tensor, tensor.detach().requires_grad_())


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One player's move, or a share of it: what it minimises, before weights."""

    player: str
    losses: Mapping[str, Tensor] = field(default_factory=dict)
    shown: Mapping[str, Tensor] = field(default_factory=dict)
    """What is logged beside them, each ()."""
    moves: bool = True
    """The player steps afterwards; False for a share of its move: gradients and losses of all
    shares of one move add up."""
    retain_graph: bool = False
    """A later turn of the same batch goes back through the same graph."""
    down_to: Cut | None = None
    """Go back to this cut only; its gradient waits there."""
    down_from: Cut | None = None
    """Take the gradient that waits at this cut along."""

    def backward(
        self, weights: Mapping[str, float], parameters: Sequence[nn.Parameter], share: float = 1.0
    ) -> Tensor:
        """Add the gradients of the weighted losses to ``.grad``; return their sum, ().

        Args:
            weights: Of each loss.
            parameters: The player's; nobody else's gradients are computed.
            share: What gradients are multiplied with.
        """
        if not self.losses and self.down_from is None:
            return torch.zeros((), device=parameters[0].device)
        weighted = [weights[name] * loss for name, loss in self.losses.items()]
        total = torch.stack(weighted).sum() if weighted else torch.zeros(())
        ends: list[Tensor] = [total * share] if weighted else []
        gradients: list[Tensor | None] = [None] * len(ends)
        if self.down_from is not None:
            ends.append(self.down_from.end)
            gradients.append(self.down_from.start.grad)
        into = parameters if self.down_to is None else [self.down_to.start]
        torch.autograd.backward(ends, gradients, self.retain_graph, inputs=into)
        return total.detach()


@dataclass(frozen=True, kw_only=True)
class Demonstration:
    """What people look at and listen to, and the numbers that choose the best checkpoint."""

    metrics: dict[str, float] = field(default_factory=dict)
    audio: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    images: dict[str, NDArray[np.uint8]] = field(default_factory=dict)
    """Pictures, (height, width, 3)."""
    sample_rate: int = 24000


class Task(Protocol):
    """Losses and players; the trainer does the rest."""

    players: Mapping[str, nn.Module]
    """Networks by name, one optimiser and schedule each, in the order of their turns."""
    weights: Mapping[str, Mapping[str, float]]
    """For each player the weight of each of its losses."""
    averaged: str
    """The player of which a moving average is kept: the one that is used after training."""
    metrics: Mapping[str, bool]
    """Names of the demonstration's metrics; True where more is better."""
    validation_losses: tuple[str, ...]
    """Names of the losses that ``validate`` returns."""

    def to(self, device: Any) -> Any:
        """Move everything, buffers of losses and features too."""
        ...

    def turns(self, batch: Batch) -> Iterator[Turn]:
        """Yield each player's turns on one batch.

        The trainer goes back through each, and steps the player where it moves, before it asks for
        the next.
        """
        ...

    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """Return the losses of a batch that is not trained on."""
        ...

    def demonstrate(self, batch: Batch) -> Demonstration:
        """Do freely what the model is for, on a few fixed utterances."""
        ...


def loss_weights(
    reference: Mapping[str, float], changed: Mapping[str, float], known: Sequence[str]
) -> dict[str, float]:
    """Return the reference weights with those that the config changes.

    Raises:
        ConfigError: A weight is for no loss of this task, or below 0.
    """
    import difflib

    from malsori.core.errors import ConfigError

    for name, weight in changed.items():
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"
            raise ConfigError(f"task.weights.{name}: no such loss; {hint}")
        if weight < 0:
            raise ConfigError(f"task.weights.{name}: must not be negative, got {weight}")
    return {**reference, **changed}
