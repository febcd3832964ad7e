"""Writing packs: members and meta data, whole or not at all, the same bytes each time."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from malsori.core.files import atomic_write


def write_members(out: Path, meta: Mapping[str, Any], members: Mapping[str, bytes]) -> None:
    """Write a zip with ``meta.yaml`` and ``members`` by name.

    Raises:
        MalsoriError: The file cannot be written.
    """
    text = yaml.safe_dump(dict(meta), sort_keys=False, allow_unicode=True)
    with atomic_write(out, "wb") as file, zipfile.ZipFile(file, "w") as archive:
        for name, content in {"meta.yaml": text.encode(), **members}.items():
            dense = name.endswith((".safetensors", ".onnx"))  # weights, which do not get smaller
            packed = zipfile.ZIP_STORED if dense else zipfile.ZIP_DEFLATED
            info = zipfile.ZipInfo(name)  # no time of day in it
            info.external_attr = 0o100644 << 16  # what unzip gives the file
            archive.writestr(info, content, packed)
