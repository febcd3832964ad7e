"""Batches of about equal seconds of audio, the same for the same seed, split over processes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from malsori.core.errors import ConfigError

BUCKET_SECONDS = 0.25
"""Utterances whose lengths fall into the same quarter of a second are shuffled among each other."""
ROWS_AT_ONCE = 1 << 14


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Batches of rows: as two arrays, since a large corpus has more of them than it should objects.

    B batches of U utterances.
    """

    rows: NDArray[np.int32]
    """Those of a batch beside each other, (U,)."""
    bounds: NDArray[np.int32]
    """First row of each batch and the one after its last, in the order of training, (B, 2)."""

    def __len__(self) -> int:
        return len(self.bounds)

    def __iter__(self) -> Iterator[NDArray[np.int32]]:
        for first, last in self.bounds:
            yield self.rows[first:last]

    def from_batch(self, first: int) -> Plan:
        """Return it without the batches before number ``first``."""
        return Plan(rows=self.rows, bounds=self.bounds[first:])

    def share(self, rank: int, world: int) -> Plan:
        """Return every ``world``-th batch from ``rank`` on; all shares are equally long.

        Where the number of batches is not a multiple of ``world``, the first ones fill up the last
        round, so that no process waits for another at the end of an epoch.
        """
        filled = np.arange(len(self) + -len(self) % world) % len(self)
        return Plan(rows=self.rows, bounds=self.bounds[filled[rank::world]])


def plan_epoch(seconds: NDArray[np.float64], batch_seconds: float, seed: int, epoch: int) -> Plan:
    """Return the batches of one epoch: rows of utterances of similar length, in random order.

    Every utterance is in exactly one batch. A batch, padded to its longest utterance, holds at
    most ``batch_seconds``; an utterance longer than that is a batch by itself. Both who is in a
    batch and the order of batches differ from epoch to epoch.

    Args:
        seconds: Duration of each utterance, (U,).
        batch_seconds: Audio in a batch, padding included.
        seed: Of the run.
        epoch: Counted from 0.

    Raises:
        ConfigError: ``batch_seconds`` is not above 0, or there is no utterance.
    """
    if not batch_seconds > 0:
        raise ConfigError(f"data.batch: must be above 0 seconds, got {batch_seconds}")
    if len(seconds) == 0:
        raise ConfigError("data.train: no utterance is left to train on")
    random = np.random.default_rng([seed, epoch])
    buckets = seconds / BUCKET_SECONDS
    buckets = np.minimum(buckets, np.iinfo(np.uint16).max, out=buckets).astype(np.uint16)
    rows = np.argsort(random.random(len(seconds)), kind="stable").astype(np.int32)
    rows = rows[np.argsort(buckets[rows], kind="stable")]
    firsts = _first_rows(seconds, rows, batch_seconds)
    bounds = np.stack([firsts, np.append(firsts[1:], len(rows))], axis=1).astype(np.int32)
    return Plan(rows=rows, bounds=bounds[random.permutation(len(bounds))])


def _first_rows(
    seconds: NDArray[np.float64], rows: NDArray[np.int32], batch_seconds: float
) -> NDArray[np.int32]:
    """Return where in ``rows`` batches begin that are as full as they may be, (B,).

    A plain loop: numpy would be called for every batch, which takes longer.
    """
    firsts, count, longest = [0], 0, 0.0
    for start in range(0, len(rows), ROWS_AT_ONCE):
        lengths = seconds[rows[start : start + ROWS_AT_ONCE]].tolist()
        for place, length in enumerate(lengths, start):
            count, longest = count + 1, max(longest, length)
            if count > 1 and longest * count > batch_seconds:
                firsts.append(place)
                count, longest = 1, length
    return np.array(firsts, dtype=np.int32)
