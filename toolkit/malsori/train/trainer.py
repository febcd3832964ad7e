"""The training loop: steps, checkpoints, validation. Tasks say what is minimised and shown."""

from __future__ import annotations

import contextlib
import itertools
import math
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType

import torch
from torch import Tensor, nn

from malsori.core.config import build
from malsori.core.errors import ConfigError, MalsoriError
from malsori.core.log import get_logger, progress
from malsori.data.batch import Batch, collate
from malsori.data.dataset import Dataset
from malsori.tasks.task import Task, Turn
from malsori.train import OPTIMIZERS, SCHEDULES, distributed
from malsori.train.averaging import MovingAverage
from malsori.train.batches import Batches
from malsori.train.checkpoint import (
    Checkpoints,
    Snapshot,
    load_optimizers,
    load_players,
    optimizer_tensors,
    player_tensors,
)
from malsori.train.config import TrainConfig
from malsori.train.journal import Journal
from malsori.train.move import Move
from malsori.train.skips import Progress, Skips

log = get_logger(__name__)

AGREE_EVERY = {"cpu": 1, "cuda": 10}
"""Steps between two moments at which several processes agree on whether to stop or save; on GPUs
agreeing makes the host wait."""


class Terminated(Exception):
    """A signal asked the run to stop; a checkpoint has been written."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.exit_code = 128 + number


class Trainer:
    """Takes a task through its steps, with checkpoints, validation and a journal.

    Args:
        config: The run's settings.
        task: Players and losses, on the right device.
        train: What is trained on.
        dev: What is validated on.
        folder: ``exp/NAME``.
        device: Where the players are.
    """

    def __init__(
        self,
        config: TrainConfig,
        task: Task,
        train: Dataset,
        dev: Dataset,
        folder: Path,
        device: torch.device,
    ) -> None:
        self.config, self.settings = config, config.training
        self.task, self.train_set, self.dev_set = task, train, dev
        self.folder, self.device = folder, device
        self.parameters = {
            name: [p for p in player.parameters() if p.requires_grad]
            for name, player in task.players.items()
        }
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            name: build(OPTIMIZERS, config.optimizer, parameters=parameters)
            for name, parameters in self.parameters.items()
        }
        self.peak_lr = {n: o.param_groups[0]["lr"] for n, o in self.optimizers.items()}
        self.schedule = build(SCHEDULES, config.schedule, steps=self.settings.steps)
        averaged: nn.Module = task.players[task.averaged]
        decay = self.settings.average_decay
        self.average = MovingAverage(averaged, decay) if decay else None
        self.batches = Batches(
            train,
            config.data,
            config.seed,
            distributed.rank(),
            distributed.world(),
            pin=device.type == "cuda",
        )
        self.checkpoints = Checkpoints(
            folder / "checkpoints",
            self.settings.keep_last,
            self.settings.keep_best,
            self._larger_is_better(),
        )
        self.progress = Progress()
        self.skips = Skips(folder, self.settings.max_nonfinite, at_once=device.type == "cpu")
        self._recent: dict[str, Tensor] = {}
        self._recent_count: dict[str, int] = {}
        self._signal = 0
        self._saved = 0
        self._writes = distributed.rank() == 0

    def fit(self) -> None:
        """Train to the last step, from the latest checkpoint if there is one.

        Raises:
            Terminated: SIGTERM or SIGINT came; a checkpoint was written.
            MalsoriError: Too many non-finite steps in a row, or a file could not be written.
        """
        torch.manual_seed(self.config.seed * 1009 + distributed.rank())
        self._resume()
        if self.progress.step >= self.settings.steps:
            log.info("%s: all %d steps are done", self.folder, self.progress.step)
            return
        journal = Journal(self.folder, self.progress.step) if self._writes else None
        stream = self.batches.stream()
        handlers = {n: signal.signal(n, self._note_signal) for n in (signal.SIGTERM, signal.SIGINT)}
        saved = started = time.monotonic()
        try:
            for _ in self._steps():
                self._step(stream)
                step = self.progress.step
                if step % self.settings.log_every == 0 or step == 1:
                    self._log(journal, started)
                    started = time.monotonic()
                last = step == self.settings.steps
                if step % self.settings.validate_every == 0 or last:
                    stopped = time.monotonic()
                    self._validate(journal)
                    self._save()
                    saved = time.monotonic()
                    started += saved - stopped  # no part of the time of a step
                elif self._agreed(time.monotonic() - saved >= self.settings.save_every):
                    self._save()
                    saved = time.monotonic()
                if self._agreed(self._signal != 0) and not last:
                    if self._saved != step:  # a second save would lose the validation's metric
                        self._save()
                    raise Terminated(self._signal or signal.SIGTERM)
        finally:
            stream.close()  # type: ignore[attr-defined]
            for number, handler in handlers.items():
                signal.signal(number, handler)
            if journal is not None:
                journal.close()

    def _steps(self) -> Iterable[int]:
        """Return the steps that are left, with a bar in the process that writes."""
        done, total = self.progress.step, self.settings.steps
        left = range(done, total)
        return progress(left, total, "train", done) if self._writes else left

    def _step(self, stream: Iterator[Batch]) -> None:
        """Do one step of every player, or skip it if a gradient is not finite."""
        ids: list[str] = []
        for part in range(self.settings.accumulate):
            batch = next(stream)
            ids += batch.ids
            self._turns(batch.to(self.device), part == self.settings.accumulate - 1)
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        self.progress.step += 1
        self.skips.end(self.progress.step, ids)
        if self.skips.at_once:
            self._count_skipped()

    def _count_skipped(self) -> None:
        """Count the skipped steps since the last call; this waits for the device."""
        self.skips.count(self.progress)
        if self.average is not None:
            self.average.settle()

    def _turns(self, batch: Batch, last: bool) -> None:
        """Take every player's turn on one batch, as long as the step is not known to be skipped."""
        turns = self.task.turns(batch)
        moves = {name: Move(weights) for name, weights in self.task.weights.items()}
        while (turn := self._next(turns)) is not None:
            move = moves[turn.player]
            move.add(turn, self.parameters[turn.player], 1 / self.settings.accumulate)
            if not turn.moves:
                continue
            self._keep(turn.player, move.finish(turn.player))
            if last and not self._move(turn.player):
                return

    def _next(self, turns: Iterator[Turn]) -> Turn | None:
        """Return the next turn, computed in the run's precision."""
        if self.settings.precision == "fp32":
            return next(turns, None)
        with torch.autocast(self.device.type, torch.bfloat16):
            return next(turns, None)

    def _move(self, player: str) -> bool:
        """Step one player's optimiser; return False if the step is known to be skipped."""
        parameters, optimizer = self.parameters[player], self.optimizers[player]
        distributed.average_gradients(parameters)
        limit = self.settings.clip_norm
        norm = nn.utils.clip_grad_norm_(parameters, math.inf if limit is None else limit)
        if self.skips.skipped(norm):
            return False
        self._keep(player, {"gradient_norm": norm})
        for group in optimizer.param_groups:
            group["lr"] = self.peak_lr[player] * self.schedule(self.progress.step)
        self.skips.step(optimizer)
        optimizer.zero_grad(set_to_none=True)
        if player == self.task.averaged and self.average is not None:
            self.average.update(self.skips.unknown)
        return True

    def _keep(self, player: str, values: dict[str, Tensor]) -> None:
        for name, value in values.items():
            key = f"{player}/{name}"
            self._recent[key] = self._recent.get(key, torch.zeros_like(value)) + value.detach()
            self._recent_count[key] = self._recent_count.get(key, 0) + 1

    def _log(self, journal: Journal | None, started: float) -> None:
        self._count_skipped()
        values = {key: float(v) / self._recent_count[key] for key, v in self._recent.items()}
        steps = max(1, max(self._recent_count.values()) // self.settings.accumulate)
        self._recent, self._recent_count = {}, {}
        for player, optimizer in self.optimizers.items():
            values[f"{player}/lr"] = optimizer.param_groups[0]["lr"]
        values["time/step"] = (time.monotonic() - started) / steps
        values["epoch"] = self.batches.position.epoch
        values["skipped"] = self.progress.skipped
        if self.device.type == "cuda":
            values["memory/gigabytes"] = torch.cuda.max_memory_allocated(self.device) / 1e9
        if journal is not None:
            journal.scalars(self.progress.step, values)
            totals = [
                f"{k} {v:.3f}"
                for k, v in values.items()
                if k.endswith(("/total", "reconstruction"))
            ]
            log.info(
                "step %d of %d: %s, %.2f s a step",
                self.progress.step,
                self.settings.steps,
                ", ".join(totals),
                values["time/step"],
            )

    def _validate(self, journal: Journal | None) -> None:
        """Measure on the dev set and let the averaged weights speak; changes no training state."""
        if journal is not None:
            step = self.progress.step
            modes = {name: player.training for name, player in self.task.players.items()}
            gpus = [self.device] if self.device.type == "cuda" else []
            averaged = self.average.applied() if self.average else contextlib.nullcontext()
            with torch.random.fork_rng(gpus), averaged, torch.no_grad():
                torch.manual_seed(self.config.seed)
                for player in self.task.players.values():
                    player.eval()
                values = self._validation_losses()
                for prefix, data, count in (
                    ("dev", self.dev_set, self.settings.demonstrate),
                    ("train", self.train_set, self.settings.demonstrate_train),
                ):
                    batch = fixed_batch(data, count)
                    if batch is not None:
                        show = self.task.demonstrate(batch.to(self.device))
                        journal.demonstration(step, show, prefix)
                        values |= {f"{prefix}/{name}": v for name, v in show.metrics.items()}
            for name, player in self.task.players.items():
                player.train(modes[name])
            journal.scalars(step, values)
            journal.curves()
            best = self.settings.best
            self.progress.metric = values[f"dev/{best}" if best in self.task.metrics else best]
            shown = ", ".join(f"{name} {value:.3f}" for name, value in values.items())
            log.info("validation at step %d: %s", step, shown)
        distributed.barrier()

    def _validation_losses(self) -> dict[str, float]:
        limit = self.settings.validate_batches
        stream = Batches(self.dev_set, self.config.data, self.config.seed)
        sums: dict[str, float] = {}
        count = min(limit or sys.maxsize, stream.batches_in_epoch())
        for batch in itertools.islice(stream.stream(epochs=1), count):
            for name, loss in self.task.validate(batch.to(self.device)).items():
                sums[name] = sums.get(name, 0.0) + float(loss)
        return {f"valid/{name}": total / count for name, total in sums.items()}

    def _save(self) -> None:
        self._count_skipped()
        rng = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            rng["cuda"] = torch.cuda.get_rng_state(self.device)
        every_rng = distributed.gather(rng)
        if self._writes:
            position = self.batches.position
            tensors = optimizer_tensors(self.optimizers, self.task.players)
            for rank, states in enumerate(every_rng):
                tensors |= {f"rng/{rank}/{name}": state for name, state in states.items()}
            state = {
                "step": self.progress.step,
                "epoch": position.epoch,
                "batch": position.batch,
                "world": distributed.world(),
                "averaged": self.task.averaged,
                "skipped": self.progress.skipped,
                "skipped_in_a_row": self.progress.skipped_in_a_row,
                "metric": self.progress.metric,
                "metric_name": self.settings.best,
                "average_updates": self.average.updates if self.average else 0,
            }
            self.checkpoints.save(
                Snapshot(
                    state=state,
                    players=player_tensors(self.task.players),
                    average=self.average.state() if self.average else {},
                    optimizers=tensors,
                )
            )
        self.progress.metric = None
        self._saved = self.progress.step
        distributed.barrier()

    def _resume(self) -> None:
        steps = self.checkpoints.steps()
        if not steps:
            return
        snapshot = self.checkpoints.load(steps[-1])
        if self._writes:
            self.checkpoints.settle()
        state = snapshot.state
        if state["world"] != distributed.world():
            raise MalsoriError(
                f"{self.folder}: was trained by {state['world']} processes and has to go on so, "
                f"not by {distributed.world()}"
            )
        load_players(self.task.players, snapshot.players)
        load_optimizers(self.optimizers, self.task.players, snapshot.optimizers)
        if self.average is not None:
            self.average.load(snapshot.average, state["average_updates"])
        rng = f"rng/{distributed.rank()}"
        torch.set_rng_state(snapshot.optimizers[f"{rng}/cpu"])
        if self.device.type == "cuda" and f"{rng}/cuda" in snapshot.optimizers:
            torch.cuda.set_rng_state(snapshot.optimizers[f"{rng}/cuda"], self.device)
        self.batches.position.epoch = state["epoch"]
        self.batches.position.batch = state["batch"]
        self.progress = Progress(
            step=state["step"],
            skipped=state["skipped"],
            skipped_in_a_row=state["skipped_in_a_row"],
        )
        log.info("%s: goes on from step %d", self.folder, self.progress.step)

    def _larger_is_better(self) -> bool:
        best, task = self.settings.best, self.task
        known = [*task.metrics, *(f"valid/{name}" for name in task.validation_losses)]
        if best not in known:
            raise ConfigError(f"training.best: no metric {best!r}; known: {', '.join(known)}")
        if best in task.metrics and not self.settings.demonstrate:
            raise ConfigError(f"training.demonstrate: {best!r} needs at least 1 utterance, got 0")
        return task.metrics.get(best, False)

    def _agreed(self, flag: bool) -> bool:
        if distributed.world() == 1:
            return flag
        if self.progress.step % AGREE_EVERY.get(self.device.type, 1):
            return False
        return distributed.any_process(flag)

    def _note_signal(self, number: int, frame: FrameType | None) -> None:
        if self._signal:  # a second one does not wait
            raise KeyboardInterrupt
        self._signal = number


def fixed_batch(data: Dataset, count: int) -> Batch | None:
    """Return the first ``count`` utterances of a set as a batch; None for none."""
    count = min(count, len(data))
    return collate([data[i] for i in range(count)]) if count else None
