"""Settings in files that nobody vouches for: plain data, known keys, no code by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from malsori.core.errors import MalsoriError

DEEPEST = 32
"""Mappings and lists within each other in a stranger's YAML."""


def plain_mapping(path: Path, name: str, content: bytes) -> dict[str, Any]:
    """Return the mapping in the YAML file ``name`` of an archive: plain data, not deep, no aliases.

    Raises:
        MalsoriError: It is something else; the line names ``path`` and ``name``.
    """
    try:
        depth = 0
        for event in yaml.parse(content, yaml.SafeLoader):  # stops before anything is built
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST or isinstance(event, yaml.AliasEvent):
                raise MalsoriError(f"{path}: {name} has aliases or is nested too deep; refused")
        tree = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise MalsoriError(f"{path}: {name} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise MalsoriError(f"{path}: {name} is not a mapping; the pack is damaged")
    return tree


def refuse_foreign_code(path: Path, tree: Any) -> None:
    """Refuse values of the form ``package.module:ENTRY``: a pack chooses from our tables only.

    Registries take a component as ``name: x`` or as ``x`` alone: no string may have a colon.

    Raises:
        MalsoriError: There is such a value; nothing was imported.
    """
    if isinstance(tree, str) and ":" in tree:
        raise MalsoriError(f"{path}: names code outside of malsori ({tree!r}); refused")
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, list):
        for value in tree:
            refuse_foreign_code(path, value)


def value_of(tree: Any, key: str, path: Path) -> Any:
    """Return what ``tree``, read from ``path``, holds for ``key``.

    Raises:
        MalsoriError: It is no mapping, or has no such key.
    """
    if not isinstance(tree, Mapping) or key not in tree:
        raise MalsoriError(f"{path}: has no {key!r}; the file is damaged")
    return tree[key]


def optional_name(tree: Mapping[str, Any], key: str, path: Path) -> str | None:
    """Return the text that ``tree``, read from ``path``, holds for ``key``; None for nothing.

    Raises:
        MalsoriError: It is something else.
    """
    name = tree.get(key)
    if name is not None and not (isinstance(name, str) and name):
        raise MalsoriError(f"{path}: {key} is no name; the file is damaged")
    return name


def name_list(tree: Any, key: str, path: Path) -> list[str]:
    """Return the list of names that ``tree``, read from ``path``, holds for ``key``.

    Raises:
        MalsoriError: There is none, or it is no list of texts.
    """
    names = value_of(tree, key, path)
    if not (isinstance(names, list) and names and all(isinstance(name, str) for name in names)):
        raise MalsoriError(f"{path}: {key} is no list of names; the file is damaged")
    return names
