"""Batches of about equal seconds of audio, the same for the same seed, split over processes."""

from __future__ import annotations

import hashlib
import itertools
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from malsori.core.errors import ConfigError

BUCKET_SECONDS = 0.25
"""Utterances whose lengths fall into the same quarter of a second are shuffled among each other."""
ROWS_AT_ONCE = 1 << 12
_STEP = 0x9E3779B97F4A7C15
"""Between the states of SplitMix64: odd, and near the golden ratio of 2 to the 64th."""


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


def plan_epoch(seconds: NDArray[np.float32], batch_seconds: float, seed: int, epoch: int) -> Plan:
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
    drawn = _Drawn(seed, epoch)
    rows, sizes = _by_length(seconds)
    ends = np.cumsum(sizes).tolist()
    for first, last in itertools.pairwise([0, *ends]):
        rows[first:last] = rows[first:last][drawn.order(last - first)]
    edges = _edges(seconds, rows, batch_seconds)
    order = drawn.order(len(edges) - 1)
    bounds = np.empty((len(order), 2), dtype=np.int32)
    for side in range(2):
        np.take(edges, order + side, out=bounds[:, side])
    return Plan(rows=rows, bounds=bounds)


class _Drawn:
    """Random orders that are the same under every version of numpy: SplitMix64.

    A run that goes on after an update must not read other batches. It takes no more than arithmetic
    on arrays, either: ``numpy.random`` would be 3 MB in memory.

    Source: Steele, Lea and Flood 2014, Fast splittable pseudorandom number generators, section 3.
    """

    def __init__(self, seed: int, epoch: int) -> None:
        mixed = hashlib.blake2b(f"{seed} {epoch}".encode(), digest_size=8).digest()
        self._state = int.from_bytes(mixed, "little")

    def order(self, count: int) -> NDArray[np.int64]:
        """Return the numbers below ``count`` in the next random order, (count,)."""
        z = np.arange(1, count + 1, dtype=np.uint64)
        z *= np.uint64(_STEP)
        z += np.uint64(self._state)
        self._state = (self._state + count * _STEP) % (1 << 64)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
            z ^= z >> np.uint64(shift)
            z *= np.uint64(factor)
        return np.argsort(z, kind="stable")


def _by_length(seconds: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Return all rows by the bucket of their length, (U,), and the size of each bucket.

    Counted and put into their places, some thousand rows at a time: ``argsort`` would take twenty
    bytes for each row.
    """
    parts = range(0, len(seconds), ROWS_AT_ONCE)
    count = int(_buckets(seconds.max(keepdims=True))[0]) + 1
    sizes = np.zeros(count, dtype=np.int64)
    for start in parts:
        sizes += np.bincount(_buckets(seconds[start : start + ROWS_AT_ONCE]), minlength=count)
    rows = np.empty(len(seconds), dtype=np.int32)
    places = np.cumsum(sizes) - sizes  # where the next row of each bucket goes
    for start in parts:
        buckets = _buckets(seconds[start : start + ROWS_AT_ONCE])
        order = np.argsort(buckets, kind="stable")
        found = np.bincount(buckets, minlength=count)
        shift = places - (np.cumsum(found) - found)
        rows[np.arange(len(order)) + np.repeat(shift, found)] = order + start
        places += found
    return rows, sizes


def _buckets(seconds: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Return which lengths are shuffled among each other, (U,)."""
    return np.minimum(seconds / BUCKET_SECONDS, np.iinfo(np.uint16).max).astype(np.uint16)


def _edges(
    seconds: NDArray[np.float32], rows: NDArray[np.int32], batch_seconds: float
) -> NDArray[np.int32]:
    """Return where in ``rows`` batches begin, as full as they may be, and the end, (B + 1,).

    A plain loop: numpy would be called for every batch, which takes longer.
    """
    edges, count, longest = array("i", [0]), 0, 0.0
    for start in range(0, len(rows), ROWS_AT_ONCE):
        lengths = seconds[rows[start : start + ROWS_AT_ONCE]].tolist()
        for place, length in enumerate(lengths, start):
            count += 1
            if length > longest:  # max() would double the time
                longest = length
            if longest * count > batch_seconds and count > 1:
                edges.append(place)
                count, longest = 1, length
    edges.append(len(rows))
    return np.frombuffer(edges, dtype=np.int32)
