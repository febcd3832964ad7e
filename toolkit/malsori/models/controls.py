"""How predictions are changed before they are spoken; importing this imports no PyTorch.

Axes: B utterances, N tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Controls:
    """How the predictions are changed before speaking; numbers, or tensors (B, 1) or (B, N)."""

    speed: float | Tensor = 1.0
    """2 is twice as fast."""
    pitch_shift: float | Tensor = 0.0
    """Added to normalised log-F0."""
    energy_scale: float | Tensor = 1.0
    """Multiplies normalised energy, before the shift."""
    energy_shift: float | Tensor = 0.0
    """Added to normalised energy."""

    @property
    def are_neutral(self) -> bool:
        """Whether all is spoken as it is predicted."""
        import torch

        neutral = (1.0, 0.0, 1.0, 0.0)
        given = (self.speed, self.pitch_shift, self.energy_scale, self.energy_shift)
        return all(
            bool((torch.as_tensor(value) == usual).all())
            for value, usual in zip(given, neutral, strict=True)
        )
