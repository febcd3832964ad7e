"""A model that is no part of this package, as doc/adding_a_model.md says: trained, spoken with."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml

from malsori.bin.main import main
from malsori.infer.synthesizer import Synthesizer
from malsori.train.journal import read_metrics

MODEL = '''
"""Every token lasts as long as the others, and one linear layer makes a frame's samples."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import torch
from torch import nn

from malsori.core.config import Choice, build, choice
from malsori.core.errors import ConfigError
from malsori.core.registry import Entry
from malsori.models.voice import Analysis, Prosody, Speech
from malsori.modules import STACKS
from malsori.modules.lengths import random_starts, valid_positions, windows


@dataclass(frozen=True, kw_only=True)
class EvenConfig:
    """A model of one's own."""

    width: int = 8
    """Channels."""
    encoder: Choice = choice(STACKS, "fastformer")
    """Stack over tokens."""
    segment: int = 4
    """Frames of the windows that it is trained on."""

    def check(self, audio):
        if audio.hop % 2:
            raise ConfigError(f"audio.hop: this model needs an even one, got {audio.hop}")


class Even(nn.Module):
    uses_style = False
    loss_weights = {"my_package.even:LOUDNESS": 0.5}

    def __init__(self, config, context):
        super().__init__()
        self.segment, self.hop = config.segment, context.audio.hop
        self.embedding = nn.Embedding(context.tokens, config.width, padding_idx=0)
        self.encoder = build(STACKS, config.encoder, width=config.width)
        self.out = nn.Linear(config.width, self.hop)

    def forward(self, tokens, token_lengths, features, conditions):
        prosody, log_p = self.analyse(tokens, token_lengths, features, conditions)
        starts = random_starts(features.mel_lengths, self.segment)
        frames = windows(self._frames(tokens, token_lengths, log_p), starts, self.segment)
        return SimpleNamespace(
            fake=self._wav(frames)[:, None],
            starts=starts,
            segment=self.segment,
            log_p=log_p,
            durations=prosody.durations,
        )

    def analyse(self, tokens, token_lengths, features, conditions):
        lengths, count = features.mel_lengths, features.mel.shape[1]
        frame = torch.arange(count)[None, :, None]
        token = frame * token_lengths[:, None, None] // lengths[:, None, None]
        path = token == torch.arange(tokens.shape[1])  # (B, T, N)
        path = path & valid_positions(lengths, count)[..., None]
        log_p = path.float().clamp_min(1e-6).log()
        return Analysis(Prosody.recorded(features, path.sum(1)), log_p)

    def synthesize(self, tokens, token_lengths, conditions=None, controls=None, prosody=None):
        valid = valid_positions(token_lengths, tokens.shape[1])
        path = torch.eye(tokens.shape[1]).repeat_interleave(3, 0).expand(len(tokens), -1, -1)
        wav = self._wav(self._frames(tokens, token_lengths, path.log()))
        wav_lengths = 3 * self.hop * token_lengths
        return Speech(
            wav=wav * valid_positions(wav_lengths, wav.shape[1]),
            wav_lengths=wav_lengths,
            prosody=prosody or Prosody(durations=3 * valid, pitch=0.0 * valid, energy=0.0 * valid),
        )

    def _frames(self, tokens, token_lengths, log_p):
        valid = valid_positions(token_lengths, tokens.shape[1])
        return log_p.exp() @ self.encoder(self.embedding(tokens), valid)

    def _wav(self, frames):
        return self.out(frames).tanh().flatten(1)


@dataclass(frozen=True, kw_only=True)
class LoudnessConfig:
    """A loss of one's own."""

    target: float = 0.1
    """Root mean square."""


LOUDNESS = Entry(
    config=LoudnessConfig,
    build=lambda config: lambda output: (output.fake.square().mean().sqrt() - config.target).abs(),
    summary="loudness",
)
ENTRY = Entry(config=EvenConfig, build=Even, summary="evenly spoken")
'''


@pytest.fixture
def own_conf(tiny_corpus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a training config that names a model in a package outside of this one."""
    package = tmp_path / "elsewhere" / "my_package"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "even.py").write_text(MODEL, encoding="utf-8")
    monkeypatch.syspath_prepend(package.parent)
    dot = np.zeros((1, 1, 3), np.uint8)  # curves take a second to draw
    monkeypatch.setattr("malsori.train.journal.curves_picture", lambda *_: dot)
    tree = yaml.safe_load(tiny_corpus.conf.read_text(encoding="utf-8"))
    stack = {"name": "fastformer", "layers": 1, "hidden": 8}
    tree["model"] = {"name": "my_package.even:ENTRY", "width": 16, "encoder": stack}
    tree["training"]["steps"] = 2
    conf = tmp_path / "train_even.yaml"
    conf.write_text(yaml.safe_dump(tree), encoding="utf-8")
    yield conf
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_package"]:
        del sys.modules[name]


@pytest.mark.slow
def test_it_trains_goes_on_and_speaks(own_conf: Path, tiny_corpus: Any, tmp_path: Path) -> None:
    words = ["train", "--config", str(own_conf), "--exp", str(tmp_path / "exp")]
    assert main(words) == 0
    assert main([*words, "training.steps=3"]) == 0
    entries = [e for e in read_metrics(tmp_path / "exp" / "metrics.jsonl") if "skipped" in e]
    assert [entry["step"] for entry in entries] == [1, 2, 3]
    losses = [entry["generator/my_package.even:LOUDNESS"] for entry in entries]
    assert all(0 < loss < 1 for loss in losses) and len(set(losses)) == 3

    speaker = Synthesizer.from_pretrained(tmp_path / "exp")
    said = speaker("나무가 있다.")
    assert len(said.audio) == 3 * 256 * len(said.tokens) and np.abs(said.audio).max() > 1e-4
    decoded = ["decode", "--exp", str(tmp_path / "exp"), "--data", str(tiny_corpus.data / "test")]
    assert main(decoded) == 0
    (wav, *_) = sorted((tmp_path / "exp" / "decode" / "test").glob("wav/*.wav"))
    assert len(soundfile.read(wav)[0]) > 0


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("model.widht=3", "model.widht: unknown key; did you mean 'width'?"),
        ("model.name=my_package.odd:ENTRY", "no module named 'my_package.odd'"),
        ("task.weights={my_package.even:LOUDNES: 1}", "did you mean 'my_package.even:LOUDNESS'?"),
    ],
)
def test_mistakes_are_told_as_with_our_own(
    override: str, told: str, own_conf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["train", "--config", str(own_conf), "--exp", str(tmp_path / "exp"), override])
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert code == 1 and told in line, line


def test_its_pack_is_refused_as_foreign_code(
    own_conf: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A pack speaks wherever malsori is, and opening one runs no code that came with it."""
    assert main(["train", "--config", str(own_conf), "--exp", str(tmp_path / "exp")]) == 0
    out = tmp_path / "even.malsori.zip"
    assert main(["pack", "--exp", str(tmp_path / "exp"), "--out", str(out)]) == 1
    (line,) = capsys.readouterr().err.splitlines()[-1:]
    assert f"{tmp_path / 'exp'}: names code outside of malsori" in line, line
    assert "my_package.even:ENTRY" in line and not out.exists()
