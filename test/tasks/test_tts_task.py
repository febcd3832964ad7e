"""The task tts: one player that learns, durations learnt or given, heard through Griffin-Lim."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from malsori.core.config import build, load, read_choice
from malsori.core.errors import ConfigError
from malsori.data.batch import Batch, Utterance, collate
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.statistics import Statistics
from malsori.models import MODELS
from malsori.models.voice import VoiceContext
from malsori.tasks import TASKS
from malsori.tasks.task import TaskContext
from malsori.train.config import TrainConfig

AUDIO = AudioConfig(sample_rate=8000, n_fft=128, window=128, hop=32, mel_bands=8, mel_high_hz=4000)
STATISTICS = Statistics(
    mel_mean=(-3.0,) * 8,
    mel_std=(2.0,) * 8,
    pitch_mean=5.0,
    pitch_std=0.3,
    energy_mean=20.0,
    energy_std=4.0,
)
STACK = {"layers": 1, "hidden": 16, "dropout": 0}
SMALL: dict[str, Any] = {
    "name": "fastspeech2",
    "width": 16,
    "encoder": STACK,
    "decoder": STACK,
    "duration": {"channels": 16},
    "energy": {"channels": 16},
    "pitch": {"layers": 1, "channels": 16, "kernel": 3},
}
JETS = {
    "name": "jets",
    "generator": {"upsampling": [8, 4], "upsampling_kernels": [16, 8], "channels": 8},
    "width": 8,
}
OWN = {"mel", "duration", "pitch", "energy", "forward_sum", "binarisation"}


def make(model: Any = None, name: str = "tts", **task: Any) -> Any:
    torch.manual_seed(5)
    context = TaskContext(
        model=read_choice(MODELS, model or SMALL, "model"),
        voice=VoiceContext(audio=AUDIO, tokens=8),
        statistics=STATISTICS,
    )
    return build(TASKS, read_choice(TASKS, {"name": name, **task}, "task"), context=context)


def whistled(seed: int, count: int = 6, given: bool = False) -> Utterance:
    """Return tokens that whistle, each at its own pitch, for some frames."""
    random = np.random.default_rng(seed)
    tokens = random.integers(1, 8, count)
    frames = random.integers(4, 12, count)
    wav = np.concatenate(
        [
            0.5 * np.sin(2 * np.pi * 450 * token * np.arange(32 * length) / 8000)
            for token, length in zip(tokens, frames, strict=True)
        ]
    ).astype(np.float32)
    frames[-1] += 1
    count = len(wav) // 32 + 1
    return Utterance(
        id=f"utt{seed}",
        tokens=tokens,
        wav=wav,
        log_f0=np.full(count, 5.0, np.float32),
        voiced=np.ones(count, np.float32),
        durations=frames if given else None,
    )


def make_batch(count: int = 2, given: bool = False, first: int = 0) -> Batch:
    return collate([whistled(seed, given=given) for seed in range(first, first + count)])


def test_one_player_one_turn_and_its_losses() -> None:
    task = make(weights={"mel": 2.0})
    (turn,) = task.turns(make_batch())
    assert [turn.player] == list(task.players) == [task.averaged] == ["acoustic"]
    assert task.weights == {"acoustic": {**dict.fromkeys(OWN, 1.0), "mel": 2.0}}
    assert turn.losses.keys() == OWN == set(task.validation_losses)
    assert all(loss.shape == () and loss.requires_grad for loss in turn.losses.values())


@pytest.mark.parametrize("level", ["token", "wavelet"])
def test_it_learns_what_known_tokens_sound_like(level: str) -> None:
    """Whistles are drawn from the tokens alone, in utterances that it never saw."""
    pitch = {**SMALL["pitch"], "level": level}
    task = make({**SMALL, "durations": "given", "pitch": pitch})
    optimizer = torch.optim.AdamW(task.model.parameters(), lr=1e-2)
    batch, unseen = make_batch(16, given=True), make_batch(4, given=True, first=100)
    before = float(task.validate(unseen)["mel"])
    for _ in range(80):
        (turn,) = task.turns(batch)
        optimizer.zero_grad()
        torch.stack(list(turn.losses.values())).sum().backward()
        optimizer.step()
    assert float(task.validate(unseen)["mel"]) < 0.65 * before


def test_validation_and_demonstration_change_nothing() -> None:
    task, batch = make(), make_batch()
    before = {name: value.clone() for name, value in task.state_dict().items()}
    losses, show = task.validate(batch), task.demonstrate(batch)
    assert losses.keys() == set(task.validation_losses)
    assert not any(loss.requires_grad for loss in losses.values())
    assert task.metrics == {"mcd": False, "diagonality": True}
    assert show.metrics.keys() == task.metrics.keys()
    parts = {"utt0/mel", "utt0/alignment", "utt1/mel", "utt1/alignment"}
    assert show.images.keys() == parts and "utt0/spoken" in show.audio
    assert all(torch.equal(value, before[name]) for name, value in task.state_dict().items())


def test_given_durations_are_shown_without_an_alignment() -> None:
    task, batch = make({**SMALL, "durations": "given"}), make_batch(given=True)
    assert set(task.validation_losses) == OWN - {"forward_sum", "binarisation"}
    show = task.demonstrate(batch)
    assert task.metrics == {"mcd": False} and show.metrics.keys() == {"mcd"}
    assert show.images.keys() == {"utt0/mel", "utt1/mel"}


@pytest.mark.parametrize(
    ("model", "task", "said"),
    [
        (JETS, {}, "model.name: the task tts trains 'fastspeech2', not 'jets'"),
        (None, {"weights": {"mell": 1.0}}, "task.weights.mell: no such loss; did you mean 'mel'?"),
        (None, {"weights": {"mel": -1.0}}, "task.weights.mel: must not be negative, got -1.0"),
        (None, {"name": "gan_tts"}, "model.name: 'fastspeech2' does not speak"),
        (None, {"name": "align"}, "model.name: the task align trains 'aligner' alone, not 'fas"),
        (None, {"name": "vocoder"}, "model.name: the task vocoder trains 'hifigan', not 'fasts"),
    ],
)
def test_what_does_not_fit_is_refused(model: Any, task: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make(model, **task)
    assert str(caught.value).startswith(said) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["model.durations=given"], "data.durations: model.durations is 'given'; name a folder"),
        (["data.durations=align"], "data.durations: only a model with durations 'given' reads"),
        (["model=jets", "data.durations=align"], "data.durations: only a model with durations"),
    ],
)
def test_durations_are_given_to_models_that_take_them(settings: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(TrainConfig, None, ["task=tts", "model=fastspeech2", *settings])
    assert str(caught.value).startswith(said)
    given = ["task=tts", "model={name: fastspeech2, durations: given}", "data.durations=align"]
    assert load(TrainConfig, None, given).data.durations == "align"
