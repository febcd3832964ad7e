from __future__ import annotations

import json
import math
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from malsori.core.errors import ConfigError, MalsoriError
from malsori.data.batch import Batch
from malsori.train.trainer import Terminated

Make = Callable[..., Any]


def weights(trainer: Any) -> dict[str, Tensor]:
    return {
        f"{name}/{key}": tensor.clone()
        for name, player in trainer.task.players.items()
        for key, tensor in player.state_dict().items()
    }


def changed(trainer: Any, before: dict[str, Tensor]) -> set[str]:
    """Return the players whose weights are others than before."""
    now = weights(trainer)
    return {key.split("/")[0] for key in now if not torch.equal(now[key], before[key])}


def watch_gradients(trainer: Any) -> list[dict[str, list[Tensor]]]:
    """Return a list that fills with the gradients that each optimiser step sees."""
    seen: list[dict[str, list[Tensor]]] = []

    def hook(name: str) -> Any:
        def note(*_: Any) -> None:
            if not seen or name in seen[-1]:
                seen.append({})
            seen[-1][name] = [p.grad.clone() for p in trainer.parameters[name]]

        return note

    for name, optimizer in trainer.optimizers.items():
        optimizer.register_step_pre_hook(hook(name))
    return seen


def entries(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def mean_of_gradients(task: Any, batches: list[Batch]) -> dict[str, list[Tensor]]:
    """Return each player's gradient, averaged over batches, by its turns alone."""
    owned = {name: list(player.parameters()) for name, player in task.players.items()}
    sums = {name: [torch.zeros_like(p) for p in parts] for name, parts in owned.items()}
    for batch in batches:
        for turn in task.turns(batch):
            turn.backward(task.weights[turn.player], owned[turn.player])
        for name, parts in owned.items():
            for mean, parameter in zip(sums[name], parts, strict=True):
                mean += parameter.grad / len(batches)
                parameter.grad = None
    return sums


@pytest.mark.parametrize("accumulate", [1, 2, 3])
def test_accumulated_gradient_is_the_mean_for_both_players(
    toy_trainer: Make, accumulate: int
) -> None:
    trainer = toy_trainer(accumulate=accumulate, steps=1)
    trainer.task.eval()  # no dropout: the gradients can be compared
    batches: list[Batch] = []
    trainer.task.watch = lambda batch, player: batches.append(batch) or 1.0
    untouched = toy_trainer("other").task.eval()
    seen = watch_gradients(trainer)
    trainer.fit()
    assert len(seen) == 1
    expected = mean_of_gradients(untouched, batches[::2])  # each is noted in both turns
    assert len(batches) == 2 * accumulate
    for player, gradients in expected.items():
        for got, wanted in zip(seen[0][player], gradients, strict=True):
            torch.testing.assert_close(got, wanted)


def test_accumulation_with_the_real_task(tiny_corpus: Any, tmp_path: Path) -> None:
    from malsori.data.batch import collate
    from malsori.data.datadir import DataDir
    from malsori.data.dataset import Names, SpeechDataset
    from malsori.dsp.statistics import Statistics
    from malsori.text.tokens import TokenList
    from malsori.train.run import build_task
    from malsori.train.trainer import Trainer

    config = tiny_corpus.settings("training.accumulate=2", "training.steps=1")
    tokens = TokenList.load(tiny_corpus.tokens / "tokens.txt")
    names = Names.of(DataDir(tiny_corpus.data / "train"))
    data, dev = (
        SpeechDataset(path, config.data, config.audio, tokens, names, 5.0)
        for path in (config.data.train, config.data.dev)
    )
    torch.manual_seed(1)
    task = build_task(config, tokens, Statistics.load(tiny_corpus.stats / "stats.json"), names)
    plain, batches = task.turns, []

    def turns(batch: Batch) -> Any:
        if batch.ids not in [each.ids for each in batches]:
            batches.append(batch)
        torch.manual_seed(int(batch.ids[0][1:]))  # the same segments and dropout again
        yield from plain(batch)

    task.turns = turns
    trainer = Trainer(config, task, data, dev, tmp_path, torch.device("cpu"))
    seen = watch_gradients(trainer)
    weights_before = weights(trainer)
    trainer._step(trainer.batches.stream())
    for name, player in task.players.items():
        own = {k.split("/", 1)[1]: v for k, v in weights_before.items() if k.startswith(name + "/")}
        player.load_state_dict(own)
    assert len(batches) == 2 and collate([data[0]]).ids
    expected = mean_of_gradients(task, batches)
    for player, gradients in expected.items():
        for got, wanted in zip(seen[0][player], gradients, strict=True):
            torch.testing.assert_close(got, wanted, rtol=1e-3, atol=1e-4)


def test_a_turn_moves_only_its_player(toy_trainer: Make) -> None:
    trainer = toy_trainer(steps=1)
    before = weights(trainer)
    moved: list[set[str]] = []
    trainer.task.watch = lambda batch, player: moved.append(changed(trainer, before)) or 1.0
    trainer.fit()
    assert moved == [set(), {"generator"}]
    assert changed(trainer, before) == {"generator", "discriminator"}


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_step_with_a_non_finite_gradient_is_skipped(toy_trainer: Make, bad: float) -> None:
    trainer = toy_trainer(steps=3, average_decay=0.5)
    states: list[dict[str, Tensor]] = []

    def watch(batch: Batch, player: str) -> float:
        if player == "discriminator":
            return 1.0
        states.append(weights(trainer))
        return bad if len(states) == 2 else 1.0

    trainer.task.watch = watch
    trainer.fit()
    assert all(torch.equal(states[1][key], states[2][key]) for key in states[1])
    assert changed(trainer, states[2]) == {"generator", "discriminator"}  # and it goes on
    assert (trainer.progress.skipped, trainer.progress.skipped_in_a_row) == (1, 0)
    assert trainer.average.updates == 2
    assert [entry["skipped"] for entry in entries(trainer.folder)[:3]] == [0, 1, 1]
    state = json.loads((trainer.folder / "checkpoints" / "step-3" / "state.json").read_text())
    assert state["skipped"] == 1


def test_discriminator_with_a_non_finite_gradient_keeps_its_weights(toy_trainer: Make) -> None:
    trainer = toy_trainer(steps=1)
    before = weights(trainer)
    trainer.task.watch = lambda batch, player: math.nan if player == "discriminator" else 1.0
    trainer.fit()
    assert "discriminator" not in changed(trainer, before)
    assert trainer.progress.skipped == 1
    assert all(torch.isfinite(tensor).all() for tensor in weights(trainer).values())


def test_bad_part_of_an_accumulated_step_spoils_the_whole_step_only(toy_trainer: Make) -> None:
    trainer = toy_trainer(steps=2, accumulate=2)
    calls: list[str] = []

    def watch(batch: Batch, player: str) -> float:
        calls.append(player)
        return math.nan if len(calls) == 1 else 1.0

    trainer.task.watch = watch
    trainer.fit()
    assert trainer.progress.skipped == 1
    assert all(torch.isfinite(tensor).all() for tensor in weights(trainer).values())


def test_too_many_skipped_in_a_row_stop_the_run_and_name_the_batch(toy_trainer: Make) -> None:
    trainer = toy_trainer(steps=9, max_nonfinite=3)
    ids: list[tuple[str, ...]] = []

    def watch(batch: Batch, player: str) -> float:
        if player == "generator":
            ids.append(batch.ids)
        return math.nan if len(ids) != 3 else 1.0  # two, a good one, then three

    trainer.task.watch = watch
    with pytest.raises(MalsoriError, match="3 steps in a row had non-finite gradients") as caught:
        trainer.fit()
    assert trainer.progress.step == 6 and len(ids) == 6
    assert ", ".join(ids[-1]) in str(caught.value)


def test_clipping_limits_what_the_optimiser_sees_and_logs_what_was(toy_trainer: Make) -> None:
    free, clipped = toy_trainer("free", steps=1), toy_trainer("clipped", steps=1, clip_norm=0.01)
    norms = {}
    for trainer in (free, clipped):
        seen = watch_gradients(trainer)
        trainer.fit()
        norms[trainer.folder.name] = {
            name: math.sqrt(sum(float(g.square().sum()) for g in gradients))
            for name, gradients in seen[0].items()
        }
    for player in ("generator", "discriminator"):
        assert norms["free"][player] > 0.1
        assert norms["clipped"][player] == pytest.approx(0.01, rel=1e-3)
        for folder in (free.folder, clipped.folder):
            logged = entries(folder)[0][f"{player}/gradient_norm"]
            assert logged == pytest.approx(norms["free"][player], rel=1e-4)


def test_learning_rate_follows_the_schedule_of_the_step(toy_trainer: Make) -> None:
    trainer = toy_trainer(steps=4)
    trainer.schedule = lambda step: 1 / (step + 1)
    trainer.fit()
    rates = [entry["discriminator/lr"] for entry in entries(trainer.folder) if "skipped" in entry]
    assert rates == pytest.approx([0.01, 0.01 / 2, 0.01 / 3, 0.01 / 4])


def test_losses_are_averaged_between_two_log_entries(toy_trainer: Make) -> None:
    often, seldom = toy_trainer("often", steps=4), toy_trainer("seldom", steps=5, log_every=5)
    often.fit()
    seldom.fit()
    each = [e["generator/size"] for e in entries(often.folder) if "generator/size" in e]
    rare = [e["generator/size"] for e in entries(seldom.folder) if "generator/size" in e]
    assert rare[0] == pytest.approx(each[0])
    assert len(rare) == 2 and min(each[1:]) * 0.5 < rare[1] < max(each[1:]) * 2


def test_loss_without_weight_is_an_error(toy_trainer: Make) -> None:
    trainer = toy_trainer()
    trainer.task.weights = {**trainer.task.weights, "generator": {"adversarial": 1.0}}
    with pytest.raises(ConfigError, match=r"generator differ in \['size'\]"):
        trainer.fit()


def test_unknown_best_metric_lists_the_known(toy_trainer: Make) -> None:
    with pytest.raises(ConfigError, match=r"no metric 'mcf'; known: mcd, likeness, valid/size"):
        toy_trainer(best="mcf")
    with pytest.raises(ConfigError, match=r"demonstrate: 'mcd' needs at least 1 utterance"):
        toy_trainer(demonstrate=0)
    toy_trainer(best="valid/size", demonstrate=0, steps=1).fit()


def pointers(folder: Path) -> dict[str, list[str]]:
    return {
        name: (folder / "checkpoints" / name).read_text().split()
        for name in ("last", "best", "average")
    }


@pytest.mark.parametrize(
    ("best", "values", "expected"),
    [
        ("mcd", [7.0, 5.0, 6.0, 8.0], ["step-2", "step-3"]),
        ("likeness", [0.1, 0.9, 0.3, 0.2], ["step-2", "step-3"]),
        ("mcd", [5.0, 5.0, math.nan, 9.0], ["step-1", "step-2"]),
    ],
)
def test_best_and_last_are_kept(
    toy_trainer: Make, best: str, values: list[float], expected: list[str]
) -> None:
    trainer = toy_trainer(best=best, keep_best=2, validate_every=1, steps=4)
    trainer.task.scores = iter([{best: value} for value in values for _ in range(2)])
    trainer.fit()
    folder = trainer.folder / "checkpoints"
    assert pointers(trainer.folder) == {
        "last": ["step-4"],
        "best": expected[:1],
        "average": expected,
    }
    assert {path.name for path in folder.glob("step-*")} == {*expected, "step-4"}
    assert {path.name for path in folder.iterdir()} == {
        *expected, "step-4", "last", "best", "average",
    }  # fmt: skip


def test_validation_changes_nothing_that_training_sees(toy_trainer: Make, assert_same: Any) -> None:
    seldom = toy_trainer("seldom", steps=6)
    often = toy_trainer("often", steps=6, validate_every=1, keep_last=9)
    seldom.fit()
    often.fit()
    assert_same(seldom.folder / "checkpoints" / "step-6", often.folder / "checkpoints" / "step-6")
    assert often.task.generator.training


def test_validation_speaks_with_the_averaged_weights(toy_trainer: Make) -> None:
    trainer = toy_trainer(steps=3)
    seen: list[dict[str, Tensor]] = []
    plain = trainer.task.demonstrate

    def demonstrate(batch: Batch) -> Any:
        assert not trainer.task.generator.training
        seen.append({k: v.clone() for k, v in trainer.task.generator.state_dict().items()})
        return plain(batch)

    trainer.task.demonstrate = demonstrate
    trainer.fit()
    averaged = trainer.average.state()
    assert all(torch.equal(seen[0][key], averaged[key]) for key in averaged)
    assert any(
        not torch.equal(v, averaged[k]) for k, v in trainer.task.generator.state_dict().items()
    )


def terminate_at(trainer: Any, step: int) -> None:
    def watch(batch: Batch, player: str) -> float:
        if player == "discriminator" and trainer.progress.step == step - 1:
            os.kill(os.getpid(), signal.SIGTERM)
        return 1.0

    trainer.task.watch = watch


@pytest.mark.parametrize("stop", [1, 3, 4, 7])
def test_terminated_and_resumed_is_the_same_run(
    toy_trainer: Make, assert_same: Any, stop: int
) -> None:
    """12 utterances make 4 batches an epoch: stops in its middle, at its end, after validation."""
    settings = {"steps": 10, "validate_every": 3, "accumulate": 1, "keep_best": 9}
    whole = toy_trainer("whole", **settings)
    whole.fit()
    first = toy_trainer("parts", **settings)
    handler = signal.getsignal(signal.SIGTERM)
    terminate_at(first, stop)
    with pytest.raises(Terminated, match="SIGTERM") as stopped:
        first.fit()
    assert stopped.value.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) is handler
    assert pointers_last(first.folder) == f"step-{stop}"
    second = toy_trainer("parts", **settings)
    second.fit()
    one, two = (t.folder / "checkpoints" for t in (whole, second))
    assert_same(one / "step-10", two / "step-10")
    assert (one / "average").read_text() == (two / "average").read_text()
    losses = [
        [(e["step"], e["generator/size"]) for e in entries(t.folder) if "generator/size" in e]
        for t in (whole, second)
    ]
    assert losses[0] == losses[1]


def pointers_last(folder: Path) -> str:
    return (folder / "checkpoints" / "last").read_text().strip()


def test_terminated_right_at_a_validation_keeps_its_metric(toy_trainer: Make) -> None:
    trainer = toy_trainer(steps=9, validate_every=3)
    terminate_at(trainer, 3)
    with pytest.raises(Terminated):
        trainer.fit()
    state = json.loads((trainer.folder / "checkpoints" / "step-3" / "state.json").read_text())
    assert (state["metric_name"], state["metric"]) == ("mcd", 5.0)
    assert (trainer.folder / "checkpoints" / "best").read_text() == "step-3\n"


def test_terminated_in_the_last_step_is_done(toy_trainer: Make) -> None:
    trainer = toy_trainer(steps=2)
    terminate_at(trainer, 2)
    trainer.fit()
    assert pointers_last(trainer.folder) == "step-2"
    again = toy_trainer(steps=2)
    again.fit()  # nothing left to do
    assert again.progress.step == 2


def test_second_signal_does_not_wait(toy_trainer: Make) -> None:
    trainer = toy_trainer()

    def watch(batch: Batch, player: str) -> float:
        os.kill(os.getpid(), signal.SIGINT)
        return 1.0

    trainer.task.watch = watch
    with pytest.raises(KeyboardInterrupt):
        trainer.fit()


def test_saves_by_the_clock_too(toy_trainer: Make) -> None:
    trainer = toy_trainer(steps=3, save_every=0, keep_last=9)
    trainer.fit()
    assert trainer.checkpoints.steps() == [1, 2, 3]
    assert trainer.checkpoints.ranked() == [3]  # only the validated one can be best


def test_another_number_of_processes_is_refused(
    toy_trainer: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy_trainer(steps=1).fit()
    monkeypatch.setattr("malsori.train.distributed.world", lambda: 2)
    with pytest.raises(MalsoriError, match="was trained by 1 processes"):
        toy_trainer(steps=2)._resume()
