from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from malsori.core.config import load
from malsori.core.errors import ConfigError, MalsoriError
from malsori.train.config import TrainConfig
from malsori.train.journal import read_metrics
from malsori.train.run import pick_device, train


@pytest.fixture(autouse=True)
def _no_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw no curves: a second each time, and the tiny run has them."""
    dot = np.zeros((1, 1, 3), np.uint8)
    monkeypatch.setattr("malsori.train.journal.curves_picture", lambda *_: dot)


@pytest.fixture
def own_run(tiny_run: Path, tmp_path: Path) -> Path:
    """Return a copy of the trained run that a test may change."""
    return shutil.copytree(tiny_run, tmp_path / "own")


def test_run_folder_holds_what_the_contract_says(tiny_run: Path, tiny_corpus: Any) -> None:
    names = {path.name for path in tiny_run.iterdir()}
    assert names >= {
        "config.yaml", "run.json", "names.json", "tokens.txt", "tokenizer.yaml", "stats.json",
        "checkpoints", "tensorboard", "metrics.jsonl", "plots",
    }  # fmt: skip
    assert load(TrainConfig, tiny_run / "config.yaml") == tiny_corpus.settings()
    record = json.loads((tiny_run / "run.json").read_text())
    assert record["processes"] == 1 and len(record["hashes"]) == 3
    for name in ("tokens.txt", "tokenizer.yaml"):
        assert (tiny_run / name).read_bytes() == (tiny_corpus.tokens / name).read_bytes()
    assert (tiny_run / "stats.json").read_bytes() == (tiny_corpus.stats / "stats.json").read_bytes()
    pointers = {n: (tiny_run / "checkpoints" / n).read_text() for n in ("last", "best")}
    assert pointers["last"] == "step-6\n"
    metrics = {
        e["step"]: e["dev/mcd"] for e in read_metrics(tiny_run / "metrics.jsonl") if "dev/mcd" in e
    }
    assert pointers["best"] == f"step-{min(metrics, key=metrics.__getitem__)}\n"
    assert len(list((tiny_run / "plots").glob("dev-*-alignment-*.png"))) == 2


def test_the_model_learns(tiny_corpus: Any, tmp_path: Path) -> None:
    config = tiny_corpus.settings(
        "training.steps=40", "training.validate_every=40", "optimizer.lr=0.005"
    )
    train(config, tmp_path)
    loss = [
        e["generator/reconstruction"]
        for e in read_metrics(tmp_path / "metrics.jsonl")
        if "skipped" in e
    ]
    assert sum(loss[-5:]) < 0.8 * sum(loss[:5])


def test_one_process_never_starts_torch_distributed(
    tiny_corpus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch.distributed as dist

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("torch.distributed was started")

    for name in ("init_process_group", "barrier", "all_reduce", "all_gather_object"):
        monkeypatch.setattr(dist, name, refuse)
    train(tiny_corpus.settings("training.steps=1"), tmp_path)
    assert not dist.is_initialized()


def test_networks_in_bfloat16_losses_in_float32(
    tiny_corpus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from malsori.modules.alignment import Aligner
    from malsori.modules.hifigan import HifiganGenerator
    from malsori.tasks.gan_tts import GanTts

    seen: dict[str, set[torch.dtype]] = {}
    for part in (Aligner, HifiganGenerator):
        plain = part.forward

        def forward(
            self: Any, *words: Any, _plain: Any = plain, _part: Any = part, **named: Any
        ) -> Any:
            result = _plain(self, *words, **named)
            if torch.is_autocast_enabled("cpu"):
                seen.setdefault(_part.__name__, set()).add(result.dtype)
            return result

        monkeypatch.setattr(part, "forward", forward)
    turns = GanTts.turns

    def noted(self: Any, batch: Any) -> Any:
        for turn in turns(self, batch):
            for name, loss in turn.losses.items():
                seen.setdefault(name, set()).add(loss.dtype)
            yield turn

    monkeypatch.setattr(GanTts, "turns", noted)
    train(tiny_corpus.settings("training.steps=2", "training.precision=bf16"), tmp_path)
    assert seen.pop("HifiganGenerator") == {torch.bfloat16}  # so the setting does something
    assert set(seen) >= {"Aligner", "forward_sum", "reconstruction", "pitch", "real", "adversarial"}
    assert all(kinds == {torch.float32} for kinds in seen.values()), seen
    weights = load_file(tmp_path / "checkpoints" / "step-2" / "players.safetensors")
    assert all(t.dtype != torch.bfloat16 and t.isfinite().all() for t in weights.values())
    entry = read_metrics(tmp_path / "metrics.jsonl")[1]
    assert entry["skipped"] == 0 and entry["generator/total"] > 0


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("model.width=32", r"model\.width: 32, but .* was trained with 16; choose another --exp"),
        ("audio.mel_high_hz=3900", r"audio\.mel_high_hz: 3900"),
        ("model.generator.channels=32", r"model\.generator\.channels: 32"),
        ("task.discriminator.periods=[2]", r"task\.discriminator\.periods: "),
        ("task.weights.pitch=3", r"task\.weights"),
        ("optimizer.lr=0.1", r"optimizer\.lr: 0\.1"),
    ],
)
def test_another_run_in_the_same_folder_is_refused(
    tiny_corpus: Any, own_run: Path, override: str, message: str
) -> None:
    before = (own_run / "config.yaml").read_bytes()
    with pytest.raises(ConfigError, match=message) as caught:
        train(tiny_corpus.settings(override, "training.steps=9"), own_run)
    assert "\n" not in str(caught.value)
    assert (own_run / "config.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("tokens", r"tokens\.txt: not the token list .*80\)"),
        ("statistics", r"stats\.json: not the statistics that .* was trained with"),
        ("speakers", r"not the speakers that .* was trained with"),
    ],
)
def test_other_data_for_the_same_folder_is_refused(
    copy_corpus: Callable[[], Any], own_run: Path, change: str, message: str
) -> None:
    corpus = copy_corpus()
    if change == "tokens":
        path = corpus.tokens / "tokens.txt"
        path.write_text(path.read_text() + "new\n")
    elif change == "statistics":
        path = corpus.stats / "stats.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"pitch_mean": 5.5}))
    else:
        for name in ("utt2spk", "spk2utt"):
            path = corpus.data / "train" / name
            path.write_text(path.read_text().replace("tone", "eve"))
    before = {path.name: path.read_bytes() for path in own_run.iterdir() if path.is_file()}
    with pytest.raises(MalsoriError, match=message):
        train(corpus.settings("training.steps=9"), own_run)
    after = {path.name: path.read_bytes() for path in own_run.iterdir() if path.is_file()}
    assert after == before


def test_more_steps_go_on(tiny_corpus: Any, own_run: Path) -> None:
    train(tiny_corpus.settings("training.steps=7"), own_run)
    assert (own_run / "checkpoints" / "last").read_text() == "step-7\n"


def test_second_training_in_a_folder_is_refused(tiny_corpus: Any, tmp_path: Path) -> None:
    with open(tmp_path / ".lock", "w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(MalsoriError, match="another training is running in this folder"):
            train(tiny_corpus.settings(), tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".lock"}


def test_stage_that_was_not_run_is_named(tiny_corpus: Any, tmp_path: Path) -> None:
    for key, stage in (("tokens", 2), ("stats", 3)):
        config = tiny_corpus.settings(f"data.{key}={tmp_path}")
        with pytest.raises(MalsoriError, match=rf"not there; run stage {stage}"):
            train(config, tmp_path / "exp")
    with pytest.raises(MalsoriError, match="no such data dir: run stage 1"):
        train(tiny_corpus.settings(f"data.train={tmp_path / 'none'}"), tmp_path / "exp")


def test_statistics_of_other_audio_settings_are_refused(
    copy_corpus: Callable[[], Any], tmp_path: Path
) -> None:
    corpus = copy_corpus()
    with pytest.raises(
        ConfigError, match=r"audio\.f0_low_hz: 70\.0, but .*stats was made with 80\.0"
    ):
        train(corpus.settings("audio.f0_low_hz=70"), tmp_path / "exp")
    (corpus.stats / "audio.json").unlink()  # as a stage that was killed leaves it
    with pytest.raises(MalsoriError, match=r"stats: stage 3 .* has not ended there"):
        train(corpus.settings(), tmp_path / "exp")


def test_device_that_is_not_there() -> None:
    assert pick_device("cpu").type == "cpu"
    for name in ("gpu", "cuda:99"):
        with pytest.raises(ConfigError, match=rf"training\.device: '{name}' cannot be used here"):
            pick_device(name)


def test_folder_that_cannot_be_made(tiny_corpus: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MalsoriError, match="file/exp: cannot be written: Not a directory"):
        train(tiny_corpus.settings(), tmp_path / "file" / "exp")


def test_damaged_checkpoint_names_itself(tiny_corpus: Any, own_run: Path) -> None:
    path = own_run / "checkpoints" / "step-6" / "players.safetensors"
    os.truncate(path, path.stat().st_size // 2)
    with pytest.raises(MalsoriError, match=r"step-6: damaged .*delete it"):
        train(tiny_corpus.settings("training.steps=9"), own_run)
    shutil.rmtree(path.parent)  # as the message says
    train(tiny_corpus.settings("training.steps=4"), own_run)
    assert (own_run / "checkpoints" / "last").read_text() == "step-4\n"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.steps=0", r"training\.steps: must be at least 1, got 0"),
        ("training.threads=-1", r"training\.threads: must be at least 0"),
        ("training.clip_norm=0.0", r"training\.clip_norm: must be above 0"),
        ("training.average_decay=1.0", r"training\.average_decay: must be in \[0, 1\)"),
        ("training.validate_batches=-2", r"training\.validate_batches: must be at least 0"),
        ("training.precision=fp16", r"training\.precision: expected one of fp32, bf16"),
    ],
)
def test_settings_out_of_range(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(TrainConfig, None, [override])
