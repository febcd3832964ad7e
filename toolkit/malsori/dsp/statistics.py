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

    @classmethod
    def neutral(cls, bands: int) -> Statistics:
        """Return mean 0 and deviation 1 of everything: nothing is normalised."""
        return cls(
            mel_mean=(0.0,) * bands,
            mel_std=(1.0,) * bands,
            pitch_mean=0.0,
            pitch_std=1.0,
            energy_mean=0.0,
            energy_std=1.0,
        )

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
        bands = {"mel_mean", "mel_std"}
        listed = {name: value if name in bands else [value] for name, value in tree.items()}
        if not all(_sound(value, above_0=name.endswith("_std")) for name, value in listed.items()):
            raise MalsoriError(
                f"{origin}: statistics are damaged; run stage 3 ('malsori stats') again"
            )
        if len(listed["mel_mean"]) != len(listed["mel_std"]):
            raise MalsoriError(
                f"{origin}: {len(listed['mel_mean'])} means, but {len(listed['mel_std'])} "
                "deviations of mel bands; run stage 3 ('malsori stats') again"
            )
        return cls(
            **{
                name: tuple(map(float, value)) if name in bands else float(value[0])
                for name, value in listed.items()
            }  # type: ignore[arg-type]
        )


def _sound(values: Any, above_0: bool) -> bool:
    """Return whether ``values`` is a list of finite numbers, above 0 if asked."""
    return isinstance(values, list) and all(
        isinstance(value, (int, float))
        and not isinstance(value, bool)
        and math.isfinite(value)
        and (value > 0 or not above_0)
        for value in values
    )
