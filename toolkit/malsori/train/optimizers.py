"""Optimisers by name."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn

from malsori.core.errors import ConfigError
from malsori.core.ranges import within
from malsori.core.registry import Entry


@dataclass(frozen=True, kw_only=True)
class AdamWConfig:
    """AdamW; the defaults are those of the JETS recipe, for each player alike."""

    lr: float = 2e-4
    """Learning rate at its peak."""
    betas: tuple[float, ...] = (0.8, 0.99)
    """Decay of the moving averages of gradient and squared gradient."""
    eps: float = 1e-9
    """Added to the denominator."""
    weight_decay: float = 0.0
    """Decoupled decay a step, times the learning rate."""

    def __post_init__(self) -> None:
        if len(self.betas) != 2:
            raise ConfigError(f"betas: need two numbers, got {list(self.betas)}")
        within(self, "[0, 1)", "betas")
        within(self, "[0, inf)", "eps", "weight_decay")
        within(self, "(0, inf)", "lr")


def _adamw(config: AdamWConfig, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        list(parameters),
        lr=config.lr,
        betas=(config.betas[0], config.betas[1]),
        eps=config.eps,
        weight_decay=config.weight_decay,
        fused=True,
    )


ADAMW = Entry(
    config=AdamWConfig,
    build=_adamw,
    summary="Adam with decoupled weight decay",
    source="Loshchilov & Hutter 2019, arXiv:1711.05101",
)
