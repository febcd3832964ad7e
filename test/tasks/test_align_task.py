"""The task align: one player that learns, is shown by pictures, starts from other weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from malsori.core.config import build, load, read_choice
from malsori.core.errors import ConfigError
from malsori.data.batch import Batch, Utterance, collate
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.statistics import Statistics
from malsori.models import MODELS
from malsori.models.voice import Conditions, VoiceContext
from malsori.tasks import TASKS
from malsori.tasks.task import TaskContext
from malsori.train.config import TrainConfig

AUDIO = AudioConfig(sample_rate=8000, n_fft=64, window=64, hop=16, mel_bands=6, mel_high_hz=4000)
STATISTICS = Statistics(
    mel_mean=(-1.0,) * 6,
    mel_std=(1.0,) * 6,
    pitch_mean=5.0,
    pitch_std=0.3,
    energy_mean=1.0,
    energy_std=1.0,
)
JETS = {
    "name": "jets",
    "generator": {"upsampling": [4, 4], "upsampling_kernels": [8, 8], "channels": 8},
    "width": 8,
}
SHIPPED = Path(__file__).parents[2] / "egs" / "mini_kss" / "conf" / "train_align.yaml"


def make(model: Any = None, **task: Any) -> Any:
    torch.manual_seed(5)
    context = TaskContext(
        model=read_choice(MODELS, model or {"name": "aligner", "width": 24}, "model"),
        voice=VoiceContext(audio=AUDIO, tokens=8),
        statistics=STATISTICS,
    )
    return build(TASKS, read_choice(TASKS, {"name": "align", **task}, "task"), context=context)


def whistled(seed: int, count: int = 6) -> tuple[Utterance, list[int]]:
    """Return tokens that whistle, each at its own pitch, and their frames; none twice in a row."""
    random = np.random.default_rng(seed)
    tokens = [int(random.integers(1, 8))]
    while len(tokens) < count:
        token = int(random.integers(1, 8))
        tokens += [token] if token != tokens[-1] else []
    frames = random.integers(4, 16, count)
    wav = np.concatenate(
        [
            0.5 * np.sin(2 * np.pi * 450 * token * np.arange(16 * length) / 8000)
            for token, length in zip(tokens, frames, strict=True)
        ]
    ).astype(np.float32)
    said = Utterance(
        id=f"utt{seed}", tokens=np.array(tokens), wav=wav, speaker=0, language=0,
        log_f0=np.full(len(wav) // 16 + 1, 5.0, np.float32),
    )  # fmt: skip
    return said, frames.tolist()


def make_batch(first: int, count: int) -> tuple[Batch, list[list[int]]]:
    drawn = [whistled(seed) for seed in range(first, first + count)]
    return collate([said for said, _ in drawn]), [frames for _, frames in drawn]


def test_one_player_one_turn_two_losses() -> None:
    task = make(weights={"binarisation": 0.5})
    (turn,) = task.turns(make_batch(0, 2)[0])
    assert [turn.player] == list(task.players) == [task.averaged]
    assert task.weights == {"aligner": {"forward_sum": 1.0, "binarisation": 0.5}}
    assert turn.losses.keys() == task.weights["aligner"].keys()
    assert all(loss.shape == () and loss.requires_grad for loss in turn.losses.values())


def test_it_learns_where_known_tokens_sound() -> None:
    """Tokens of one pitch each are found to a frame or two, in utterances it never saw."""
    task = make({"name": "aligner", "width": 48})
    optimizer = torch.optim.AdamW(task.model.parameters(), lr=3e-3)
    batch, _ = make_batch(0, 24)
    unseen, frames = make_batch(100, 8)

    @torch.no_grad()
    def frames_off() -> float:
        features = task.features(unseen.wav, unseen.wav_lengths, unseen.log_f0)
        out = task.model(unseen.tokens, unseen.token_lengths, features, Conditions())
        found = out.durations.cumsum(1)[:, :-1].numpy()
        return float(np.abs(found - np.cumsum(frames, axis=1)[:, :-1]).mean())

    assert frames_off() > 4
    for _ in range(80):
        (turn,) = task.turns(batch)
        optimizer.zero_grad()
        torch.stack(list(turn.losses.values())).sum().backward()
        optimizer.step()
    assert frames_off() < 1.5


def test_validation_and_demonstration_change_nothing() -> None:
    task, (batch, _) = make(), make_batch(0, 2)
    before = {name: value.clone() for name, value in task.state_dict().items()}
    losses, show = task.validate(batch), task.demonstrate(batch)
    assert losses.keys() == set(task.validation_losses)
    assert not any(loss.requires_grad for loss in losses.values())
    assert show.metrics.keys() == task.metrics.keys() == {"diagonality"}
    assert 0 < show.metrics["diagonality"] < 1
    assert show.images.keys() == {"utt0/alignment", "utt1/alignment"} and not show.audio
    assert all(torch.equal(value, before[name]) for name, value in task.state_dict().items())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"model": JETS}, "model.name: the task align trains 'aligner' alone, not 'jets'"),
        ({"weights": {"binarization": 1.0}}, "did you mean 'binarisation'"),
        ({"weights": {"forward_sum": -1.0}}, "task.weights.forward_sum: must not be negative"),
    ],
)
def test_what_does_not_fit_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make(**settings)


def test_other_tasks_do_not_take_it() -> None:
    context = TaskContext(
        model=read_choice(MODELS, "aligner", "model"),
        voice=VoiceContext(audio=AUDIO, tokens=8),
        statistics=STATISTICS,
    )
    with pytest.raises(ConfigError, match=r"model\.name: 'aligner' does not speak"):
        build(TASKS, read_choice(TASKS, "gan_tts", "task"), context=context)


def test_a_run_is_judged_by_diagonality(aligner_run: Path) -> None:
    checkpoints = aligner_run / "checkpoints"
    best = (checkpoints / "best").read_text().strip()
    state = json.loads((checkpoints / best / "state.json").read_text())
    assert state["metric_name"] == "diagonality" and state["averaged"] == "aligner"
    others = [json.loads(path.read_text())["metric"] for path in checkpoints.glob("*/state.json")]
    assert state["metric"] == max(others) and len(others) == 2
    assert list((aligner_run / "plots").glob("*alignment*.png"))


def test_a_run_starts_from_another_ones_weights(
    aligner_run: Path, tiny_corpus: Any, tmp_path: Path
) -> None:
    from malsori.packs.run_folder import checkpoint_weights
    from malsori.train.run import train

    tree = yaml.safe_load((aligner_run / "config.yaml").read_text())
    tree["init_from"] = str(aligner_run)
    tree["training"] |= {"steps": 1, "average_decay": 0.0}
    tree["optimizer"]["lr"] = 1e-12
    path = tmp_path / "again.yaml"
    path.write_text(yaml.safe_dump(tree))
    train(load(TrainConfig, path), tmp_path / "again")
    before = checkpoint_weights(aligner_run, "best")
    after = checkpoint_weights(tmp_path / "again", "last")
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor, atol=1e-6, rtol=0)


def test_the_shipped_conf_says_only_what_differs() -> None:
    config = load(TrainConfig, SHIPPED)
    assert (config.task.name, config.model.name) == ("align", "aligner")
    assert config.training.best == "diagonality"
    assert len(SHIPPED.read_text().splitlines()) < 30
