"""A voice knows whose speaker vectors it was trained with, and takes no others."""

from __future__ import annotations

import dataclasses
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

from malsori.core.errors import MalsoriError
from malsori.core.files import read_json
from malsori.data.datadir import DataDir
from malsori.infer import speaker_vector
from malsori.infer.alignment import align
from malsori.infer.decode import decode
from malsori.infer.pack import load_pack, write_pack
from malsori.infer.request import vector_of
from malsori.infer.synthesizer import Synthesizer
from malsori.infer.voice import load_run
from malsori.packs.format import read_meta
from malsori.train.run import train

SIZE = 6


class Stub:
    """An encoder that tells recordings apart by their first sample."""

    sample_rate, size = 8000, SIZE

    def embed(self, wav: np.ndarray) -> np.ndarray:
        vector = np.ones(SIZE, np.float32)
        vector[0] = 1 + 100 * wav[0]
        return vector / np.linalg.norm(vector)


@pytest.fixture(scope="module")
def corpus(tiny_corpus: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return the tiny corpus with vectors, which are said to be resemblyzer's."""
    data = shutil.copytree(tiny_corpus.data, tmp_path_factory.mktemp("known") / "data")
    random = np.random.default_rng(0)
    for folder in (data / name for name in ("train", "dev", "test")):
        source = DataDir(folder)
        vectors = {
            source.key(i): random.normal(size=SIZE).astype(np.float32) for i in range(len(source))
        }
        kaldiio.save_ark(str(folder / "xvector.ark"), vectors, scp=str(folder / "xvector.scp"))
        (folder / "xvector.json").write_text(json.dumps({"encoder": "resemblyzer"}))
    return dataclasses.replace(tiny_corpus, data=data)


def settings(corpus: Any, *overrides: str) -> Any:
    return corpus.settings(
        f"data.train={corpus.data}/train",
        f"data.dev={corpus.data}/dev",
        f"model.speaker_embedding.size={SIZE}",
        "training.validate_every=1",
        "training.steps=1",
        *overrides,
    )


@pytest.fixture(scope="module")
def run(corpus: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exp") / "known"
    train(settings(corpus), folder)
    return folder


@pytest.fixture
def said(corpus: Any, tmp_path: Path) -> Callable[[str], Any]:
    """Return a function that copies the corpus; its vectors are said to be another encoder's."""

    def copy(name: str) -> Any:
        data = shutil.copytree(corpus.data, tmp_path / name)
        for folder in data.iterdir():
            if (folder / "xvector.json").exists():
                (folder / "xvector.json").write_text(json.dumps({"encoder": name}))
        return dataclasses.replace(corpus, data=data)

    return copy


def test_the_name_goes_from_the_data_to_run_and_pack(
    run: Path, tmp_path: Path, corpus: Any
) -> None:
    assert read_json(run / "names.json")["speaker_encoder"] == "resemblyzer"
    write_pack(run, tmp_path / "voice.malsori.zip")
    voices = load_run(run), load_pack(tmp_path / "voice.malsori.zip")
    assert [voice.speaker_encoder for voice in voices] == ["resemblyzer"] * 2
    assert read_meta(tmp_path / "voice.malsori.zip")["speaker_encoder"] == "resemblyzer"
    train(settings(corpus), run)  # goes on: the same


def test_a_voice_of_an_encoder_from_elsewhere_is_not_packed(run: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(run, tmp_path / "run")
    names = read_json(folder / "names.json") | {"speaker_encoder": "os:system"}
    (folder / "names.json").write_text(json.dumps(names))
    assert load_run(folder).speaker_encoder == "os:system"  # one's own run may name anything
    with pytest.raises(MalsoriError, match="names code outside of malsori"):
        write_pack(folder, tmp_path / "voice.malsori.zip")
    assert not (tmp_path / "voice.malsori.zip").exists()


def test_a_voice_without_vectors_has_no_encoder(tiny_run: Path) -> None:
    assert load_run(tiny_run).speaker_encoder is None
    assert "speaker_encoder" not in read_json(tiny_run / "names.json")


def test_other_vectors_are_refused_everywhere(
    run: Path, said: Callable[[str], Any], tmp_path: Path
) -> None:
    other = said("wespeaker")
    line = "vectors of the encoder wespeaker, but the model knows those of resemblyzer"
    voice, data = load_run(run), DataDir(other.data / "test")
    with pytest.raises(MalsoriError, match=line):
        decode(voice, data, tmp_path / "decoded")
    with pytest.raises(MalsoriError, match=line):
        align(voice, data, tmp_path / "aligned")
    with pytest.raises(MalsoriError, match="or not the encoder of their vectors"):
        train(settings(other), shutil.copytree(run, tmp_path / "resumed"))
    with pytest.raises(MalsoriError, match="knows speakers by vectors of resemblyzer, and"):
        train(settings(other, f"init_from={run}"), tmp_path / "tuned")
    (other.data / "train" / "xvector.json").write_text(json.dumps({"encoder": "resemblyzer"}))
    with pytest.raises(MalsoriError, match=rf"dev/xvector\.json: {line}"):
        train(settings(other), tmp_path / "mixed")


def test_a_recording_makes_the_vector(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    monkeypatch.setattr(speaker_vector, "open_encoder", lambda name: asked.append(name) or Stub())
    files = [tmp_path / "one.wav", tmp_path / "two.wav"]
    for level, path in zip((0.0, 0.5), files, strict=True):
        soundfile.write(path, np.full(80, level), 8000, subtype="FLOAT")
    voice = Synthesizer(load_run(run))
    one, both = (vector_of(voice.voice, None, some) for some in (files[0], files))
    assert asked == ["resemblyzer"] * 2
    torch.testing.assert_close(one, torch.full((1, SIZE), SIZE**-0.5))
    mean = (Stub().embed(np.zeros(1)) + Stub().embed(np.full(1, 0.5))) / 2
    torch.testing.assert_close(both[0], torch.from_numpy(mean / np.linalg.norm(mean)))
    spoken = [
        voice("나무가 있다.", **how).audio
        for how in ({"speaker_wav": files[0]}, {"embedding": one.numpy()})
    ]
    np.testing.assert_array_equal(*spoken)


def test_what_cannot_be_done_is_one_line(
    run: Path, tiny_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speaker_vector, "open_encoder", lambda name: Stub())
    voice = Synthesizer(load_run(run))
    text, wav = "나무가 있다.", tmp_path / "none.wav"
    for how, told in (
        ({"speaker_wav": wav, "embedding": np.ones(SIZE)}, "a speaker embedding is given as well"),
        ({"speaker_wav": []}, "give at least one recording"),
        ({"speaker_wav": wav}, r"none\.wav: no such audio file"),
    ):
        with pytest.raises(MalsoriError, match=told):
            voice(text, **how)
    with pytest.raises(
        MalsoriError, match=r"speaker_wav: .*tiny was trained without; leave it out"
    ):
        Synthesizer(load_run(tiny_run))(text, speaker_wav=wav)
    with pytest.raises(
        MalsoriError, match=r"needs 6 numbers \(--speaker-embedding\), or a recording"
    ):
        voice(text)
    nameless = dataclasses.replace(voice.voice, speaker_encoder=None)
    with pytest.raises(MalsoriError, match="does not say which encoder its speaker vectors are of"):
        Synthesizer(nameless)(text, speaker_wav=wav)
    monkeypatch.setattr(Stub, "embed", lambda self, wav: np.ones(SIZE + 1, np.float32))
    soundfile.write(wav, np.ones(80), 8000)
    with pytest.raises(MalsoriError, match=f"embedding: needs {SIZE} finite numbers"):
        voice(text, speaker_wav=wav)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("os:system", "names code outside of malsori"),
        (["resemblyzer"], "speaker_encoder is no name"),
        ("", "speaker_encoder is no name"),
    ],
)
def test_a_pack_names_encoders_of_ours_only(
    repack: Callable[..., Path], name: Any, told: str
) -> None:
    def change(members: dict[str, bytes]) -> None:
        tree = yaml.safe_load(members["config.yaml"]) | {"speaker_encoder": name}
        members["config.yaml"] = yaml.safe_dump(tree).encode()

    with pytest.raises(MalsoriError, match=told):
        load_pack(repack(change))
