"""Settings of losses that have none."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class NoSettings:
    """A loss without settings."""
