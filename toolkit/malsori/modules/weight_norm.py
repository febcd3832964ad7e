"""Weight normalisation: put on, taken off."""

from __future__ import annotations

from typing import TypeVar

from torch import nn
from torch.nn.utils import parametrizations, parametrize

M = TypeVar("M", bound=nn.Module)


def normalise_convolutions(module: M) -> M:
    """Put weight norm on every convolution below ``module`` and return ``module``.

    Call it after the weights are initialised: the norm then starts at the initial weights' own.
    """
    for part in list(module.modules()):
        if isinstance(part, (nn.Conv1d, nn.Conv2d, nn.ConvTranspose1d)):
            parametrizations.weight_norm(part)
    return module


def fold_weight_norm(module: M) -> M:
    """Replace normalised weights below ``module`` by plain ones of the same value."""
    for part in list(module.modules()):
        if parametrize.is_parametrized(part, "weight"):
            parametrize.remove_parametrizations(part, "weight")
    return module
