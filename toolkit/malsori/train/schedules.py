"""Learning-rate schedules: pure functions of the step, so that there is no state to resume."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from malsori.core.ranges import within
from malsori.core.registry import Entry

Schedule = Callable[[int], float]
"""Step, counted from 0, to the factor on the learning rate."""


@dataclass(frozen=True, kw_only=True)
class ExponentialConfig:
    """Exponential decay that ends where the run ends."""

    final: float = 0.1
    """Factor on the learning rate at the last step."""
    warmup: int = 0
    """Steps of linear rise at the start."""

    def __post_init__(self) -> None:
        within(self, "(0, 1]", "final")
        within(self, "[0, inf)", "warmup")


@dataclass(frozen=True, kw_only=True)
class PublishedConfig:
    """The constant of the published recipe, whatever the length of the run."""

    factor: float = 0.999875
    """Factor on the learning rate after every ``every`` steps."""
    every: int = 1000
    """Steps between two factors."""

    def __post_init__(self) -> None:
        within(self, "(0, 1]", "factor")
        within(self, "[1, inf)", "every")


@dataclass(frozen=True, kw_only=True)
class CosineConfig:
    """Linear rise, then half a cosine down to the end of the run."""

    warmup: int = 1000
    """Steps of linear rise."""
    final: float = 0.05
    """Factor on the learning rate at the last step."""

    def __post_init__(self) -> None:
        within(self, "[0, inf)", "warmup")
        within(self, "[0, 1]", "final")


@dataclass(frozen=True, kw_only=True)
class ConstantConfig:
    """The same learning rate throughout."""

    warmup: int = 0
    """Steps of linear rise at the start."""

    def __post_init__(self) -> None:
        within(self, "[0, inf)", "warmup")


def _rise(step: int, warmup: int) -> float:
    return min(1.0, (step + 1) / warmup) if warmup else 1.0


def _exponential(config: ExponentialConfig, steps: int) -> Schedule:
    return lambda step: _rise(step, config.warmup) * config.final ** (step / max(1, steps))


def _published(config: PublishedConfig, steps: int) -> Schedule:
    return lambda step: config.factor ** (step // config.every)


def _cosine(config: CosineConfig, steps: int) -> Schedule:
    def factor(step: int) -> float:
        if step < config.warmup:
            return _rise(step, config.warmup)
        done = min(1.0, (step - config.warmup) / max(1, steps - config.warmup))
        return config.final + (1 - config.final) * (1 + math.cos(math.pi * done)) / 2

    return factor


def _constant(config: ConstantConfig, steps: int) -> Schedule:
    return lambda step: _rise(step, config.warmup)


EXPONENTIAL = Entry(
    config=ExponentialConfig, build=_exponential, summary="decay to a share at the end of the run"
)
PUBLISHED = Entry(
    config=PublishedConfig,
    build=_published,
    summary="× 0.999875 per 1000 steps, as in ESPnet's recipe",
    source="ESPnet egs2/kss/tts1",
)
COSINE = Entry(
    config=CosineConfig,
    build=_cosine,
    summary="warm-up, then half a cosine",
    source="Loshchilov & Hutter 2017, arXiv:1608.03983",
)
CONSTANT = Entry(config=ConstantConfig, build=_constant, summary="no decay")
