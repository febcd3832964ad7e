from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from malsori.core.errors import ConfigError, MalsoriError
from malsori.infer.voice import checkpoint_weights, load_run


@pytest.fixture
def own_run(tiny_run: Path, tmp_path: Path) -> Path:
    """Return a copy of the trained run that a test may change."""
    return shutil.copytree(tiny_run, tmp_path / "own")


def test_ready_to_speak(tiny_run: Path, tiny_corpus: Any) -> None:
    voice = load_run(tiny_run)
    module: Any = voice.model
    assert not module.training and not any(p.requires_grad for p in module.parameters())
    assert not any("parametrizations" in name for name in module.state_dict())
    assert voice.speakers == ("tone",) and voice.audio == tiny_corpus.settings().audio
    assert voice.device == torch.device("cpu")


def test_checkpoint_by_name(tiny_run: Path) -> None:
    folder = tiny_run / "checkpoints"
    for name in ("step-3", "step-6"):
        found = checkpoint_weights(tiny_run, name)
        saved = load_file(folder / name / "average.safetensors")
        assert found.keys() == saved.keys()
        assert all(torch.equal(found[key], saved[key]) for key in saved)
    best = (folder / "best").read_text().strip()
    for pointer, name in (("last", "step-6"), ("best", best)):
        found, wanted = (checkpoint_weights(tiny_run, each) for each in (pointer, name))
        assert all(torch.equal(found[key], wanted[key]) for key in wanted)


def test_average_is_the_mean_of_the_best(own_run: Path) -> None:
    parts = [checkpoint_weights(own_run, name) for name in ("step-3", "step-6")]
    mean = checkpoint_weights(own_run, "average")
    for key, tensor in mean.items():
        wanted = (parts[0][key].double() + parts[1][key].double()) / 2
        torch.testing.assert_close(tensor.double(), wanted, rtol=1e-6, atol=1e-7)
    assert any(not torch.equal(mean[key], parts[0][key]) for key in mean)
    (own_run / "checkpoints" / "average").write_text("step-3\n")  # the last is not one of the best
    alone = checkpoint_weights(own_run, "average")
    assert all(torch.equal(alone[key], parts[0][key]) for key in alone)


def test_run_without_a_moving_average_gives_the_generator(own_run: Path) -> None:
    path = own_run / "checkpoints" / "step-3"
    save_file({}, path / "average.safetensors")
    players = load_file(path / "players.safetensors")
    found = checkpoint_weights(own_run, "step-3")
    assert found.keys() == {k[10:] for k in players if k.startswith("generator/")}
    load_run(own_run, "step-3")


@pytest.mark.parametrize("name", ["step-4", "none", "../checkpoints/step-4"])
def test_unknown_checkpoint_lists_those_there(tiny_run: Path, name: str) -> None:
    with pytest.raises(MalsoriError, match=rf"no checkpoint '{name}'; there: step-3, step-6"):
        load_run(tiny_run, name)


def test_nothing_trained_yet(own_run: Path, tmp_path: Path) -> None:
    with pytest.raises(MalsoriError, match="not a run folder"):
        load_run(tmp_path)
    shutil.rmtree(own_run / "checkpoints")
    for name in ("best", "average", "last"):
        with pytest.raises(MalsoriError, match=f"no checkpoint '{name}'; there: none"):
            load_run(own_run, name)


def test_damaged_checkpoint_is_named(own_run: Path) -> None:
    (own_run / "checkpoints" / "step-3" / "average.safetensors").write_bytes(b"x" * 99)
    with pytest.raises(MalsoriError, match=r"step-3: damaged .*choose another --checkpoint"):
        load_run(own_run, "step-3")


def test_token_list_that_does_not_match(own_run: Path) -> None:
    path = own_run / "tokens.txt"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(
        MalsoriError, match=r"embedding\.weight .*: tokens\.txt is of another model"
    ):
        load_run(own_run)


def test_device_that_is_not_there(tiny_run: Path) -> None:
    for device in ("gpu", "cuda:99"):
        with pytest.raises(ConfigError, match=f"device: '{device}' cannot be used here"):
            load_run(tiny_run, device=device)
