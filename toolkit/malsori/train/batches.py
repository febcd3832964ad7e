"""An endless stream of batches with a position that can be saved."""

from __future__ import annotations

import itertools
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from malsori.core.errors import MalsoriError
from malsori.data.batch import Batch, Utterance, collate
from malsori.data.batching import Plan, plan_epoch
from malsori.data.dataset import DataConfig, Dataset


@dataclass
class Position:
    """Where in the data the next batch is."""

    epoch: int = 0
    batch: int = 0


class Batches:
    """Batches of a dataset, epoch after epoch, for one of several processes.

    Reading ahead does not count: ``position`` is that of the batch after the last one handed out.

    Args:
        dataset: What is read.
        config: Seconds in a batch, workers.
        seed: Of the run.
        rank: This process.
        world: All processes.
        pin: Copy into page-locked memory, for a GPU.
    """

    def __init__(
        self,
        dataset: Dataset,
        config: DataConfig,
        seed: int,
        rank: int = 0,
        world: int = 1,
        pin: bool = False,
    ) -> None:
        self.dataset, self.config, self.seed = dataset, config, seed
        self.rank, self.world, self.pin = rank, world, pin
        self.position = Position()

    def stream(self, epochs: int | None = None) -> Iterator[Batch]:
        """Yield batches from ``position`` on.

        Readers go on from one epoch into the next: were they started anew, everybody would wait.

        Args:
            epochs: How many, that of ``position`` with them; None for no end.
        """
        begun: deque[int] = deque()
        for batch in self._load(self._planned(begun, epochs)):
            if self.position.batch == begun[0]:
                begun.popleft()
                self.position.epoch, self.position.batch = self.position.epoch + 1, 0
            self.position.batch += 1
            yield batch

    def batches_in_epoch(self) -> int:
        """Return the number of this process's batches in the epoch of ``position``."""
        return len(self._plan(self.position.epoch))

    def _planned(self, begun: deque[int], epochs: int | None) -> Iterator[NDArray[np.int32]]:
        """Yield the rows of each batch from ``position`` on, epoch after epoch.

        Args:
            begun: Gets the number of batches of each epoch when it is begun.
            epochs: How many; None for no end.
        """
        first = self.position.batch
        for epoch in itertools.islice(itertools.count(self.position.epoch), epochs):
            plan = self._plan(epoch)
            begun.append(len(plan))
            yield from plan.from_batch(first)
            first = 0

    def _plan(self, epoch: int) -> Plan:
        """Return this process's batches in an epoch."""
        plan = plan_epoch(self.dataset.seconds, self.config.batch, self.seed, epoch)
        return plan.share(self.rank, self.world)

    def _load(self, planned: Iterator[NDArray[np.int32]]) -> Iterator[Batch]:
        """Yield the planned batches.

        Raises:
            MalsoriError: An utterance cannot be read.
        """
        workers = self.config.workers
        loader: DataLoader[Batch | MalsoriError] = DataLoader(
            _Reader(self.dataset),  # type: ignore[arg-type]
            batch_sampler=planned,  # type: ignore[arg-type]
            collate_fn=_collate,
            num_workers=workers,
            multiprocessing_context="fork" if workers else None,  # the audio cache is shared so
            prefetch_factor=4 if workers else None,
            worker_init_fn=_leave_signals_to_the_parent if workers else None,
            pin_memory=self.pin,
            generator=torch.Generator(),  # else it draws from the generator that dropout uses
        )
        iterator = iter(loader)
        try:
            for batch in iterator:
                if isinstance(batch, MalsoriError):
                    raise batch
                yield batch
        finally:
            if workers:  # deaf to SIGTERM, they would outlive an error and be waited for
                iterator._shutdown_workers()  # type: ignore[attr-defined]


class _Reader:
    """A dataset that returns an utterance's error in its place.

    Raised in a reading process, it would reach the training one as another error with a traceback.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    def __getitem__(self, i: int) -> Utterance | MalsoriError:
        try:
            return self.dataset[i]
        except MalsoriError as error:
            return error


def _collate(read: Sequence[Utterance | MalsoriError]) -> Batch | MalsoriError:
    utterances = [item for item in read if isinstance(item, Utterance)]
    errors = [item for item in read if isinstance(item, MalsoriError)]
    return errors[0] if errors else collate(utterances)


def _leave_signals_to_the_parent(worker: int) -> None:
    """Ignore what a terminal or a cluster sends to every process: the parent ends its readers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
