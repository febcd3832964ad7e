"""Audio written while it is made: WAV, or samples alone, into a file or a pipe.

Source: Microsoft, IBM 1991, "Multimedia Programming Interface and Data Specifications 1.0", on the
RIFF WAVE format. Lengths in the header are filled in at the end; a pipe, which takes nothing back,
keeps the largest number, which players read as "until the end".
"""

from __future__ import annotations

import contextlib
import os
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from malsori.core.errors import MalsoriError
from malsori.core.log import get_logger
from malsori.dsp.audio import AudioError

log = get_logger(__name__)

UNKNOWN = 0xFFFFFFFF
"""Bytes of data where nobody knows yet."""
HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


class AudioStream:
    """Takes samples of one channel and writes them at once, 16 bits each.

    Args:
        file: Where to.
        name: Of it, for messages.
        sample_rate: Samples a second.
        raw: Write no header.
    """

    def __init__(self, file: IO[bytes], name: str, sample_rate: int, raw: bool = False) -> None:
        self._file, self._name, self._rate, self._raw = file, name, sample_rate, raw
        self._bytes, self._clipped = 0, False
        self._start = file.tell() if file.seekable() else None
        self._begin(UNKNOWN)

    def write(self, samples: NDArray[np.float32]) -> None:
        """Write samples, (S,), full scale 1; what is beyond is clipped, with a warning.

        Raises:
            AudioError: Some are not finite.
        """
        if not np.isfinite(samples).all():
            raise AudioError(self._name, "the waveform has samples that are not finite")
        if not self._clipped and abs(samples).max(initial=0.0) > 1:
            self._clipped = True
            log.warning("%s: clipped", self._name)
        whole = np.round(np.clip(samples, -1.0, 1.0) * 32767.0).astype("<i2").tobytes()
        self._bytes += len(whole)
        self._file.write(whole)
        self._file.flush()

    def finish(self) -> None:
        """Fill in the lengths, if the file takes anything back."""
        if self._start is not None and not self._raw:
            self._file.seek(self._start)
            self._begin(self._bytes)
            self._file.seek(0, os.SEEK_END)

    def _begin(self, data: int) -> None:
        if self._raw:
            return
        riff = min(data + HEADER.size - 8, UNKNOWN)
        head = (b"RIFF", riff, b"WAVE", b"fmt ", 16, 1, 1, self._rate, 2 * self._rate, 2, 16)
        self._file.write(HEADER.pack(*head, b"data", min(data, UNKNOWN)))
        self._file.flush()


@contextlib.contextmanager
def audio_stream(path: Path, sample_rate: int, raw: bool = False) -> Iterator[AudioStream]:
    """Give a stream into a file, or into standard output for ``-``.

    What was written before an error stays there.

    Raises:
        MalsoriError: The file cannot be written.
        BrokenPipeError: Whoever reads has left.
    """
    try:
        with contextlib.ExitStack() as stack:
            if str(path) == "-":
                file: IO[bytes] = sys.stdout.buffer
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                file = stack.enter_context(open(path, "wb"))
            stream = AudioStream(file, str(path), sample_rate, raw)
            yield stream
            stream.finish()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise MalsoriError(f"{path}: cannot be written: {error.strerror or error}") from error
