"""A vocoder's way through the commands: trained, decoded, scored, packed, used again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kaldiio
import numpy as np
import pytest
import soundfile
import torch
import yaml

from malsori.infer.pack import open_model
from malsori.infer.vocoder import MelVoice

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def trained(tiny_corpus: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run folder of one step, its conf beside it."""
    from malsori.core.config import load
    from malsori.train.config import TrainConfig
    from malsori.train.run import train

    root = tmp_path_factory.mktemp("vocoder")
    tree = yaml.safe_load(tiny_corpus.conf.read_text())
    generator = {"name": "hifigan_v3", "channels": 16, "initial_std": None}
    tree["task"] = {"name": "vocoder", **tree["task"]}
    tree["model"] = {"name": "hifigan", "generator": generator, "segment": 8}
    tree["training"] |= {"steps": 1, "validate_every": 1}
    (root / "hifigan.yaml").write_text(yaml.safe_dump(tree))
    dot = np.zeros((1, 1, 3), np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("malsori.train.journal.curves_picture", lambda *_: dot)
        train(load(TrainConfig, root / "hifigan.yaml"), root / "run")
    return root / "run"


@pytest.fixture
def exp(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "exp")


@pytest.fixture
def pack(malsori: Run, exp: Path, tmp_path: Path) -> Path:
    out = tmp_path / "v.malsori.zip"
    done = malsori("pack", "--exp", exp, "--out", out, "--with-training", "--licence", "CC0-1.0")
    assert done.code == 0, done.err
    assert f"it made a second of a hummed tone again: {tmp_path / 'v.wav'}" in done.out
    assert soundfile.info(tmp_path / "v.wav").samplerate == 8000
    return out


def test_statistics_are_not_needed(malsori: Run, trained: Path, tmp_path: Path) -> None:
    words = ("--config", trained.parent / "hifigan.yaml", "--data", "none", "--tokens", "none")
    done = malsori("stats", *words, "--out", tmp_path / "stats")
    assert done.code == 0 and "nothing to do: the task vocoder" in done.err
    assert not (tmp_path / "stats").exists()


def test_decodes_and_scores(malsori: Run, exp: Path, tiny_corpus: Any) -> None:
    data = tiny_corpus.data / "test"
    assert malsori("decode", "--exp", exp, "--data", data).code == 0
    out = exp / "decode" / "test"
    stale = out / "wav" / "gone.wav"
    shutil.copyfile(next((out / "wav").iterdir()), stale)
    assert malsori("decode", "--exp", exp, "--data", data, "--batch", "1 s").code == 0
    assert len(list((out / "wav").iterdir())) == 2 and not stale.exists()
    assert json.loads((out / "rtf.json").read_text())["utterances"] == 2
    done = malsori("score", "--exp", exp, "--set", "test", "--data", data, "--jobs", 1)
    assert done.code == 0 and "| decoded |" in done.out
    assert (exp / "score" / "test" / "report.html").is_file()


def test_a_pack_makes_the_same_as_the_run(
    malsori: Run, exp: Path, pack: Path, tiny_corpus: Any, tmp_path: Path
) -> None:
    wavs = tiny_corpus.root / "wav"
    for model in ("--exp", exp), ("--model", pack), ("--model", exp):
        out = tmp_path / f"out{model[0]}{model[1].name}"
        done = malsori("decode", *model, "--data", wavs, "--out", out)
        assert done.code == 0, done.err
        made, rate = soundfile.read(out / "wav" / "u03.wav")
        assert (rate, len(made)) == (8000, soundfile.info(wavs / "u03.wav").frames)
        first = soundfile.read(tmp_path / "out--expexp" / "wav" / "u03.wav")[0]
        np.testing.assert_array_equal(made, first)
        assert abs(made).max() > 0.001
    shown = malsori("inspect", pack).out
    for part in ("task: vocoder", "weights: CC0-1.0", "training.safetensors: ", "reads no text"):
        assert part in shown
    assert "tokens" not in shown


def test_mels_that_are_given_are_made_audible(
    malsori: Run, exp: Path, tiny_corpus: Any, tmp_path: Path
) -> None:
    vocoder = open_model(exp)
    assert isinstance(vocoder, MelVoice)
    folder = tmp_path / "predicted"
    folder.mkdir()
    for name in ("wav.scp", "utt2dur", "segments"):
        if (tiny_corpus.data / "test" / name).exists():
            shutil.copyfile(tiny_corpus.data / "test" / name, folder / name)
    from malsori.data.recordings import open_recordings

    recordings, mels, wavs = open_recordings(folder), {}, {}
    for i in range(len(recordings)):
        wav = recordings.wav(i, 8000)
        mel, _ = vocoder.model.analyse(torch.from_numpy(wav)[None], torch.tensor([len(wav)]))
        mels[recordings.key(i)] = mel[0].numpy() - 0.5
        (made,) = vocoder.sound([mels[recordings.key(i)]])
        wavs[recordings.key(i)] = made[: len(wav)]
    kaldiio.save_ark(str(folder / "mel.ark"), mels, scp=str(folder / "mel.scp"))
    done = malsori("decode", "--exp", exp, "--data", folder, "--out", tmp_path / "out")
    assert done.code == 0 and "the mels that mel.scp names" in done.err
    for key, expected in wavs.items():
        made, _ = soundfile.read(tmp_path / "out" / "wav" / f"{key}.wav")
        np.testing.assert_allclose(made, expected, atol=2 / 32768)


def test_mistakes_are_one_line(malsori: Run, exp: Path, pack: Path, tmp_path: Path) -> None:
    done = malsori("decode", "--model", pack, "--data", tmp_path)
    assert done.code == 2 and "--out: say which folder" in done.line
    done = malsori("decode", "--exp", exp, "--data", tmp_path / "none")
    assert done.code == 1 and "none: no such data dir and no folder of audio files" in done.line
    done = malsori("pack", "--exp", exp, "--out", tmp_path / "w.zip", "--sentence", "가")
    assert done.code == 1 and "--sentence: " in done.line and "reads no text" in done.line
    for words in (
        ("synthesize", "--model", exp, "--text", "가", "--out", tmp_path / "x.wav"),
        ("align", "--model", pack, "--data", tmp_path, "--out", tmp_path / "x"),
    ):
        done = malsori(*words)
        assert done.code == 1 and "a vocoder, which reads no text" in done.line
    done = malsori("export", "--to", "espnet", "--model", pack, "--out", tmp_path / "e.zip")
    assert done.code == 1 and "only 'jets' and 'vits' go to ESPnet" in done.line
    soundfile.write(tmp_path / "long.wav", np.zeros(8000 * 601), 8000)
    done = malsori("decode", "--model", pack, "--data", tmp_path, "--out", tmp_path / "o")
    assert done.code == 1 and "long has 601 s; cut recordings to at most 600 s" in done.line
