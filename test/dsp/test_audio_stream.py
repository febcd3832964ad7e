from __future__ import annotations

import io
import struct
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile

from malsori.core.errors import MalsoriError
from malsori.dsp import audio
from malsori.dsp.audio_stream import HEADER, AudioStream, audio_stream

PIECES = [
    np.linspace(-1, 1, 300, dtype=np.float32),
    np.zeros(0, np.float32),
    np.ones(7, np.float32),
]


def test_a_file_is_what_audio_write_makes(tmp_path: Path) -> None:
    with audio_stream(tmp_path / "new" / "x.wav", 8000) as stream:
        for piece in PIECES:
            stream.write(piece)
    audio.write(tmp_path / "whole.wav", np.concatenate(PIECES), 8000)
    found, rate = soundfile.read(tmp_path / "new" / "x.wav", dtype="int16")
    wanted, _ = soundfile.read(tmp_path / "whole.wav", dtype="int16")
    assert rate == 8000
    np.testing.assert_array_equal(found, wanted)
    with wave.open(str(tmp_path / "new" / "x.wav")) as file:
        assert (file.getnframes(), file.getnchannels(), file.getsampwidth()) == (307, 1, 2)


def test_samples_are_there_before_the_end(tmp_path: Path) -> None:
    with audio_stream(tmp_path / "x.wav", 8000) as stream:
        stream.write(PIECES[0])
        assert (tmp_path / "x.wav").stat().st_size == HEADER.size + 600


class Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False


def test_a_pipe_has_a_header_that_promises_more(tmp_path: Path) -> None:
    pipe = Pipe()
    stream = AudioStream(pipe, "-", 24000)
    stream.write(PIECES[0])
    stream.finish()
    content = pipe.getvalue()
    assert content[:4] == b"RIFF" and content[8:16] == b"WAVEfmt "
    assert struct.unpack("<I", content[40:44]) == (0xFFFFFFFF,)
    assert len(content) == HEADER.size + 600


def test_raw_samples_have_no_header(tmp_path: Path) -> None:
    with audio_stream(tmp_path / "x.raw", 8000, raw=True) as stream:
        stream.write(np.array([0.0, 1.0, -1.0, 3.0], dtype=np.float32))
    assert (tmp_path / "x.raw").read_bytes() == struct.pack("<4h", 0, 32767, -32767, 32767)


def test_clipping_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with audio_stream(tmp_path / "x.wav", 8000) as stream:
        stream.write(2 * PIECES[0])
        stream.write(2 * PIECES[0])
    assert [record.message for record in caplog.records] == [f"{tmp_path / 'x.wav'}: clipped"]


def test_what_cannot_be_written(tmp_path: Path) -> None:
    with (
        pytest.raises(MalsoriError, match=f"{tmp_path}: cannot be written"),
        audio_stream(tmp_path, 8000),
    ):
        pass
    with (
        pytest.raises(MalsoriError, match=r"x\.wav.*not finite"),
        audio_stream(tmp_path / "x.wav", 8000) as stream,
    ):
        stream.write(np.array([np.nan], dtype=np.float32))
