"""Packs of vocoders: no text in them, and as safe to open as those that speak."""

from __future__ import annotations

import hashlib
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from malsori.core.config import build, read_choice
from malsori.core.errors import MalsoriError
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.statistics import Statistics
from malsori.infer.pack import load_pack, open_model
from malsori.infer.vocoder import MelVoice, write_vocoder
from malsori.models import MODELS
from malsori.models.voice import VoiceContext
from malsori.packs.format import VoiceFiles, read_pack, read_tokens

AUDIO: dict[str, Any] = {"sample_rate": 8000, "mel_bands": 20, "mel_high_hz": 4000.0}
MODEL: dict[str, Any] = {"name": "hifigan", "generator": {"name": "hifigan_v3", "channels": 16}}


@pytest.fixture
def vocoder_pack(tmp_path: Path) -> Path:
    context = VoiceContext(audio=AudioConfig(**AUDIO), tokens=2)
    torch.manual_seed(0)
    model = build(MODELS, read_choice(MODELS, MODEL, "model"), context=context)
    files = VoiceFiles(
        origin="made up",
        description={"audio": AUDIO, "task": {"name": "vocoder"}, "model": MODEL},
        weights=model.state_dict(),
        statistics=Statistics.neutral(20),
        files={},
    )
    write_vocoder(files, tmp_path / "v.malsori.zip")
    return tmp_path / "v.malsori.zip"


def changed(path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """Write the pack again, its settings changed, its hashes right."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    tree = yaml.safe_load(members["config.yaml"])
    change(tree)
    members["config.yaml"] = yaml.safe_dump(tree).encode()
    meta = yaml.safe_load(members["meta.yaml"])
    meta["sha256"] = {
        name: hashlib.sha256(content).hexdigest()
        for name, content in members.items()
        if name != "meta.yaml"
    }
    members["meta.yaml"] = yaml.safe_dump(meta).encode()
    out = path.with_name("changed.malsori.zip")
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out


def test_there_is_no_text_in_it(vocoder_pack: Path) -> None:
    with zipfile.ZipFile(vocoder_pack) as archive:
        assert set(archive.namelist()) == {"meta.yaml", "config.yaml", "model.safetensors"}
    read = read_pack(vocoder_pack)
    assert not read.reads_text and read.names("speakers") == [""] and len(read.tokens()) == 2
    assert read.statistics == Statistics.neutral(20) and read_tokens(vocoder_pack) == []
    assert not any("parametrizations" in name for name in read.weights)
    assert isinstance(open_model(vocoder_pack), MelVoice)
    with pytest.raises(MalsoriError, match=r"v\.malsori\.zip: a vocoder, which reads no text"):
        load_pack(vocoder_pack)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda tree: tree["audio"].update(mel_bands=21), "shape"),
        (lambda tree: tree["audio"].update(mel_bands=10**9), "at most 1024"),
        (lambda tree: tree["audio"].update(mel_bands="many"), "audio.mel_bands"),
        (lambda tree: tree["audio"].update(hop=128), "audio.hop is 128"),
        (lambda tree: tree["model"].update(name="jets"), "is not in"),
        (lambda tree: tree.update(model={"name": "aligner"}), "is not in"),
        (lambda tree: tree["model"].update(mel="loud"), "model.mel"),
        (lambda tree: tree["model"]["generator"].update(channels=32768), "shape"),
        (lambda tree: tree.update(tokenizer={}), "tokens.txt is missing"),
        (lambda tree: tree.pop("audio"), "'audio'"),
    ],
)
def test_settings_that_are_wrong(vocoder_pack: Path, change: Any, part: str) -> None:
    with pytest.raises(MalsoriError) as caught:
        open_model(changed(vocoder_pack, change))
    line = str(caught.value)
    assert part in line and "changed.malsori.zip" in line and "\n" not in line


@pytest.mark.parametrize("where", [("model", "name"), ("model", "generator", "name")])
def test_foreign_code_is_never_imported(
    vocoder_pack: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: tuple[str, ...]
) -> None:
    (tmp_path / "evil.py").write_text("raise SystemExit('executed')")
    monkeypatch.syspath_prepend(str(tmp_path))

    def change(tree: dict[str, Any]) -> None:
        for key in where[:-1]:
            tree = tree[key]
        tree[where[-1]] = "evil:ENTRY"

    with pytest.raises(MalsoriError, match="names code outside of malsori"):
        open_model(changed(vocoder_pack, change))
    assert "evil" not in sys.modules


def test_a_voice_without_its_tokenizer_is_no_vocoder(tiny_pack: Path, tmp_path: Path) -> None:
    path = tmp_path / "v.malsori.zip"
    path.write_bytes(tiny_pack.read_bytes())
    with pytest.raises(MalsoriError) as caught:
        open_model(changed(path, lambda tree: tree.pop("tokenizer")))
    assert "changed.malsori.zip" in str(caught.value)
