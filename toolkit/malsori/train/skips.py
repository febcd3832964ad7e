"""Steps that move nothing, because a gradient is not finite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from malsori.core.errors import MalsoriError
from malsori.core.log import get_logger

log = get_logger(__name__)


@dataclass
class Progress:
    """What changes while training, besides tensors; saved and restored as it is."""

    step: int = 0
    skipped: int = 0
    skipped_in_a_row: int = 0
    metric: float | None = None


class Skips:
    """Keeps players from moving where a gradient is not finite, and counts such steps.

    On the CPU that is known at once. A GPU would have to be waited for: there the optimiser and the
    moving average are told by a number on the GPU, and steps are counted when ``count`` is called.
    As all processes see the same gradients, they count the same.

    Args:
        folder: ``exp/NAME``, to name it.
        limit: So many such steps in a row end the run.
        at_once: Nothing has to be waited for.
    """

    def __init__(self, folder: Path, limit: int, at_once: bool) -> None:
        self.folder, self.limit, self.at_once = folder, limit, at_once
        self._odd: Tensor | None = None
        self._uncounted: list[tuple[int, Sequence[str], Tensor]] = []

    @property
    def unknown(self) -> Tensor | None:
        """1 on the device if this step is skipped, else 0, (); None where it is known not to be."""
        return None if self.at_once else self._odd

    def skipped(self, norm: Tensor) -> bool:
        """Take in a gradient's norm, (); return whether this step is known to be skipped."""
        odd = 1 - norm.isfinite().float()
        self._odd = odd if self._odd is None else torch.maximum(self._odd, odd)
        return self.at_once and bool(self._odd)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Let an optimiser step, unless this step is skipped."""
        odd = self.unknown
        if odd is not None and getattr(optimizer, "_step_supports_amp_scaling", False):
            optimizer.found_inf = odd  # type: ignore[attr-defined]  # as GradScaler tells it
        elif odd is not None and odd:
            return  # this one cannot be told: the question waits
        optimizer.step()

    def end(self, step: int, ids: Sequence[str]) -> None:
        """Note that a step on some utterances is over."""
        if self._odd is not None:
            self._uncounted.append((step, ids, self._odd))
        self._odd = None

    def count(self, progress: Progress) -> None:
        """Add to ``progress`` what was skipped since the last call; this waits for the device.

        Raises:
            MalsoriError: Too many in a row.
        """
        if not self._uncounted:
            return
        noted, self._uncounted = self._uncounted, []
        answers = torch.stack([odd for *_, odd in noted]).tolist()
        for (step, ids, _), odd in zip(noted, answers, strict=True):
            if not odd:
                progress.skipped_in_a_row = 0
                continue
            progress.skipped += 1
            progress.skipped_in_a_row += 1
            log.warning("step %d skipped: a gradient is not finite", step)
            if progress.skipped_in_a_row >= self.limit:
                raise MalsoriError(
                    f"{self.folder}: {progress.skipped_in_a_row} steps in a row had non-finite "
                    f"gradients; the last batch was {', '.join(ids)}. Listen to these, lower "
                    "optimizer.lr, or set training.clip_norm"
                )
