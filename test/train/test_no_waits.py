"""A training step never makes the host wait for a GPU.

Shown without one: the meta device has shapes and no values, so that whatever would have to be read
back (a number, a mask's positions, a copy for the host) raises an error. What it lets pass and a
GPU waits for is looked for by name: copies from memory that is not page-locked, and CTC.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

NETWORK = {"layers": 2, "channels": 12, "kernel": 3}
GENERATOR = {"name": "hifigan_v3", "channels": 16}
VITS = {
    "name": "vits", "width": 12, "condition": 8, "segment": 8, "generator": GENERATOR,
    "encoder": {"layers": 1, "hidden": 16}, "posterior": NETWORK,
    "flow": {"couplings": 2, "network": NETWORK},
    "duration_flow": {"channels": 8, "couplings": 2, "bins": 4, "layers": 2},
}  # fmt: skip
VAEJETS = {
    "name": "vaejets", "latent": 8, "posterior": NETWORK, "melody": {"channels": 8},
    "flow": {"couplings": 2, "network": NETWORK}, "generator": {**GENERATOR, "harmonics": 2},
    "style": {"tokens": 4, "heads": 2, "channels": [4, 4], "gru_units": 8},
}  # fmt: skip
WAVELETS = {"level": "wavelet", "layers": 1, "channels": 16}
CASES: dict[str, tuple[str, dict[str, Any], bool]] = {
    "jets": ("gan_tts", {}, True),
    "vits": ("gan_tts", VITS, False),
    "vaejets": ("gan_tts", VAEJETS, True),
    "fastspeech2": ("tts", {"name": "fastspeech2", "pitch": WAVELETS}, True),
    "aligner": ("align", {"name": "aligner", "width": 16}, False),
    "hifigan": ("vocoder", {"name": "hifigan", "segment": 8, "generator": GENERATOR}, False),
}
"""Task, model, and whether the settings of the tiny JETS stay where the model does not say."""


class Blind(TorchDispatchMode):
    """Lists the operations for which a GPU would be waited for, and that raise no error here."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        on_host = [t for t in tensors if t.device.type == "cpu"]
        out = func(*args, **kwargs)
        moved = isinstance(out, torch.Tensor) and out.is_meta and len(on_host) == len(tensors) > 0
        mixed = 0 < len(on_host) < len(tensors) and any(t.dim() for t in on_host)
        waited = "ctc" in str(func) or ((moved or mixed) and not kwargs.get("non_blocking"))
        if waited or (on_host and tensors != on_host and "aten.where" in str(func)):
            self.waits.append(str(func))
        return out


class Made(TorchFunctionMode):
    """Lists tensors that are made from Python's numbers on the device, or picked by them."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        made = func in (torch.tensor, torch.as_tensor) and not isinstance(args[0], torch.Tensor)
        if made and out.is_meta:
            self.waits.append(f"torch.{func.__name__}")
        picked = func in (torch.Tensor.__getitem__, torch.Tensor.__setitem__)
        if picked and args[0].is_meta:
            chosen = args[1] if isinstance(args[1], tuple) else (args[1],)
            self.waits += ["indexed by a list" for part in chosen if isinstance(part, list)]
        return out


class Told(torch.optim.SGD):
    """Stands for the fused optimiser, which refuses the meta device; it, too, can be told to skip.

    What it is told has to be one number on the device.
    """

    def __init__(self, parameters: Any, lr: float, **_: Any) -> None:
        super().__init__(parameters, lr)
        self._step_supports_amp_scaling = True

    def step(self, closure: Any = None) -> None:
        told: Any = self.found_inf  # type: ignore[attr-defined]
        assert told.is_meta and told.dtype == torch.float32 and told.shape == ()
        del self.found_inf  # type: ignore[attr-defined]  # plain SGD refuses it
        super().step()


@contextlib.contextmanager
def watched() -> Iterator[list[str]]:
    found: list[str] = []
    with Made() as made, Blind() as blind:
        yield found
    found += made.waits + blind.waits


@pytest.fixture
def on_meta(monkeypatch: pytest.MonkeyPatch) -> torch.device:
    """Return a device without values, on which everything that a step does is made to run."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: contextlib.nullcontext())
    monkeypatch.setattr(torch.optim, "AdamW", Told)
    return torch.device("meta")


def trainer_of(case: str, corpus: Any, folder: Path, device: torch.device) -> Any:
    from malsori.core.config import load
    from malsori.train.config import TrainConfig
    from malsori.train.corpus import open_corpus
    from malsori.train.run import build_task
    from malsori.train.trainer import Trainer

    task, model, keeps = CASES[case]
    tree = yaml.safe_load(corpus.conf.read_text(encoding="utf-8"))
    if task in ("align", "tts"):
        del tree["task"]
    tree["task"] = {"name": task, **tree.get("task", {})}
    if task == "tts":
        del tree["model"]["generator"], tree["model"]["segment"]
    tree["model"] = {**(tree["model"] if keeps else {}), **model}
    tree["training"] |= {"best": "diagonality" if task == "align" else "mcd", "clip_norm": 1.0}
    conf = folder / "conf.yaml"
    conf.write_text(yaml.safe_dump(tree), encoding="utf-8")
    config = load(TrainConfig, conf)
    data = open_corpus(config)
    built = build_task(config, data.tokens, data.statistics, data.names).to(device)
    sets = [data.dataset(path) for path in (config.data.train, config.data.dev)]
    return Trainer(config, built, *sets, folder, device)


@pytest.mark.parametrize("case", CASES)
def test_a_step_asks_the_device_nothing(
    tiny_corpus: Any, tmp_path: Path, on_meta: torch.device, case: str
) -> None:
    trainer = trainer_of(case, tiny_corpus, tmp_path, on_meta)
    with watched() as waits:
        trainer._step(trainer.batches.stream())
    assert waits == []
    assert trainer.progress.step == 1


@pytest.mark.parametrize(
    "ask",
    [
        lambda x: float(x.sum()),
        lambda x: bool((x > 0).any()),
        lambda x: x.cpu(),
        lambda x: x[x > 0],
        lambda x: x.nonzero(),
        lambda x: torch.repeat_interleave(x, torch.ones_like(x).long()),
        lambda x: x.unique(),
        lambda x: x[[0, 1]],
        lambda x: x + torch.tensor([1.0, 2.0, 3.0], device="meta"),
        lambda x: x + torch.ones(3).to("meta"),
        lambda x: x[torch.tensor([0, 1])],
        lambda x: torch.where(x > 0, x, torch.tensor(0.0)),
        lambda x: x.copy_(torch.ones(3)),
    ],
)  # fmt: skip
def test_the_watch_sees_questions(ask: Any) -> None:
    x = torch.rand(3, device="meta")
    try:
        with watched() as waits:
            ask(x)
    except (RuntimeError, NotImplementedError):
        return
    assert waits


def test_the_watch_lets_pass_what_does_not_wait() -> None:
    x = torch.rand(3, device="meta", requires_grad=True)
    with watched() as waits:
        y = torch.where(x > 0, x, 0.0) * 2 + torch.ones(3).to("meta", non_blocking=True)
        (y * torch.tensor(2.0)).sum().backward()
    assert waits == []
