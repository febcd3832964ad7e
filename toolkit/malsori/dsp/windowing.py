"""Waveforms made window by window, sample for sample as if they were made at once.

A sample of a convolutional network hangs on the frames near it and on no others: a window that is
read with that many frames more on either side has the samples of the whole. What makes them may be
any callable, what it returns an array of NumPy or a tensor; neither is imported here.

Axes: T frames, S = T · hop samples.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

LEAST = 256
"""Frames of a window. Smaller ones cost more than they save; with larger ones, layers near the
sample rate outgrow the processor's caches."""
CONTEXTS = 16
"""A window is so many times as long as the context on one side of it: an eighth more work."""


class Window(NamedTuple):
    """A few frames, and what is read around them."""

    start: int
    """First frame that is read."""
    first: int
    """First frame whose samples are kept."""
    last: int
    """Frame behind the last whose samples are kept."""
    end: int
    """Frame behind the last that is read."""


def frame_windows(frames: int, context: int, sizes: Iterable[int]) -> Iterator[Window]:
    """Yield windows that keep every frame once, in order.

    A rest of at most half a window is kept with the window before it.

    Args:
        frames: T.
        context: Frames that a frame's samples hang on, on either side.
        sizes: Frames that windows keep, one number for each, at least 1; if there are too few, the
            last window keeps all that is left.
    """
    first, left = 0, frames
    for size in sizes:
        if 2 * left <= 3 * size:
            break
        last = first + size
        yield Window(max(0, first - context), first, last, min(frames, last + context))
        first, left = last, left - size
    if left > 0:
        yield Window(max(0, first - context), first, frames, frames)


def by_windows(
    generate: Callable[[int, int], Any],
    frames: int,
    hop: int,
    context: int,
    sizes: Iterable[int],
) -> Iterator[Any]:
    """Yield the samples of one window after another, (…, S) each; together they are the whole.

    Args:
        generate: Given the first frame and that behind the last, returns the samples of these
            frames alone, (…, frames · hop).
        frames: T of the whole.
        hop: Samples of a frame.
        context: As for ``frame_windows``.
        sizes: Likewise.
    """
    for window in frame_windows(frames, context, sizes):
        wav = generate(window.start, window.end)
        kept = window.first - window.start, window.last - window.start
        yield wav[..., kept[0] * hop : kept[1] * hop]


def growing(first: int, most: int, factor: float = 1.5) -> Iterator[int]:
    """Yield window sizes without end: small ones, to begin soon, then larger ones, for less work.

    Args:
        first: Of the first window; at least 1.
        most: Of the largest.
        factor: From one window to the next; at least 1.
    """
    size = float(first)
    while True:
        yield min(round(size), most)
        size = min(size * factor, float(most))


def usual_size(context: int) -> int:
    """Return the frames of windows that bound memory and cost little."""
    return max(LEAST, CONTEXTS * context)
