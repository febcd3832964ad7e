"""Mean and spread of the training features, kept as one small JSON file."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from malsori.core.errors import MalsoriError
from malsori.core.files import read_json, write_json


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """Mean and standard deviation of what the model sees, over all frames of the training set."""

    mel_mean: tuple[float, ...]
    """Of log10 mel amplitudes, one for each band."""
    mel_std: tuple[float, ...]
    """Likewise; above 0."""
    pitch_mean: float
    """Of the natural logarithm of the continuous F0 in Hz."""
    pitch_std: float
    """Likewise; above 0."""
    energy_mean: float
    """Of the square root of a frame's summed power."""
    energy_std: float
    """Likewise; above 0."""

    def save(self, path: str | Path) -> None:
        """Write the numbers as JSON."""
        write_json(path, dataclasses.asdict(self))

    @classmethod
    def load(cls, path: str | Path) -> Statistics:
        """Read what ``save`` wrote.

        Raises:
            MalsoriError: The file is missing, not JSON, or its content is not statistics.
        """
        return cls.from_json(read_json(path), str(path))

    @classmethod
    def from_json(cls, tree: Any, origin: str) -> Statistics:
        """Return statistics from the content of such a file; ``origin`` names it in errors."""
        names = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(tree, dict) or set(tree) != names:
            raise MalsoriError(
                f"{origin}: not a statistics file; run stage 3 ('malsori stats') again"
            )
        try:
            values = {
                name: tuple(map(float, value)) if isinstance(value, list) else float(value)
                for name, value in tree.items()
            }
            statistics = cls(**values)  # type: ignore[arg-type]
            spreads = (*statistics.mel_std, statistics.pitch_std, statistics.energy_std)
            sound = all(math.isfinite(value) and value > 0 for value in spreads)
        except (TypeError, ValueError):
            sound = False
        if not sound or len(statistics.mel_mean) != len(statistics.mel_std):
            raise MalsoriError(
                f"{origin}: statistics are damaged; run stage 3 ('malsori stats') again"
            )
        return statistics
