"""Checkpoints: all that resume needs, in safetensors and JSON, whole or not there.

checkpoints/step-N/players.safetensors     every player's parameters and buffers
checkpoints/step-N/average.safetensors     moving average of the averaged player
checkpoints/step-N/optimizers.safetensors  optimiser states and random-number states
checkpoints/step-N/state.json              step, epoch, position, metric, counts
checkpoints/last, checkpoints/best         one line each: the folder's name
checkpoints/average                        names of the n best, best first, one a line
"""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from malsori.core.errors import MalsoriError
from malsori.core.files import atomic_folder, read_json, write_json, write_text
from malsori.core.log import get_logger

log = get_logger(__name__)
NAME = re.compile(r"step-(\d+)")


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What a checkpoint holds."""

    state: dict[str, Any]
    """Numbers and words."""
    players: dict[str, Tensor]
    average: dict[str, Tensor]
    optimizers: dict[str, Tensor]


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: ``exp/NAME/checkpoints``.
        keep_last: Latest ones kept.
        keep_best: Best ones kept.
        larger_is_better: How the metric is read.
    """

    def __init__(
        self, folder: Path, keep_last: int = 1, keep_best: int = 1, larger_is_better: bool = False
    ) -> None:
        self.folder = folder
        self.keep_last = keep_last
        self.keep_best = keep_best
        self.larger_is_better = larger_is_better

    def steps(self) -> list[int]:
        """Return the steps of all whole checkpoints, rising."""
        if not self.folder.is_dir():
            return []
        found = (NAME.fullmatch(path.name) for path in self.folder.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def save(self, snapshot: Snapshot) -> None:
        """Write a checkpoint, move the pointers, then delete what is no longer kept.

        Raises:
            MalsoriError: The disk refused; every earlier checkpoint is untouched.
        """
        from safetensors import SafetensorError
        from safetensors.torch import save_file

        step = int(snapshot.state["step"])
        target = self.folder / f"step-{step}"
        with atomic_folder(target) as aside:
            try:
                save_file(snapshot.players, aside / "players.safetensors")
                save_file(snapshot.average, aside / "average.safetensors")
                save_file(snapshot.optimizers, aside / "optimizers.safetensors")
            except SafetensorError as error:
                raise MalsoriError(
                    f"{target}: cannot be written: {error}; the checkpoint before it is whole"
                ) from error
            write_json(aside / "state.json", snapshot.state)
        self.settle()

    def settle(self) -> None:
        """Move the pointers to what is there and delete what is no longer kept.

        Part of ``save``; once more at the start, in case a kill came between the two.
        """
        steps, ranked = self.steps(), self.ranked()
        if steps:
            write_text(self.folder / "last", f"step-{steps[-1]}\n")
        if ranked:
            write_text(self.folder / "best", f"step-{ranked[0]}\n")
            best = "".join(f"step-{step}\n" for step in ranked[: self.keep_best])
            write_text(self.folder / "average", best)
        self._tidy(steps, ranked)

    def load(self, step: int) -> Snapshot:
        """Return the checkpoint of ``step``, on the CPU.

        Raises:
            MalsoriError: It is not there or damaged.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        path = self.folder / f"step-{step}"
        try:
            return Snapshot(
                state=read_json(path / "state.json"),
                players=load_file(path / "players.safetensors"),
                average=load_file(path / "average.safetensors"),
                optimizers=load_file(path / "optimizers.safetensors"),
            )
        except (OSError, SafetensorError) as error:
            raise MalsoriError(
                f"{path}: damaged ({error}); delete it, and training goes on from the one before"
            ) from error

    def ranked(self) -> list[int]:
        """Return the steps with a finite metric, best first; the earlier one first where equal."""
        scored = []
        for step in self.steps():
            metric = read_json(self.folder / f"step-{step}" / "state.json").get("metric")
            if metric is not None and math.isfinite(metric):
                scored.append((-metric if self.larger_is_better else metric, step))
        return [step for _, step in sorted(scored)]

    def _tidy(self, steps: list[int], ranked: list[int]) -> None:
        for part in self.folder.glob(".*.part"):  # left by a kill
            shutil.rmtree(part, ignore_errors=True)
        kept = {*steps[-self.keep_last :], *ranked[: self.keep_best]}
        for step in steps:
            if step not in kept:
                path = self.folder / f"step-{step}"
                aside = path.with_name(f".{path.name}.part")
                path.rename(aside)  # a kill leaves no half of a checkpoint under its name
                shutil.rmtree(aside, ignore_errors=True)


def player_tensors(players: Mapping[str, nn.Module]) -> dict[str, Tensor]:
    """Return copies on the CPU of all players' parameters and buffers, by ``player/name``."""
    return {
        f"{player}/{name}": _copy(tensor)
        for player, module in players.items()
        for name, tensor in module.state_dict().items()
    }


def load_players(players: Mapping[str, nn.Module], tensors: Mapping[str, Tensor]) -> None:
    """Put saved parameters and buffers into the players.

    Raises:
        MalsoriError: A player's parameters differ in name or shape.
    """
    for player, module in players.items():
        prefix = f"{player}/"
        own = {name[len(prefix) :]: t for name, t in tensors.items() if name.startswith(prefix)}
        load_module(module, own, player)


def load_module(module: nn.Module, tensors: Mapping[str, Tensor], name: str) -> None:
    """Put ``tensors`` into ``module``; every mismatch is an error that names the first."""
    expected = module.state_dict()
    for key in sorted({*expected, *tensors}):
        if key not in tensors:
            raise MalsoriError(f"{name}: the checkpoint has no {key!r}; it is of another model")
        if key not in expected:
            raise MalsoriError(
                f"{name}: the model has no {key!r}; the checkpoint is of another one"
            )
        if tensors[key].shape != expected[key].shape:
            raise MalsoriError(
                f"{name}: {key} has shape {list(tensors[key].shape)} in the checkpoint and "
                f"{list(expected[key].shape)} in the model"
            )
    module.load_state_dict(dict(tensors))


def optimizer_tensors(
    optimizers: Mapping[str, torch.optim.Optimizer], players: Mapping[str, nn.Module]
) -> dict[str, Tensor]:
    """Return copies of all optimiser states, by ``player/parameter/state``."""
    tensors = {}
    for player, optimizer in optimizers.items():
        for name, parameter in players[player].named_parameters():
            for key, value in optimizer.state.get(parameter, {}).items():
                tensors[f"{player}/{name}/{key}"] = _copy(torch.as_tensor(value))
    return tensors


def load_optimizers(
    optimizers: Mapping[str, torch.optim.Optimizer],
    players: Mapping[str, nn.Module],
    tensors: Mapping[str, Tensor],
) -> None:
    """Put saved states back into the optimisers, on their parameters' devices."""
    for player, optimizer in optimizers.items():
        states: dict[str, dict[str, Tensor]] = {}
        for key, tensor in tensors.items():
            owner, _, rest = key.partition("/")
            if owner == player:
                parameter, _, state = rest.rpartition("/")
                states.setdefault(parameter, {})[state] = tensor
        for name, weight in players[player].named_parameters():
            if name in states:
                optimizer.state[weight] = {
                    key: tensor.to(weight.device, copy=True) for key, tensor in states[name].items()
                }


def _copy(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True).contiguous()
