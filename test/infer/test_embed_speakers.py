"""Speaker vectors of data dirs: written, kept, made anew, and what has none."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kaldiio
import numpy as np
import pytest
import soundfile

from malsori.core.errors import ConfigError, MalsoriError
from malsori.core.registry import Entry
from malsori.data.check import check
from malsori.data.datadir import DataDir
from malsori.dsp.audio import AudioError
from malsori.infer import embed_speakers
from malsori.infer.embed_speakers import embed_sets
from malsori.infer.speaker_vector import embed_files, open_encoder
from malsori.modules import SPEAKER_ENCODERS

RATE = 8000
TONES = {"ann": 300.0, "bob": 900.0}


@dataclass(frozen=True, kw_only=True)
class BandsConfig:
    """Nothing to set."""


class Bands:
    """An encoder for tests: how much sound is in each of eight bands."""

    sample_rate, size = RATE, 8
    calls = 0

    def embed(self, wav: np.ndarray) -> np.ndarray:
        Bands.calls += 1
        if len(wav) < RATE // 10:
            raise AudioError("", "too short")
        bands = np.array_split(np.abs(np.fft.rfft(wav)), self.size)
        sums = np.array([band.sum() for band in bands])
        return (sums / np.linalg.norm(sums)).astype(np.float32)


ENTRY = Entry(config=BandsConfig, build=lambda config, device: Bands(), summary="For tests.")


@pytest.fixture(autouse=True)
def _bands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the registry know the encoder of this file."""
    monkeypatch.setattr(SPEAKER_ENCODERS, "_table", {**SPEAKER_ENCODERS._table, "bands": "x:Y"})
    usual = type(SPEAKER_ENCODERS).entry
    monkeypatch.setattr(
        type(SPEAKER_ENCODERS),
        "entry",
        lambda self, name: ENTRY if name == "bands" else usual(self, name),
    )
    Bands.calls = 0


Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Return a function that writes a data dir; utterances are called SPEAKER_NUMBER."""

    def write(name: str = "train", counts: dict[str, int] | None = None, seed: int = 0) -> Path:
        folder, random = tmp_path / name, np.random.default_rng(seed)
        folder.mkdir()
        counts = counts or {"ann": 3, "bob": 2}
        keys = [f"{speaker}_{i:02}" for speaker in sorted(counts) for i in range(counts[speaker])]
        for key in keys:
            times = np.arange(RATE // 2) / RATE
            wav = np.sin(2 * np.pi * TONES[key[:3]] * times) + random.normal(0, 0.2, len(times))
            soundfile.write(folder / f"{key}.wav", 0.2 * wav, RATE)
        columns = {
            "wav.scp": lambda key: folder / f"{key}.wav",
            "text": lambda key: "나무",
            "utt2spk": lambda key: key[:3],
            "utt2dur": lambda key: 0.5,
        }
        for column, value in columns.items():
            (folder / column).write_text("".join(f"{key} {value(key)}\n" for key in keys))
        lines = [f"{s} {' '.join(k for k in keys if k[:3] == s)}\n" for s in sorted(counts)]
        (folder / "spk2utt").write_text("".join(lines))
        return folder

    return write


def vectors(folder: Path) -> dict[str, np.ndarray]:
    data = DataDir(folder)
    return {data.key(i): data.embedding(i) for i in range(len(data))}


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.glob("xvector*")}


def spoil(folder: Path, key: str) -> None:
    (folder / f"{key}.wav").write_bytes(b"RIFF, but no more than that")


def test_each_utterance_gets_the_vector_of_its_audio(make: Make) -> None:
    folder = make()
    (made,) = embed_sets([folder], "bands")
    assert (made.utterances, made.speakers, made.size, made.rejected) == (5, 2, 8, 0)
    data, encoder = DataDir(folder), Bands()
    for i in range(len(data)):
        np.testing.assert_array_equal(data.embedding(i), encoder.embed(data.wav(i, RATE)))
    assert data.speaker_encoder == "bands" and not check(folder)
    read = kaldiio.load_scp(str(folder / "xvector.scp"))  # as others read it
    assert list(read) == [data.key(i) for i in range(5)] and read["bob_01"].shape == (8,)
    assert (folder / "xvector_rejected.tsv").read_text() == ""


def test_a_second_run_does_nothing_until_something_changes(make: Make) -> None:
    folder, other = make(), make("dev", {"ann": 1}, 1)
    embed_sets([folder, other], "bands")
    before, calls = state(folder), Bands.calls
    again = embed_sets([folder, other], "bands")
    assert state(folder) == before and Bands.calls == calls and again[0].utterances == 5
    soundfile.write(folder / "ann_00.wav", np.random.default_rng(5).normal(0, 0.1, RATE), RATE)
    embed_sets([folder, other], "bands")
    assert Bands.calls == calls + 5, "the set that changed, and not the other one"
    assert state(folder) != before
    embed_sets([folder, other], "bands", "speaker")
    assert Bands.calls == calls + 11


def test_what_a_killed_run_left_is_made_anew(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make()
    embed_sets([folder], "bands")
    whole = state(folder)["xvector.ark"][1]
    soundfile.write(folder / "ann_00.wav", np.random.default_rng(5).normal(0, 0.1, RATE), RATE)

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(embed_speakers, "write_text", stop)
        with pytest.raises(KeyboardInterrupt):
            embed_sets([folder], "bands")
    assert not DataDir(folder).has_embeddings, "no table that points into another archive"
    embed_sets([folder], "bands")
    assert state(folder)["xvector.ark"][1] != whole and len(vectors(folder)) == 5


def test_the_mean_of_a_speaker_is_the_training_set_s(make: Make) -> None:
    train, dev = make("train"), make("dev", {"ann": 2, "bob": 1}, 7)
    embed_sets([train, dev], "bands")
    single = vectors(train)
    embed_sets([train, dev], "bands", "speaker")
    ours, theirs = vectors(train), vectors(dev)
    mean = np.mean([single[f"ann_{i:02}"] for i in range(3)], axis=0)
    np.testing.assert_allclose(ours["ann_00"], mean / np.linalg.norm(mean), atol=1e-6)
    for key, vector in {**ours, **theirs}.items():
        np.testing.assert_array_equal(vector, ours[f"{key[:3]}_00"])
    assert (train / "xvector.ark").stat().st_size < 3 * (8 * 4 + 20), "one vector a speaker"
    before = state(dev)
    soundfile.write(dev / "ann_00.wav", np.random.default_rng(5).normal(0, 0.1, RATE), RATE)
    embed_sets([train, dev], "bands", "speaker")
    assert vectors(dev)["ann_01"].tolist() == ours["ann_00"].tolist() and state(dev) != before


def test_what_has_no_vector_is_rejected_and_has_its_speaker_s(make: Make) -> None:
    folder = make("train", {"ann": 8, "bob": 4})
    spoil(folder, "ann_03")
    soundfile.write(folder / "bob_02.wav", np.zeros(8), RATE)
    (folder / "bob_01.wav").write_bytes(b"")
    (made,) = embed_sets([folder], "bands", max_rejected=0.3)
    assert made.rejected == 3 and embed_sets([folder], "bands")[0].rejected == 3
    rows = [line.split("\t") for line in (folder / "xvector_rejected.tsv").read_text().splitlines()]
    assert [key for key, _ in rows] == ["ann_03", "bob_01", "bob_02"]
    assert "ann_03.wav: " in rows[0][1] and "the file is empty" in rows[1][1]
    assert rows[2][1] == "too short"
    found = vectors(folder)
    others = np.mean([found[f"ann_{i:02}"] for i in range(8) if i != 3], axis=0)
    np.testing.assert_allclose(found["ann_03"], others / np.linalg.norm(others), atol=1e-6)


def test_too_many_rejected_are_refused_and_nothing_is_written(make: Make) -> None:
    folder = make()
    spoil(folder, "ann_01")
    with pytest.raises(MalsoriError) as caught:
        embed_sets([folder], "bands")
    line = str(caught.value)
    assert line.startswith(f"{folder}: 1 of 5 utterances rejected, more than --max-rejected 0.1")
    assert "ann_01" in line and not state(folder)


def test_a_speaker_without_any_vector(make: Make) -> None:
    train, dev = make("train", {"ann": 8, "bob": 1}), make("dev", {"ann": 8, "bob": 1}, 3)
    spoil(dev, "bob_00")
    with pytest.raises(MalsoriError, match=r"dev: no utterance of the speaker 'bob' has a vector"):
        embed_sets([dev], "bands", max_rejected=0.2)
    embed_sets([train], "bands")
    embed_sets([train, dev], "bands", max_rejected=0.2)  # train is kept, and knows bob
    np.testing.assert_allclose(vectors(dev)["bob_00"], vectors(train)["bob_00"], atol=1e-6)


def test_vectors_of_other_origin_are_left_alone(make: Make) -> None:
    folder = make()
    (folder / "xvector.scp").write_text("mine\n")
    with pytest.raises(MalsoriError, match=r"xvector\.scp: was not made by this command"):
        embed_sets([folder], "bands")
    assert (folder / "xvector.scp").read_text() == "mine\n"


def test_a_data_dir_that_grew_is_mended(make: Make) -> None:
    folder = make()
    embed_sets([folder], "bands")
    soundfile.write(folder / "bob_02.wav", np.random.default_rng(5).normal(0, 0.1, RATE), RATE)
    row = {"wav.scp": folder / "bob_02.wav", "text": "나", "utt2spk": "bob", "utt2dur": 1.0}
    for name, value in row.items():
        with open(folder / name, "a") as file:
            file.write(f"bob_02 {value}\n")
    with pytest.raises(MalsoriError, match="5 utterances where text has 6"):
        DataDir(folder)
    embed_sets([folder], "bands")
    assert len(vectors(folder)) == 6
    with open(folder / "utt2spk", "a") as file:
        file.write("cat_00 cat\n")
    with pytest.raises(MalsoriError, match="utt2spk: 7 utterances, and audio of 6"):
        embed_sets([folder], "bands")


def test_bad_names_are_one_line(make: Make, tmp_path: Path) -> None:
    folder = make()
    with pytest.raises(ConfigError, match="did you mean 'resemblyzer'"):
        embed_sets([folder], "resemblizer")
    with pytest.raises(MalsoriError, match="no such data dir"):
        embed_sets([tmp_path / "none"], "bands")
    assert not state(folder)


def test_a_bar_is_shown_where_people_watch(
    make: Make, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make()
    embed_sets([folder], "bands")
    assert not capsys.readouterr().err
    os.utime(folder / "ann_00.wav", (1, 1))
    monkeypatch.setenv("MALSORI_PROGRESS", "1")
    embed_sets([folder], "bands")
    assert "speakers of train" in capsys.readouterr().err


def test_vectors_of_another_encoder_are_refused(make: Make) -> None:
    folder = make()
    embed_sets([folder], "bands")
    data = DataDir(folder)
    data.check_embeddings(8)
    data.check_embeddings(8, "bands")
    with pytest.raises(MalsoriError) as caught:
        data.check_embeddings(8, "resemblyzer")
    assert str(caught.value) == (
        f"{folder}/xvector.json: vectors of the encoder bands, but the model knows those of "
        "resemblyzer: 'malsori embed-speakers --encoder resemblyzer' makes such"
    )
    (folder / "xvector.json").unlink()
    assert DataDir(folder).speaker_encoder is None
    DataDir(folder).check_embeddings(8, "resemblyzer")  # nobody knows
    (folder / "xvector.json").write_text(json.dumps({"encoder": 3}))
    with pytest.raises(MalsoriError, match="does not say whose vectors these are"):
        DataDir(folder).check_embeddings(8, "resemblyzer")


def test_the_vector_of_some_files_is_their_mean(make: Make) -> None:
    folder, encoder = make(), open_encoder("bands")
    files = [folder / f"ann_{i:02}.wav" for i in range(3)]
    embed_sets([folder], "bands", "speaker")
    np.testing.assert_allclose(embed_files(encoder, files), vectors(folder)["ann_00"], atol=1e-6)
    soundfile.write(folder / "short.wav", np.zeros(8), RATE)
    with pytest.raises(AudioError, match=r"short\.wav: too short"):
        embed_files(encoder, [*files, folder / "short.wav"])
    with pytest.raises(AudioError, match=r"none\.wav: no such audio file"):
        embed_files(encoder, [folder / "none.wav"])
