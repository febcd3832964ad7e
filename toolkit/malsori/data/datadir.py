"""A data dir: which utterances there are, what is said in them, by whom, and where the audio is.

The files are Kaldi's: ``text``, ``wav.scp``, ``utt2spk``, ``spk2utt``, ``utt2dur``, and where
they are wanted ``segments``, ``utt2lang``, and speaker vectors: ``xvector.scp`` (one for each
utterance) or ``spk2xvector.scp`` (one for each speaker), and ``xvector.json``, which names their
encoder. Paths in them are absolute, or relative to the folder in which the command runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from malsori.core.errors import MalsoriError
from malsori.core.files import add_content
from malsori.data.audio_files import AudioFiles, AudioSource
from malsori.data.table import Table, first_words
from malsori.data.vectors import RECORD, VectorError, read_record, read_vector
from malsori.dsp import audio

if TYPE_CHECKING:
    from numpy.typing import NDArray

COMPARED_ROWS = 100


class DataDir:
    """The utterances of a data dir, numbered in the order of their keys.

    Opening compares the number of rows of all files and the keys of up to 100 rows; each access
    compares the key of its row, so that files which do not belong together are never mixed
    silently. ``malsori data check`` compares everything.

    Args:
        path: The folder.

    Raises:
        MalsoriError: A file is missing or empty, or the files hold different utterances.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if not self.path.is_dir():
            raise MalsoriError(f"{self.path}: no such data dir: run stage 1 of the recipe")
        self._text = Table(self.path / "text")
        self._speaker = Table(self.path / "utt2spk")
        self._duration = Table(self.path / "utt2dur")
        self._audio = AudioFiles(self.path)
        self._language = self._optional("utt2lang")
        self._vector = self._optional("xvector.scp")
        self._speaker_vector = self._optional("spk2xvector.scp")
        next(first_words(self.path / "spk2utt"))  # that it is there
        tables = [self._speaker, self._duration, self._audio.rows]
        for table in [*tables, *filter(None, [self._language, self._vector])]:
            self._compare(table)
        self._seconds: NDArray[np.float32] | None = None
        self._embedding_size: int | None = None

    def __len__(self) -> int:
        return len(self._text)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"])  # type: ignore[misc]

    def key(self, i: int) -> str:
        """Return the id of utterance ``i``, 0 ≤ i < len."""
        return self._text.key(i)

    def keys(self, first: int = 0, last: int | None = None) -> Iterator[str]:
        """Yield the ids of the utterances from ``first`` up to ``last``, of all unless told."""
        return self._text.keys(first, last)

    def find(self, key: str) -> int | None:
        """Return the number of the utterance with this id, None if there is none."""
        return self._text.find(key)

    def text(self, i: int) -> str:
        """Return what is said in utterance ``i``."""
        return self._text.value(i)

    def speaker(self, i: int) -> str:
        """Return the speaker's id of utterance ``i``."""
        return self._value(self._speaker, i)

    def language(self, i: int) -> str | None:
        """Return the language of utterance ``i``, None where the data dir has no ``utt2lang``."""
        return None if self._language is None else self._value(self._language, i)

    @property
    def has_embeddings(self) -> bool:
        """Whether the data dir names speaker vectors."""
        return self._vector is not None or self._speaker_vector is not None

    @property
    def embedding_size(self) -> int:
        """Numbers of a speaker vector, as the first one has; 0 where the data dir has none."""
        if self._embedding_size is None:
            table = self._vector or self._speaker_vector
            self._embedding_size = 0 if table is None else len(self._read_vector(table, 0))
        return self._embedding_size

    def embedding(self, i: int) -> NDArray[np.float32] | None:
        """Return the speaker vector of utterance ``i``, (E,); None where the data dir has none.

        Raises:
            MalsoriError: It is missing, cannot be read or has another size than the first one.
        """
        table, row = self._vector, i
        if table is not None:
            self._value(table, i)  # looks at the key
        else:
            table = self._speaker_vector
            if table is None:
                return None
            speaker = self.speaker(i)
            found = table.find(speaker)
            if found is None:
                raise MalsoriError(
                    f"{table.path}: no vector of {speaker!r}, who speaks {self.key(i)!r}"
                )
            row = found
        vector = self._read_vector(table, row)
        if len(vector) != self.embedding_size:
            raise MalsoriError(
                f"{table.path}:{row + 1}: {len(vector)} numbers, the first vector has "
                f"{self.embedding_size}"
            )
        return vector

    @property
    def speaker_encoder(self) -> str | None:
        """Name of the encoder that the speaker vectors are of; None where nobody says.

        Raises:
            MalsoriError: The record is damaged.
        """
        record = read_record(self.path) if self.has_embeddings else {}
        return record.get("encoder")

    def check_embeddings(self, size: int, encoder: str | None = None) -> None:
        """Refuse to give speaker vectors to a model that takes others than these.

        Args:
            size: Numbers that the model takes.
            encoder: Whose vectors it was trained with; None where nobody knows.

        Raises:
            MalsoriError: The data dir has no vectors, of another size or of another encoder.
        """
        taken = f"the model takes {size} numbers (model.speaker_embedding.size)"
        table = self._vector or self._speaker_vector
        if table is None:
            raise MalsoriError(f"{self.path}: no xvector.scp and no spk2xvector.scp, but {taken}")
        if self.embedding_size != size:
            raise MalsoriError(f"{table.path}: vectors of {self.embedding_size}, but {taken}")
        own = self.speaker_encoder
        if own and encoder and own != encoder:
            raise MalsoriError(
                f"{self.path / RECORD}: vectors of the encoder {own}, but the model knows those of "
                f"{encoder}: 'malsori embed-speakers --encoder {encoder}' makes such"
            )

    @property
    def seconds(self) -> NDArray[np.float32]:
        """Duration of every utterance in seconds, (utterances,)."""
        if self._seconds is None:
            self._seconds = self.read_seconds()
        return self._seconds

    def read_seconds(self) -> NDArray[np.float32]:
        """Return the same as a new array, which the data dir does not keep."""
        return self._duration.floats()

    def source(self, i: int) -> AudioSource:
        """Return where the audio of utterance ``i`` is.

        Raises:
            MalsoriError: The row of ``segments`` is no segment, its recording is not in
                ``wav.scp``, or the audio is a shell pipe.
        """
        self._value(self._audio.rows, i)  # looks at the key
        return self._audio.source(i)

    def wav(self, i: int, sample_rate: int) -> NDArray[np.float32]:
        """Return the waveform of utterance ``i`` at this sample rate, float32 (S,).

        Raises:
            AudioError: The audio cannot be read.
        """
        source = self.source(i)
        return audio.read(source.path, sample_rate, source.start, source.end)[0]

    def fingerprint(self) -> str:
        """Return a hash that changes when an utterance, its text or its audio file does.

        Of audio files size and time of the last change are looked at, not the content.
        """
        total = hashlib.sha256()
        for name in ("text", "wav.scp", "segments", "utt2dur"):
            path = self.path / name
            if path.exists():
                add_content(total, path)
            else:
                total.update(b"-")
        for state in self._audio.states():
            total.update(state.encode())
        return total.hexdigest()

    def speakers(self) -> list[str]:
        """Return the ids of all speakers, sorted."""
        return sorted(set(first_words(self.path / "spk2utt")))

    def languages(self) -> list[str]:
        """Return all languages, sorted; none where the data dir has no ``utt2lang``."""
        return [] if self._language is None else self._language.distinct()

    def _read_vector(self, table: Table, row: int) -> NDArray[np.float32]:
        try:
            return read_vector(table.value(row))
        except VectorError as error:
            raise MalsoriError(f"{table.path}:{row + 1}: {error}") from error

    def _optional(self, name: str) -> Table | None:
        path = self.path / name
        return Table(path) if path.exists() else None

    def _value(self, table: Table, i: int) -> str:
        """Return the value of row ``i`` after a look at its key."""
        key = self._text.key(i)
        if not table.has_key(i, key):
            raise self._mismatch(table, i)
        return table.value(i)

    def _compare(self, table: Table) -> None:
        """Raise unless the table has as many rows as ``text``, and the same keys in a sample."""
        if len(table) != len(self._text):
            raise MalsoriError(
                f"{table.path}: {len(table)} utterances where text has {len(self._text)}: "
                f"'malsori data check {self.path}' shows which"
            )
        last = len(table) - 1
        sample = np.linspace(0, last, min(COMPARED_ROWS, len(table)), dtype=np.int64)
        for i in dict.fromkeys(sample.tolist()):
            if not table.has_key(i, self._text.key(i)):
                raise self._mismatch(table, i)

    def _mismatch(self, table: Table, i: int) -> MalsoriError:
        return MalsoriError(
            f"{table.path}:{i + 1}: {table.key(i)!r} where text has {self._text.key(i)!r}: "
            f"'malsori data check {self.path}' shows all differences"
        )
