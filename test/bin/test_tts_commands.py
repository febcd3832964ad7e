"""An acoustic model's way through the commands: with Griffin-Lim, then with a vocoder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml

from malsori.data.recordings import given_mel, open_recordings
from malsori.infer.pack import load_pack, open_voice, with_vocoder
from malsori.infer.synthesizer import Synthesizer

Run = Callable[..., Any]
GENERATOR = {"name": "hifigan_v3", "channels": 16, "initial_std": None}


def train(tree: dict[str, Any], root: Path, name: str) -> Path:
    from malsori.core.config import load
    from malsori.train.config import TrainConfig
    from malsori.train.run import train as run

    conf = root / f"{name}.yaml"
    conf.write_text(yaml.safe_dump(tree))
    dot = np.zeros((1, 1, 3), np.uint8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("malsori.train.journal.curves_picture", lambda *_: dot)
        run(load(TrainConfig, conf), root / name)
    return root / name


def tree_of(corpus: Any, **model: Any) -> dict[str, Any]:
    """Return the settings of a few steps of the task tts."""
    tree: dict[str, Any] = yaml.safe_load(corpus.conf.read_text())
    plain = {k: v for k, v in tree["model"].items() if k not in ("generator", "segment")}
    tree["model"] = {"name": "fastspeech2", **plain, **model}
    tree["task"] = "tts"
    tree["training"] |= {"steps": 2, "validate_every": 2}
    return tree


@pytest.fixture(scope="module")
def trained(tiny_corpus: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run folder of an acoustic model that sings frame by frame."""
    pitch = {"layers": 1, "channels": 16, "kernel": 3, "level": "wavelet"}
    tree = tree_of(tiny_corpus, pitch=pitch, postnet={"layers": 2, "channels": 16})
    return train(tree, tmp_path_factory.mktemp("tts"), "fastspeech2")


@pytest.fixture
def exp(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "exp")


@pytest.fixture(scope="module")
def vocoder(tiny_corpus: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run folder of a vocoder with the same audio settings."""
    tree = yaml.safe_load(tiny_corpus.conf.read_text())
    tree["task"] = {"name": "vocoder", **tree["task"]}
    tree["model"] = {"name": "hifigan", "generator": GENERATOR, "segment": 8}
    tree["training"] |= {"steps": 1, "validate_every": 1}
    return train(tree, tmp_path_factory.mktemp("vocoder"), "hifigan")


def samples(folder: Path) -> dict[str, np.ndarray]:
    return {path.stem: soundfile.read(path)[0] for path in sorted(folder.glob("wav/*.wav"))}


def test_it_decodes_through_griffin_lim_or_a_vocoder(
    malsori: Run, exp: Path, vocoder: Path, tiny_corpus: Any, tmp_path: Path
) -> None:
    data = tiny_corpus.data / "test"
    done = malsori("decode", "--exp", exp, "--data", data)
    assert done.code == 0 and done.err.count("Griffin-Lim makes its mels audible") == 1
    rough = samples(exp / "decode" / "test")
    out = tmp_path / "fine"
    done = malsori("decode", "--exp", exp, "--data", data, "--vocoder", vocoder, "--out", out)
    assert done.code == 0 and "Griffin-Lim" not in done.err
    fine = samples(out)
    assert rough.keys() == fine.keys() and len(fine) == 2
    for key, wav in rough.items():
        assert len(wav) == len(fine[key]) > 0 and abs(wav).max() > 0.001
        assert not np.array_equal(wav, fine[key])
    done = malsori("score", "--exp", exp, "--set", "test", "--data", data, "--jobs", 1)
    assert done.code == 0 and "| decoded |" in done.out


def test_a_vocoder_is_fine_tuned_on_its_mels(
    malsori: Run, exp: Path, vocoder: Path, tiny_corpus: Any, tmp_path: Path
) -> None:
    """Teacher-forced mels line up with the recordings, and the task vocoder trains on them."""
    for name in ("train", "dev"):
        words = ("--data", tiny_corpus.data / name, "--teacher-forcing", "--save-mel")
        done = malsori("decode", "--exp", exp, *words)
        assert done.code == 0 and "can be data.train of the task vocoder" in done.err, done.err
    folder = exp / "decode" / "train" / "mels"
    audio, recordings = tiny_corpus.settings().audio, open_recordings(folder)
    assert len(recordings) == 16
    for i in (0, 15):
        wav = recordings.wav(i, 8000)
        mel = given_mel(recordings, i, audio, len(wav))
        assert mel is not None and mel.shape == (audio.frames(len(wav)), 20)
        assert mel.min() > -11 and mel.max() < 4  # log10 amplitudes, not normalised
    tree = yaml.safe_load((vocoder.parent / "hifigan.yaml").read_text())
    tree["data"] |= {"train": str(folder), "dev": str(exp / "decode" / "dev" / "mels")}
    tree["init_from"] = str(vocoder)
    tuned = train(tree, tmp_path, "tuned")
    words = ("--vocoder", tuned, "--data", tiny_corpus.data / "test", "--out", tmp_path / "out")
    done = malsori("decode", "--exp", exp, *words)
    assert done.code == 0 and len(samples(tmp_path / "out")) == 2


def test_mels_of_free_speech_are_kept_alone(malsori: Run, exp: Path, tiny_corpus: Any) -> None:
    data = tiny_corpus.data / "test"
    for forced in (["--teacher-forcing"], []):
        done = malsori("decode", "--exp", exp, "--data", data, "--save-mel", *forced)
        assert done.code == 0
    folder = exp / "decode" / "test" / "mels"
    assert {path.name for path in folder.iterdir()} == {"mel.ark", "mel.scp"}
    assert "not as long as recordings" in done.err


def test_a_pack_speaks_and_aligns_as_the_run_does(
    malsori: Run, exp: Path, vocoder: Path, tiny_corpus: Any, tmp_path: Path
) -> None:
    pack, sound = tmp_path / "v.malsori.zip", tmp_path / "vocoder.malsori.zip"
    done = malsori("pack", "--exp", exp, "--out", pack)
    assert done.code == 0 and "it said '" in done.out, done.err
    assert malsori("pack", "--exp", vocoder, "--out", sound).code == 0
    names = load_pack(pack).network.state_dict()
    assert names and not any(name.startswith(("acoustic", "vocoder", "mel_")) for name in names)
    assert "model: fastspeech2" in malsori("inspect", pack).out
    wavs = []
    for model in (pack, exp):
        out = tmp_path / f"{model.name}.wav"
        words = ("--text", "나무가 있다.", "--out", out, "--vocoder", sound)
        done = malsori("synthesize", "--model", model, *words)
        assert done.code == 0, done.err
        wavs.append(soundfile.read(out)[0])
    np.testing.assert_array_equal(*wavs)
    spoken = Synthesizer.from_pretrained(pack, vocoder=sound)("나무가 있다.")
    np.testing.assert_allclose(spoken.audio, wavs[0], atol=2 / 32768)
    data = tiny_corpus.data / "test"
    done = malsori("align", "--model", pack, "--data", data, "--out", tmp_path / "aligned")
    assert done.code == 0 and len(list((tmp_path / "aligned" / "textgrid").iterdir())) == 2


def test_durations_of_align_train_a_model_that_is_given_them(
    malsori: Run, aligner_run: Path, tiny_corpus: Any, tmp_path: Path
) -> None:
    """The aligner's TextGrids in place of MFA's: to train on, and for teacher forcing."""
    for name in ("train", "dev"):
        words = ("--data", tiny_corpus.data / name, "--out", tmp_path / "align" / name)
        assert malsori("align", "--model", aligner_run, *words).code == 0
    tree = tree_of(tiny_corpus, durations="given")
    tree["data"]["durations"] = str(tmp_path / "align")
    given = train(tree, tmp_path, "given")
    words = ("decode", "--exp", given, "--data", tiny_corpus.data / "dev", "--teacher-forcing")
    done = malsori(*words)
    assert done.code == 1 and "model.durations: 'given', but none are" in done.line
    assert malsori(*words, "--durations", tmp_path / "align", "--save-mel").code == 0
    done = malsori("align", "--model", given, "--data", tiny_corpus.data / "dev", "--out", tmp_path)
    assert done.code == 1 and "none of its 2 utterances can be aligned" in done.line
    assert malsori("decode", "--exp", given, "--data", tiny_corpus.data / "dev").code == 0


def test_mistakes_are_one_line(
    malsori: Run, exp: Path, vocoder: Path, lively_run: Path, tiny_corpus: Any, tmp_path: Path
) -> None:
    data = tiny_corpus.data / "test"
    to = ("--data", data, "--out", tmp_path / "o")
    done = malsori("decode", "--exp", lively_run, *to, "--vocoder", vocoder)
    assert done.code == 1 and "makes waveforms itself; leave the vocoder" in done.line
    done = malsori("decode", "--exp", lively_run, *to, "--save-mel")
    assert done.code == 1 and "makes waveforms without a mel spectrogram; leave" in done.line
    done = malsori("decode", "--exp", exp, *to, "--vocoder", lively_run)
    assert done.code == 1 and "no vocoder, but a voice that reads text" in done.line
    done = malsori("decode", "--exp", exp, *to, "--vocoder", tmp_path / "none")
    assert done.code == 1 and "none: no such file" in done.line
    for option in ("--save-mel", "--teacher-forcing"):
        done = malsori("decode", "--exp", vocoder, *to, option)
        assert done.code == 2 and f"{option}: a vocoder predicts nothing" in done.line
    done = malsori("decode", "--exp", exp, *to, "--durations", tmp_path)
    assert done.code == 2 and "--durations: those of recordings, for --teacher-f" in done.line
    other = shutil.copytree(vocoder, tmp_path / "other")
    config = yaml.safe_load((other / "config.yaml").read_text())
    config["audio"]["mel_low_hz"] = 0.0
    (other / "config.yaml").write_text(yaml.safe_dump(config))
    done = malsori("decode", "--exp", exp, *to, "--vocoder", other)
    assert done.code == 1 and "other: audio.mel_low_hz is 0.0, but" in done.line
    assert "speaks with 80.0; take a vocoder with the same audio settings" in done.line


def test_a_vocoder_takes_the_place_of_griffin_lim(exp: Path, vocoder: Path) -> None:
    voice = open_voice(exp)
    assert voice.model.is_provisional and voice.speaks
    through = with_vocoder(voice, vocoder)
    assert not through.model.is_provisional and voice.model.is_provisional
    assert through.network is voice.network and through.device == voice.device
