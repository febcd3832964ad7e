from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import kaldiio
import numpy as np
import pytest
import soundfile

from malsori.core.errors import MalsoriError
from malsori.data.batch import collate
from malsori.data.datadir import DataDir
from malsori.data.dataset import DataConfig
from malsori.data.recordings import AudioDir, AudioFolder, RecordingDataset, open_recordings
from malsori.data.vectors import VectorError, read_matrix
from malsori.dsp.audio_config import AudioConfig

RATE = 16000
AUDIO = AudioConfig(sample_rate=RATE, mel_bands=4)
FRAMES = 0.6 * RATE // 256 + 1


@pytest.fixture
def bare(make_data_dir: Callable[..., Path]) -> Path:
    """Return a data dir of which only what tells of the audio is left."""
    folder = make_data_dir()
    for name in ("text", "utt2spk", "spk2utt"):
        (folder / name).unlink()
    return folder


def with_mels(folder: Path, frames: int = int(FRAMES), bands: int = 4) -> np.ndarray:
    """Write a mel for every utterance, and return the first."""
    random = np.random.default_rng(0)
    mels = {f"utt_{i}": random.normal(size=(frames, bands)).astype(np.float32) for i in range(3)}
    kaldiio.save_ark(str(folder / "mel.ark"), mels, scp=str(folder / "mel.scp"))
    return mels["utt_0"]


def dataset(path: Path, **settings: Any) -> RecordingDataset:
    return RecordingDataset(open_recordings(path), DataConfig(**settings), AUDIO)


@pytest.mark.parametrize("segments", [True, False])
def test_a_whole_data_dir_is_read_as_it_is_elsewhere(
    make_data_dir: Callable[..., Path], segments: bool
) -> None:
    folder = make_data_dir(segments=segments)
    data, whole = dataset(folder), DataDir(folder)
    assert len(data) == 3 and list(data.seconds) == list(whole.seconds)
    for i in range(3):
        got = data[i]
        assert got.id == whole.key(i) and got.mel is None
        np.testing.assert_array_equal(got.wav, whole.wav(i, RATE))


def test_audio_alone_is_enough(bare: Path) -> None:
    data = dataset(bare)
    batch = collate([data[i] for i in range(3)])
    assert batch.tokens.shape == (3, 0) and batch.log_f0.shape == (3, 0)
    assert batch.wav.shape == (3, round(0.6 * RATE)) and batch.mel is None
    again = copy.deepcopy(data.recordings)  # by the same rules as pickle's
    np.testing.assert_array_equal(again.wav(1, RATE), data[1].wav)


def test_a_folder_of_audio_files(tmp_path: Path) -> None:
    for name, rate in (("b.wav", RATE), ("a/x.flac", 8000), ("a/y.WAV", RATE)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / name, 0.1 * np.ones(rate // 2), rate)
    (tmp_path / "notes.txt").write_text("no audio")
    found = open_recordings(tmp_path)
    assert isinstance(found, AudioFolder)
    assert [found.key(i) for i in range(len(found))] == ["a_x", "a_y", "b"]
    assert list(found.seconds) == [0.5, 0.5, 0.5]
    assert len(found.wav(0, RATE)) == RATE // 2 and found.mel(0) is None
    before = found.fingerprint()
    soundfile.write(tmp_path / "b.wav", np.zeros(RATE), RATE)
    assert open_recordings(tmp_path).fingerprint() != before


def test_what_is_no_recordings_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(MalsoriError, match="none: no such data dir and no folder"):
        open_recordings(tmp_path / "none")
    with pytest.raises(MalsoriError, match=r"no wav\.scp\) and no audio file: \.wav, "):
        open_recordings(tmp_path)
    (tmp_path / "a").mkdir()
    for name in ("a_x.wav", "a/x.wav"):
        soundfile.write(tmp_path / name, np.zeros(9), RATE)
    with pytest.raises(MalsoriError, match=r"the same id, 'a_x', as .*; rename one"):
        open_recordings(tmp_path)
    (tmp_path / "a" / "x.wav").write_text("no audio")
    (tmp_path / "a_x.wav").unlink()
    with pytest.raises(MalsoriError, match=r"x\.wav: not audio"):
        _ = open_recordings(tmp_path).seconds


def test_rows_that_do_not_belong_together(bare: Path) -> None:
    lines = (bare / "utt2dur").read_text().splitlines(keepends=True)
    (bare / "utt2dur").write_text("".join(lines[:2]))
    with pytest.raises(MalsoriError, match="utt2dur: 2 rows where segments has 3"):
        open_recordings(bare)
    (bare / "utt2dur").write_text("".join(lines[:2]) + "utt_9 0.6\n")
    with pytest.raises(MalsoriError, match="utt2dur:3: 'utt_9' where segments has 'utt_2'"):
        dataset(bare)[2]


def test_given_mels(bare: Path) -> None:
    first = with_mels(bare)
    data = dataset(bare)
    assert isinstance(data.recordings, AudioDir)
    np.testing.assert_array_equal(data[0].mel, first)
    batch = collate([data[0], replace(data[1], mel=data[1].mel[:30])])
    assert batch.mel is not None and batch.mel.shape == (2, int(FRAMES), 4)
    assert batch.mel_lengths is not None and batch.mel_lengths.tolist() == [int(FRAMES), 30]
    assert not batch.mel[1, 30:].any()


@pytest.mark.parametrize(
    ("frames", "bands", "told"),
    [
        (int(FRAMES) - 2, 4, "36 frames, but the recording has 38"),
        (int(FRAMES) + 2, 4, "40 frames, but the recording has 38"),
        (int(FRAMES), 5, "5 mel bands, but audio.mel_bands is 4"),
    ],
)
def test_mels_that_do_not_fit(bare: Path, frames: int, bands: int, told: str) -> None:
    with_mels(bare, frames, bands)
    with pytest.raises(MalsoriError, match=rf"mel\.scp: utt_0: {told}"):
        dataset(bare)[0]
    with_mels(bare, int(FRAMES) - 1)  # frames about the middle of their samples
    assert dataset(bare)[0].mel is not None


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_matrices_of_kaldi(tmp_path: Path, kind: type) -> None:
    matrix = np.random.default_rng(1).normal(size=(5, 3)).astype(kind)
    kaldiio.save_ark(str(tmp_path / "m.ark"), {"a": matrix, "b": matrix + 1})
    offset = (tmp_path / "m.ark").read_bytes().index(b"b \0B") + 2
    np.testing.assert_array_equal(read_matrix(f"{tmp_path}/m.ark:2"), matrix.astype(np.float32))
    found = read_matrix(f"{tmp_path}/m.ark:{offset}")
    np.testing.assert_array_equal(found, (matrix + 1).astype(np.float32))


def test_matrices_that_are_none(tmp_path: Path) -> None:
    ark = tmp_path / "m.ark"
    kaldiio.save_ark(str(ark), {"a": np.ones((5, 3), np.float32)})
    whole = ark.read_bytes()
    for content, told in (
        (whole[:-1], "damaged or no matrix"),
        (whole[:6], "damaged or no matrix"),
        (whole[:8] + b"\xff\xff\xff\x7f" + whole[12:], "damaged or no matrix"),
        (b"a \0BFV \4" + whole[8:], "no matrix of floats begins there"),
        (whole[:-4] + np.float32(np.nan).tobytes(), "1 of its numbers are not finite"),
    ):
        ark.write_bytes(content)
        with pytest.raises(VectorError, match=told):
            read_matrix(f"{ark}:2")
    with pytest.raises(VectorError, match="No such file"):
        read_matrix(f"{tmp_path}/none.ark:0")
    with pytest.raises(VectorError, match=r"is not 'file\.ark:offset'"):
        read_matrix(str(ark))


@pytest.mark.parametrize("cache", ["ram", "disk"])
def test_caches_give_what_is_read_without(bare: Path, tmp_path: Path, cache: Any) -> None:
    plain = dataset(bare)
    cached = dataset(bare, cache=cache, stats=str(tmp_path / "stats"))
    for _ in range(2):
        np.testing.assert_allclose(cached[1].wav, plain[1].wav, atol=1 / 32768)
    assert (tmp_path / "stats" / "cache").exists() == (cache == "disk")
