"""Every entry of every registry is built, from its defaults or as small as may be, and run once."""

from __future__ import annotations

import functools
import pkgutil
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import malsori
from malsori.bin.list import REGISTRIES
from malsori.core.config import build, from_dict, read_choice
from malsori.core.errors import MalsoriError
from malsori.core.registry import Registry
from malsori.data.batch import Batch, Utterance, collate
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.statistics import Statistics
from malsori.losses import LOSSES
from malsori.models import MODELS
from malsori.models.voice import SpeakingModel, VoiceContext
from malsori.modules.lengths import valid_positions
from malsori.score.scorer import Clip
from malsori.tasks import TASKS
from malsori.tasks.task import TaskContext, Turn
from malsori.text import FrontEndConfig

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from test_espnet_provider import PARAMS as ESPNET_PARAMS

AUDIO = AudioConfig(sample_rate=8000, n_fft=512, window=512, mel_bands=20, mel_high_hz=4000)
STATISTICS = Statistics(
    mel_mean=(-1.0,) * 20,
    mel_std=(1.0,) * 20,
    pitch_mean=5.0,
    pitch_std=0.3,
    energy_mean=1.0,
    energy_std=1.0,
)
STACK = {"layers": 1, "hidden": 16}
GENERATOR = {"name": "hifigan_v3", "channels": 16}
JETS = {
    "width": 16,
    "encoder": STACK,
    "decoder": STACK,
    "duration": {"channels": 16},
    "pitch": {"layers": 1, "channels": 16, "kernel": 3},
    "energy": {"channels": 16},
    "generator": GENERATOR,
    "segment": 8,
}
ACOUSTIC = {name: x for name, x in JETS.items() if name not in ("generator", "segment")}
NETWORK = {"layers": 2, "channels": 8}
VITS = {
    "width": 8,
    "condition": 6,
    "encoder": {"layers": 1, "hidden": 12},
    "posterior": NETWORK,
    "flow": {"couplings": 2, "network": NETWORK},
    "duration_flow": {"channels": 8, "couplings": 2, "bins": 4, "layers": 2},
    "duration_predictor": {"channels": 8},
    "generator": GENERATOR,
    "segment": 8,
}
VAEJETS = {**JETS, "latent": 8, "posterior": NETWORK, "flow": VITS["flow"]}
GAME = {
    "discriminator": {
        "scale_channels": 16,
        "scale_max_channels": 32,
        "periods": [2, 3],
        "period_channels": 4,
        "period_max_channels": 8,
    },
    "reconstruction": {"n_fft": 512, "mel_bands": 20},
}
SMALLEST: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "jets": ("gan_tts", JETS, GAME),
    "jets, with melody": (
        "gan_tts",
        {**JETS, "generator": {**GENERATOR, "harmonics": 2}, "melody": {"channels": 8}},
        GAME,
    ),
    "vits": ("gan_tts", VITS, GAME),
    "vits, with plain durations": ("gan_tts", {**VITS, "duration": "plain"}, GAME),
    "vaejets": ("gan_tts", VAEJETS, {**GAME, "reconstruction": "stft"}),
    "fastspeech2": ("tts", ACOUSTIC, {}),
    "fastspeech2, with a post-net": ("tts", {**ACOUSTIC, "postnet": {"layers": 2}}, {}),
    "fastspeech2, frame by frame": ("tts", {**ACOUSTIC, "pitch": {"level": "frame"}}, {}),
    "fastspeech2, with wavelets": ("tts", {**ACOUSTIC, "pitch": {"level": "wavelet"}}, {}),
    "aligner": ("align", {"width": 16}, {}),
    "hifigan": ("vocoder", {"generator": GENERATOR, "segment": 8}, GAME),
    **{name: ("gan_tts", {"params": params}, {}) for name, params in ESPNET_PARAMS.items()},
}
"""Task, settings of the model, settings of the task, by the model's name; behind a comma a kind."""


def every_registry() -> dict[str, Registry]:
    """Return all registries that the package's sub-packages define, by kind."""
    found = {}
    for module in pkgutil.iter_modules(malsori.__path__, "malsori."):
        if module.ispkg:
            for value in list(vars(import_module(module.name)).values()):
                if isinstance(value, Registry):
                    found[value.kind] = value
    return found


def utterance(seed: int, samples: int, tokens: int) -> Utterance:
    random = np.random.default_rng(seed)
    frames = samples // AUDIO.hop + 1
    return Utterance(
        id=f"utt{seed}",
        tokens=random.integers(1, 12, tokens),
        wav=random.normal(0, 0.1, samples).astype(np.float32),
        log_f0=random.normal(5, 0.3, frames).astype(np.float32),
        voiced=np.ones(frames, np.float32),
        speaker=seed,
    )


def batch() -> Batch:
    """Return two utterances of 5 and 9 tokens, 13 and 17 frames."""
    return collate([utterance(0, 12 * 256, 5), utterance(1, 16 * 256 + 100, 9)])


def make_task(row: str) -> Any:
    task, model, settings = SMALLEST[row]
    torch.manual_seed(5)
    context = TaskContext(
        model=read_choice(MODELS, {"name": row.partition(",")[0], **model}, "model"),
        voice=VoiceContext(audio=AUDIO, tokens=12, speakers=2),
        statistics=STATISTICS,
    )
    return build(TASKS, read_choice(TASKS, {"name": task, **settings}, "task"), context=context)


def step(task: Any, turn: Turn) -> None:
    """Go back through a turn, and step where it moves, as the trainer does."""
    assert all(torch.isfinite(loss) for loss in turn.losses.values()), turn.losses
    parameters = list(task.players[turn.player].parameters())
    turn.backward(task.weights[turn.player], parameters)
    if not turn.moves:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    assert any(gradient.abs().max() > 0 for gradient in gradients)
    torch.optim.SGD(parameters, lr=1e-6).step()


@functools.cache
def losses_of(row: str) -> frozenset[str]:
    """Train a model one step, and return the names of its losses."""
    task, names = make_task(row), {}
    for turn in task.turns(batch()):
        step(task, turn)
        names.setdefault(turn.player, set()).update(turn.losses)
    assert names == {player: set(weights) for player, weights in task.weights.items()}
    task.eval()
    assert all(torch.isfinite(value) for value in task.validate(batch()).values())
    shown = task.demonstrate(batch())
    assert shown.metrics.keys() <= task.metrics.keys()
    if isinstance(task.model, SpeakingModel):
        assert shown.audio
    return frozenset().union(*names.values())


def run_model(name: str, entry: Any) -> None:
    if entry.extra:
        pytest.importorskip("espnet2")
    rows = [row for row in SMALLEST if row.partition(",")[0] == name]
    assert rows, f"model {name!r}: say in SMALLEST how small it can be"
    for row in rows:
        losses_of(row)


def run_task(name: str, entry: Any) -> None:
    (first, *_) = [row for row, (task, *_) in SMALLEST.items() if task == name]
    assert losses_of(first)


def run_loss(name: str, entry: Any) -> None:
    rows = [row for row in SMALLEST if not MODELS.entry(row.partition(",")[0]).extra]
    assert any(name in losses_of(row) for row in rows), f"no model has the loss {name!r}"


def run_stack(name: str, entry: Any) -> None:
    net = entry.build(entry.config(), width=16).eval()
    valid = valid_positions(torch.tensor([5, 9]), 9)
    out = net(torch.randn(2, 9, 16), valid)
    assert out.shape == (2, 9, 16) and torch.isfinite(out).all()


def run_generator(name: str, entry: Any) -> None:
    config = entry.config()
    net = entry.build(config, width=16, sample_rate=24000).eval()
    with torch.no_grad():
        out = net(torch.randn(2, 3, 16))
    assert out.shape == (2, 1, 3 * config.hop) and torch.isfinite(out).all()


def run_reconstruction(name: str, entry: Any) -> None:
    loss = entry.build(entry.config(), audio=AUDIO)
    fake, real = 0.1 * torch.randn(2, 1, 4000), 0.1 * torch.randn(2, 1, 4000)
    assert float(loss(real, real)) == pytest.approx(0, abs=1e-5)
    assert float(loss(fake, real)) > 0.01 and loss.reference_weight > 0


def run_adversarial(name: str, entry: Any) -> None:
    game = entry.build(entry.config())
    good, bad = [[torch.ones(2, 5)]], [[torch.full((2, 5), -1.0)]]
    assert game.generator(good) < game.generator(bad)
    assert sum(game.discriminator(good, bad)) < sum(game.discriminator(bad, good))


def run_optimizer(name: str, entry: Any) -> None:
    net = nn.Linear(4, 1)
    optimizer, x = entry.build(entry.config(), net.parameters()), torch.randn(8, 4)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        loss = (net(x) - 3).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses == sorted(losses, reverse=True) and losses[2] < losses[0]


def run_schedule(name: str, entry: Any) -> None:
    factor = entry.build(entry.config(), 5000)
    factors = [factor(i) for i in range(0, 5001, 50)]
    assert all(0 < value <= 1 for value in factors) and max(factors) > 0.9


def run_front_end(name: str, entry: Any) -> None:
    try:
        front_end = entry.build(FrontEndConfig())
        words = front_end("The house, 3." if front_end.language == "en" else "나무가 있다.")
    except MalsoriError as error:
        if "not installed" not in str(error):
            raise
        pytest.skip(str(error))  # the line says how to get it
    tokens = [token for word in words for token in word.tokens]
    assert len(tokens) > 4 and set(tokens) <= set(front_end.inventory)


def run_speaker_encoder(name: str, entry: Any) -> None:
    try:
        encoder = entry.build(entry.config(), device="cpu")
    except MalsoriError as error:
        if "not installed" not in str(error):
            raise
        pytest.skip(str(error))
    seconds = np.arange(encoder.sample_rate) / encoder.sample_rate
    vector = encoder.embed((0.3 * np.sin(2 * np.pi * 150 * seconds)).astype(np.float32))
    assert vector.shape == (encoder.size,) and np.linalg.norm(vector) == pytest.approx(1)


def run_scorer(name: str, entry: Any) -> None:
    scorer = entry.build(entry.config())
    times = np.arange(8000) / 8000
    wav = (0.3 * np.sin(2 * np.pi * 150 * times)).astype(np.float32)
    clip = scorer.prepare(Clip(wav=wav, sample_rate=8000, text="나무", language="ko"))
    found = scorer.compare(clip, clip)
    for metric in scorer.metrics:
        assert found[metric.name] == pytest.approx(metric.best, abs=1e-6), metric.name


RUNS: dict[str, Callable[[str, Any], None]] = {
    "model": run_model,
    "task": run_task,
    "loss": run_loss,
    "stack": run_stack,
    "waveform generator": run_generator,
    "reconstruction loss": run_reconstruction,
    "adversarial loss": run_adversarial,
    "optimizer": run_optimizer,
    "schedule": run_schedule,
    "text front end": run_front_end,
    "scorer": run_scorer,
    "speaker encoder": run_speaker_encoder,
}
ENTRIES = [
    pytest.param(kind, name, marks=pytest.mark.slow if name.startswith("espnet.") else ())
    for kind, registry in every_registry().items()
    for name in registry.names()
]


def test_every_registry_is_walked_and_listed() -> None:
    assert RUNS.keys() == every_registry().keys()
    listed = {target.partition(":")[2] for target in REGISTRIES.values()}
    assert len(listed) == len(every_registry()), "malsori list has to show every registry"
    for target in REGISTRIES.values():
        module, _, name = target.partition(":")
        assert isinstance(getattr(import_module(module), name), Registry)


@pytest.mark.parametrize(("kind", "name"), ENTRIES)
def test_every_entry_runs_once(kind: str, name: str, request: pytest.FixtureRequest) -> None:
    registry = every_registry()[kind]
    if registry is MODELS and registry.entry(name).extra:
        request.getfixturevalue("espnet")
    torch.manual_seed(1)
    RUNS[kind](name, registry.entry(name))


def test_every_loss_of_a_model_is_registered() -> None:
    for row in SMALLEST:
        if MODELS.entry(row.partition(",")[0]).extra:
            continue
        context = VoiceContext(audio=AUDIO, tokens=12)
        chosen = read_choice(MODELS, {"name": row.partition(",")[0], **SMALLEST[row][1]}, "model")
        own = getattr(build(MODELS, chosen, context=context), "loss_weights", {})
        assert set(own) <= set(LOSSES.names()), row


def test_settings_of_every_model_are_written_and_read() -> None:
    for name in MODELS.names():
        entry = MODELS.entry(name)
        assert from_dict(entry.config, {}) == entry.config()
