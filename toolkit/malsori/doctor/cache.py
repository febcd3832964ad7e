"""Measurements kept from run to run: a file of rows that only grows.

A row is found by a hash of the audio's place, size and time of change, so that changed audio is
measured again. A run that was killed leaves at most half a row, which the next one cuts off.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from malsori.core.errors import MalsoriError
from malsori.doctor.measurement import MEASUREMENT

if TYPE_CHECKING:
    from numpy.typing import NDArray

VERSION = 1
"""Counts changes of what is measured; those of the row's fields show by themselves."""
_FIELDS = hashlib.blake2b(repr(MEASUREMENT.descr).encode(), digest_size=8).hexdigest()
HEADER = f"malsori measurements {VERSION} {_FIELDS}\n".encode()


class Cache:
    """The measurements of earlier runs.

    Args:
        path: The file; made where there is none, made anew where another version wrote it.

    Raises:
        MalsoriError: It cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._cut()
            with open(path, "rb") as file:
                file.seek(len(HEADER))
                rows = np.fromfile(file, MEASUREMENT)
        except OSError as error:
            raise MalsoriError(f"{path}: cannot be written: {error.strerror}") from error
        self._order = np.argsort(_short(rows["key"]), kind="stable")
        self._keys = _short(rows["key"])[self._order]
        self._rows = rows

    def get(self, keys: Sequence[bytes]) -> list[NDArray[Any] | None]:
        """Return the measurement for each key, None where there is none."""
        places = np.searchsorted(self._keys, _short(np.array(keys, dtype="V16")))
        found: list[NDArray[Any] | None] = []
        for key, place in zip(keys, places.tolist(), strict=True):
            row = None
            while place < len(self._keys) and row is None:
                candidate = self._rows[self._order[place]]
                if candidate["key"].tobytes() == key:
                    row = candidate
                elif candidate["key"].tobytes()[:8] != key[:8]:
                    break
                place += 1
            found.append(row)
        return found

    def add(self, rows: NDArray[Any]) -> None:
        """Append measurements, flushed to the system.

        Raises:
            MalsoriError: The disk refused.
        """
        try:
            with open(self.path, "ab") as file:
                file.write(rows.tobytes())
        except OSError as error:
            raise MalsoriError(f"{self.path}: cannot be written: {error.strerror}") from error

    def _cut(self) -> None:
        """Leave whole rows only; begin anew where the header is another one."""
        if self.path.exists():
            with open(self.path, "r+b") as file:
                if file.read(len(HEADER)) == HEADER:
                    size = file.seek(0, 2)
                    file.truncate(size - (size - len(HEADER)) % MEASUREMENT.itemsize)
                    return
        self.path.write_bytes(HEADER)


def _short(keys: NDArray[Any]) -> NDArray[np.uint64]:
    """Return the first 64 bits of each key, (N,)."""
    pairs: NDArray[np.uint64] = np.ascontiguousarray(keys).view("<u8").reshape(-1, 2)
    return pairs[:, 0]
