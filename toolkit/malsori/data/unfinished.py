"""F0 of a set of which a part is measured: stage 3 goes on there when it is run again.

Beside the archive that grows (``.NAME.f0.ark.unfinished``) a journal has a line for each chunk that
is in it, with its checksum: where each vector begins, what was rejected, the sums, and how long the
archive was then. What a kill left behind the last whole line is cut off.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from malsori.core.errors import MalsoriError
from malsori.core.files import sync_file, sync_folder


class UnfinishedArchive:
    """An archive of F0 that is being written, chunk after chunk.

    Args:
        path: What it becomes when it is finished.
        key: What it is made of; an archive that was made of something else is begun anew.

    Raises:
        MalsoriError: It cannot be written.
    """

    def __init__(self, path: Path, key: str) -> None:
        self.path = path
        self._aside = path.with_name(f".{path.name}.unfinished")
        self._journal = path.with_name(f".{path.name}.journal")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.chunks, size = self._whole(key)
            """How many are there."""
            self._ark = open(self._aside, "r+b" if self.chunks else "w+b")  # noqa: SIM115
            self._ark.truncate(size)
            self._ark.seek(size)
            self._notes = open(self._journal, "ab", buffering=0)  # noqa: SIM115
        except OSError as error:
            raise MalsoriError(f"{path}: cannot be written: {error.strerror}") from error

    def __enter__(self) -> UnfinishedArchive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self._ark.close()
        self._notes.close()
        if isinstance(error, OSError):
            reason = error.strerror or error
            raise MalsoriError(f"{self.path}: cannot be written: {reason}") from error

    def add(self, f0: list[tuple[str, NDArray[np.float32]]], notes: Mapping[str, Any]) -> None:
        """Append the vectors of a chunk.

        Args:
            f0: Utterances and their vectors, (T,).
            notes: What else ``notes`` tells of it: numbers, words, and lists of them.
        """
        import kaldiio

        places = []
        for key, contour in f0:
            places.append([key, self._ark.tell() + len(key.encode()) + 1])
            kaldiio.save_ark(self._ark, {key: contour})
        self._ark.flush()
        note = {**notes, "places": places, "size": self._ark.tell()}
        self._notes.write(_line(note))
        self.chunks += 1

    def notes(self) -> Iterator[dict[str, Any]]:
        """Yield what was noted of each chunk, from the journal: memory holds one at a time."""
        with open(self._journal, "rb") as file:
            file.readline()  # the key
            for note, _ in _whole_notes(file, self._ark.tell()):
                yield note

    def finish(self) -> None:
        """Put the archive into its place."""
        self._ark.flush()
        sync_file(self._aside)
        os.replace(self._aside, self.path)
        self._journal.unlink()
        sync_folder(self.path.parent)

    def _whole(self, key: str) -> tuple[int, int]:
        """Return the number of whole chunks and the archive's size with them."""
        count = size = 0
        if self._journal.exists() and self._aside.exists():
            there = self._aside.stat().st_size
            with open(self._journal, "r+b") as file:
                if _parsed(file.readline()) == {"key": key}:
                    whole = file.tell()
                    for note, end in _whole_notes(file, there):
                        count, size, whole = count + 1, note["size"], end
                    file.truncate(whole)
        if not count:
            self._journal.write_bytes(_line({"key": key}))
        return count, size


def _whole_notes(file: IO[bytes], size: int) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield notes and where each ends, up to the first that is not whole, or of more than there."""
    while (note := _parsed(file.readline())) is not None and note["size"] <= size:
        yield note, file.tell()


def _line(note: Mapping[str, Any]) -> bytes:
    content = json.dumps(note, ensure_ascii=False).encode()
    return b"%08x %s\n" % (zlib.crc32(content), content)


def _parsed(line: bytes) -> dict[str, Any] | None:
    """Return the content of a line, None if it is not whole."""
    checksum, _, content = line.rstrip(b"\n").partition(b" ")
    if not line.endswith(b"\n") or checksum != b"%08x" % zlib.crc32(content):
        return None
    note: dict[str, Any] = json.loads(content)
    return note
