"""Published HiFi-GAN generators become packs that make the same sound; anything else one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from plain_hifigan import AUDIO, SIZES, hifigan_mel, plain_generator

Run = Callable[..., Any]
SMALL = {
    **SIZES["hifigan_v1"],
    "upsample_initial_channel": 32,
    "resblock_dilation_sizes": [[1, 3], [1, 3], [1, 3]],
}


def write(folder: Path, sizes: dict[str, Any], **changed: Any) -> Path:
    """Write weights and settings as the original's training does."""
    state, _ = plain_generator(sizes, seed=1)
    torch.save({"generator": state}, folder / "generator_v1")
    (folder / "config.json").write_text(json.dumps({**sizes, **AUDIO, **changed}))
    return folder / "generator_v1"


@pytest.mark.parametrize(
    "version",
    ["hifigan_v2", "hifigan_v3", pytest.param("hifigan_v1", marks=pytest.mark.slow)],
)
def test_copy_synthesis_is_the_originals(malsori: Run, tmp_path: Path, version: str) -> None:
    weights = write(tmp_path, SIZES[version])
    _, run = plain_generator(SIZES[version], seed=1)
    wavs = tmp_path / "wavs"
    wavs.mkdir()
    wav = 0.1 * np.random.default_rng(0).standard_normal(256 * 20)
    soundfile.write(wavs / "a.wav", wav, 22050)
    pack = tmp_path / "vocoder.malsori.zip"
    done = malsori("import-hifigan", weights, "--out", pack, "--licence", "MIT")
    assert done.code == 0, done.err
    assert "it made a second of a hummed tone again" in done.out
    shown = malsori("inspect", pack).out
    for part in ("task: vocoder", "model: hifigan", "sample_rate: 22050", "weights: MIT",
                 "toolkit: HiFi-GAN"):  # fmt: skip
        assert part in shown
    assert "tokens" not in shown and "language" not in shown
    out = tmp_path / "again"
    done = malsori("decode", "--model", pack, "--data", wavs, "--out", out)
    assert done.code == 0 and "real-time factor" in done.err
    assert json.loads((out / "rtf.json").read_text())["utterances"] == 1
    found, rate = soundfile.read(out / "wav" / "a.wav")
    read, _ = soundfile.read(wavs / "a.wav", dtype="float32")
    mel = hifigan_mel(torch.from_numpy(read)[None], 22050, 1024, 80, 256, 1024, 0, 8000)
    expected = run(mel)[0, 0].numpy()
    assert rate == 22050 and found.shape == expected.shape == (256 * 20,)
    assert abs(found - expected).max() < 1e-3 and expected.std() > 0.01


def test_it_reads_no_text(malsori: Run, tmp_path: Path) -> None:
    pack = tmp_path / "vocoder.malsori.zip"
    assert malsori("import-hifigan", write(tmp_path, SMALL), "--out", pack).code == 0
    words = ("--model", pack, "--text", "가", "--out", tmp_path / "x.wav")
    done = malsori("synthesize", *words)
    assert done.code == 1 and "a vocoder, which reads no text" in done.line
    done = malsori("decode", "--model", pack, "--data", tmp_path, "--out", tmp_path / "o",
                   "--teacher-forcing")  # fmt: skip
    assert done.code == 2 and "--teacher-forcing: a vocoder predicts nothing" in done.line


def test_weights_without_weight_norm_and_settings_elsewhere(malsori: Run, tmp_path: Path) -> None:
    state, _ = plain_generator(SMALL, seed=1)
    plain = {}
    for name, tensor in state.items():
        if name.endswith("weight_v"):
            gain = state[name.replace("weight_v", "weight_g")]
            length = tensor.square().sum((1, 2), keepdim=True).sqrt()
            plain[name.replace("weight_v", "weight")] = gain * tensor / length
        elif name.endswith("bias"):
            plain[name] = tensor
    torch.save(plain, tmp_path / "g.pt")
    other = tmp_path / "there.json"
    other.write_text(json.dumps({**SMALL, **AUDIO, "fmax": None}))
    out = tmp_path / "v.malsori.zip"
    done = malsori("import-hifigan", tmp_path / "g.pt", "--config", other, "--out", out)
    assert done.code == 0, done.err


class Trap:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return exec, ("raise SystemExit('executed')",)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"resblock": "3"}, "config.json: resblock: '3' is not one of 1, 2"),
        ({"hop_size": 200}, "makes 256 samples a frame, but audio.hop is 200"),
        ({"num_mels": "many"}, "config.json: audio.mel_bands: expected int"),
        ({"upsample_kernel_sizes": [16, 16, 5, 4]}, "5 less its rate 2 is odd"),
        ({"upsample_initial_channel": 64}, "shape"),
        ({"upsample_initial_channel": -4}, "channels: must be in"),
        ({"fmax": 20000}, "mel_high_hz"),
    ],
)
def test_settings_that_do_not_fit_are_one_line(
    malsori: Run, tmp_path: Path, changed: dict[str, Any], told: str
) -> None:
    weights = write(tmp_path, SMALL, **changed)
    done = malsori("import-hifigan", weights, "--out", tmp_path / "v.zip")
    assert done.code == 1 and told in done.line, done.line
    assert not (tmp_path / "v.zip").exists()


def test_files_of_something_else_are_one_line(malsori: Run, tmp_path: Path) -> None:
    weights, out = write(tmp_path, SMALL), ("--out", tmp_path / "v.zip")
    state, _ = plain_generator(SMALL, seed=1)

    def told(content: Any) -> str:
        torch.save(content, weights)
        done = malsori("import-hifigan", weights, *out)
        assert done.code == 1 and str(weights) in done.line
        return str(done.line)

    assert "not its discriminators" in told({"mpd": state, "msd": state, "steps": 3})
    assert "'discriminators.0.bias' is no part of a" in told(
        {"discriminators.0.bias": state["conv_pre.bias"]}
    )
    assert "holds more than weights" in told({"generator": state, "more": Trap()})
    assert "conv_pre.weight_g is missing" in told(
        {"generator": {n: t for n, t in state.items() if n != "conv_pre.weight_g"}}
    )
    assert "not finite" in told(
        {"generator": {**state, "ups.0.weight_v": state["ups.0.weight_v"] * 0}}
    )
    assert "'generator.output.bias' is not in the weights" in told(
        {"generator": {n: t for n, t in state.items() if n != "conv_post.bias"}}
    )
    weights.write_bytes(b"no weights")
    assert "not a file of weights" in malsori("import-hifigan", weights, *out).line
    (tmp_path / "config.json").write_text("{")
    assert "config.json: not a JSON file" in malsori("import-hifigan", weights, *out).line
    (tmp_path / "config.json").unlink()
    assert "no config.json beside it; name it" in malsori("import-hifigan", weights, *out).line
    assert (
        "none: no such file"
        in malsori("import-hifigan", tmp_path / "none", "--config", tmp_path / "c", *out).line
    )
