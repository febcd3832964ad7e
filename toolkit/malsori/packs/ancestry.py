"""What a fine-tuned voice tells of the voices before it: name, hash, licences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

RECORD = "initial"
"""Key in a run's ``run.json``: where its first weights came from."""
LONGEST = 100
"""Voices that are told of."""


def ancestry(record: Any) -> list[dict[str, Any]]:
    """Return name, hash and licences of a base and of those before it, the nearest first.

    Args:
        record: What ``run.json`` keeps of a run's origin, or the list that a pack tells of its own;
            anything else gives none.
    """
    if isinstance(record, Mapping):
        before = record.get("ancestors")
        record = [record, *(before if isinstance(before, list) else [])]
    if not isinstance(record, list):
        return []
    return [
        {
            "name": str(entry.get("name")),
            "sha256": str(entry.get("sha256")),
            "licences": texts(entry.get("licences")),
        }
        for entry in record[:LONGEST]
        if isinstance(entry, Mapping)
    ]


def texts(tree: Any) -> dict[str, str]:
    """Return a mapping of texts; an empty one of what is no mapping."""
    return {str(k): str(v) for k, v in tree.items()} if isinstance(tree, Mapping) else {}
