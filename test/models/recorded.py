"""Made-up recordings as a model takes them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from malsori.models.voice import Conditions
from malsori.modules.features import Features


def asked(parts: dict[str, Tensor], conditions: Conditions | None = None) -> dict[str, Any]:
    """Return the arguments of a training pass or an analysis.

    Args:
        parts: tokens, token_lengths, mel_lengths, and what is known of the recordings; what is left
            out is zeros.
        conditions: Who speaks.
    """
    count, frames = len(parts["tokens"]), int(parts["mel_lengths"].max())
    silent = {
        "mel": torch.zeros(count, frames, 1),
        "pitch": torch.zeros(count, frames),
        "energy": torch.zeros(count, frames),
        "wav": torch.zeros(count, 1),
        "wav_lengths": torch.ones(count, dtype=torch.long),
    }
    known = {name: x for name, x in parts.items() if name not in ("tokens", "token_lengths")}
    return {
        "tokens": parts["tokens"],
        "token_lengths": parts["token_lengths"],
        "features": Features(**{**silent, **known}),
        "conditions": conditions or Conditions(),
    }
