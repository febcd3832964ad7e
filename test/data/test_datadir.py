"""Data dirs: what they give back, and what they refuse."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import kaldiio
import numpy as np
import pytest

from malsori.core.errors import MalsoriError
from malsori.data.datadir import AudioSource, DataDir

Make = Callable[..., Path]


def test_utterances_come_back_as_written(make_data_dir: Make, tmp_path: Path) -> None:
    data = DataDir(make_data_dir(3))
    assert len(data) == 3
    assert [data.key(i) for i in range(3)] == ["utt_0", "utt_1", "utt_2"]
    assert data.text(1) == "안녕하세요. utt_1"
    assert [data.speaker(i) for i in range(3)] == ["spk_a", "spk_b", "spk_b"]
    assert data.speakers() == ["spk_a", "spk_b"]
    assert data.find("utt_2") == 2 and data.find("utt_3") is None
    np.testing.assert_array_equal(data.seconds, np.float32([0.6, 0.6, 0.6]))
    assert data.source(2) == AudioSource(path=str(tmp_path / "utt_2.wav"), start=0.1, end=0.7)
    assert data.wav(2, 16000).shape == (9600,)
    assert data.wav(2, 8000).shape == (4800,)


def test_without_segments_the_whole_recording_is_the_utterance(make_data_dir: Make) -> None:
    data = DataDir(make_data_dir(2, segments=False))
    assert data.source(0).end is None
    assert data.wav(0, 16000).shape == (12800,)


def test_languages_are_optional(make_data_dir: Make) -> None:
    folder = make_data_dir(2)
    assert DataDir(folder).language(0) is None and DataDir(folder).languages() == []
    (folder / "utt2lang").write_text("utt_0 ko\nutt_1 en\n")
    assert DataDir(folder).language(1) == "en" and DataDir(folder).languages() == ["en", "ko"]


def test_recordings_may_differ_from_utterances(make_data_dir: Make, tmp_path: Path) -> None:
    folder = make_data_dir(3)
    (folder / "wav.scp").write_text(f"rec_a {tmp_path}/utt_1.wav\nrec_b {tmp_path}/utt_0.wav\n")
    (folder / "segments").write_text(
        "utt_0 rec_b 0 0.6\nutt_1 rec_a 0.1 0.7\nutt_2 rec_a 0.2 0.8\n"
    )
    data = DataDir(folder)
    assert Path(data.source(0).path).name == "utt_0.wav"
    assert data.source(2) == AudioSource(path=f"{tmp_path}/utt_1.wav", start=0.2, end=0.8)


def test_audio_may_be_in_an_archive(make_data_dir: Make, tmp_path: Path) -> None:
    folder = make_data_dir(1)
    wav = (np.arange(16000) % 100).astype(np.int16)
    kaldiio.save_ark(str(tmp_path / "a.ark"), {"utt_0": (16000, wav)}, str(folder / "wav.scp"))
    np.testing.assert_allclose(DataDir(folder).wav(0, 16000), wav[1600:11200] / 32768, atol=1e-7)


def test_a_data_dir_can_be_sent_to_a_worker(make_data_dir: Make) -> None:
    data = pickle.loads(pickle.dumps(DataDir(make_data_dir(2))))  # noqa: S301
    assert data.text(1) == "안녕하세요. utt_1" and data.seconds[1] == np.float32(0.6)


@pytest.mark.parametrize("name", ["text", "wav.scp", "utt2spk", "spk2utt", "utt2dur"])
def test_a_missing_or_empty_file_is_named(make_data_dir: Make, name: str) -> None:
    folder = make_data_dir(2)
    (folder / name).write_text("")
    with pytest.raises(MalsoriError, match=rf"{name}: empty file"):
        DataDir(folder)
    (folder / name).unlink()
    with pytest.raises(MalsoriError, match=rf"{name}: no such file"):
        DataDir(folder)


def test_a_missing_folder_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MalsoriError, match=r"no such data dir: run stage 1"):
        DataDir(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["utt2spk", "utt2dur", "segments"])
def test_files_that_do_not_belong_together_are_refused(make_data_dir: Make, name: str) -> None:
    folder = make_data_dir(3)
    lines = (folder / name).read_text().splitlines()
    (folder / name).write_text("\n".join(lines[:2]) + "\n")
    with pytest.raises(MalsoriError, match=rf"{name}: 2 utterances where text has 3"):
        DataDir(folder)
    (folder / name).write_text(
        "\n".join([lines[0], lines[1], lines[2].replace("utt_2", "x")]) + "\n"
    )
    with pytest.raises(MalsoriError, match=rf"{name}:3: 'x' where text has 'utt_2'"):
        DataDir(folder)


def test_a_difference_between_the_sampled_rows_is_found_on_access(make_data_dir: Make) -> None:
    folder = make_data_dir(1)
    ids = [f"utt_{i:05d}" for i in range(5000)]
    for name, value in (("text", "x"), ("utt2dur", "1"), ("utt2spk", "s"), ("wav.scp", "a.wav")):
        (folder / name).write_text("".join(f"{key} {value}\n" for key in ids))
    (folder / "segments").unlink()
    wrong = (folder / "utt2spk").read_text().replace("utt_00777 ", "utt_00777b ")
    (folder / "utt2spk").write_text(wrong)
    data = DataDir(folder)
    assert data.speaker(776) == "s"
    with pytest.raises(MalsoriError, match="'utt_00777b' where text has 'utt_00777'"):
        data.speaker(777)


def test_a_shell_pipe_is_refused_with_an_explanation(make_data_dir: Make, tmp_path: Path) -> None:
    folder = make_data_dir(1)
    (folder / "wav.scp").write_text(f"utt_0 touch {tmp_path}/trace |\n")
    with pytest.raises(MalsoriError, match=r"wav.scp:1: a shell pipe: malsori runs no commands"):
        DataDir(folder).wav(0, 16000)
    assert not (tmp_path / "trace").exists()


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("utt_0 utt_0 0.1", "expected 'utterance"),
        ("utt_0 x 0 1", "recording 'x' is not in wav.scp"),
    ],
)
def test_a_wrong_segment_is_named(make_data_dir: Make, row: str, told: str) -> None:
    folder = make_data_dir(1)
    (folder / "segments").write_text(row + "\n")
    with pytest.raises(MalsoriError, match=f"segments:1: {told}"):
        DataDir(folder).source(0)
