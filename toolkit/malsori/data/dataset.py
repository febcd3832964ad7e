"""Utterances to train on: tokens of stage 2, F0 of stage 3, audio read when it is asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from malsori.core.config import Seconds
from malsori.core.errors import ConfigError, MalsoriError
from malsori.core.log import get_logger
from malsori.data.audio_cache import AudioCache
from malsori.data.batch import Utterance
from malsori.data.datadir import DataDir
from malsori.data.durations import DurationFolder
from malsori.data.kept_rows import KeptRows
from malsori.data.stats import load_f0
from malsori.data.table import Table
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.f0 import log_f0
from malsori.text.tokens import TokenList

log = get_logger(__name__)

F0_TOLERANCE = 2
"""Frames by which audio and its F0 may differ: rounding of bounds while resampling."""


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the data is and how it is read."""

    train: str = "data/train"
    """Data dir to train on."""
    dev: str = "data/dev"
    """Data dir to validate on."""
    tokens: str = "data/tokens"
    """Output folder of stage 2."""
    stats: str = "data/stats"
    """Output folder of stage 3."""
    durations: str | None = None
    """Folder of TextGrids for a model that is given its durations (fastspeech2): the output of
    'malsori align' for both sets, or MFA's; null: durations are learnt."""
    batch: Seconds = 60.0
    """Audio in a batch with its padding, for each process: 60 s, 3 min."""
    cache: Literal["none", "ram", "disk"] = "none"
    """Keep decoded audio (16 bit): 1 hour at 24 kHz takes 173 MB. disk keeps it under stats."""
    workers: int = 2
    """Processes that read audio beside the training one; 0 reads in the training process."""

    def __post_init__(self) -> None:
        if self.batch <= 0:
            raise ConfigError(f"batch: must be above 0 seconds, got {self.batch}")
        if self.workers < 0:
            raise ConfigError(f"workers: must be 0 or more, got {self.workers}")


@dataclass(frozen=True, kw_only=True)
class Names:
    """Speakers and languages of the training set; their place in the list is their index."""

    speakers: tuple[str, ...]
    languages: tuple[str, ...]

    @classmethod
    def of(cls, data: DataDir) -> Names:
        """Return the names that occur in a data dir."""
        return cls(speakers=tuple(data.speakers()), languages=tuple(data.languages()) or ("",))


class Dataset(Protocol):
    """Utterances to make batches of."""

    seconds: NDArray[np.float32]
    """Duration of each, (U,)."""

    def __len__(self) -> int: ...

    def __getitem__(self, i: int) -> Utterance:
        """Return utterance ``i``."""
        ...


class SpeechDataset:
    """The utterances of one set that passed stages 1 to 3, read one at a time.

    Args:
        folder: Data dir.
        config: Its ``tokens`` and ``stats`` folders and the cache.
        audio: Sample rate and hop.
        tokens: Token list of the model.
        names: Speakers and languages of the model.
        unvoiced_log_f0: Stands in for the contour of an utterance without a voiced frame.
        embedding_size: Numbers of the speaker vectors that the model takes; 0 reads none.
        encoder: Whose vectors they have to be; None where nobody knows.

    Raises:
        MalsoriError: A stage has not been run, or for other data, or the speaker vectors are
            missing, of another size or encoder, or durations do not fit.
    """

    def __init__(
        self,
        folder: str,
        config: DataConfig,
        audio: AudioConfig,
        tokens: TokenList,
        names: Names,
        unvoiced_log_f0: float,
        embedding_size: int = 0,
        encoder: str | None = None,
    ) -> None:
        name = Path(folder).name
        self.audio = audio
        self.token_list = tokens
        self.unvoiced_log_f0 = unvoiced_log_f0
        self.data = DataDir(folder)
        self.embedding_size = embedding_size
        if embedding_size:
            self.data.check_embeddings(embedding_size, encoder)
        elif self.data.has_embeddings:
            log.info(
                "%s: its speaker vectors are not used: model.speaker_embedding.size is 0", folder
            )
        self.tokens = _stage_table(Path(config.tokens) / f"{name}.tokens", 2, "tokens")
        self.f0 = _stage_table(Path(config.stats) / f"{name}.f0.scp", 3, "stats")
        self._token_rows = KeptRows(self.f0, self.tokens)
        self._rows = KeptRows(self.tokens, self.data)
        self._speakers = {speaker: i for i, speaker in enumerate(names.speakers)}
        self._languages = {language: i for i, language in enumerate(names.languages)}
        self.seconds = self._token_rows.compacted(self._rows.compacted(self.data.read_seconds()))
        self._durations = DurationFolder(config.durations) if config.durations else None
        self._cache = open_cache(
            config, name, self.seconds, audio.sample_rate, self.data.fingerprint
        )
        if self._durations is not None:
            self._durations.check([self.key(i) for i in range(len(self))], self.data.path)
            self[0]  # labels that are not these tokens at all are seen before training begins

    def __len__(self) -> int:
        return len(self.f0)

    def __getitem__(self, i: int) -> Utterance:
        """Return utterance ``i``.

        Raises:
            MalsoriError: Its audio, tokens, F0 or durations cannot be read, or its speaker is
                unknown.
        """
        token_row = self._token_rows[i]
        row = self._rows[token_row]
        key = self.data.key(row)
        if not self.f0.has_key(i, key) or not self.tokens.has_key(token_row, key):
            raise MalsoriError(
                f"{self.data.path}: {key}: stages 2 and 3 were run on other utterances; "
                "run them again"
            )
        wav = self._wav(i, row)
        frames = self.audio.frames(len(wav))
        f0 = load_f0(self.f0, i)
        if abs(len(f0) - frames) > F0_TOLERANCE:
            raise MalsoriError(
                f"{self.data.path}: {key}: {frames} frames of audio, but stage 3 saw {len(f0)}; "
                "run it again"
            )
        contour = log_f0(f0)
        if contour is None:
            contour = np.full(frames, self.unvoiced_log_f0, dtype=np.float32)
        speaker, language = self.data.speaker(row), self.data.language(row) or ""
        tokens = self.token_text(i).split()
        durations = None
        if self._durations is not None:
            durations = self._durations.read(key, tokens, len(wav), self.audio)
        return Utterance(
            id=key,
            tokens=np.array(self.token_list.encode(tokens), dtype=np.int64),
            wav=wav,
            log_f0=_fit(contour, frames),
            voiced=_fit((f0 > 0).astype(np.float32), frames),
            speaker=_index(self._speakers, speaker, f"{self.data.path}: {key}: speaker"),
            language=_index(self._languages, language, f"{self.data.path}: {key}: language"),
            embedding=self.data.embedding(row) if self.embedding_size else None,
            durations=durations,
        )

    def key(self, i: int) -> str:
        """Return the id of utterance ``i``."""
        return self.data.key(self._rows[self._token_rows[i]])

    def token_text(self, i: int) -> str:
        """Return the tokens of utterance ``i`` as they stand in the file."""
        return self.tokens.value(self._token_rows[i])

    def _wav(self, i: int, row: int) -> NDArray[np.float32]:
        rate = self.audio.sample_rate
        if self._cache is None:
            return self.data.wav(row, rate)
        return self._cache.get(i, lambda: self.data.wav(row, rate))


def open_cache(
    config: DataConfig,
    name: str,
    seconds: NDArray[np.float32],
    sample_rate: int,
    fingerprint: Callable[[], str],
) -> AudioCache | None:
    """Return the cache that ``config`` asks for; None for none.

    Args:
        config: Which kind, and where.
        name: Of the set.
        seconds: Duration of each utterance, (U,).
        sample_rate: At which they are read, Hz.
        fingerprint: Returns a hash that changes with the set; asked for on disk only.
    """
    if config.cache == "none":
        return None
    samples = np.ceil(seconds.astype(np.float64) * sample_rate).astype(np.int64)
    path = None
    if config.cache == "disk":
        print_of = hashlib.sha256(fingerprint().encode())
        print_of.update(f"{sample_rate} {len(seconds)}".encode())
        print_of.update(samples.tobytes())
        path = Path(config.stats) / "cache" / f"{name}-{print_of.hexdigest()[:16]}.pcm"
    return AudioCache(samples, path)


def _stage_table(path: Path, stage: int, command: str) -> Table:
    if not path.exists():
        raise MalsoriError(f"{path}: not there; run stage {stage} ('malsori {command}') first")
    return Table(path)


def _fit(contour: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """Return the contour cut, or continued with its last value, to ``frames``."""
    contour = contour[:frames]
    return np.pad(contour, (0, frames - len(contour)), mode="edge")


def _index(indices: dict[str, int], name: str, where: str) -> int:
    try:
        return indices[name]
    except KeyError:
        raise MalsoriError(f"{where} {name!r} is not in the training set") from None
