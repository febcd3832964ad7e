"""Logging to stderr and progress bars on terminals."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def get_logger(name: str) -> logging.Logger:
    """Return the logger of a module; ``setup`` decides what is shown."""
    return logging.getLogger(name)


def setup(level: str = "INFO") -> None:
    """Send the package's log to stderr, one line a record with its time.

    Args:
        level: Name of the lowest level shown.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S"))
    root = logging.getLogger("malsori")
    root.handlers[:] = [handler]
    root.setLevel(level)
    root.propagate = False


def progress(
    iterable: Iterable[T], total: int | None = None, label: str = "", done: int = 0
) -> Iterator[T]:
    """Yield the items of ``iterable`` with a bar and an ETA on stderr if people watch.

    Args:
        iterable: What is worked on.
        total: How many items there are in all.
        label: Stands before the bar.
        done: How many of them were done before.
    """
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    if not watched():
        yield from iterable
        return
    with logging_redirect_tqdm([logging.getLogger("malsori")]):  # log lines go above the bar
        yield from tqdm(iterable, initial=done, total=total, desc=label, leave=False)


def watched() -> bool:
    """Return whether progress bars are shown: stderr is a terminal, or a recipe says that it is.

    A recipe's output passes through ``tee``; ``MALSORI_PROGRESS=1`` says that a terminal follows.
    """
    return sys.stderr.isatty() or os.environ.get("MALSORI_PROGRESS") == "1"
