"""Dynamic time warping of two sequences, exact, over whole anti-diagonals at once.

Axes: A and B are the frame counts of the two sequences, D the size of a frame, L the path's length.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_DIAGONAL, _ALONG_FIRST, _ALONG_SECOND = 0, 1, 2


class Warping(NamedTuple):
    """A cheapest monotone path through a cost matrix."""

    path: NDArray[np.int64]
    """Pairs of frames (i, j) from (0, 0) to (A - 1, B - 1), (L, 2)."""
    cost: float
    """Sum of the costs on the path."""


def euclidean(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """Return the distance of every frame of one sequence to every frame of another, (A, B).

    Args:
        first: (A, D).
        second: (B, D).
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    squares = (first**2).sum(1)[:, None] + (second**2).sum(1)[None, :]
    distances: NDArray[np.float64] = np.sqrt(np.maximum(squares - 2.0 * (first @ second.T), 0.0))
    return distances


def warp(cost: NDArray[Any]) -> Warping:
    """Return the cheapest path with the steps (1, 1), (1, 0) and (0, 1), all of weight one.

    Cells on an anti-diagonal do not depend on each other, so each is one vector operation:
    A + B - 1 of them instead of A * B in a loop. Of equally cheap steps the diagonal one is taken,
    then the one along the first sequence.

    Args:
        cost: Local costs, (A, B), finite.

    Raises:
        ValueError: ``cost`` is not a matrix, is empty or holds a value that is not finite.

    Source: Sakoe and Chiba 1978, "Dynamic programming algorithm optimization for spoken word
    recognition", IEEE TASSP 26(1), without their window and with unweighted steps.
    """
    cost = np.ascontiguousarray(cost, np.float64)
    if cost.ndim != 2 or cost.size == 0:
        raise ValueError(f"cost must be a matrix of at least 1 x 1, not of shape {cost.shape}")
    if not np.isfinite(cost).all():
        raise ValueError("cost holds a value that is not finite")
    rows, columns = cost.shape
    if columns == 1:  # an anti-diagonal of one column would be a slice of stride zero
        path = np.stack([np.arange(rows), np.zeros(rows, np.int64)], 1)
        return Warping(path, float(cost.sum()))
    steps, total = _accumulate(cost)
    return Warping(_trace_back(steps, rows, columns), total)


def _accumulate(cost: NDArray[np.float64]) -> tuple[NDArray[np.uint8], float]:
    """Return the best step into each cell, (A + B - 1, A) by anti-diagonal, and the total cost."""
    rows, columns = cost.shape
    flat = cost.ravel()
    steps = np.zeros((rows + columns - 1, rows), np.uint8)
    # Index i + 1 holds row i, so that row -1 exists and stays infinite.
    before = np.full(rows + 1, np.inf)
    last = np.full(rows + 1, np.inf)
    last[1] = flat[0]
    for diagonal in range(1, rows + columns - 1):
        low, high = max(0, diagonal - columns + 1), min(rows, diagonal + 1)
        start = diagonal + low * (columns - 1)
        here = flat[start : start + (high - low - 1) * (columns - 1) + 1 : columns - 1]
        best = before[low:high].copy()  # from (i - 1, j - 1)
        step = steps[diagonal, low:high]
        along_first = last[low:high]  # from (i - 1, j)
        step[along_first < best] = _ALONG_FIRST
        np.minimum(best, along_first, out=best)
        along_second = last[low + 1 : high + 1]  # from (i, j - 1)
        step[along_second < best] = _ALONG_SECOND
        np.minimum(best, along_second, out=best)
        best += here
        before, last = last, before
        last.fill(np.inf)
        last[low + 1 : high + 1] = best
    return steps, float(last[rows])


def _trace_back(steps: NDArray[np.uint8], rows: int, columns: int) -> NDArray[np.int64]:
    """Return the path that the steps describe, (L, 2), first frames first."""
    i, j = rows - 1, columns - 1
    pairs = [(i, j)]
    while i or j:
        step = steps[i + j, i]
        i, j = i - int(step != _ALONG_SECOND), j - int(step != _ALONG_FIRST)
        pairs.append((i, j))
    return np.array(pairs[::-1], np.int64)
