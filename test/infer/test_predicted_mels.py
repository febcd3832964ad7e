"""Mels that are kept for vocoders: whole, in order, with the lists of their recordings."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from malsori.core.errors import MalsoriError
from malsori.data.datadir import DataDir
from malsori.data.recordings import given_mel, open_recordings
from malsori.dsp.griffin_lim import GriffinLim
from malsori.infer.predicted_mels import mel_archive
from malsori.infer.vocoder import MelVoice


def mel_of(data: DataDir, row: int, audio: Any) -> np.ndarray:
    frames = audio.frames(len(data.wav(row, audio.sample_rate)))
    return np.full((frames, audio.mel_bands), float(row), np.float32)


def keep(data: DataDir, folder: Path, rows: list[int], audio: Any, recorded: bool = True) -> None:
    with mel_archive(folder) as mels:
        for row in rows:  # longest first, as they are spoken: in no order
            mels.add(data.key(row), mel_of(data, row, audio))
    mels.write_lists(data, recorded)


@pytest.mark.parametrize("cut", [False, True])
def test_they_are_read_as_those_of_their_recordings(
    cut: bool, tiny_corpus: Any, tmp_path: Path
) -> None:
    audio, folder = tiny_corpus.settings().audio, tiny_corpus.data / "train"
    if cut:
        folder = shutil.copytree(folder, tmp_path / "cut")
        data = DataDir(folder)
        if not (folder / "segments").exists():
            rows = [f"{data.key(i)} {data.key(i)} 0.1 0.8\n" for i in range(len(data))]
            (folder / "segments").write_text("".join(rows))
            durations = [f"{data.key(i)} 0.7\n" for i in range(len(data))]
            (folder / "utt2dur").write_text("".join(durations))
    data = DataDir(folder)
    keep(data, tmp_path / "mels", [9, 2, 5], audio)
    recordings = open_recordings(tmp_path / "mels")
    assert [recordings.key(i) for i in range(3)] == [data.key(row) for row in (2, 5, 9)]
    for i, row in enumerate((2, 5, 9)):
        wav = recordings.wav(i, audio.sample_rate)
        np.testing.assert_array_equal(wav, data.wav(row, audio.sample_rate))
        mel = given_mel(recordings, i, audio, len(wav))
        np.testing.assert_array_equal(mel, mel_of(data, row, audio))


def test_lists_of_an_earlier_run_do_not_stay(tiny_corpus: Any, tmp_path: Path) -> None:
    data, audio = DataDir(tiny_corpus.data / "train"), tiny_corpus.settings().audio
    keep(data, tmp_path, [1, 0], audio)
    assert (tmp_path / "wav.scp").exists()
    keep(data, tmp_path, [3], audio, recorded=False)
    assert {path.name for path in tmp_path.iterdir()} == {"mel.ark", "mel.scp"}
    assert (tmp_path / "mel.scp").read_text().split()[0] == data.key(3)


def test_an_archive_that_was_not_finished_is_not_there(tmp_path: Path) -> None:
    def stop() -> None:
        with mel_archive(tmp_path) as mels:
            mels.add("u1", np.zeros((2, 3), np.float32))
            raise MalsoriError("stop")

    with pytest.raises(MalsoriError, match="stop"):
        stop()
    assert not list(tmp_path.iterdir())


def test_griffin_lim_copies_recordings_as_a_vocoder_does(tiny_corpus: Any) -> None:
    data, audio = DataDir(tiny_corpus.data / "test"), tiny_corpus.settings().audio
    voice = MelVoice(model=GriffinLim(audio, iterations=20), audio=audio, origin="Griffin-Lim")
    wavs = [data.wav(row, audio.sample_rate) for row in (0, 1)]
    made = voice.copy(wavs)
    assert [len(wav) for wav in made] == [len(wav) for wav in wavs]
    for wav, copy in zip(wavs, made, strict=True):
        ratio = np.sqrt(np.square(copy).mean() / np.square(wav).mean())
        assert 0.5 < ratio < 1.2  # 20 bands know little of harmonics
