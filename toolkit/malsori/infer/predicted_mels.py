"""Predicted mel spectrograms of a set, kept for vocoders: ``mel.ark`` and ``mel.scp``.

Matrices (T, M) of log10 mel amplitudes, not normalised. Where they have the recordings' lengths,
the lists of the recordings are written beside them: a folder to fine-tune a vocoder on.

Axes: T frames, M mel bands.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from malsori.core.files import atomic_write, write_text
from malsori.core.log import get_logger
from malsori.data.datadir import DataDir
from malsori.data.table import Table

log = get_logger(__name__)

LISTS = ("wav.scp", "segments", "utt2dur")
"""What a vocoder reads of a data dir, besides ``mel.scp``."""


class MelArchive:
    """An archive that is being written; ``mel_archive`` opens one.

    Args:
        file: The archive.
        folder: Where it will be, once it is whole.
    """

    def __init__(self, file: IO[bytes], folder: Path) -> None:
        self._file, self.folder = file, folder
        self._places: dict[str, str] = {}

    def add(self, key: str, mel: NDArray[np.float32]) -> None:
        """Append the mel of an utterance, (T, M), log10 amplitudes."""
        import kaldiio

        offset = self._file.tell() + len(key.encode()) + 1
        kaldiio.save_ark(self._file, {key: mel})
        self._places[key] = f"{(self.folder / 'mel.ark').absolute()}:{offset}"

    def write_lists(self, data: DataDir, recorded: bool) -> None:
        """Write ``mel.scp`` and, beside mels that line up with recordings, the lists of these.

        Args:
            data: Where the utterances are from.
            recorded: Whether the mels have the durations of the recordings.
        """
        keys = sorted(self._places, key=str.encode)
        write_text(self.folder / "mel.scp", "".join(f"{k} {self._places[k]}\n" for k in keys))
        for name in LISTS:
            source, copy = data.path / name, self.folder / name
            copy.unlink(missing_ok=True)
            if recorded and source.exists():
                whole = name == "wav.scp" and (data.path / "segments").exists()
                write_text(copy, "".join(_rows(source, None if whole else self._places.keys())))
        if recorded:
            log.info("%s: can be data.train of the task vocoder", self.folder)
        else:
            log.info(
                "%s: mels of free speech, not as long as recordings; a vocoder is fine-tuned on "
                "those of --teacher-forcing",
                self.folder,
            )


@contextlib.contextmanager
def mel_archive(folder: Path) -> Iterator[MelArchive]:
    """Give an archive ``mel.ark`` in ``folder``, there when the block ends well.

    Raises:
        MalsoriError: It cannot be written.
    """
    file: Any
    with atomic_write(folder / "mel.ark", "wb") as file:
        yield MelArchive(file, folder)


def _rows(path: Path, keys: Collection[str] | None) -> Iterator[str]:
    """Yield the lines of a table, those of ``keys`` alone unless that is None."""
    for key, value in Table(path).items():
        if keys is None or key in keys:
            yield f"{key} {value}\n"
