"""Text files of the form "key value…", one row a line, opened without reading them into objects.

A table keeps where every 32nd row begins, so that a million rows cost an eighth of a megabyte and
are open in a fraction of a second; a row is read from the file, with those beside it, when it
is asked for (the system caches the file).
Rows are in the order of their keys' bytes (``LC_ALL=C sort``), as Kaldi keeps them.
"""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from malsori.core.errors import MalsoriError

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCAN_BYTES = 1 << 16
LONGEST_WORD = 1 << 12
BLOCK = 32
"""Rows that are read together."""
PARSED_ROWS = BLOCK << 5


class Table:
    """One "key value…" file.

    Args:
        path: The file: UTF-8, sorted by key, no empty lines.

    Raises:
        MalsoriError: The file is missing, empty or cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with _told(self.path):
            self._file = os.open(self.path, os.O_RDONLY)
            weakref.finalize(self, os.close, self._file)
            # (blocks + 1,), the last one is the file's end
            self._starts, self._count = _block_starts(self._file)
        self._block: tuple[int, list[bytes]] = (-1, [])
        """The last one that was read: its number and rows."""
        if len(self) == 0:
            raise _empty(self.path)

    def __len__(self) -> int:
        return self._count

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"])  # type: ignore[misc]

    def key(self, i: int) -> str:
        """Return the key of row ``i``, 0 ≤ i < len."""
        return self._text(self._row(i)[0], i)

    def value(self, i: int) -> str:
        """Return what follows the key in row ``i``; empty where nothing does."""
        return self._text(self._row(i)[1], i)

    def keys(self, first: int = 0, last: int | None = None) -> Iterator[str]:
        """Yield the keys of the rows from ``first`` up to ``last``, of all unless told."""
        end = len(self) if last is None else last
        while first < end:
            begun = first - first % BLOCK  # whole blocks are read
            last = min(begun + PARSED_ROWS, end)
            rows = self._bytes(first, last).split(b"\n")
            for i in range(first, last):
                yield self._text((rows[i - begun].split(None, 1) or [b""])[0], i)
            first = last

    def items(self) -> Iterator[tuple[str, str]]:
        """Yield (key, value) of every row in the file's order."""
        for i in range(len(self)):
            key, value = self._row(i)
            yield self._text(key, i), self._text(value, i)

    def find(self, key: str) -> int | None:
        """Return the row with this key by binary search, None if there is none."""
        wanted = key.encode()
        low, high = 0, len(self._starts) - 1
        while low < high:  # for the first block that begins after it
            middle = (low + high) // 2
            if self._row(middle * BLOCK)[0] <= wanted:
                low = middle + 1
            else:
                high = middle
        first = max(low - 1, 0) * BLOCK
        for i in range(first, min(first + BLOCK, len(self))):
            if self._row(i)[0] == wanted:
                return i
        return None

    def has_key(self, i: int, key: str) -> bool:
        """Return whether row ``i`` exists and has this key."""
        return 0 <= i < len(self) and self._row(i)[0] == key.encode()

    def floats(self) -> NDArray[np.float32]:
        """Return all values as numbers, float32 (rows,).

        Raises:
            MalsoriError: A row's value is not one number.
        """
        numbers = np.empty(len(self), dtype=np.float32)
        for first in range(0, len(self), PARSED_ROWS):
            last = min(first + PARSED_ROWS, len(self))
            parts = self._bytes(first, last).split()
            try:
                if len(parts) != 2 * (last - first):
                    raise ValueError
                numbers[first:last] = [*map(float, parts[1::2])]
            except ValueError:
                raise MalsoriError(self._not_a_number(first, last)) from None
        return numbers

    def distinct(self) -> list[str]:
        """Return every value that occurs, once and sorted."""
        found = {self._row(i)[1]: i for i in range(len(self))}
        return sorted(self._text(value, i) for value, i in found.items())

    def _row(self, i: int) -> tuple[bytes, bytes]:
        """Return key and value of row ``i``, undecoded, without the white space around them."""
        if not 0 <= i < len(self):
            raise IndexError(f"{self.path}: row {i} of {len(self)}")
        number, rows = self._block
        if number != i // BLOCK:  # one row is often asked for several times
            number, rows = i // BLOCK, self._bytes(i, i + 1).split(b"\n")
            self._block = number, rows
        key, *value = rows[i % BLOCK].split(None, 1) or [b""]
        return key, value[0].rstrip() if value else b""

    def _bytes(self, first: int, last: int) -> bytes:
        """Return the whole blocks from that of row ``first`` up to row ``last``."""
        start, end = int(self._starts[first // BLOCK]), int(self._starts[-(-last // BLOCK)])
        return os.pread(self._file, end - start, start)

    def _text(self, value: bytes, i: int) -> str:
        return _decoded(value, self.path, i)

    def _not_a_number(self, first: int, last: int) -> str:
        for i in range(first, last):
            value = self._row(i)[1]
            try:
                float(value)
            except ValueError:
                shown = value.decode(errors="replace")
                return f"{self.path}:{i + 1}: expected one number after the key, got {shown!r}"
        return f"{self.path}:{first + 1}: empty lines: remove them"


def first_words(path: Path) -> Iterator[str]:
    """Yield the first word of every line, however long the lines are: they are not kept.

    Raises:
        MalsoriError: The file is missing, empty or cannot be read.
    """
    number = -1
    with _told(path), open(path, "rb") as file:
        while head := file.readline(LONGEST_WORD):
            number += 1
            yield _decoded((head.split(None, 1) or [b""])[0], path, number)
            while head and not head.endswith(b"\n"):
                head = file.readline(SCAN_BYTES)
    if number < 0:
        raise _empty(path)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turn the system's complaints about a file into messages."""
    try:
        yield
    except FileNotFoundError:
        raise MalsoriError(f"{path}: no such file") from None
    except OSError as error:
        raise MalsoriError(f"{path}: cannot be read ({error.strerror})") from error


def _empty(path: Path) -> MalsoriError:
    return MalsoriError(f"{path}: empty file")


def _decoded(value: bytes, path: Path, i: int) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise MalsoriError(
            f"{path}:{i + 1}: not UTF-8: 'malsori data check {path.parent}' shows all such lines"
        ) from None


def _block_starts(file: int) -> tuple[NDArray[np.uint64 | np.uint32], int]:
    """Return where every block of rows of an open file begins and where it ends, and its rows."""
    starts: list[NDArray[np.uint64 | np.uint32]] = [np.zeros(1, dtype=np.uint32)]
    size = rows = 0
    ended = True
    while block := os.read(file, SCAN_BYTES):
        ends = np.flatnonzero(np.frombuffer(block, dtype=np.uint8) == ord("\n"))
        begun = ends[BLOCK - 1 - rows % BLOCK :: BLOCK] + (size + 1)
        size, rows, ended = size + len(block), rows + len(ends), block.endswith(b"\n")
        starts.append(begun.astype(np.uint32 if size < 1 << 32 else np.uint64))
    rows += not ended  # the last row has no line end
    if rows % BLOCK or not ended:
        starts.append(np.array([size], dtype=np.uint32 if size < 1 << 32 else np.uint64))
    return np.concatenate(starts), rows
