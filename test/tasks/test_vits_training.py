"""VITS through the real entry points: it trains, resumes, speaks, is packed."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from malsori.core.config import load, read_choice
from malsori.infer.pack import Licences, write_pack
from malsori.infer.synthesizer import Synthesizer
from malsori.packs.run_folder import read_run
from malsori.train import OPTIMIZERS
from malsori.train.config import TrainConfig
from malsori.train.journal import read_metrics
from malsori.train.run import train

pytestmark = pytest.mark.slow
NETWORK = {"layers": 2, "channels": 12, "kernel": 3}
MODEL: dict[str, Any] = {
    "name": "vits",
    "width": 12,
    "condition": 8,
    "encoder": {"layers": 1, "hidden": 16, "dropout": 0.1},
    "posterior": NETWORK,
    "flow": {"couplings": 2, "network": NETWORK},
    "duration_flow": {"channels": 8, "couplings": 2, "bins": 4, "layers": 2},
    "duration_predictor": {"channels": 8},
    "segment": 8,
    "generator": {"name": "hifigan_v3", "channels": 16},
}


def settings_of(corpus: Any, folder: Path, **changes: Any) -> TrainConfig:
    """Return the tiny corpus's settings with VITS in place of JETS."""
    tree = yaml.safe_load(corpus.conf.read_text(encoding="utf-8"))
    tree["model"] = {**MODEL, **changes.pop("model", {})}
    tree["training"] |= {"keep_best": 9, **changes}
    path = folder / "vits.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return load(TrainConfig, path)


def weights_of(folder: Path, step: int) -> dict[str, torch.Tensor]:
    found = {}
    for path in sorted((folder / f"checkpoints/step-{step}").glob("*.safetensors")):
        found |= {f"{path.name}/{name}": tensor for name, tensor in load_file(path).items()}
    return found


@pytest.fixture(scope="module")
def vits_run(tiny_corpus: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run folder after six steps; tests only read it."""
    root = tmp_path_factory.mktemp("vits")
    train(settings_of(tiny_corpus, root), root / "run")
    return root / "run"


def test_one_step_of_each_turn_with_plain_durations(tiny_corpus: Any, tmp_path: Path) -> None:
    settings = settings_of(
        tiny_corpus, tmp_path, model={"duration": "plain"}, steps=1, validate_every=1
    )
    train(settings, tmp_path / "run")
    assert (tmp_path / "run/checkpoints/last").exists()


def test_a_run_that_was_stopped_ends_with_the_same_weights(
    tiny_corpus: Any, vits_run: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(vits_run, tmp_path / "run")
    shutil.rmtree(folder / "checkpoints/step-6")
    for pointer in ("last", "best"):
        (folder / "checkpoints" / pointer).write_text("step-3\n", encoding="utf-8")
    train(settings_of(tiny_corpus, tmp_path), folder)
    resumed, whole, before = (
        weights_of(run, step) for run, step in ((folder, 6), (vits_run, 6), (vits_run, 3))
    )
    assert resumed.keys() == whole.keys() and len(whole) > 100
    for name, tensor in whole.items():
        assert torch.equal(tensor, resumed[name]), name
    assert any(not torch.equal(tensor, before[name]) for name, tensor in whole.items())


def test_it_speaks_the_same_from_run_and_pack(vits_run: Path, tmp_path: Path) -> None:
    pack = tmp_path / "voice.malsori.zip"
    write_pack(vits_run, pack, licences=Licences(weights="CC-BY-4.0", data="CC0-1.0"))
    run, packed = (
        Synthesizer.from_pretrained(path)("나무가 있다. 비가 와요.") for path in (vits_run, pack)
    )
    assert run.audio.shape == (run.durations.sum() * run.hop,)
    assert np.abs(run.audio).max() > 0 and run.durations.min() >= 1
    np.testing.assert_allclose(run.audio, packed.audio, atol=1e-4)
    np.testing.assert_array_equal(run.durations, packed.durations)


def test_validation_tells_its_losses_and_diagonality(vits_run: Path) -> None:
    entries = read_metrics(vits_run / "metrics.jsonl")
    told = {name.rsplit("/")[-1]: value for entry in entries for name, value in entry.items()}
    for name in ("kl", "duration_likelihood", "reconstruction", "diagonality", "mcd"):
        assert np.isfinite(told[name]), name
    assert 0 < told["diagonality"] <= 1
    assert sorted(vits_run.rglob("*alignment*.png"))


def test_another_run_starts_from_it(tiny_corpus: Any, vits_run: Path, tmp_path: Path) -> None:
    settings = settings_of(tiny_corpus, tmp_path, steps=1, validate_every=1)
    settings = replace(settings, init_from=str(vits_run))
    settings = replace(settings, optimizer=read_choice(OPTIMIZERS, {"lr": 1e-9}, "", "adamw"))
    train(settings, tmp_path / "run")
    begun, found = weights_of(tmp_path / "run", 1), read_run(vits_run, "best").weights
    network = {
        name: tensor
        for name, tensor in begun.items()
        if "average" in name
        and name.split("/")[-1] in found
        and "running_" not in name
        and "num_batches" not in name
    }
    assert len(network) > 50
    for name, tensor in network.items():
        torch.testing.assert_close(tensor, found[name.split("/")[-1]], atol=1e-5, rtol=1e-5)
