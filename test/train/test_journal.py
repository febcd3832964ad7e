from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from malsori.tasks.task import Demonstration
from malsori.train.journal import Journal, read_metrics


def test_entries_after_the_resumed_step_are_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    lines = [json.dumps({"step": step, "a": step / 10}) for step in (1, 2, 3, 3, 4)]
    path.write_text("\n".join(lines) + '\n{"step": 5, "a"')  # killed while writing
    journal = Journal(tmp_path, 3)
    journal.scalars(4, {"a": 7.0})
    journal.close()
    assert [(e["step"], e["a"]) for e in read_metrics(path)] == [
        (1, 0.1), (2, 0.2), (3, 0.3), (3, 0.3), (4, 7.0),
    ]  # fmt: skip


def test_a_new_run_starts_with_nothing(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\n')
    Journal(tmp_path, 0).close()
    assert read_metrics(tmp_path / "metrics.jsonl") == []
    assert read_metrics(tmp_path / "none") == []


def test_tensorboard_forgets_them_too(tmp_path: Path) -> None:
    for start, value in ((0, 1.0), (2, 5.0)):
        journal = Journal(tmp_path, start)
        for step in range(start + 1, start + 4):
            journal.scalars(step, {"generator/loss": value})
        journal.close()
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(e.step, e.value) for e in board.Scalars("generator/loss")] == [
        (1, 1.0), (2, 1.0), (3, 5.0), (4, 5.0), (5, 5.0),
    ]  # fmt: skip


def test_sound_and_pictures_are_there(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 0)
    show = Demonstration(
        audio={"u1/spoken": np.zeros(80, np.float32)},
        images={"u1/mel": np.zeros((4, 6, 3), np.uint8)},
        sample_rate=8000,
    )
    journal.scalars(12, {"a": 1.0})
    journal.demonstration(12, show, "dev")
    journal.curves()
    journal.close()
    assert {p.name for p in (tmp_path / "plots").iterdir()} == {
        "dev-u1-mel-step-0000012.png", "curves.png",
    }  # fmt: skip
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert board.Tags()["audio"] == ["dev/u1/spoken"] and board.Tags()["images"] == ["dev/u1/mel"]
