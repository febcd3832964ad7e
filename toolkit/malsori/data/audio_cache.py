"""Decoded audio kept in memory or on disk between epochs, shared by all reading processes.

Samples are kept as 16-bit integers, and the caller gets the rounded samples at the first read
already: what a run sees does not depend on when the cache was filled.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from malsori.core.errors import MalsoriError

SLACK = 64
"""Samples a resampler may give more than duration times rate."""


class AudioCache:
    """A slot for each utterance, filled when it is first read.

    Args:
        samples: Expected samples of each utterance, (U,).
        path: File that holds the cache between runs; None keeps it in memory.
    """

    def __init__(self, samples: NDArray[np.int64], path: Path | None = None) -> None:
        slots = samples + SLACK
        self._starts = np.concatenate([[0], np.cumsum(slots)])
        self._count = len(samples)
        size = 8 * self._count + 2 * int(self._starts[-1])
        self._memory: Any
        if path is None:
            self._memory = mmap.mmap(-1, size)  # anonymous, inherited by forked readers
        else:
            self._memory = _map_file(path, size)
        self._lengths = np.frombuffer(self._memory, np.int64, self._count)
        self._samples = np.frombuffer(self._memory, np.int16, offset=8 * self._count)

    def get(self, i: int, read: Callable[[], NDArray[np.float32]]) -> NDArray[np.float32]:
        """Return utterance ``i``, from the cache or by ``read``, (S,), rounded to 16 bit."""
        start, end = int(self._starts[i]), int(self._starts[i + 1])
        length = int(self._lengths[i])
        if length == 0:
            wav = read()
            whole = np.round(np.clip(wav, -1, 32767 / 32768) * 32768).astype(np.int16)
            if len(whole) <= end - start:
                self._samples[start : start + len(whole)] = whole
                self._lengths[i] = len(whole)  # last: a kill before this leaves the slot empty
        else:
            whole = self._samples[start : start + length]
        return whole.astype(np.float32) / np.float32(32768)


def _map_file(path: Path, size: int) -> mmap.mmap:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # of several processes one makes it
            if os.path.getsize(path) != size:  # new, or left unfinished
                file.truncate(0)
                try:
                    os.posix_fallocate(file.fileno(), 0, size)
                except OSError:
                    file.truncate(0)  # give back what it got of a full disk
                    raise
            return mmap.mmap(file.fileno(), size)
    except OSError as error:
        raise MalsoriError(
            f"{path}: the audio cache of {size / 1e9:.1f} GB cannot be made ({error.strerror}); "
            "free the space or set data.cache=none"
        ) from error
