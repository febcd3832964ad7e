"""ESPnet's own inference says what the exported voice says."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import espnet_voice
import numpy as np
import pytest
import torch
from test_espnet_import import TOLERANCE, VOICES, both, imported

from malsori.bin.main import main
from malsori.core.errors import MalsoriError
from malsori.espnet.pack_reader import read_espnet
from malsori.espnet.pack_writer import CONFIG, WEIGHTS, write_espnet
from malsori.infer.synthesizer import Synthesizer
from malsori.packs.format import read_pack
from malsori.packs.run_folder import read_run


class Unpacked(espnet_voice.EspnetVoice):
    """An exported pack, unpacked where it is to speak."""

    @property
    def config(self) -> Path:
        return self.root / CONFIG

    @property
    def weights(self) -> Path:
        return self.root / WEIGHTS


def unpacked(path: Path, folder: Path, params: dict[str, Any] | None = None) -> Unpacked:
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return Unpacked(folder, params or {})


QUICK = ("transformer", "conformer_legacy", "everything")


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in VOICES]
)
def test_there_and_back(name: str, espnet: ModuleType, tmp_path: Path) -> None:
    voice = espnet_voice.make(tmp_path / "recipe", seed=5, **VOICES[name])
    speaker = imported(voice, tmp_path / "voice.malsori.zip")
    write_espnet(read_pack(tmp_path / "voice.malsori.zip"), tmp_path / "back.zip")
    back = unpacked(tmp_path / "back.zip", tmp_path / "back", voice.generator_params)
    theirs, ours = both(back, speaker)
    assert np.abs(theirs - ours).max() <= TOLERANCE
    first, _ = both(voice, speaker)
    assert np.abs(theirs - first).max() <= TOLERANCE


@pytest.mark.parametrize("source", ["run", "pack"])
def test_a_voice_of_ours(
    source: str, espnet: ModuleType, lively_run: Path, tiny_pack: Path, tmp_path: Path
) -> None:
    asked = ["--exp", str(lively_run)] if source == "run" else ["--model", str(tiny_pack)]
    assert main(["export", "--to", "espnet", *asked, "--out", str(tmp_path / "e.zip")]) == 0
    speaker = Synthesizer.from_pretrained(tiny_pack)
    tokens = speaker.voice.tokenizer.tokens("나무가 있다.")
    said = speaker.speak_tokens(tokens)
    back = unpacked(tmp_path / "e.zip", tmp_path / "unpacked")
    wav, durations = back.say(speaker.voice.tokens.encode(tokens))
    np.testing.assert_array_equal(durations, said.durations)
    assert np.abs(wav).max() > 0.01
    assert np.abs(wav - said.audio).max() <= TOLERANCE


def test_every_weight_of_espnets_model_is_there(
    espnet: ModuleType, tiny_pack: Path, tmp_path: Path
) -> None:
    """Older versions of ESPnet load strictly: a name more or less is an error there."""
    import argparse

    import yaml
    from espnet2.tasks.tts import TTSTask

    write_espnet(read_pack(tiny_pack), tmp_path / "e.zip")
    back = unpacked(tmp_path / "e.zip", tmp_path / "unpacked")
    with espnet_voice.inside(back.root):
        config = yaml.safe_load(back.config.read_text(encoding="utf-8"))
        model = TTSTask.build_model(argparse.Namespace(**config))
    theirs = model.state_dict()
    ours = torch.load(back.weights, weights_only=True)
    assert set(theirs) == set(ours)
    for name in theirs:
        if not name.startswith("tts.generator"):  # filters and statistics
            torch.testing.assert_close(ours[name], theirs[name], rtol=1e-4, atol=1e-6, msg=name)


def test_discriminators_go_along(espnet: ModuleType, tmp_path: Path) -> None:
    voice = espnet_voice.make(tmp_path / "recipe")
    imported(voice, tmp_path / "v.zip", training=True)
    read = read_pack(tmp_path / "v.zip", training=True)
    write_espnet(read, tmp_path / "back.zip")
    back = unpacked(tmp_path / "back.zip", tmp_path / "back")
    first, last = (torch.load(v.weights, weights_only=True) for v in (voice, back))
    judges = [name for name in first if name.startswith("tts.discriminator.")]
    assert len(judges) > 20 and set(first) == set(last)
    for name in judges:
        torch.testing.assert_close(first[name], last[name], rtol=0, atol=0)
    again = read_espnet(tmp_path / "back.zip", training=True)
    assert again.description["task"] == read.description["task"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"decoder": {"layers": 1, "hidden": 16, "heads": 1}}, "model.decoder.heads: 1"),
        ({"decoder": {"layers": 1, "hidden": 16, "kernel": 5}}, "model.decoder.kernel"),
        ({"encoder": {"layers": 1, "hidden": 16, "reduce_kernel": 5}}, "model.decoder.kernel"),
        ({"decoder": {"layers": 1, "hidden": 16, "positions": "plain"}}, "positions"),
        ({"style": {"tokens": 3}}, "model.style.norm"),
        ({"generator": {"upsampling_kernels": [16, 16, 9]}}, "upsampling_kernels"),
        ({"generator": {"harmonics": 4}}, "model.generator.harmonics: 4"),
        ({"encoder": {"name": "fastformer"}}, "model.encoder.name: 'fastformer', but ESPnet has"),
        ({"decoder": {"name": "long_short"}}, "model.decoder.name: 'long_short', but ESPnet has"),
        ({"decoder": {"name": "reformer"}}, "model.decoder.name: 'reformer', but ESPnet has"),
    ],
)
def test_what_espnet_cannot_express(
    change: dict[str, Any], told: str, lively_run: Path, tmp_path: Path
) -> None:
    read = read_run(lively_run)
    for key, value in change.items():
        before = read.description["model"][key]
        read.description["model"][key] = {**before, **value}
    with pytest.raises(MalsoriError, match=told) as caught:
        write_espnet(read, tmp_path / "e.zip")
    assert "\n" not in str(caught.value) and str(lively_run) in str(caught.value)
    assert not (tmp_path / "e.zip").exists()


def test_frequencies_that_are_no_whole_numbers(lively_run: Path, tmp_path: Path) -> None:
    read = read_run(lively_run)
    read.description["audio"]["mel_low_hz"] = 60.5
    with pytest.raises(MalsoriError, match=r"audio.mel_low_hz: 60\.5"):
        write_espnet(read, tmp_path / "e.zip")


def test_export_says_what_it_needs(
    tiny_pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = ["--out", str(tmp_path / "v.zip")]
    assert main(["export", "--model", str(tiny_pack), "--to", "espnet", "--int8", *out]) == 2
    assert "--int8: goes with --to onnx only" in capsys.readouterr().err
    for words in (out, ["--to", "espnet"]):
        with pytest.raises(SystemExit, match="2"):
            main(["export", "--model", str(tiny_pack), *words])


def test_a_failed_export_leaves_what_was_there(lively_run: Path, tmp_path: Path) -> None:
    out = tmp_path / "e.zip"
    out.write_bytes(b"before")
    read = read_run(lively_run)
    read.weights.pop("aligner.text_conv1.weight")
    read.weights.pop("aligner.text_conv1.bias")
    with pytest.raises(MalsoriError, match=r"missing weights: aligner.text_conv1"):
        write_espnet(read, out)
    assert out.read_bytes() == b"before" and os.listdir(tmp_path) == ["e.zip"]
