"""Squared errors of the variance predictors over real tokens, in fp32.

Axes: B utterances, N tokens.

Source: FastSpeech 2, arXiv:2006.04558, section 2.3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from malsori.core.registry import Entry
from malsori.losses.settings import NoSettings
from malsori.modules.lengths import masked_mean


class VarianceOutput(Protocol):
    """What a model's output must hold for these losses; all (B, N)."""

    log_durations: Tensor
    durations: Tensor
    pitch: Tensor
    pitch_target: Tensor
    energy: Tensor
    energy_target: Tensor
    valid_tokens: Tensor


def masked_squared_error(predicted: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Return the mean squared difference where ``valid``, (), in fp32."""
    return masked_mean((predicted.float() - target.float()).square(), valid)


def duration_loss(output: VarianceOutput) -> Tensor:
    """Return the squared error of log(d + 1), ()."""
    target = torch.log(output.durations.float() + 1)
    return masked_squared_error(output.log_durations, target, output.valid_tokens)


def pitch_loss(output: VarianceOutput) -> Tensor:
    """Return the squared error of normalised log-F0, ()."""
    return masked_squared_error(output.pitch, output.pitch_target, output.valid_tokens)


def energy_loss(output: VarianceOutput) -> Tensor:
    """Return the squared error of normalised energy, ()."""
    return masked_squared_error(output.energy, output.energy_target, output.valid_tokens)


def _entry(loss: Callable[[VarianceOutput], Tensor], of: str) -> Entry:
    return Entry(
        config=NoSettings,
        build=lambda config: loss,
        summary=f"squared error of predicted {of}",
        source="Ren et al. 2021, arXiv:2006.04558",
    )


DURATION = _entry(duration_loss, "log durations")
PITCH = _entry(pitch_loss, "pitch")
ENERGY = _entry(energy_loss, "energy")
