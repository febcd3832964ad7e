"""Which rows of a table a later stage kept: the few that are missing, not the many that are there.

A million rows of which a thousand were rejected take four kilobytes, and are found by reading some
ten thousand keys: between two keys that are as many rows apart in both tables, none is missing.
"""

from __future__ import annotations

import bisect
from array import array
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import numpy as np

from malsori.core.errors import MalsoriError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from malsori.data.table import Table

ROWS_AT_ONCE = 1 << 14
SPAN = 64
"""Rows of which all keys are read rather than searched."""


class Keyed(Protocol):
    """Rows with keys in the order of their bytes."""

    @property
    def path(self) -> object:
        """What messages call it."""
        ...

    def __len__(self) -> int: ...

    def key(self, i: int) -> str:
        """Return the key of row ``i``."""
        ...

    def keys(self, first: int, last: int) -> Iterator[str]:
        """Yield the keys of the rows from ``first`` up to ``last``."""
        ...


class KeptRows:
    """The rows of a table that another one, kept of it, still has.

    Args:
        kept: Part of the rows of ``among``; both are sorted by key.
        among: All rows.

    Raises:
        MalsoriError: A key that is looked at is not among them. Keys between two that agree and
            are as many rows apart are not looked at.
    """

    def __init__(self, kept: Table, among: Keyed) -> None:
        self._count = len(kept)
        missing = np.frombuffer(_missing(kept, among), dtype=np.int32)
        self._before = (missing - np.arange(len(missing))).astype(np.int32)
        """Rows that were kept before each missing one, (missing,)."""

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, i: int) -> int:
        """Return which of all rows the kept row ``i`` is."""
        return i + bisect.bisect_right(self._before, i)

    def compacted(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the values of the kept rows, (kept,); they are moved together in ``values``.

        Args:
            values: One for each of all rows, (rows,).
        """
        if not len(self._before):
            return values
        missing = self._before + np.arange(len(self._before))
        end = 0
        for start in range(0, len(values), ROWS_AT_ONCE):
            part = values[start : start + ROWS_AT_ONCE]
            first, last = np.searchsorted(missing, [start, start + len(part)])
            left = np.delete(part, missing[first:last] - start)
            values[end : end + len(left)] = left
            end += len(left)
        return values[:end]


def _missing(kept: Table, among: Keyed) -> array[int]:
    """Return the rows of ``among`` whose keys ``kept`` has not, in order."""
    missing = array("i")
    spans = [(0, len(kept), 0, len(among))]  # rows first to last lie among rows low to high
    while spans:
        first, last, low, high = spans.pop()
        gone = (high - low) - (last - first)
        if first == last:
            missing.extend(range(low, high))
        elif gone == 0:
            for i in (first, (first + last) // 2, last - 1):
                if kept.key(i) != among.key(low + i - first):
                    raise _not_there(kept, i, among)
        elif high - low <= SPAN or gone < 0:
            missing.extend(_missing_in(kept, among, (first, last, low, high)))
        else:
            middle = (first + last) // 2
            key, nearest = kept.key(middle), low + middle - first
            row = bisect.bisect_left(range(high), key, nearest, nearest + gone, key=among.key)
            if among.key(row) != key:
                raise _not_there(kept, middle, among)
            spans += [(middle + 1, last, row + 1, high), (first, middle, low, row)]
    return missing


def _missing_in(kept: Table, among: Keyed, span: tuple[int, int, int, int]) -> list[int]:
    """Return the same for one span, of which all keys are read."""
    first, last, low, high = span
    own = set(kept.keys(first, last))
    missing = [row for row, key in enumerate(among.keys(low, high), low) if key not in own]
    if len(own) + len(missing) != high - low:
        there = set(among.keys(low, high))
        strange = (i for i, key in enumerate(kept.keys(first, last), first) if key not in there)
        raise _not_there(kept, next(strange, first), among)
    return missing


def _not_there(kept: Table, i: int, among: Keyed) -> MalsoriError:
    return MalsoriError(
        f"{kept.path}:{i + 1}: {kept.key(i)!r} is not in {among.path}; "
        "the data changed: run stages 2 and 3 again"
    )
