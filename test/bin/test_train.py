from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from malsori.core.config import field_docs, load
from malsori.core.files import read_json
from malsori.train.config import TrainConfig, TrainingConfig

Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def _no_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no curves: a second each time, and the tiny run has them."""
    dot = np.zeros((1, 1, 3), np.uint8)
    monkeypatch.setattr("malsori.train.journal.curves_picture", lambda *_: dot)


def conf(tiny_corpus: Any, tmp_path: Path, change: Callable[[Any], Any]) -> Path:
    """Return a copy of the training config with one change."""
    tree = yaml.safe_load(tiny_corpus.conf.read_text())
    change(tree)
    path = tmp_path / "conf.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


def test_trains_and_goes_on(malsori: Run, tiny_corpus: Any, tmp_path: Path) -> None:
    words = ("train", "--config", tiny_corpus.conf, "--exp", tmp_path / "exp")
    done = malsori(*words, "training.steps=2", "training.validate_every=2")
    assert done.code == 0 and done.out == ""
    assert "step 2 of 2" in done.err and "validation at step 2" in done.err
    assert "%|" not in done.err  # no bar where nobody watches
    done = malsori(*words, "training.steps=2", "training.validate_every=2")
    assert done.code == 0 and "all 2 steps are done" in done.err
    done = malsori(
        "train", "training.steps=3", "--exp", tmp_path / "exp", "--config", tiny_corpus.conf
    )
    assert done.code == 0 and "goes on from step 2" in done.err


def test_sigterm_is_143_and_sigint_130(
    malsori: Run, tiny_corpus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from malsori.tasks.gan_tts import GanTts

    turns = GanTts.turns
    for number, code in ((signal.SIGTERM, 143), (signal.SIGINT, 130)):

        def stop(self: Any, batch: Any, number: int = number) -> Any:
            os.kill(os.getpid(), number)
            return turns(self, batch)

        monkeypatch.setattr(GanTts, "turns", stop)
        exp = tmp_path / str(code)
        done = malsori("train", "--config", tiny_corpus.conf, "--exp", exp)
        assert done.code == code and "after a checkpoint" in done.err
        assert read_json(exp / "checkpoints" / "step-1" / "state.json")["step"] == 1


def test_printed_config_is_the_config(malsori: Run, tiny_corpus: Any, tmp_path: Path) -> None:
    for words in ((), ("--config", tiny_corpus.conf, "optimizer.lr=2e-3", "schedule=cosine")):
        printed = malsori("train", "--print-config", *words)
        assert printed.code == 0
        path = tmp_path / "printed.yaml"
        path.write_text(printed.out)
        overrides = words[2:]
        assert load(TrainConfig, path) == load(
            TrainConfig, tiny_corpus.conf if words else None, overrides
        )
        for name, doc in field_docs(TrainingConfig).items():
            assert f"  # {doc.splitlines()[0]}\n" in printed.out and f"\n  {name}: " in printed.out
        again = malsori("train", "--print-config", "--config", path)
        assert again.out == printed.out


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda t: t["model"].update(widht=3), "model.widht: unknown key; did you mean 'width'?"),
        (
            lambda t: t["model"]["generator"].update(chanels=3),
            "model.generator.chanels: unknown key; did you mean 'channels'?",
        ),
        (
            lambda t: t["model"]["generator"].update(channels="wide"),
            "model.generator.channels: expected int, got 'wide'",
        ),
        (lambda t: t["training"].update(steps=True), "training.steps: expected int, got True"),
        (lambda t: t["data"].update(batch="soon"), "data.batch: expected time, got 'soon'"),
        (lambda t: t["model"].update(name="jet"), "did you mean 'jets'?"),
        (lambda t: t["audio"].update(mel_high_hz=5000), "audio.mel_high_hz: "),
        (lambda t: t.update(trainig={}), "trainig: unknown key; did you mean 'training'?"),
        (lambda t: t["task"].update(weights={"pich": 1.0}), "did you mean 'pitch'?"),
    ],
)
def test_config_that_is_wrong_is_told_by_its_path(
    malsori: Run, tiny_corpus: Any, tmp_path: Path, change: Any, told: str
) -> None:
    path = conf(tiny_corpus, tmp_path, change)
    done = malsori("train", "--config", path, "--exp", tmp_path / "exp")
    assert done.code == 1 and told in done.line
    assert not (tmp_path / "exp" / "checkpoints").exists()


def test_hop_that_does_not_match_the_upsampling(
    malsori: Run, tiny_corpus: Any, tmp_path: Path
) -> None:
    words = ("--config", tiny_corpus.conf, "--exp", tmp_path / "exp")
    done = malsori("train", *words, "model.generator.upsampling=[8, 8, 2]")
    assert done.code == 1
    assert "model.generator.upsampling: [8, 8, 2] makes 128 samples a frame" in done.line
    assert "audio.hop is 256" in done.line


def test_override_that_is_none(malsori: Run, tiny_corpus: Any, tmp_path: Path) -> None:
    for word, told in (("steps", "key.path=value"), ("training.stps=3", "did you mean 'steps'?")):
        done = malsori("train", "--config", tiny_corpus.conf, "--exp", tmp_path / "exp", word)
        assert done.code in (1, 2) and told in done.line


@pytest.mark.parametrize(
    ("content", "told"),
    [("a: [", "not YAML"), ("- a", "expected a mapping"), ("seed: 1\nseed: 2", "given twice")],
)
def test_file_that_is_no_config(malsori: Run, tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "c.yaml").write_text(content)
    done = malsori("train", "--config", tmp_path / "c.yaml", "--exp", tmp_path / "exp")
    assert done.code == 1 and "c.yaml" in done.line and told in done.line


def test_other_model_in_the_folder(
    malsori: Run, tiny_corpus: Any, tiny_run: Path, tmp_path: Path
) -> None:
    exp = shutil.copytree(tiny_run, tmp_path / "exp")
    done = malsori("train", "--config", tiny_corpus.conf, "--exp", exp, "model.width=32")
    assert done.code == 1 and "model.width: 32, but" in done.line and "trained with 16" in done.line


def test_full_disk_is_one_line(
    malsori: Run, tiny_corpus: Any, small_disk: Callable[[str], Path]
) -> None:
    disk = small_disk("512k")
    done = malsori("train", "--config", tiny_corpus.conf, "--exp", disk / "exp")
    assert done.code == 1 and "cannot be written" in done.line and "space" in done.line
    assert not list((disk / "exp" / "checkpoints").glob("step-*"))
