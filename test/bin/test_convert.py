"""``malsori convert``: a VAEJETS of two speakers, from the command line."""

from __future__ import annotations

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
from safetensors.torch import load_file, save_file

from malsori.core.errors import MalsoriError
from malsori.infer.conversion import Converter, Person
from malsori.infer.pack import open_voice
from malsori.infer.voice import Voice

pytestmark = pytest.mark.slow
Run = Callable[..., Any]
RATE = 8000


@pytest.fixture
def convert(malsori: Run, vaejets_run: Path, tmp_path: Path) -> Run:
    """Return a function that converts with the run into ``out``."""

    def run(*words: object) -> Any:
        return malsori("convert", "--model", vaejets_run, "--out", tmp_path / "out", *words)

    return run


@pytest.fixture
def data(vaejets_conf: Path, tmp_path: Path) -> Path:
    """Return a copy of the test set, to be changed: two utterances."""
    return shutil.copytree(vaejets_conf.parent / "data" / "test", tmp_path / "data")


@pytest.fixture(scope="module")
def voice(vaejets_run: Path) -> Voice:
    return open_voice(vaejets_run)


def speakers(data: Path) -> dict[str, str]:
    return dict(line.split() for line in (data / "utt2spk").read_text().splitlines())


def noise(seconds: float, seed: int = 0, rate: int = RATE) -> np.ndarray:
    samples = np.random.default_rng(seed).normal(0, 0.1, round(seconds * rate))
    return samples.astype(np.float32)


def test_a_data_dir_takes_its_speakers_from_utt2spk(
    convert: Run, data: Path, voice: Voice, tmp_path: Path
) -> None:
    done = convert("--data", data, "--to", "mina")
    assert done.code == 0, done.err
    assert done.out == f"{tmp_path / 'out'}: 2 recordings, 0.0 min\n"
    assert (tmp_path / "out" / "rtf.json").exists()
    converter, found = Converter(voice), speakers(data)
    assert len(list((tmp_path / "out" / "wav").iterdir())) == len(found) == 2
    places = dict(line.split() for line in (data / "wav.scp").read_text().splitlines())
    segments = data / "segments"
    for key, speaker in found.items():
        wav, rate = soundfile.read(tmp_path / "out" / "wav" / f"{key}.wav", dtype="float32")
        whole, _ = soundfile.read(places.get(key, next(iter(places.values()))), dtype="float32")
        if segments.exists():
            rows = {r.split()[0]: r.split()[1:] for r in segments.read_text().splitlines()}
            recording, start, end = rows[key]
            whole, _ = soundfile.read(places[recording], dtype="float32")
            whole = whole[round(float(start) * RATE) : round(float(end) * RATE)]
        assert rate == RATE and len(wav) == len(whole)
        told = Person(speaker=voice.index("speaker", speaker))
        (expected,) = converter.convert(
            [whole], [told], [Person(speaker=voice.index("speaker", "mina"))]
        )
        assert np.abs(wav - expected).max() < 2e-3 and expected.std() > 1e-3


def test_one_file_is_resampled_and_the_target_is_heard(convert: Run, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(0.5, rate=16000), 16000)
    (tmp_path / "files").mkdir()
    shutil.copy(tmp_path / "a.wav", tmp_path / "files" / "a.wav")
    made = []
    for words in (("mina", "june"), ("mina", "mina"), ("june", "june")):
        told = ("--from", words[0], "--to", words[1], "--wav", tmp_path / "a.wav")
        done = convert(*told)
        assert done.code == 0, done.err
        assert done.out == f"{tmp_path / 'out'}: 0.50 s\n"
        wav, rate = soundfile.read(tmp_path / "out")
        assert rate == RATE and len(wav) == RATE // 2
        made.append(wav)
        (tmp_path / "out").unlink()
    assert np.abs(made[0] - made[1]).max() > 1e-3 < np.abs(made[0] - made[2]).max()
    done = convert("--from", "mina", "--to", "june", "--data", tmp_path / "files")
    assert done.code == 0, done.err
    again, _ = soundfile.read(tmp_path / "out" / "wav" / "a.wav")
    np.testing.assert_array_equal(again, made[0])


def test_a_pack_converts_as_its_run_and_pitch_moves_it(
    malsori: Run, convert: Run, vaejets_run: Path, tmp_path: Path
) -> None:
    times = np.arange(RATE) / RATE
    tone = sum(np.sin(2 * np.pi * 120 * k * times) / k for k in range(1, 9))
    soundfile.write(tmp_path / "a.wav", 0.1 * tone, RATE)
    pack = tmp_path / "voice.malsori.zip"
    assert malsori("pack", "--exp", vaejets_run, "--out", pack).code == 0
    shown = malsori("inspect", pack)
    assert shown.code == 0 and "model: vaejets" in shown.out
    words = ("--from", "mina", "--to", "june", "--wav", tmp_path / "a.wav")
    made = []
    for more in ((), ("--model", pack), ("--pitch", "4")):
        assert convert(*words, *more).code == 0
        made.append(soundfile.read(tmp_path / "out")[0])
    np.testing.assert_allclose(made[0], made[1], atol=2e-3)
    assert np.abs(made[0] - made[2]).max() > 1e-3


def test_long_recordings_are_cut_where_they_are_quiet(
    voice: Voice, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: list[int] = []
    converter = Converter(voice, batch_seconds=60.0)
    inner: Any = converter.model.convert

    def watched(features: Any, *told: Any) -> Any:
        lengths.extend(features.wav_lengths.tolist())
        assert features.wav.numel() <= 60 * RATE
        return inner(features, *told)

    monkeypatch.setattr(converter.model, "convert", watched)
    long, short = noise(70), noise(0.4, seed=2)
    long[25 * RATE : 26 * RATE] = 0
    people = [Person(speaker=0), Person(speaker=1)]
    made = converter.convert([long, short], people, people[::-1])
    assert [len(wav) for wav in made] == [70 * RATE, len(short)]
    assert len(lengths) == 4 and max(lengths) <= 30 * RATE and sum(lengths) == 70.4 * RATE
    assert any(25 * RATE < length < 26 * RATE for length in lengths)  # in the pause
    (alone,) = converter.convert([short], people[1:], people[:1])
    np.testing.assert_allclose(made[1], alone, atol=1e-3)
    (begin,) = converter.convert([long[: 25 * RATE + RATE // 2]], people[:1], people[1:])
    np.testing.assert_allclose(made[0][: 24 * RATE], begin[: 24 * RATE], atol=1e-3)


@pytest.mark.parametrize("samples", [1, 7, 64, 300])
def test_a_recording_of_few_samples(voice: Voice, samples: int) -> None:
    people = [Person(speaker=0)], [Person(speaker=1)]
    (made,) = Converter(voice).convert([noise(1)[:samples]], *people)
    assert made.shape == (samples,) and np.isfinite(made).all()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--to", "eve"), 1, "no speaker 'eve'; known: june, mina"),
        ((), 1, "--to: say which speaker of"),
        (("--to", "mina", "--from", "eve"), 1, "no speaker 'eve'; known: june, mina"),
        (("--to", "mina", "--pitch", "25"), 1, "pitch: 25 is not between -24 and 24"),
        (("--to", "mina", "--pitch", "nan"), 1, "pitch: nan is not between -24 and 24"),
        (("--to", "mina", "--to-embedding", "x.npy"), 1, "was trained without; leave it out"),
        (("--to", "mina", "--batch", "long"), 2, "--batch: expected a time such as '60 s'"),
        (("--to", "mina", "--batch", "0"), 1, "batch: must be above 0 s, got 0"),
        (("--to", "mina", "--threads", "-1"), 2, "--threads: -1 is below 0"),
        (("--to", "mina", "--checkpoint", "step-9"), 1, "no checkpoint 'step-9'"),
        (("--to", "mina", "--data", "nowhere"), 1, "nowhere: no such data dir"),
        (("--to", "mina", "--model", "nowhere.zip"), 1, "nowhere.zip: no such file"),
    ],
)
def test_a_mistake_is_one_line(
    convert: Run, data: Path, tmp_path: Path, words: tuple[str, ...], code: int, told: str
) -> None:
    done = convert("--data", data, *words)
    assert done.code == code and told in done.line
    assert not (tmp_path / "out").exists()


def test_data_that_does_not_say_who_speaks(convert: Run, data: Path, tmp_path: Path) -> None:
    first, second = sorted(speakers(data))
    rows = (data / "utt2spk").read_text().splitlines()
    (data / "utt2spk").write_text(f"{rows[0]}\n{second} eve\n")
    done = convert("--data", data, "--to", "mina")
    assert done.code == 1 and f"{data}: {second}: " in done.line and "'eve'" in done.line
    (data / "utt2spk").write_text(f"{rows[0]}\n")
    done = convert("--data", data, "--to", "mina")
    assert done.code == 1 and f"utt2spk: nothing of {second!r}" in done.line
    (data / "utt2spk").unlink()
    done = convert("--data", data, "--to", "mina")
    assert done.code == 1 and f"{data}: {first}: --from: say which speaker" in done.line
    assert convert("--data", data, "--to", "mina", "--from", "june").code == 0
    soundfile.write(tmp_path / "a.wav", noise(0.1), RATE)
    done = convert("--wav", tmp_path / "a.wav", "--to", "mina")
    assert done.code == 1 and "--from: say which speaker" in done.line
    done = convert("--wav", tmp_path / "none.wav", "--to", "mina", "--from", "june")
    assert done.code == 1 and "none.wav: no such audio file" in done.line


def test_hours_are_refused_before_they_are_read(convert: Run, tmp_path: Path) -> None:
    path = tmp_path / "files" / "day.wav"
    path.parent.mkdir()
    with soundfile.SoundFile(path, "w", 100, 1, "PCM_U8") as file:
        file.write(np.zeros(4000 * 100))
    for words in (("--wav", path), ("--data", path.parent)):
        done = convert(*words, "--to", "mina", "--from", "june")
        assert done.code == 1 and "4000 s; cut it into files of at most 3600 s" in done.line


def test_models_that_convert_nobody(
    malsori: Run, convert: Run, lively_run: Path, vaejets_run: Path, data: Path, tmp_path: Path
) -> None:
    words = ("--data", data, "--to", "mina", "--out", tmp_path / "out")
    done = malsori("convert", "--model", lively_run, *words)
    assert done.code == 1 and "does not convert voices; VITS and VAEJETS do" in done.line
    single = shutil.copytree(vaejets_run, tmp_path / "single")
    (single / "names.json").write_text('{"speakers": ["mina"], "languages": [""]}')
    for path in single.glob("checkpoints/*/average.safetensors"):
        weights = load_file(path)
        save_file({n: t for n, t in weights.items() if not told_whom(n)}, path)
    done = malsori("convert", "--model", single, *words)
    assert done.code == 1 and "knows one speaker only" in done.line
    assert not (tmp_path / "out").exists()


def told_whom(name: str) -> bool:
    """Return whether a weight belongs to a layer that only a voice of several speakers has."""
    return "condition" in name


@pytest.fixture(scope="module")
def vectors(vaejets_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run as one that is told a vector in place of a name: a linear layer of it."""
    folder = shutil.copytree(vaejets_run, tmp_path_factory.mktemp("vectors") / "run")
    (folder / "names.json").write_text('{"speakers": ["mina"], "languages": [""]}')
    tree = yaml.safe_load((folder / "config.yaml").read_text())
    tree["model"]["speaker_embedding"] = {"size": 3}
    (folder / "config.yaml").write_text(yaml.safe_dump(tree))
    torch.manual_seed(0)
    for path in folder.glob("checkpoints/*/average.safetensors"):
        weights = load_file(path)
        weights["conditioning.embedding.weight"] = torch.randn(16, 3)
        weights["conditioning.embedding.bias"] = torch.zeros(16)
        del weights["conditioning.speaker.weight"]
        save_file(weights, path)
    return folder


def test_speakers_that_are_known_by_vectors(malsori: Run, vectors: Path, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", noise(0.3), RATE)
    for name, vector in (("x", [1.0, 0, 0]), ("y", [0, 1.0, 0])):
        np.save(tmp_path / f"{name}.npy", np.array(vector, np.float32))
    out = tmp_path / "out.wav"
    words = ("--model", vectors, "--wav", tmp_path / "a.wav", "--out", out)
    made = []
    for to in "xy":
        given = ("--from-embedding", tmp_path / "x.npy", "--to-embedding", tmp_path / f"{to}.npy")
        done = malsori("convert", *words, *given)
        assert done.code == 0, done.err
        made.append(soundfile.read(out)[0])
    assert np.abs(made[0] - made[1]).max() > 1e-3
    done = malsori("convert", *words, "--from-embedding", tmp_path / "x.npy")
    assert done.code == 1 and "--to-embedding: " in done.line and "3 numbers" in done.line


def test_vectors_of_a_data_dir(malsori: Run, vectors: Path, data: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "y.npy", np.array([0, 1.0, 0], np.float32))
    given = ("--model", vectors, "--data", data, "--to-embedding", tmp_path / "y.npy")
    done = malsori("convert", *given, "--out", tmp_path / "none")
    assert done.code == 1 and "no xvector.scp and no spk2xvector.scp" in done.line
    made = []
    for first in (1.0, -1.0):
        rows = {key: np.array([first, i, 1.0], np.float32) for i, key in enumerate(speakers(data))}
        kaldiio.save_ark(str(data / "x.ark"), rows, scp=str(data / "xvector.scp"))
        done = malsori("convert", *given, "--out", tmp_path / "out")
        assert done.code == 0, done.err
        made.append([soundfile.read(p)[0] for p in sorted((tmp_path / "out" / "wav").iterdir())])
    assert all(np.abs(one - other).max() > 1e-3 for one, other in zip(*made, strict=True))


def test_pitch_that_nobody_sings(voice: Voice, monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = voice.model
    monkeypatch.setattr(model, "melody", None)
    with pytest.raises(MalsoriError, match=r"pitch: .* takes it from the speaker .*leave it at 0"):
        Converter(voice, pitch=2.0)
    Converter(voice)


def test_out_that_cannot_be_written(convert: Run, data: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    done = convert("--data", data, "--to", "mina")
    assert done.code == 1 and f"{tmp_path / 'out'}" in done.line
    assert "cannot be written" in done.line
