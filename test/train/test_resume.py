"""Runs of the real command that are killed and go on."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from malsori.core.config import read_tree
from malsori.core.files import read_json, sha256
from malsori.train.journal import read_metrics

pytestmark = pytest.mark.slow
STEPS = 12


class Training:
    """One run folder, and the command that trains in it."""

    def __init__(self, conf: Path, folder: Path, *overrides: str) -> None:
        self.folder, self.checkpoints = folder, folder / "checkpoints"
        self.command = [
            *(sys.executable, "-m", "malsori", "train", "--config", str(conf)),
            *("--exp", str(folder), f"training.steps={STEPS}", "training.validate_every=4"),
            *("training.keep_best=9", "training.save_every=0", *overrides),
        ]

    def start(self, **settings: Any) -> subprocess.Popen[str]:
        env = os.environ | {"OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            self.command, stderr=subprocess.PIPE, text=True, env=env, **settings
        )

    def finish(self) -> str:
        process = self.start()
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
        return said

    def steps(self) -> list[int]:
        return sorted(int(path.name[5:]) for path in self.checkpoints.glob("step-*"))

    def kill(self, when: Callable[[], bool], number: int = signal.SIGKILL) -> int:
        """Start, send the signal as soon as ``when()``, and return the exit code."""
        process = self.start()
        limit = time.monotonic() + 120
        while not when():
            assert process.poll() is None, f"ended too early: {process.communicate()[1]}"
            assert time.monotonic() < limit
            time.sleep(0.0005)
        process.send_signal(number)
        process.communicate(timeout=60)
        return process.returncode


@pytest.fixture(scope="module")
def whole(tiny_corpus: Any, tmp_path_factory: pytest.TempPathFactory) -> Training:
    """Return an uninterrupted run."""
    run = Training(tiny_corpus.conf, tmp_path_factory.mktemp("resume") / "whole")
    run.finish()
    return run


def check(run: Training, whole: Training, assert_same: Any) -> None:
    assert_same(whole.checkpoints / f"step-{STEPS}", run.checkpoints / f"step-{STEPS}")
    for pointer in ("last", "best", "average"):
        assert (run.checkpoints / pointer).read_text() == (whole.checkpoints / pointer).read_text()
    assert not list(run.checkpoints.glob(".*"))
    steps = [e["step"] for e in read_metrics(run.folder / "metrics.jsonl") if "skipped" in e]
    assert steps == list(range(1, STEPS + 1))


def writing(run: Training, after: int) -> Callable[[], bool]:
    """Return whether a checkpoint after the ``after``-th step is being written right now."""

    def now() -> bool:
        if not run.checkpoints.is_dir():
            return False
        parts = [path.name for path in run.checkpoints.glob(".step-*.part")]
        return any(int(name[6:].split(".")[0]) > after and name.count(".") > 2 for name in parts)

    return now


def logged(run: Training, step: int, key: str) -> Callable[[], bool]:
    return lambda: any(
        e["step"] >= step and key in e for e in read_metrics(run.folder / "metrics.jsonl")
    )


def test_killed_anywhere_it_ends_with_the_same_weights(
    tiny_corpus: Any, whole: Training, tmp_path: Path, assert_same: Any
) -> None:
    """Checkpoints come after every step here, so that most moments are in or near a saving one."""
    run = Training(tiny_corpus.conf, tmp_path / "run")
    moments: list[Callable[[], bool]] = [
        logged(run, 2, "skipped"),  # in the middle of an epoch
        writing(run, 2),
        logged(run, 4, "dev/mcd"),  # validated, not yet saved
        writing(run, 5),
        logged(run, 9, "skipped"),
        writing(run, STEPS - 1),  # the last one
    ]
    seen = []
    for moment in moments:
        assert run.kill(moment) == -signal.SIGKILL
        seen.append(run.steps()[-1] if run.steps() else 0)
    assert seen == sorted(seen) and seen[-1] >= STEPS - 2
    run.finish()
    check(run, whole, assert_same)


def test_killed_at_random_times(
    tiny_corpus: Any, whole: Training, tmp_path: Path, assert_same: Any
) -> None:
    """Without a checkpoint after every step: what was done since the last one is done again."""
    run = Training(tiny_corpus.conf, tmp_path / "run", "training.save_every=1 h")
    chance = random.Random(time.time_ns())
    told: list[str] = []  # shown by pytest if the test fails
    for _ in range(3):
        after, wait = chance.randint(1, 9), chance.uniform(0, 0.15)

        def moment(after: int = after, wait: float = wait) -> bool:
            if not logged(run, after, "skipped")():
                return False
            time.sleep(wait)
            return True

        run.kill(moment)
        told.append(f"{wait:.3f} s after step {after}")
    run.finish()
    check(run, whole, assert_same)


def test_fine_tuning_killed_ends_with_the_same_weights(
    tiny_corpus: Any, tiny_pack: Path, tmp_path: Path, assert_same: Any
) -> None:
    """Before its first checkpoint it starts from the pack again, after it the pack may be gone."""
    pack = tmp_path / "base.malsori.zip"
    shutil.copyfile(tiny_pack, pack)
    tuned = Training(tiny_corpus.conf, tmp_path / "tuned", f"init_from={pack}")
    assert "starts from" in tuned.finish()
    run = Training(tiny_corpus.conf, tmp_path / "run", f"init_from={pack}")
    assert run.kill((run.folder / "run.json").exists) == -signal.SIGKILL
    assert run.kill(writing(run, 5)) == -signal.SIGKILL
    assert 5 <= run.steps()[-1] < STEPS
    pack.unlink()
    assert "init_from is not read" in run.finish()
    check(run, tuned, assert_same)
    origins = [read_json(each.folder / "run.json")["initial"] for each in (run, tuned)]
    assert origins[0] == origins[1] and origins[0]["sha256"] == sha256(tiny_pack)
    statistics, other = ((each.folder / "stats.json").read_bytes() for each in (run, tuned))
    assert statistics == other
    assert read_tree(run.folder / "config.yaml")["init_from"] == str(pack)


def test_terminated_saves_and_says_143(
    tiny_corpus: Any, whole: Training, tmp_path: Path, assert_same: Any
) -> None:
    run = Training(tiny_corpus.conf, tmp_path / "run", "training.save_every=1 h")
    assert run.kill(logged(run, 5, "skipped"), signal.SIGTERM) == 143
    (step,) = [step for step in run.steps() if step > 4]
    assert read_json(run.checkpoints / f"step-{step}" / "state.json")["step"] == step
    assert f"goes on from step {step}" in run.finish()
    check(run, whole, assert_same)


def test_signal_to_the_whole_group_saves_too(
    tiny_corpus: Any, whole: Training, tmp_path: Path, assert_same: Any
) -> None:
    """As a cluster or ``timeout`` sends it: the processes that read audio get it as well."""
    run = Training(tiny_corpus.conf, tmp_path / "run", "training.save_every=1 h", "data.workers=2")
    process = run.start(start_new_session=True)
    due = logged(run, 2, "skipped")
    while not due():
        assert process.poll() is None
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert "Traceback" not in said
    run.finish()
    check(run, whole, assert_same)


def test_full_disk_stops_the_run_and_spares_the_checkpoint(
    tiny_corpus: Any,
    whole: Training,
    small_disk: Callable[[str], Path],
    assert_same: Any,
) -> None:
    disk = small_disk("64m")
    run = Training(tiny_corpus.conf, disk / "run")
    size = sum(path.stat().st_size for path in (whole.checkpoints / "step-4").iterdir())

    def nearly_full() -> bool:
        if not run.steps() or run.steps()[-1] < 2:
            return False
        free = os.statvfs(disk)
        with open(disk / "filler", "ab") as file:
            file.write(b"x" * max(0, free.f_bavail * free.f_frsize - size // 2))
        return True

    process = run.start()
    while not nearly_full():
        assert process.poll() is None
        time.sleep(0.001)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 1, said
    lines = [line for line in said.splitlines() if "error:" in line]
    assert len(lines) == 1 and "cannot be written" in lines[0], said
    assert "Traceback" not in said
    assert run.steps()
    (disk / "filler").unlink()
    run.finish()
    check(run, whole, assert_same)
