"""A toy game of two players, on made-up utterances: what a trainer does with it is plain to see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from malsori.data.batch import Batch, Utterance
from malsori.tasks.task import Demonstration, Turn

RATE = 8000


class Recordings:
    """Utterances of one second each, four numbers of which the toy game reads."""

    def __init__(self, count: int) -> None:
        self.seconds = np.full(count, 1.0)

    def __len__(self) -> int:
        return len(self.seconds)

    def __getitem__(self, i: int) -> Utterance:
        wav = np.random.default_rng(i).standard_normal(4).astype(np.float32)
        return Utterance(
            id=f"u{i}", tokens=np.array([2]), wav=wav, log_f0=np.zeros(1, np.float32),
            speaker=0, language=0,
        )  # fmt: skip


class Toy(nn.Module):
    """A generator (4 → 3) against a discriminator (3 → 1), both turns through one graph."""

    averaged = "generator"
    metrics = {"mcd": False, "likeness": True}  # noqa: RUF012
    weights = {  # noqa: RUF012
        "generator": {"adversarial": 1.0, "size": 0.5},
        "discriminator": {"real": 1.0, "fake": 1.0},
    }

    def __init__(self) -> None:
        super().__init__()
        self.generator = nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.25), nn.Linear(3, 3))
        self.discriminator = nn.Linear(3, 1)
        self.watch: Callable[[Batch, str], float] = lambda batch, player: 1.0
        self.scores: Iterator[dict[str, float]] = iter(())

    validation_losses = ("size",)

    @property
    def players(self) -> dict[str, nn.Module]:
        return {"generator": self.generator, "discriminator": self.discriminator}

    def turns(self, batch: Batch) -> Iterator[Turn]:
        fake = self.generator(batch.wav)
        judged, real = self.discriminator(fake), self.discriminator(batch.wav[:, :3])
        factor = self.watch(batch, "generator")
        losses = {"adversarial": (judged - 1).square().mean() * factor, "size": fake.abs().mean()}
        yield Turn(player="generator", losses=losses, retain_graph=True)
        factor = self.watch(batch, "discriminator")
        losses = {"real": (real - 1).square().mean() * factor, "fake": judged.square().mean()}
        yield Turn(player="discriminator", losses=losses)

    def validate(self, batch: Batch) -> dict[str, Any]:
        return {"size": self.generator(batch.wav).abs().mean()}

    def demonstrate(self, batch: Batch) -> Demonstration:
        score = next(self.scores, {"mcd": 5.0, "likeness": 0.5})
        return Demonstration(metrics={"mcd": 5.0, "likeness": 0.5} | score, sample_rate=RATE)


@pytest.fixture
def toy_trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Return a function that makes a trainer of the toy game; keywords are training settings."""
    from malsori.core.config import load
    from malsori.train.config import TrainConfig
    from malsori.train.trainer import Trainer

    dot = np.zeros((1, 1, 3), np.uint8)  # drawing curves takes a second each time
    monkeypatch.setattr("malsori.train.journal.curves_picture", lambda *_: dot)

    def make(folder: str = "run", count: int = 12, task: Any = None, **settings: Any) -> Any:
        plain = {"steps": 4, "log_every": 1, "validate_every": 100, "validate_batches": 1}
        words = [f"training.{key}={value}" for key, value in {**plain, **settings}.items()]
        config = load(
            TrainConfig,
            None,
            ["data.batch=3", "data.workers=0", "optimizer.lr=0.01", "schedule=constant", *words],
        )
        torch.manual_seed(0)
        game = task or Toy()
        data: Any = Recordings(count)
        path = tmp_path / folder
        return Trainer(config, game, data, Recordings(3), path, torch.device("cpu"))  # type: ignore[arg-type]

    return make


def tensors(checkpoint: Path) -> dict[str, torch.Tensor]:
    """Return every tensor of a checkpoint."""
    return {
        f"{name}/{key}": tensor
        for name in ("players", "average", "optimizers")
        for key, tensor in load_file(checkpoint / f"{name}.safetensors").items()
    }


@pytest.fixture
def assert_same() -> Callable[[Path, Path], None]:
    """Return a function that compares two checkpoints bit for bit, numbers and words too."""

    def compare(one: Path, other: Path) -> None:
        left, right = tensors(one), tensors(other)
        assert left.keys() == right.keys() and len(left) > 10
        different = [key for key in left if not torch.equal(left[key], right[key])]
        assert not different, f"{len(different)} of {len(left)} differ: {different[:5]}"
        assert (one / "state.json").read_text() == (other / "state.json").read_text()

    return compare
