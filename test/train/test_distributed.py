from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from malsori.train import distributed
from malsori.train.journal import read_metrics

SCRIPT = """
import hashlib, json, os, sys
import torch
from malsori.core.config import load
from malsori.train import run, trainer
from malsori.train.config import TrainConfig

out, folder, conf, *overrides = sys.argv[1:]
fit, turns = trainer.Trainer.fit, trainer.Trainer._turns
ids = []

def noted(self, batch, last):
    ids.append(batch.ids)
    return turns(self, batch, last)

def fit_and_tell(self):
    fit(self)
    total = hashlib.sha256()
    for player in self.task.players.values():
        for tensor in player.state_dict().values():
            total.update(tensor.numpy().tobytes())
    with open(f"{out}.{os.environ['RANK']}", "w") as file:
        json.dump({"weights": total.hexdigest(), "ids": ids}, file)

trainer.Trainer.fit, trainer.Trainer._turns = fit_and_tell, noted
run.train(load(TrainConfig, conf, overrides), run.Path(folder))
"""


def test_alone_nothing_is_exchanged() -> None:
    parameter = torch.nn.Parameter(torch.ones(2))
    distributed.start(torch.device("cpu"))
    distributed.average_gradients([parameter])
    distributed.barrier()
    assert parameter.grad is None
    assert distributed.gather("a") == ["a"] and distributed.any_process(True)
    assert not distributed.any_process(False)
    assert (distributed.world(), distributed.rank(), distributed.local_rank()) == (1, 0, 0)
    distributed.stop()


def launch(tmp_path: Path, corpus: Any, folder: Path, *overrides: str) -> list[dict[str, Any]]:
    """Train with two processes; return what each says of its weights and batches."""
    script = tmp_path / "two.py"
    script.write_text(SCRIPT)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
            *("--master-addr", "127.0.0.1", "--master-port", str(port)),
            *(str(script), str(tmp_path / "told"), str(folder), str(corpus.conf), *overrides),
        ],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads((tmp_path / f"told.{rank}").read_text()) for rank in (0, 1)]


@pytest.mark.slow
def test_two_processes_train_one_model_and_resume(
    tmp_path: Path, tiny_corpus: Any, assert_same: Any
) -> None:
    settings = ("training.validate_every=2", "training.keep_best=9")
    folder = tmp_path / "run"
    one, two = launch(tmp_path, tiny_corpus, folder, *settings)
    assert one["weights"] == two["weights"]
    assert len(one["ids"]) == len(two["ids"]) == 6
    both = [{name for batch in told["ids"][:2] for name in batch} for told in (one, two)]
    assert not both[0] & both[1]  # within an epoch nobody reads what the other does
    weights = load_file(folder / "checkpoints" / "step-6" / "players.safetensors")
    assert all(tensor.isfinite().all() for tensor in weights.values())
    steps = [e["step"] for e in read_metrics(folder / "metrics.jsonl") if "skipped" in e]
    assert steps == [1, 2, 3, 4, 5, 6]  # written once, not by each
    assert json.loads((folder / "run.json").read_text())["processes"] == 2

    # as if both had been killed after the checkpoint of step 2
    resumed = tmp_path / "resumed"
    shutil.copytree(folder, resumed)
    for step in (4, 6):
        shutil.rmtree(resumed / "checkpoints" / f"step-{step}")
    again = launch(tmp_path, tiny_corpus, resumed, *settings)
    assert [told["ids"] for told in again] == [one["ids"][2:], two["ids"][2:]]
    assert again[0]["weights"] == again[1]["weights"] == one["weights"]
    assert_same(folder / "checkpoints" / "step-6", resumed / "checkpoints" / "step-6")


@pytest.mark.slow
def test_two_processes_average_their_gradients(tmp_path: Path) -> None:
    script = tmp_path / "mean.py"
    script.write_text(
        "import torch\n"
        "from malsori.train import distributed as d\n"
        "d.start(torch.device('cpu'))\n"
        "a, b = (torch.nn.Parameter(torch.zeros(n)) for n in (2, 3))\n"
        "a.grad = torch.tensor([1.0, 2.0]) * (1 + 2 * d.rank())\n"
        "b.grad = torch.ones(3) if d.rank() else None\n"
        "d.average_gradients([a, b])\n"
        "assert a.grad.tolist() == [2.0, 4.0] and b.grad.tolist() == [0.5] * 3\n"
        "assert d.gather(d.rank()) == [0, 1]\n"
        "assert d.any_process(d.rank() == 1) and not d.any_process(False)\n"
        "d.barrier()\n"
        "d.stop()\n"
    )
    done = subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"),
            *("--standalone", str(script)),
        ],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr[-3000:]
