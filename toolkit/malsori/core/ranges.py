"""Ranges of settings: what a config's ``__post_init__`` refuses, in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from malsori.core.errors import ConfigError

COUNT = "[1, 256]"
"""How many layers or heads there may be; far more than any recipe has, so that a stranger's
settings are refused before they fill time and memory."""
SIZE = "[1, 65536]"
"""Channels, kernels, factors."""
LONGEST_LIST = 16
"""Entries of a list among the settings."""


def within(config: object, interval: str, *names: str) -> None:
    """Refuse settings outside of an interval; lists are checked number by number, null passes.

    Args:
        config: Dataclass with the settings.
        interval: As in mathematics: ``[0, 1)``, ``(0, inf)``, ``[1, 256]``.
        names: Fields of ``config``.

    Raises:
        ConfigError: A number is outside, or a list has more than ``LONGEST_LIST`` entries.
    """
    low, high = (float(bound) for bound in interval[1:-1].split(","))
    for name, value in _numbers(config, names):
        above = value >= low if interval[0] == "[" else value > low
        below = value <= high if interval[-1] == "]" else value < high
        if not (above and below):
            raise ConfigError(f"{name}: must be {_spoken(interval)}, got {value}")


def odd(config: object, *names: str) -> None:
    """Refuse even numbers in the fields ``names`` of ``config``, alone or in lists."""
    for name, value in _numbers(config, names):
        if value % 2 == 0:
            raise ConfigError(f"{name}: must be odd, got {value}")


def _numbers(config: object, names: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    for name in names:
        yield from ((name, value) for value in _flat(name, getattr(config, name)))


def _flat(name: str, value: Any) -> Iterator[Any]:
    if isinstance(value, (tuple, list)):
        if len(value) > LONGEST_LIST:
            raise ConfigError(f"{name}: must have at most {LONGEST_LIST} entries, got {len(value)}")
        for part in value:
            yield from _flat(name, part)
    elif value is not None:
        yield value


def _spoken(interval: str) -> str:
    low, high = (bound.strip() for bound in interval[1:-1].split(","))
    if high != "inf":
        return f"in {interval}"
    return f"{'at least' if interval[0] == '[' else 'above'} {low}"
