"""Corpora as people have them: one module for each layout, which recognises and reads it.

A module has ``SUMMARY``, ``recognise(corpus)`` (why it is this layout, None if it is not) and
``read_corpus(corpus, *, speaker, language, extract_to)``, which lists all utterances, with a
``problem`` those that cannot be used.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from malsori.core.errors import UsageError

LAYOUTS = {
    "kss": "malsori.data.layouts.kss",
    "lhotse": "malsori.data.layouts.lhotse",
    "kaldi": "malsori.data.layouts.kaldi",
    "huggingface": "malsori.data.layouts.huggingface",
    "filelists": "malsori.data.layouts.filelists",
    "piper": "malsori.data.layouts.piper",
    "ljspeech": "malsori.data.layouts.ljspeech",
    "metadata": "malsori.data.layouts.metadata",
    "vctk": "malsori.data.layouts.vctk",
    "beside": "malsori.data.layouts.beside",
}
"""By name, in the order in which they are tried."""


def layout(name: str) -> Any:
    """Return the module of a layout.

    Raises:
        UsageError: There is none of this name.
    """
    if name not in LAYOUTS:
        raise UsageError(f"no layout named {name!r}: known: {', '.join(LAYOUTS)}")
    return importlib.import_module(LAYOUTS[name])


def recognise(corpus: Path) -> tuple[str, str] | None:
    """Return the name of a corpus's layout and how it was recognised; None if nobody knows it."""
    for name in LAYOUTS:
        reason = layout(name).recognise(corpus)
        if reason:
            return name, reason
    return None
