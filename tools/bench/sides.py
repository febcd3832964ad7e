"""ESPnet's JETS and ours as two sides that do the same training step, for the other benches.

Theirs is ``espnet.jets`` stepped as ESPnet's trainer does, ours is ``jets`` with ``compat: espnet``
stepped as ours does; both are built from our settings and can be given the same weights.
"""

from __future__ import annotations

import contextlib
import math
import sys
from pathlib import Path
from typing import Any

WEIGHTED_THERE = ("reconstruction", "adversarial", "feature_matching")
"""Losses that ESPnet logs times their weight."""


class Side:
    """One of the two: its task, its optimisers, and one step as our trainer does it."""

    def __init__(self, config: Any, task: Any) -> None:
        from malsori.train.skips import Skips

        self.task = task
        self.parameters = {name: list(p.parameters()) for name, p in task.players.items()}
        self.optimizers = {
            name: self._optimizer(config.optimizer, parameters)
            for name, parameters in self.parameters.items()
        }
        on_host = next(task.parameters()).device.type == "cpu"
        self.skips = Skips(Path(), limit=sys.maxsize, at_once=on_host)

    def step(self, batch: Any, precision: Any = None) -> dict[str, Any]:
        """Step both players and return their losses by ``player/loss``, () each.

        Args:
            batch: What is trained on.
            precision: The context in which losses are computed, such as autocast.
        """
        found: dict[str, Any] = {}
        turns = self.task.turns(batch)
        while True:
            with precision or contextlib.nullcontext():
                turn = next(turns, None)
            if turn is None:
                self.skips.end(0, batch.ids)
                return found
            weights = self.task.weights[turn.player]
            total = self._take(turn)
            for name, value in {**turn.shown, **turn.losses, "total": total}.items():
                weight = weights[name] if name in WEIGHTED_THERE else 1.0
                key = f"{turn.player}/{name}"
                found[key] = found.get(key, 0.0) + weight * value.detach()

    def _optimizer(self, chosen: Any, parameters: Any) -> Any:
        """Return the optimiser of one player."""
        from malsori.core.config import build
        from malsori.train import OPTIMIZERS

        return build(OPTIMIZERS, chosen, parameters=parameters)

    def _take(self, turn: Any) -> Any:
        """Go back through a turn, and step its player where it moves; return the sum, ()."""
        player = turn.player
        total = turn.backward(self.task.weights[player], self.parameters[player])
        if turn.moves:
            self._move(player)
        return total

    def _move(self, player: str) -> None:
        """Step one player's optimiser, unless a gradient is not finite."""
        from torch.nn.utils import clip_grad_norm_

        if not self.skips.skipped(clip_grad_norm_(self.parameters[player], math.inf)):
            self.skips.step(self.optimizers[player])
        self.optimizers[player].zero_grad(set_to_none=True)


class EspnetSide(Side):
    """ESPnet's, stepped as its ``GANTrainer`` does.

    A turn goes back to every parameter, the other player's too, whose gradients are thrown away;
    AdamW is PyTorch's in its own settings.
    """

    def _optimizer(self, chosen: Any, parameters: Any) -> Any:
        """Return the optimiser of one player."""
        import torch

        names = ("lr", "betas", "eps", "weight_decay")
        return torch.optim.AdamW(parameters, **{n: getattr(chosen.config, n) for n in names})

    def _take(self, turn: Any) -> Any:
        """Go back through a turn, and step its player; return what it minimised, ()."""
        total = turn.losses["loss"]
        total.backward()
        self.optimizers[turn.player].step()
        for optimizer in self.optimizers.values():
            optimizer.zero_grad()
        return total.detach()


def espnet_params(config: Any, names: Any) -> dict[str, Any]:
    """Return the ``tts_conf`` of the same model in ESPnet."""
    from malsori.espnet.export_settings import discriminator_params, generator_params

    mel = config.task.config.reconstruction.config
    return {
        "generator_params": generator_params(
            config.model.config, len(names.speakers), len(names.languages)
        ),
        "discriminator_params": discriminator_params(config.task.config.discriminator),
        "mel_loss_params": {
            **{"n_fft": mel.n_fft, "hop_length": config.audio.hop, "n_mels": mel.mel_bands},
            **{"fmin": 0, "fmax": None, "log_base": None},
        },
    }


def our_side(config: Any, tokens: Any, statistics: Any, names: Any, device: Any = "cpu") -> Side:
    """Return our side of a training of ``config``, on a device."""
    return Side(config, _task(config, tokens, statistics, names).to(device))


def their_side(config: Any, tokens: Any, statistics: Any, names: Any, device: Any = "cpu") -> Side:
    """Return ESPnet's side of the same training."""
    from malsori.core.config import from_dict, to_dict
    from malsori.train.config import TrainConfig

    tree = to_dict(config)
    del tree["task"], tree["compat"]
    tree["model"] = {"name": "espnet.jets", "params": espnet_params(config, names)}
    theirs = from_dict(TrainConfig, tree)
    return EspnetSide(theirs, _task(theirs, tokens, statistics, names).to(device))


def _task(config: Any, tokens: Any, statistics: Any, names: Any) -> Any:
    """Return what is trained, with its first weights."""
    import torch

    from malsori.train.run import build_task

    torch.manual_seed(config.seed)
    return build_task(config, tokens, statistics, names).train()


def same_weights(config: Any, ours: Side, theirs: Side) -> None:
    """Give ESPnet's players our players' weights, every one of them."""
    from malsori.espnet.weights import discriminator_to_espnet, to_espnet

    model, judges = config.model.config, config.task.config.discriminator
    renamed = {
        "generator": to_espnet(ours.task.players["generator"].state_dict(), model),
        "discriminator": discriminator_to_espnet(
            ours.task.players["discriminator"].state_dict(), judges
        ),
    }
    for player, weights in renamed.items():
        theirs.task.players[player].load_state_dict(weights)
