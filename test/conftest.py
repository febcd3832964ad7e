"""A tiny generated corpus taken through stages 1 to 3, and a run that was trained on it.

Everything is small enough that a training step takes some hundredths of a second: 8 kHz, a model
of width 16, discriminators of a few channels.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported: tests share few cores

import hashlib
import logging
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml
from hypothesis import settings

settings.register_profile("shared", deadline=None)  # how long an example takes is the machine's
settings.load_profile("shared")

RATE = 8000
TEXTS = (
    "나무가 있다.", "바다로 가요.", "하늘이 높다.", "비가 와요.", "밥을 먹자.",
    "길이 멀다.", "누가 왔니?", "정말 좋다!", "다시 해요.", "우리 집.",
    "큰 산이다.", "작은 새.", "노래해요.", "오늘 밤.", "문을 열어.",
    "물이 맑다.", "같이 가자.", "어디 있니?", "조용하다.", "고마워요.",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Where the stages' results are."""

    root: Path
    data: Path
    tokens: Path
    stats: Path
    conf: Path
    """The training config, absolute paths in it."""

    def settings(self, *overrides: str) -> Any:
        """Return the training config with overrides."""
        from malsori.core.config import load
        from malsori.train.config import TrainConfig

        return load(TrainConfig, self.conf, overrides)


def voiced(seconds: float, hz: float, rate: int = RATE) -> np.ndarray:
    """Return harmonics that fall off, with 0.1 s of silence at both ends, float64 (S,)."""
    times = np.arange(round(seconds * rate)) / rate
    wav = sum(0.4 / k * np.sin(2 * np.pi * hz * k * times) for k in range(1, 6))
    wav *= 0.6 + 0.4 * np.sin(2 * np.pi * 3 * times)  # syllables, so to speak
    wav[: rate // 10] = wav[-rate // 10 :] = 0.0
    return wav / 2


def tiny_tree(root: Path) -> dict[str, Any]:
    """Return the settings of a training run that is as small as may be."""
    stack = {"layers": 1, "hidden": 16, "dropout": 0.1}
    return {
        "audio": {
            "sample_rate": RATE, "n_fft": 512, "window": 512, "mel_bands": 20, "mel_high_hz": 4000,
        },
        "data": {
            "train": f"{root}/data/train", "dev": f"{root}/data/dev",
            "tokens": f"{root}/data/tokens", "stats": f"{root}/data/stats",
            "batch": "4 s", "workers": 0,
        },
        "model": {
            "width": 16, "encoder": stack, "decoder": stack, "segment": 8,
            "duration": {"channels": 16}, "energy": {"channels": 16},
            "pitch": {"layers": 1, "channels": 16, "kernel": 3},
            "generator": {"name": "hifigan_v3", "channels": 16},
        },
        "task": {
            "discriminator": {
                "scale_channels": 16, "scale_max_channels": 32, "periods": [2, 3],
                "period_channels": 4, "period_max_channels": 8,
            },
            "reconstruction": {"n_fft": 512, "mel_bands": 20},
        },
        "training": {
            "steps": 6, "log_every": 1, "validate_every": 3, "validate_batches": 1,
            "demonstrate": 1, "demonstrate_train": 0, "device": "cpu", "threads": 1,
        },
    }  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that have slow tests, so that processes end at about the same time."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session")
def tiny_corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Return a corpus of 20 utterances, 2 of them dev and 2 test, after stages 1 to 3."""
    from malsori.core.config import load
    from malsori.data.prepare import Split, Utterance, prepare
    from malsori.data.stats import collect
    from malsori.data.tokens import make_tokens
    from malsori.text.tokenizer import TokenizerConfig
    from malsori.train.config import TrainConfig

    root = tmp_path_factory.mktemp("tiny")
    utterances = []
    for i, text in enumerate(TEXTS):
        wav = root / "wav" / f"u{i:02}.wav"
        wav.parent.mkdir(exist_ok=True)
        soundfile.write(wav, voiced(1.0 + 0.03 * i, 110.0 + 7 * i), RATE)
        utterances.append(Utterance(id=wav.stem, wav=wav, text=text, speaker="tone"))
    data = root / "data"
    prepare(utterances, data, split=Split(dev=2, test=2))
    sets = [data / name for name in ("train", "dev", "test")]
    make_tokens(sets, data / "tokens", TokenizerConfig(type="phn", frontend="ko"))
    conf = root / "train.yaml"
    conf.write_text(yaml.safe_dump(tiny_tree(root)), encoding="utf-8")
    collect(sets, data / "tokens", load(TrainConfig, conf).audio, data / "stats")
    return Corpus(root=root, data=data, tokens=data / "tokens", stats=data / "stats", conf=conf)


@pytest.fixture(scope="session")
def tiny_run(tiny_corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run folder after six steps with two validations; tests only read it."""
    from malsori.train.run import train

    folder = tmp_path_factory.mktemp("exp") / "tiny"
    train(tiny_corpus.settings(), folder)
    return folder


@pytest.fixture(scope="session")
def lively_run(tiny_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run with louder weights: after six steps a voice is silent whatever one says."""
    import torch
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(tiny_run, tmp_path_factory.mktemp("lively") / "run")
    for path in folder.glob("checkpoints/step-*/average.safetensors"):
        weights = load_file(path)
        for name, tensor in weights.items():
            if name.startswith("generator.") and name.endswith("original0"):  # gains
                weights[name] = torch.full_like(tensor, 1.2)
            elif name.startswith("generator.") and name.endswith("bias"):
                weights[name] = torch.zeros_like(tensor)
        save_file(weights, path)
    return folder


@pytest.fixture(scope="session")
def aligner_run(tiny_corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run folder of the task align after four steps; tests only read it."""
    from malsori.core.config import load
    from malsori.train.config import TrainConfig
    from malsori.train.run import train

    tree = tiny_tree(tiny_corpus.root)
    tree |= {"task": "align", "model": {"name": "aligner", "width": 16}}
    tree["training"] |= {"steps": 4, "validate_every": 2, "best": "diagonality"}
    folder = tmp_path_factory.mktemp("exp") / "aligner"
    conf = folder.with_suffix(".yaml")
    conf.write_text(yaml.safe_dump(tree), encoding="utf-8")
    train(load(TrainConfig, conf), folder)
    return folder


@pytest.fixture(scope="session")
def vaejets_conf(tiny_corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the training config of a small VAEJETS for two speakers, with harmonics."""
    root = tmp_path_factory.mktemp("duo")
    shutil.copytree(tiny_corpus.root / "data", root / "data")
    for path in (root / "data").glob("*/utt2spk"):
        names = [line.split()[0] for line in path.read_text().splitlines()]
        speakers = {name: ("june", "mina")[int(name[1:]) % 2] for name in names}
        path.write_text("".join(f"{name} {who}\n" for name, who in speakers.items()))
        spoken = {
            who: [n for n in names if speakers[n] == who] for who in sorted({*speakers.values()})
        }
        rows = "".join(f"{who} {' '.join(keys)}\n" for who, keys in spoken.items())
        path.with_name("spk2utt").write_text(rows)
    tree = tiny_tree(root)
    network = {"layers": 2, "channels": 12, "kernel": 3}
    generator = {"name": "hifigan_v3", "channels": 16, "initial_std": 0.2, "harmonics": 2}
    tree["model"] |= {
        "name": "vaejets", "latent": 8, "posterior": network, "melody": {"channels": 8},
        "flow": {"couplings": 2, "network": network}, "generator": generator,
    }  # fmt: skip
    tree["task"] |= {"reconstruction": "stft"}
    tree["training"] |= {"steps": 4, "validate_every": 2}
    conf = root / "train.yaml"
    conf.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return conf


@pytest.fixture(scope="session")
def vaejets_run(vaejets_conf: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run folder of that VAEJETS after four steps; tests only read it."""
    from malsori.core.config import load
    from malsori.train.config import TrainConfig
    from malsori.train.run import train

    folder = tmp_path_factory.mktemp("exp") / "vaejets"
    train(load(TrainConfig, vaejets_conf), folder)
    return folder


@pytest.fixture(scope="session")
def tiny_pack(lively_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a pack of the tiny run; tests only read it."""
    from malsori.infer.pack import Licences, write_pack

    path = tmp_path_factory.mktemp("pack") / "voice.malsori.zip"
    write_pack(lively_run, path, licences=Licences(weights="CC-BY-4.0", data="CC0-1.0"))
    return path


@pytest.fixture
def repack(tiny_pack: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes the pack again, its members changed, its hashes right."""

    def write(
        change: Callable[[dict[str, bytes]], Any] = lambda members: None, *, hashes: bool = True
    ) -> Path:
        with zipfile.ZipFile(tiny_pack) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        change(members)
        if hashes:
            meta = yaml.safe_load(members["meta.yaml"])
            meta["sha256"] = {
                name: hashlib.sha256(content).hexdigest()
                for name, content in members.items()
                if name != "meta.yaml"
            }
            members["meta.yaml"] = yaml.safe_dump(meta, sort_keys=False).encode()
        out = tmp_path / "changed.malsori.zip"
        with zipfile.ZipFile(out, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return out

    return write


@pytest.fixture
def copy_corpus(tiny_corpus: Corpus, tmp_path: Path) -> Callable[[], Corpus]:
    """Return a function that copies the stages' results into this test's folder, to be changed."""

    def copy() -> Corpus:
        root = tmp_path / "copy"
        shutil.copytree(tiny_corpus.root / "data", root / "data")
        (root / "train.yaml").write_text(yaml.safe_dump(tiny_tree(root)), encoding="utf-8")
        return Corpus(
            root=root,
            data=root / "data",
            tokens=root / "data" / "tokens",
            stats=root / "data" / "stats",
            conf=root / "train.yaml",
        )

    return copy


@pytest.fixture(scope="session")
def espnet() -> ModuleType:
    """Return ``espnet2``, importable together with all that it needs; skipped where it is not."""
    root = Path(__file__).parents[1] / ".espnet"
    for folder in root.glob("lib/python3.*/site-packages"):
        if str(folder) not in sys.path:
            sys.path.append(str(folder))  # behind our own packages
    return pytest.importorskip(
        "espnet2", reason="ESPnet is not there: run tools/installers/install_espnet.sh"
    )


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """Undo what a command did to the package's logger."""
    logger = logging.getLogger("malsori")
    before = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.level, logger.propagate = before


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Return a function that mounts a tmpfs of some size; the test is skipped where it cannot."""
    mounted: list[Path] = []

    def mount(size: str) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if subprocess.run(command, capture_output=True).returncode:
            pytest.skip("a small disk cannot be mounted here: needs root")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
