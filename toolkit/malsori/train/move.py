"""Adding up the shares of a player's move."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor, nn

from malsori.core.errors import ConfigError
from malsori.tasks.task import Turn


class Move:
    """What the shares of one player's move add up to."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self.weights = weights
        self._losses: dict[str, Tensor] = {}
        self._shown: dict[str, Tensor] = {}

    def add(self, turn: Turn, parameters: Sequence[nn.Parameter], share: float) -> None:
        """Go back through a turn, and add its losses.

        Raises:
            ConfigError: It has a loss without a weight.
        """
        if not turn.losses.keys() <= self.weights.keys():
            self._refuse(turn.player, turn.losses.keys() - self.weights.keys())
        total = turn.backward(self.weights, parameters, share)
        for sums, values in (
            (self._losses, turn.losses),
            (self._shown, {**turn.shown, "total": total}),
        ):
            for name, value in values.items():
                sums[name] = sums[name] + value.detach() if name in sums else value.detach()

    def finish(self, player: str) -> dict[str, Tensor]:
        """Return all losses, what is shown beside them, and their weighted sum.

        Raises:
            ConfigError: There is a weight without a loss.
        """
        if missing := self.weights.keys() - self._losses.keys():
            self._refuse(player, missing)
        return {**self._shown, **self._losses}

    def _refuse(self, player: str, odd: Iterable[str]) -> None:
        raise ConfigError(f"task.weights: losses and weights of {player} differ in {sorted(odd)}")
