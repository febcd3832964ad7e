"""Skipped steps where asking the device would wait: the same run as on the CPU, counted later.

``at_once=False`` is how a trainer does it on a GPU; tensors of the CPU show what comes of it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from malsori.core.errors import MalsoriError
from malsori.data.batch import Batch
from malsori.train.averaging import MovingAverage
from malsori.train.skips import Progress, Skips

Make = Callable[..., Any]


def spoilt(trainer: Any, steps: dict[int, str], bad: float = math.nan) -> Any:
    """Return the trainer with a gradient that is not finite in some steps of one player each."""

    def watch(batch: Batch, player: str) -> float:
        return bad if steps.get(trainer.progress.step + 1) == player else 1.0

    trainer.task.watch = watch
    return trainer


def deferred(trainer: Any) -> Any:
    trainer.skips.at_once = False
    return trainer


def state_of(trainer: Any, step: int) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    from safetensors.torch import load_file

    folder = trainer.folder / "checkpoints" / f"step-{step}"
    tensors = {
        f"{name}/{key}": tensor
        for name in ("players", "average", "optimizers")
        for key, tensor in load_file(folder / f"{name}.safetensors").items()
        if not key.startswith("rng")
    }
    return json.loads((folder / "state.json").read_text()), tensors


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_run_is_that_of_the_cpu(toy_trainer: Make, bad: float, accumulate: int) -> None:
    steps = {2: "generator", 3: "generator", 6: "discriminator"}
    settings = {"steps": 8, "log_every": 4, "average_decay": 0.5, "accumulate": accumulate}
    plain = spoilt(toy_trainer("plain", **settings), steps, bad)
    later = spoilt(deferred(toy_trainer("later", **settings)), steps, bad)
    for trainer in (plain, later):
        trainer.task.eval()  # no dropout: the CPU leaves turns of skipped steps out, draws and all
        trainer.fit()
    (state, tensors), (later_state, later_tensors) = (state_of(t, 8) for t in (plain, later))
    assert state == later_state and state["skipped"] == 3 and state["average_updates"] == 6
    assert tensors.keys() == later_tensors.keys()
    for key in tensors:
        if key.startswith("average"):
            torch.testing.assert_close(later_tensors[key], tensors[key])
        else:
            assert torch.equal(later_tensors[key], tensors[key]), key


def test_skipped_steps_are_counted_for_the_log(
    toy_trainer: Make, caplog: pytest.LogCaptureFixture
) -> None:
    trainer = deferred(toy_trainer(steps=8, log_every=4))
    spoilt(trainer, {2: "generator", 7: "generator"}).fit()
    lines = (trainer.folder / "metrics.jsonl").read_text().splitlines()
    counts = [(e["step"], e["skipped"]) for e in map(json.loads, lines) if "skipped" in e]
    assert counts == [(1, 0), (4, 1), (8, 2)]
    assert [r.message.split(":")[0] for r in caplog.records if "skipped" in r.message] == [
        "step 2 skipped",
        "step 7 skipped",
    ]


def test_nothing_is_asked_between_two_log_entries(toy_trainer: Make) -> None:
    trainer = deferred(toy_trainer(steps=8, log_every=4))
    asked: list[int] = []
    count = trainer.skips.count

    def watched(progress: Progress) -> None:
        asked.append(progress.step)
        count(progress)

    trainer.skips.count = watched
    trainer.fit()
    assert asked == [1, 4, 8, 8]  # the last: before the checkpoint


def test_too_many_in_a_row_name_the_batch_that_was_one_too_many(toy_trainer: Make) -> None:
    trainer = deferred(toy_trainer(steps=20, log_every=10, max_nonfinite=3))
    ids: list[tuple[str, ...]] = []
    steps = {2: "generator", 3: "generator", 5: "generator", 6: "generator", 7: "generator"}
    spoilt(trainer, steps)
    watch = trainer.task.watch

    def noted(batch: Batch, player: str) -> float:
        if player == "generator":
            ids.append(batch.ids)
        return watch(batch, player)

    trainer.task.watch = noted
    with pytest.raises(MalsoriError, match="3 steps in a row had non-finite gradients") as caught:
        trainer.fit()
    assert f"the last batch was {', '.join(ids[6])}." in str(caught.value)
    assert not trainer.checkpoints.steps()


def test_a_resumed_run_goes_on_counting(toy_trainer: Make) -> None:
    first = deferred(toy_trainer(steps=3, log_every=100, max_nonfinite=3))
    spoilt(first, {2: "generator", 3: "generator"}).fit()
    second = deferred(toy_trainer(steps=9, log_every=100, max_nonfinite=3))
    with pytest.raises(MalsoriError, match="3 steps in a row"):
        spoilt(second, {4: "generator"}).fit()
    assert second.progress.skipped == 3


class Deaf(torch.optim.SGD):
    """An optimiser that cannot be told to skip."""


def test_an_optimiser_that_cannot_be_told_is_not_asked_to_step() -> None:
    weights = nn.Parameter(torch.ones(2))
    optimizer = Deaf([weights], lr=1.0)
    skips = Skips(Path("exp"), limit=2, at_once=False)
    for gradient, expected in ((torch.nan, 1.0), (1.0, 0.0)):
        weights.grad = torch.full((2,), gradient)
        assert not skips.skipped(weights.grad.norm())
        skips.step(optimizer)
        skips.end(1, ["u1"])
        assert (weights == expected).all()
    progress = Progress()
    for _ in range(2):  # the second time there is nothing left to count
        skips.count(progress)
        assert (progress.skipped, progress.skipped_in_a_row) == (1, 0)


def test_an_average_that_is_told_moves_as_far_as_one_that_is_not() -> None:
    torch.manual_seed(0)
    module = nn.Linear(3, 2)
    plain, told = MovingAverage(module, 0.9), MovingAverage(module, 0.9)
    for _ in range(12):
        with torch.no_grad():
            module.weight.add_(torch.randn(2, 3))
        plain.update()
        told.update(torch.tensor(0.0))
    torch.testing.assert_close(told.state(), plain.state())
    before = told.state()
    told.update(torch.tensor(1.0))
    assert all(torch.equal(before[key], value) for key, value in told.state().items())
    told.settle()
    assert told.updates == plain.updates == 12
