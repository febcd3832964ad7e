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


def progress(iterable: Iterable[T], total: int | None = None, label: str = "") -> Iterator[T]:
    """Yield the items of ``iterable`` with a bar and an ETA on stderr if people watch."""
    from tqdm import tqdm

    yield from tqdm(iterable, total=total, desc=label, disable=not watched(), leave=False)


def watched() -> bool:
    """Return whether progress bars are shown: stderr is a terminal, or a recipe says that it is.

    A recipe's output passes through ``tee``; ``MALSORI_PROGRESS=1`` says that a terminal follows.
    """
    return sys.stderr.isatty() or os.environ.get("MALSORI_PROGRESS") == "1"
