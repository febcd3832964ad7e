"""Shipped confs through the real entry points: built, one step of each turn, kept, used."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from malsori.bin.main import main
from malsori.core.config import load
from malsori.train.config import TrainConfig
from malsori.train.journal import read_metrics

ROOT = Path(__file__).parents[2]
CONFS = sorted(ROOT.glob("egs/*/conf/train_*.yaml"))


def different(confs: list[Path]) -> list[Path]:
    """Return the first conf of each that trains the same networks by the same losses."""
    found: dict[str, Path] = {}
    for conf in confs:
        config = load(TrainConfig, conf)
        found.setdefault(repr((config.task, config.model)), conf)
    return list(found.values())


every_conf = pytest.mark.parametrize(
    "conf",
    different(CONFS),
    ids=lambda path: f"{path.parts[-3]}-{path.stem.removeprefix('train_')}",
)
ONE_STEP = (
    *("training.steps=1", "training.validate_every=1", "training.validate_batches=1"),
    *("training.log_every=1", "training.demonstrate=1", "training.demonstrate_train=0"),
    *("training.device=cpu", "training.precision=fp32", "data.batch=2 s", "data.workers=0"),
)


@pytest.fixture(scope="module")
def statistics(
    tiny_corpus: Any, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[Path], Path]:
    """Return a function that gives the output of stage 3 for a conf's audio settings."""
    made: dict[Any, Path] = {}
    sets = [str(tiny_corpus.data / name) for name in ("train", "dev", "test")]

    def of(conf: Path) -> Path:
        config = load(TrainConfig, conf)
        audio = config.audio
        if config.task.config.material == "recordings":
            return tiny_corpus.root  # nothing is looked for there
        if audio not in made:
            made[audio] = tmp_path_factory.mktemp("stats")
            words = ["--config", str(conf), "--data", *sets, "--tokens", str(tiny_corpus.tokens)]
            assert main(["stats", *words, "--out", str(made[audio])]) == 0
        return made[audio]

    return of


def test_each_recipe_of_one_voice_has_every_model() -> None:
    wanted = {"jets", "vits", "vaejets", "fastspeech2", "hifigan", "align"}
    for recipe in ("kss", "ljspeech", "mini_kss"):
        found = {p.stem.removeprefix("train_") for p in CONFS if p.parts[-3] == recipe}
        assert wanted <= found, recipe


@pytest.mark.slow
@every_conf
def test_it_trains_a_step_and_is_used(
    conf: Path, statistics: Callable[[Path], Path], tiny_corpus: Any, tmp_path: Path
) -> None:
    folders = {"train": tiny_corpus.data / "train", "dev": tiny_corpus.data / "dev"}
    folders |= {"tokens": tiny_corpus.tokens, "stats": statistics(conf)}
    settings = [*(f"data.{name}={folder}" for name, folder in folders.items()), *ONE_STEP]
    config = load(TrainConfig, conf, settings)
    exp, out = tmp_path / "exp", tmp_path / "out"
    try:
        assert main(["train", "--config", str(conf), "--exp", str(exp), *settings]) == 0
        (step,) = [entry for entry in read_metrics(exp / "metrics.jsonl") if "skipped" in entry]
        totals = [value for name, value in step.items() if name.endswith("/total")]
        assert totals and np.isfinite(totals).all() and not step["skipped"]
        assert any("mcd" in name or "diagonality" in name for e in _shown(exp) for name in e)
        assert (exp / "checkpoints" / "best").exists() and (exp / "checkpoints" / "last").exists()
        use = ["--data", str(tiny_corpus.data / "test"), "--out", str(out)]
        if config.task.name == "align":
            assert main(["align", "--model", str(exp), *use]) == 0
            assert len(list(out.glob("textgrid/*.TextGrid"))) == 2
            return
        assert main(["decode", "--exp", str(exp), *use]) == 0
        wavs = [soundfile.read(path) for path in sorted(out.glob("wav/*.wav"))]
        assert len(wavs) == 2
        assert all(len(wav) and rate == config.audio.sample_rate for wav, rate in wavs)
    finally:
        shutil.rmtree(exp, ignore_errors=True)  # checkpoints of full size


def _shown(exp: Path) -> list[dict[str, float]]:
    return [entry for entry in read_metrics(exp / "metrics.jsonl") if "skipped" not in entry]
