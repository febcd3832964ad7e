"""malsori: train, judge and use text-to-speech voices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from malsori.core.version import VERSION as __version__

if TYPE_CHECKING:
    from malsori.infer.synthesizer import Synthesizer

__all__ = ["Synthesizer", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "Synthesizer":  # imported on first use: it brings torch
        from malsori.infer.synthesizer import Synthesizer

        return Synthesizer
    raise AttributeError(f"module 'malsori' has no attribute {name!r}")
