"""Files from strangers that are no archives: no larger than they may be, JSON as plain data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from malsori.core.errors import MalsoriError
from malsori.packs.archive import MEGABYTE


def file_content(path: Path, largest: int) -> bytes:
    """Return what is in a file of at most ``largest`` bytes.

    Raises:
        MalsoriError: It is not there, cannot be read or is larger.
    """
    try:
        if path.stat().st_size > largest:
            raise MalsoriError(f"{path}: larger than {largest // MEGABYTE} MB; refused")
        return path.read_bytes()
    except FileNotFoundError:
        raise MalsoriError(f"{path}: no such file") from None
    except OSError as error:
        raise MalsoriError(f"{path}: cannot be read: {error.strerror or error}") from error


def json_content(path: Path, largest: int = MEGABYTE) -> Any:
    """Return what a JSON file of at most ``largest`` bytes holds.

    Raises:
        MalsoriError: It is not there, larger, or no JSON.
    """
    try:
        return json.loads(file_content(path, largest))
    except (ValueError, RecursionError) as error:
        raise MalsoriError(f"{path}: not a JSON file: {error}") from error
