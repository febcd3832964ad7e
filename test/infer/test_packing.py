"""Packs are written whole, the same each time, and speak as the run does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load

from malsori.core.errors import MalsoriError
from malsori.infer.pack import download, load_pack, write_pack
from malsori.infer.synthesizer import Synthesizer
from malsori.packs.format import read_members, read_meta


def test_what_is_in_a_pack(tiny_pack: Path, lively_run: Path) -> None:
    members = read_members(tiny_pack)
    assert set(members) == {
        "meta.yaml", "config.yaml", "tokens.txt", "stats.json", "model.safetensors",
    }  # fmt: skip
    meta = read_meta(tiny_pack)
    assert meta["format_version"] == 1 and meta["sample_rate"] == 8000
    assert (meta["task"], meta["model"], meta["language"]) == ("gan_tts", "jets", "ko")
    assert meta["licences"] == {"code": "Apache-2.0", "data": "CC0-1.0", "weights": "CC-BY-4.0"}
    best = (lively_run / "checkpoints" / "best").read_text().strip()
    (made_of,) = meta["training"]["checkpoints"]
    assert f"step-{made_of['step']}" == best and made_of["mcd"] > 0
    weights = load(members["model.safetensors"])
    assert not any("parametrizations" in n or n.startswith("discriminator") for n in weights)
    with zipfile.ZipFile(tiny_pack) as archive:
        assert {info.external_attr >> 16 for info in archive.infolist()} == {0o100644}


def test_the_same_run_gives_the_same_bytes(
    tiny_pack: Path, lively_run: Path, tmp_path: Path
) -> None:
    from malsori.infer.pack import Licences

    again = tmp_path / "again.zip"
    write_pack(lively_run, again, licences=Licences(weights="CC-BY-4.0", data="CC0-1.0"))
    assert again.read_bytes() == tiny_pack.read_bytes()


def test_pack_says_what_the_run_says(tiny_pack: Path, speak: Any) -> None:
    packed = Synthesizer.from_pretrained(tiny_pack)
    one, other = packed("나무가 있다."), speak("나무가 있다.")
    np.testing.assert_array_equal(one.audio, other.audio)
    assert one.timestamps() == other.timestamps()


def test_speaks_alone_in_an_empty_folder(tiny_pack: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    shutil.copyfile(tiny_pack, empty / "v.zip")
    code = (
        "from malsori import Synthesizer\n"
        "said = Synthesizer.from_pretrained('v.zip')('나무가 있다.')\n"
        "assert said.audio.dtype == 'float32' and said.sample_rate == 8000\n"
        "assert len(said.audio) == said.durations.sum() * 256 and abs(said.audio).max() > 0\n"
    )
    env = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=empty, env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_training_weights_are_added_on_request(lively_run: Path, tmp_path: Path) -> None:
    for checkpoint in ("best", "average"):
        path = tmp_path / f"{checkpoint}.zip"
        write_pack(lively_run, path, checkpoint, with_training=True)
        players = load(read_members(path)["training.safetensors"])
        assert players and all(name.startswith("discriminator/") for name in players)
        load_pack(path)
    steps = [
        each["step"] for each in read_meta(tmp_path / "average.zip")["training"]["checkpoints"]
    ]
    assert sorted(steps) == [3, 6]


def test_no_run_to_pack(tmp_path: Path) -> None:
    with pytest.raises(MalsoriError, match="not a run folder"):
        write_pack(tmp_path, tmp_path / "x.zip")


@pytest.mark.parametrize("name", ["none.zip", "./somebody/voice", "/etc/none", "a/b/c"])
def test_voice_that_is_nowhere(name: str) -> None:
    with pytest.raises(MalsoriError, match="no such file"):
        download(name)
