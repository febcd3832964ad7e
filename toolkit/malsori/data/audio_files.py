"""Where the audio of a data dir is: ``wav.scp``, and ``segments`` where it has them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from malsori.core.errors import MalsoriError
from malsori.data.table import Table


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioSource:
    """Where the sound of one utterance is."""

    path: str
    """Audio file, or ``archive.ark:offset``."""
    start: float = 0.0
    """Where the utterance begins in it, in seconds."""
    end: float | None = None
    """Where the utterance ends in it, in seconds; None for the end of the file."""


def state_key(source: AudioSource) -> bytes | None:
    """Return 16 bytes for the place, size and time of change of audio; None if it is not there."""
    file, colon, offset = source.path.rpartition(":")
    try:
        state = os.stat(source.path)
    except OSError:
        try:
            state = os.stat(file if colon and offset.isdecimal() else source.path)
        except OSError:
            return None
    words = f"{source.path}\0{source.start}\0{source.end}\0{state.st_size}\0{state.st_mtime_ns}"
    return hashlib.blake2b(words.encode(errors="surrogateescape"), digest_size=16).digest()


class AudioFiles:
    """The audio of a data dir, by the row of ``segments``, or of ``wav.scp`` if there are none.

    Args:
        folder: The data dir.

    Raises:
        MalsoriError: There is no ``wav.scp``, or a file is empty.
    """

    def __init__(self, folder: Path) -> None:
        self._recording = Table(folder / "wav.scp")
        segments = folder / "segments"
        self._segment = Table(segments) if segments.exists() else None

    @property
    def rows(self) -> Table:
        """The file whose keys are the utterances."""
        return self._segment or self._recording

    def source(self, i: int) -> AudioSource:
        """Return where the audio of row ``i`` is.

        Raises:
            MalsoriError: The row of ``segments`` is no segment, its recording is not in
                ``wav.scp``, or the audio is a shell pipe.
        """
        if self._segment is None:
            return AudioSource(path=self._plain(i))
        fields = self._segment.value(i).split()
        try:
            recording, start, end = fields[0], float(fields[1]), float(fields[2])
        except (IndexError, ValueError):
            raise MalsoriError(
                f"{self._segment.path}:{i + 1}: expected 'utterance recording start end'"
            ) from None
        row: int | None = i if self._recording.has_key(i, recording) else None
        if row is None:
            row = self._recording.find(recording)
        if row is None:
            raise MalsoriError(
                f"{self._segment.path}:{i + 1}: recording {recording!r} is not in wav.scp"
            )
        return AudioSource(path=self._plain(row), start=start, end=end)

    def states(self) -> Iterator[str]:
        """Yield size and time of the last change of every audio file that is there."""
        for _, recording in self._recording.items():
            file, colon, offset = recording.rpartition(":")
            try:
                state = os.stat(file if colon and offset.isdecimal() else recording)
            except OSError:
                continue  # reading it will say what is wrong
            yield f"{state.st_size} {state.st_mtime_ns}\n"

    def _plain(self, row: int) -> str:
        path = self._recording.value(row)
        if path.endswith("|"):
            raise MalsoriError(
                f"{self._recording.path}:{row + 1}: a shell pipe: malsori runs no commands out of "
                "data; write the command's output into files and name those"
            )
        return path
