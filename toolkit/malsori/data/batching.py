"""Batches of about equal seconds of audio, the same for the same seed, split over processes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from malsori.core.errors import ConfigError

BUCKET_SECONDS = 0.25
"""Utterances whose lengths fall into the same quarter of a second are shuffled among each other."""


def plan_epoch(
    seconds: NDArray[np.float64], batch_seconds: float, seed: int, epoch: int
) -> list[NDArray[np.int64]]:
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
    buckets = (seconds / BUCKET_SECONDS).astype(np.int64)
    order = np.lexsort((random.random(len(seconds)), buckets))
    batches = []
    first = 0
    while first < len(order):
        most = max(1, int(batch_seconds / max(seconds[order[first]], 1e-3)) + 1)
        longest = np.maximum.accumulate(seconds[order[first : first + most]])
        fits = longest * np.arange(1, len(longest) + 1) <= batch_seconds
        size = max(1, int(fits.sum()))
        batches.append(order[first : first + size])
        first += size
    return [batches[i] for i in random.permutation(len(batches))]


def share(batches: list[NDArray[np.int64]], rank: int, world: int) -> list[NDArray[np.int64]]:
    """Return every ``world``-th batch from ``rank`` on; all shares are equally long.

    Where the number of batches is not a multiple of ``world``, the first ones fill up the last
    round, so that no process waits for another at the end of an epoch.
    """
    missing = -len(batches) % world
    padded = batches + [batches[i % len(batches)] for i in range(missing)]
    return padded[rank::world]
