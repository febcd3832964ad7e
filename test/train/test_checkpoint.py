from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from malsori.core.errors import MalsoriError
from malsori.train.checkpoint import (
    Checkpoints,
    Snapshot,
    load_module,
    load_optimizers,
    load_players,
    optimizer_tensors,
    player_tensors,
)


def snapshot(step: int, metric: float | None = None, size: int = 4) -> Snapshot:
    return Snapshot(
        state={"step": step, "metric": metric},
        players={"g/w": torch.full((size,), float(step))},
        average={},
        optimizers={"g/w/step": torch.tensor(float(step))},
    )


def test_comes_back_as_it_was(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(snapshot(7, 2.5))
    back = checkpoints.load(7)
    assert back.state == {"step": 7, "metric": 2.5} and back.average == {}
    assert torch.equal(back.players["g/w"], torch.full((4,), 7.0))
    assert torch.equal(back.optimizers["g/w/step"], torch.tensor(7.0))


def test_no_run_yet(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path / "none")
    assert checkpoints.steps() == [] and checkpoints.ranked() == []


def test_steps_are_numbers_not_words(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep_last=9)
    for step in (2, 10, 9):
        checkpoints.save(snapshot(step))
    assert checkpoints.steps() == [2, 9, 10]


def test_equal_metrics_keep_the_earlier(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep_last=9, keep_best=2)
    for step, metric in ((1, 3.0), (2, 1.0), (3, 1.0), (4, float("nan")), (5, None)):
        checkpoints.save(snapshot(step, metric))
    assert checkpoints.ranked() == [2, 3, 1]
    assert (tmp_path / "average").read_text() == "step-2\nstep-3\n"


def test_half_deleted_checkpoint_is_never_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill while an old checkpoint is deleted must not stop the run that follows."""
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(snapshot(1))

    def killed(folder: Path, **_: object) -> None:
        if "step-1" in Path(folder).name:
            (Path(folder) / "state.json").unlink()
            raise KeyboardInterrupt

    monkeypatch.setattr("malsori.train.checkpoint.shutil.rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.save(snapshot(2))
    monkeypatch.undo()
    again = Checkpoints(tmp_path)
    assert again.steps() == [2]
    again.save(snapshot(3))
    assert again.steps() == [3]
    assert {path.name for path in tmp_path.iterdir()} == {"step-3", "last"}


def test_kill_between_checkpoint_and_pointers_is_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoints = Checkpoints(tmp_path, keep_best=1)
    checkpoints.save(snapshot(1, 5.0))
    monkeypatch.setattr(Checkpoints, "settle", lambda self: None)
    checkpoints.save(snapshot(2, 4.0))
    monkeypatch.undo()
    assert (tmp_path / "best").read_text() == "step-1\n"
    Checkpoints(tmp_path, keep_best=1).settle()
    assert {p.name for p in tmp_path.iterdir()} == {"step-2", "last", "best", "average"}
    assert (tmp_path / "best").read_text() == (tmp_path / "last").read_text() == "step-2\n"


def test_left_over_parts_are_cleared(tmp_path: Path) -> None:
    (tmp_path / ".step-9.xyz.part").mkdir(parents=True)
    Checkpoints(tmp_path).save(snapshot(1))
    assert not list(tmp_path.glob(".*"))


def test_full_disk_leaves_the_one_before_whole(small_disk: Callable[[str], Path]) -> None:
    folder = small_disk("512k") / "checkpoints"
    checkpoints = Checkpoints(folder)
    checkpoints.save(snapshot(1, size=1000))
    with pytest.raises(MalsoriError, match=r"step-2: cannot be written: .*space"):
        checkpoints.save(snapshot(2, size=1_000_000))
    assert checkpoints.steps() == [1] and checkpoints.load(1).state["step"] == 1
    assert not list(folder.glob(".*.part"))
    checkpoints.save(snapshot(3, size=1000))


@pytest.mark.parametrize("name", ["players", "average", "optimizers"])
@pytest.mark.parametrize("damage", ["cut", "gone", "noise"])
def test_damaged_one_names_itself(tmp_path: Path, name: str, damage: str) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(snapshot(5))
    path = tmp_path / "step-5" / f"{name}.safetensors"
    content = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"x" * len(content))
    with pytest.raises(MalsoriError, match=r"step-5: damaged .*delete it"):
        checkpoints.load(5)


def test_damaged_state_names_itself(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save(snapshot(5))
    (tmp_path / "step-5" / "state.json").write_text('{"step": ')
    with pytest.raises(MalsoriError, match=r"step-5/state\.json: not a JSON file"):
        checkpoints.load(5)


def trained_pair() -> tuple[dict[str, nn.Module], dict[str, torch.optim.Optimizer]]:
    players: dict[str, nn.Module] = {"a": nn.Linear(2, 2), "b": nn.Linear(2, 1)}
    optimizers: dict[str, torch.optim.Optimizer] = {
        name: torch.optim.AdamW(player.parameters(), fused=True) for name, player in players.items()
    }
    return players, optimizers


def test_players_and_optimisers_come_back() -> None:
    players, optimizers = trained_pair()
    for name, player in players.items():
        player(torch.ones(1, 2)).sum().backward()
        optimizers[name].step()
    saved = player_tensors(players), optimizer_tensors(optimizers, players)
    others, other_optimizers = trained_pair()
    load_players(others, saved[0])
    load_optimizers(other_optimizers, others, saved[1])
    again = optimizer_tensors(other_optimizers, others)
    assert again.keys() == saved[1].keys() and len(again) == 12
    assert all(torch.equal(again[key], saved[1][key]) for key in again)
    for name in players:
        for pair in ((players, optimizers), (others, other_optimizers)):
            pair[0][name].zero_grad()
            pair[0][name](torch.ones(1, 2)).square().sum().backward()
            pair[1][name].step()
        assert torch.equal(players[name].weight, others[name].weight)
        assert not torch.equal(saved[0][f"{name}/weight"], players[name].weight)  # copies


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"weight": torch.zeros(1, 2)}, "net: the checkpoint has no 'bias'"),
        (
            {"weight": torch.zeros(1, 2), "bias": torch.zeros(1), "more": torch.zeros(1)},
            "net: the model has no 'more'",
        ),
        (
            {"weight": torch.zeros(1, 3), "bias": torch.zeros(1)},
            r"net: weight has shape \[1, 3\] in the checkpoint and \[1, 2\] in the model",
        ),
    ],
)
def test_weights_of_another_model_are_refused(
    tensors: dict[str, torch.Tensor], message: str
) -> None:
    with pytest.raises(MalsoriError, match=message):
        load_module(nn.Linear(2, 1), tensors, "net")
