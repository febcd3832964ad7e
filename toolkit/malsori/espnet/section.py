"""A mapping of settings of which each has to be read, checked, or known to be of no effect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from malsori.core.errors import ConfigError

T = TypeVar("T", int, float, str, bool)


class Section:
    """Settings of one of ESPnet's constructors.

    Args:
        given: What the config says.
        defaults: What the constructor takes where the config says nothing.
        path: Where ``given`` hangs in the config, for messages.

    Raises:
        ConfigError: It is no mapping.
    """

    def __init__(self, given: Any, defaults: Mapping[str, Any], path: str) -> None:
        if not isinstance(given, Mapping):
            raise ConfigError(f"{path}: expected a mapping, got {_shown(given)}")
        self.given = dict(given)
        self.values = {**defaults, **given}
        self.path = path
        self._left = set(given)

    def take(self, key: str, kind: type[T]) -> T:
        """Return a setting that has to be of a type; whole numbers do as floats.

        Raises:
            ConfigError: It is of another type.
        """
        value = self.raw(key)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return kind(value)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise ConfigError(f"{self._name(key)}: expected {kind.__name__}, got {_shown(value)}")
        return value

    def maybe(self, key: str, kind: type[T]) -> T | None:
        """Return a setting that may be null."""
        return None if self.values.get(key) is None and self._seen(key) else self.take(key, kind)

    def sizes(self, key: str) -> tuple[int, ...]:
        """Return a list of whole numbers."""
        return whole_numbers(self.raw(key), self._name(key))

    def raw(self, key: str) -> Any:
        """Return a setting whatever it is, None where there is none."""
        self._seen(key)
        return self.values.get(key)

    def only(self, key: str, *supported: Any) -> None:
        """Refuse another value than the supported ones.

        Raises:
            ConfigError: It has another; the line names both.
        """
        value = self.raw(key)
        if not any(value == one and type(value) is type(one) for one in supported):
            wanted = " or ".join(map(repr, supported))
            raise ConfigError(f"{self._name(key)}: {_shown(value)} is not supported, only {wanted}")

    def ignore(self, keys: Iterable[str]) -> None:
        """Account for settings that do not change what a voice says."""
        self._left.difference_update(keys)

    def left(self) -> list[str]:
        """Return the keys that nobody asked for."""
        return sorted(map(str, self._left))

    def close(self) -> None:
        """Refuse settings that nobody asked for.

        Raises:
            ConfigError: There are; the line names them.
        """
        if self._left:
            names = ", ".join(self._name(key) for key in self.left())
            raise ConfigError(f"{names}: unknown; no version of ESPnet up to 202511 has it")

    def _seen(self, key: str) -> bool:
        self._left.discard(key)
        return True

    def _name(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key


def whole_numbers(value: Any, name: str) -> tuple[int, ...]:
    """Return a list of whole numbers as a tuple.

    Raises:
        ConfigError: It is something else.
    """
    if not isinstance(value, (list, tuple)) or not all(type(number) is int for number in value):
        raise ConfigError(f"{name}: expected a list of whole numbers, got {_shown(value)}")
    return tuple(value)


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"
