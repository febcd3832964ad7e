"""VAEJETS through the real entry points: it trains, resumes, aligns, speaks, is packed."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from malsori.core.config import load
from malsori.data.datadir import DataDir
from malsori.infer.alignment import align
from malsori.infer.decode import decode
from malsori.infer.pack import Licences, open_voice, write_pack
from malsori.infer.synthesizer import Synthesizer
from malsori.packs.run_folder import read_run
from malsori.train.config import TrainConfig
from malsori.train.journal import read_metrics
from malsori.train.run import train

pytestmark = pytest.mark.slow


def weights_of(folder: Path, step: int) -> dict[str, torch.Tensor]:
    found = {}
    for path in sorted((folder / f"checkpoints/step-{step}").glob("*.safetensors")):
        found |= {f"{path.name}/{name}": tensor for name, tensor in load_file(path).items()}
    return found


def test_every_part_was_trained_on_every_loss(vaejets_run: Path) -> None:
    before, after = (weights_of(vaejets_run, step) for step in (2, 4))
    still = [
        name
        for name, tensor in after.items()
        if "players" in name and torch.equal(tensor, before[name]) and tensor.is_floating_point()
    ]
    assert not [name for name in still if not name.endswith("key.bias")]
    entries = read_metrics(vaejets_run / "metrics.jsonl")
    told = {name.rsplit("/")[-1]: value for entry in entries for name, value in entry.items()}
    front = ("duration", "pitch", "energy", "forward_sum", "binarisation")
    for name in (*front, "kl", "frame_pitch", "voicing", "reconstruction", "diagonality", "mcd"):
        assert np.isfinite(told[name]), name


def test_a_run_that_was_stopped_ends_with_the_same_weights(
    vaejets_conf: Path, vaejets_run: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(vaejets_run, tmp_path / "run")
    shutil.rmtree(folder / "checkpoints/step-4")
    for pointer in ("last", "best"):
        (folder / "checkpoints" / pointer).write_text("step-2\n", encoding="utf-8")
    train(load(TrainConfig, vaejets_conf), folder)
    resumed, whole = weights_of(folder, 4), weights_of(vaejets_run, 4)
    assert resumed.keys() == whole.keys() and len(whole) > 100
    for name, tensor in whole.items():
        assert torch.equal(tensor, resumed[name]), name


def test_it_speaks_the_same_from_run_and_pack(vaejets_run: Path, tmp_path: Path) -> None:
    pack = tmp_path / "voice.malsori.zip"
    write_pack(vaejets_run, pack, licences=Licences(weights="CC-BY-4.0", data="CC0-1.0"))
    spoken = {
        (path, who): Synthesizer.from_pretrained(path)("나무가 있다.", speaker=who)
        for path in (vaejets_run, pack)
        for who in ("mina", "june")
    }
    for who in ("mina", "june"):
        run, packed = spoken[vaejets_run, who], spoken[pack, who]
        assert run.audio.shape == (run.durations.sum() * run.hop,) and run.audio.std() > 1e-4
        # the last digit of a pitch adds up in the phase
        np.testing.assert_allclose(run.audio, packed.audio, atol=1e-3)
        np.testing.assert_array_equal(run.durations, packed.durations)
    pair = [spoken[vaejets_run, who].audio for who in ("mina", "june")]
    assert len(pair[0]) != len(pair[1]) or np.abs(pair[0] - pair[1]).max() > 1e-3


def test_it_aligns_and_speaks_as_recorded(
    vaejets_run: Path, vaejets_conf: Path, tmp_path: Path
) -> None:
    voice, data = open_voice(vaejets_run), DataDir(vaejets_conf.parent / "data" / "test")
    done = align(voice, data, tmp_path / "aligned")
    assert len(done.judged) == len(data) and not done.rejected
    decode(voice, data, tmp_path / "forced", forced=True)
    rows = dict(
        line.split(maxsplit=1)
        for line in (tmp_path / "forced" / "durations").read_text().splitlines()
    )
    for i in range(len(data)):
        frames = voice.audio.frames(len(data.wav(i, voice.audio.sample_rate)))
        assert sum(map(int, rows[data.key(i)].split())) == frames


def test_another_run_starts_from_it(vaejets_conf: Path, vaejets_run: Path, tmp_path: Path) -> None:
    settings: Any = load(TrainConfig, vaejets_conf, ["training.steps=1", "optimizer.lr=1e-9"])
    train(dataclasses.replace(settings, init_from=str(vaejets_run)), tmp_path / "run")
    begun, found = weights_of(tmp_path / "run", 1), read_run(vaejets_run, "best").weights
    network = {name.split("/")[-1]: tensor for name, tensor in begun.items() if "average" in name}
    assert network.keys() >= found.keys()
    for name, tensor in found.items():
        torch.testing.assert_close(network[name], tensor, atol=1e-5, rtol=1e-5)
