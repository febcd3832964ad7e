"""Registries: one table of strings for each kind of thing, imported on first use."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from malsori.core.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One registered component: its settings, how to build it, what it is and where it is from."""

    config: type
    """Frozen dataclass with the component's settings; its defaults are the reference recipe."""
    build: Callable[..., Any]
    """Called as ``build(config, **context)``; returns the component."""
    summary: str
    """One line for listings."""
    source: str = ""
    """Paper or origin."""
    extra: str = ""
    """Extra that brings its code; a pack, which speaks wherever malsori is, may not name it."""


class Registry:
    """Named components of one kind, each given as ``"package.module:ATTRIBUTE"``.

    Listing names imports nothing. A name that is not in the table but has the form
    ``my_package.module:ENTRY`` is imported from there, so components outside of this
    package need no registration.

    Args:
        kind: What the table holds, as used in messages ("model", "task").
        table: Name to import path.
    """

    def __init__(self, kind: str, table: Mapping[str, str]) -> None:
        self.kind = kind
        self._table: dict[str, str] = {}
        for name, target in table.items():
            self.add(name, target)

    def add(self, name: str, target: str) -> None:
        """Register ``target`` under ``name``.

        Raises:
            ValueError: The name is taken, or the target is not of the form ``module:ATTRIBUTE``.
        """
        if name in self._table:
            raise ValueError(f"{self.kind} {name!r} is registered already as {self._table[name]!r}")
        if target.count(":") != 1:
            raise ValueError(f"{self.kind} {name!r}: {target!r} is not 'package.module:ATTRIBUTE'")
        self._table[name] = target

    def names(self) -> list[str]:
        """Registered names in the table's order."""
        return list(self._table)

    def entry(self, name: str) -> Entry:
        """Return the entry called ``name``, importing its module now.

        Raises:
            ConfigError: No such name (near misses are suggested) or it cannot be imported.
        """
        target = self._table.get(name)
        if target is None:
            if ":" not in name:
                raise ConfigError(self._unknown(name))
            target = name
        module_name, _, attribute = target.partition(":")
        if not all(part.isidentifier() for part in (*module_name.split("."), attribute)):
            raise ConfigError(f"{self.kind} {name!r}: {target!r} is not 'package.module:ATTRIBUTE'")
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name is None or not module_name.startswith(error.name):
                raise ConfigError(
                    f"{self.kind} {name!r} needs the package {error.name!r}, "
                    "which is not installed: 'malsori doctor' names the extra"
                ) from error
            raise ConfigError(f"{self.kind} {name!r}: no module named {module_name!r}") from error
        found = getattr(module, attribute, None)
        if not isinstance(found, Entry):
            raise ConfigError(f"{self.kind} {name!r}: {target!r} is not an Entry")
        return found

    def _unknown(self, name: str) -> str:
        close = difflib.get_close_matches(name, self._table, n=1)
        hint = f": did you mean {close[0]!r}?" if close else ":"
        return f"no {self.kind} named {name!r}{hint} known: {', '.join(self._table)}"
