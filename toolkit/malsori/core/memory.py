"""Memory that the C library keeps although nobody uses it."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable


def give_back_freed() -> None:
    """Hand freed memory back to the system, where the C library knows how to (glibc).

    Freed tensors leave holes that are too small for the next large one, and the process grows by
    them. The pages of a hole that is used after all have to be fetched anew.
    """
    trim = _malloc_trim()
    if trim is not None:
        trim(0)


@functools.cache
def _malloc_trim() -> Callable[[int], int] | None:
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):  # no such thing on this system
        return None
    trim: Callable[[int], int] | None = getattr(library, "malloc_trim", None)
    return trim
