"""An ESPnet pack of the tiny voice, made without ESPnet, and ways to spoil it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from malsori.espnet.pack_writer import CONFIG, WEIGHTS

Spoil = Callable[..., Path]


@pytest.fixture(scope="session")
def zoo(tiny_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a model-zoo zip; tests only read it."""
    from malsori.espnet.pack_writer import write_espnet
    from malsori.packs.format import read_pack

    path = tmp_path_factory.mktemp("zoo") / "zoo.zip"
    write_espnet(read_pack(tiny_pack), path)
    return path


@pytest.fixture
def spoil(zoo: Path, tmp_path: Path) -> Spoil:
    """Return a function that writes the pack again with members, config or weights changed."""

    def write(
        members: Callable[[dict[Any, bytes]], Any] | None = None,
        config: Callable[[dict[str, Any]], Any] | None = None,
        state: Callable[[dict[str, torch.Tensor]], Any] | None = None,
    ) -> Path:
        with zipfile.ZipFile(zoo) as archive:
            content: dict[Any, bytes] = {n: archive.read(n) for n in archive.namelist()}
        if config is not None:
            tree = yaml.safe_load(content[CONFIG])
            config(tree)
            content[CONFIG] = yaml.safe_dump(tree, allow_unicode=True).encode()
        if state is not None:
            weights = torch.load(io.BytesIO(content[WEIGHTS]), weights_only=True)
            weights = state(weights) or weights
            buffer = io.BytesIO()
            torch.save(weights, buffer)
            content[WEIGHTS] = buffer.getvalue()
        if members is not None:
            members(content)
        out = tmp_path / "spoilt.zip"
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in content.items():
                archive.writestr(name, data)
        return out

    return write
