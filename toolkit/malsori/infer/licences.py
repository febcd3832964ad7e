"""What a pack says of rights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Licences:
    """Unknown where a pack's maker does not say."""

    weights: str = "unknown"
    data: str = "unknown"
