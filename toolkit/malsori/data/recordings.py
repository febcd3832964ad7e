"""Recordings without texts: a data dir of which only the audio is read, or a folder of audio files.

A data dir needs ``wav.scp`` (``segments`` where it has them) and ``utt2dur``. With ``mel.scp``, one
``utterance archive.ark:offset`` a line, predicted mel spectrograms stand for those of the audio:
matrices (T, M) of log10 mel amplitudes, not normalised, so that no other file is needed to read
them.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from malsori.core.errors import MalsoriError
from malsori.core.files import add_content
from malsori.core.log import get_logger
from malsori.data.audio_files import AudioFiles
from malsori.data.batch import Utterance
from malsori.data.dataset import DataConfig, open_cache
from malsori.data.table import Table
from malsori.data.vectors import VectorError, read_matrix
from malsori.dsp import audio
from malsori.dsp.audio_config import AudioConfig

log = get_logger(__name__)

SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")
"""What a folder of audio files is searched for."""
MEL_TOLERANCE = 1
"""Frames by which a given mel may differ from the audio's: frames lie about the first sample of a
hop or about its middle, and resampling rounds."""


class Recordings(Protocol):
    """Recordings by number."""

    path: Path

    def __len__(self) -> int: ...

    @property
    def seconds(self) -> NDArray[np.float32]:
        """Duration of each, (U,)."""
        ...

    def key(self, i: int) -> str:
        """Return the id of recording ``i``."""
        ...

    def wav(self, i: int, sample_rate: int) -> NDArray[np.float32]:
        """Return the waveform of recording ``i`` at this sample rate, (S,)."""
        ...

    def mel(self, i: int) -> NDArray[np.float32] | None:
        """Return the mel spectrogram given for recording ``i``, (T, M); None if there is none."""
        ...

    def fingerprint(self) -> str:
        """Return a hash that changes when a recording does."""
        ...


def open_recordings(path: str | Path) -> Recordings:
    """Return the recordings of a data dir, or of a folder of audio files.

    Raises:
        MalsoriError: There is no such folder, or nothing in it.
    """
    path = Path(path)
    if not path.is_dir():
        raise MalsoriError(f"{path}: no such data dir and no folder of audio files")
    if not (path / "wav.scp").exists():
        return AudioFolder(path)
    if (path / "mel.scp").exists():
        log.info("%s: the mels that mel.scp names stand for the recordings' own", path)
    return AudioDir(path)


class AudioDir:
    """The recordings of a data dir.

    Args:
        path: The data dir.

    Raises:
        MalsoriError: A file is missing or empty, or they have not the same number of rows.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._audio = AudioFiles(path)
        self._duration = Table(path / "utt2dur")
        mels = path / "mel.scp"
        self._mel = Table(mels) if mels.exists() else None
        self._seconds: NDArray[np.float32] | None = None
        for table in filter(None, (self._duration, self._mel)):
            if len(table) != len(self):
                raise MalsoriError(
                    f"{table.path}: {len(table)} rows where {self._audio.rows.path.name} has "
                    f"{len(self)}; write both for the same utterances"
                )

    def __len__(self) -> int:
        return len(self._audio.rows)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"])  # type: ignore[misc]

    @property
    def seconds(self) -> NDArray[np.float32]:
        """Duration of each, (U,)."""
        if self._seconds is None:
            self._seconds = self._duration.floats()
        return self._seconds

    def key(self, i: int) -> str:
        """Return the id of utterance ``i``."""
        return self._audio.rows.key(i)

    def wav(self, i: int, sample_rate: int) -> NDArray[np.float32]:
        """Return the waveform of utterance ``i`` at this sample rate, (S,).

        Raises:
            MalsoriError: The rows do not belong together, or the audio cannot be read.
        """
        self._check(self._duration, i)
        source = self._audio.source(i)
        return audio.read(source.path, sample_rate, source.start, source.end)[0]

    def mel(self, i: int) -> NDArray[np.float32] | None:
        """Return the matrix that ``mel.scp`` names for utterance ``i``, (T, M); None without one.

        Raises:
            MalsoriError: The rows do not belong together, or the matrix cannot be read.
        """
        if self._mel is None:
            return None
        self._check(self._mel, i)
        try:
            return read_matrix(self._mel.value(i))
        except VectorError as error:
            raise MalsoriError(f"{self._mel.path}:{i + 1}: {error}") from error

    def fingerprint(self) -> str:
        """Return a hash that changes when an utterance or its audio file does."""
        total = hashlib.sha256()
        for name in ("wav.scp", "segments", "utt2dur"):
            path = self.path / name
            if path.exists():
                add_content(total, path)
            else:
                total.update(b"-")
        for state in self._audio.states():
            total.update(state.encode())
        return total.hexdigest()

    def _check(self, table: Table, i: int) -> None:
        if not table.has_key(i, self.key(i)):
            raise MalsoriError(
                f"{table.path}:{i + 1}: {table.key(i)!r} where {self._audio.rows.path.name} has "
                f"{self.key(i)!r}; sort both by their ids (LC_ALL=C sort)"
            )


class AudioFolder:
    """The audio files of a folder and of those in it; ids are their names.

    Args:
        path: The folder.

    Raises:
        MalsoriError: It has no audio file, or two of the same id.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        found: dict[str, Path] = {}
        for file in sorted(path.rglob("*")):
            if file.suffix.lower() not in SUFFIXES or not file.is_file():
                continue
            key = "_".join(file.relative_to(path).with_suffix("").parts)
            if key in found:
                raise MalsoriError(f"{file}: the same id, {key!r}, as {found[key]}; rename one")
            found[key] = file
        if not found:
            raise MalsoriError(
                f"{path}: no data dir (it has no wav.scp) and no audio file: {', '.join(SUFFIXES)}"
            )
        self._keys = sorted(found)
        self._files = [found[key] for key in self._keys]
        self._seconds: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def seconds(self) -> NDArray[np.float32]:
        """Duration of each, (U,), from the files' headers.

        Raises:
            MalsoriError: A file is no audio.
        """
        if self._seconds is None:
            found = [audio.info(file).seconds for file in self._files]
            self._seconds = np.array(found, dtype=np.float32)
        return self._seconds

    def key(self, i: int) -> str:
        """Return the id of file ``i``."""
        return self._keys[i]

    def wav(self, i: int, sample_rate: int) -> NDArray[np.float32]:
        """Return the waveform of file ``i`` at this sample rate, (S,).

        Raises:
            MalsoriError: The audio cannot be read.
        """
        return audio.read(self._files[i], sample_rate)[0]

    def mel(self, i: int) -> NDArray[np.float32] | None:
        """Return None: a folder of audio files has no mel spectrograms."""
        return None

    def fingerprint(self) -> str:
        """Return a hash that changes when a file does."""
        total = hashlib.sha256()
        for file in self._files:
            state = file.stat()
            total.update(f"{file} {state.st_size} {state.st_mtime_ns}\n".encode())
        return total.hexdigest()


class RecordingDataset:
    """Recordings to train a vocoder on, read one at a time.

    Args:
        recordings: From ``open_recordings``.
        config: The cache, and where it is.
        audio: Sample rate, hop and mel bands.
    """

    def __init__(self, recordings: Recordings, config: DataConfig, audio: AudioConfig) -> None:
        self.recordings, self.audio = recordings, audio
        self.seconds = recordings.seconds
        self._cache = open_cache(
            config,
            recordings.path.name,
            self.seconds,
            audio.sample_rate,
            recordings.fingerprint,
        )

    def __len__(self) -> int:
        return len(self.recordings)

    def __getitem__(self, i: int) -> Utterance:
        """Return recording ``i``, with the mel spectrogram given for it, if one is.

        Raises:
            MalsoriError: It cannot be read, or its mel has other bands or another length.
        """
        rate = self.audio.sample_rate
        if self._cache is None:
            wav = self.recordings.wav(i, rate)
        else:
            wav = self._cache.get(i, lambda: self.recordings.wav(i, rate))
        mel = given_mel(self.recordings, i, self.audio, len(wav))
        return Utterance(id=self.recordings.key(i), wav=wav, mel=mel)


def given_mel(
    recordings: Recordings, i: int, audio: AudioConfig, samples: int
) -> NDArray[np.float32] | None:
    """Return the mel spectrogram given for recording ``i``, (T, M); None if there is none.

    Args:
        recordings: What it belongs to.
        i: Which recording.
        audio: Hop and mel bands.
        samples: Of the recording, at ``audio.sample_rate``.

    Raises:
        MalsoriError: It cannot be read, or has other bands or another length than the recording.
    """
    mel = recordings.mel(i)
    if mel is None:
        return None
    where, frames = f"{recordings.path / 'mel.scp'}: {recordings.key(i)}", audio.frames(samples)
    if mel.shape[1] != audio.mel_bands:
        raise MalsoriError(
            f"{where}: {mel.shape[1]} mel bands, but audio.mel_bands is {audio.mel_bands}"
        )
    if abs(len(mel) - frames) > MEL_TOLERANCE:
        raise MalsoriError(
            f"{where}: {len(mel)} frames, but the recording has {frames}; predict it with the "
            f"recording's own durations (teacher forcing), at a hop of {audio.hop}"
        )
    return mel
