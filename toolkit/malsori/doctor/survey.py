"""A look at every utterance of some data dirs, kept as a few numbers each."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from malsori.core.errors import MalsoriError, UsageError
from malsori.core.log import get_logger, progress
from malsori.data.audio_files import AudioSource, state_key
from malsori.data.datadir import DataDir
from malsori.doctor.cache import Cache
from malsori.doctor.measurement import MEASUREMENT, measure_source
from malsori.doctor.processes import Processes
from malsori.doctor.texts import Amounts, characters, from_front_end, from_stage_2, text_hash
from malsori.dsp.audio import AudioError

if TYPE_CHECKING:
    from numpy.typing import NDArray

log = get_logger(__name__)

CACHE_FILE = "measurements.bin"
CHUNK = 32
LOOKED_UP = 4096
SEED = 0
HELD_OUT = ("dev", "test", "valid", "eval")


@dataclass(frozen=True, kw_only=True)
class SetSurvey:
    """What was found of one data dir; N utterances."""

    name: str
    """Its folder, with as much of the path as tells it from the others."""
    data: DataDir
    amounts: Amounts
    """How much is said in each utterance."""
    heard: NDArray[np.bool_]
    """Whose audio was to be measured, (N,)."""
    sound: NDArray[Any]
    """Measurements, (N,); of zeros where there is none."""
    faults: dict[int, str]
    """Rows whose audio cannot be used, and why."""
    speaker: NDArray[np.int32]
    """Number of the speaker, (N,); of all sets together."""
    text_hashes: NDArray[np.uint64]
    """See ``text_hash``, (N,)."""
    key_hashes: NDArray[np.uint64]
    """Of the ids, (N,)."""

    def __len__(self) -> int:
        return len(self.sound)

    @property
    def measured(self) -> NDArray[np.bool_]:
        """Which utterances have a measurement, (N,)."""
        there: NDArray[np.bool_] = self.sound["rate"] > 0
        return there

    @property
    def seconds(self) -> NDArray[np.float64]:
        """Durations: measured, or as ``utt2dur`` says, (N,)."""
        return np.where(self.measured, self.sound["seconds"], self.data.seconds)

    @property
    def held_out(self) -> bool:
        """Whether it is for validation or tests, by its name."""
        return self.name.rpartition("/")[2].startswith(HELD_OUT)


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What was found of all data dirs."""

    sets: tuple[SetSurvey, ...]
    speakers: tuple[str, ...]
    """By number."""
    sampled: int
    """How many utterances of a set were measured at most; 0 for all."""

    def column(self, pick: Callable[[SetSurvey], NDArray[Any]]) -> NDArray[Any]:
        """Return one column of all sets, one after the other."""
        return np.concatenate([pick(each) for each in self.sets])

    def place(self, row: int) -> tuple[SetSurvey, int]:
        """Return set and row of an utterance, by its number among all."""
        for each in self.sets:
            if row < len(each):
                return each, row
            row -= len(each)
        raise IndexError(row)


def survey(
    folders: Sequence[Path],
    out: Path,
    *,
    tokens: Path | None = None,
    frontend: str | None = None,
    sample: int = 0,
    jobs: int = 1,
) -> Survey:
    """Return what is in data dirs; audio that an earlier run measured is not read again.

    Args:
        folders: The data dirs.
        out: Folder of the report, which keeps the measurements too.
        tokens: Output of stage 2; with neither this nor a front end, letters are counted.
        frontend: Reads the texts now.
        sample: Utterances of each set to measure, drawn with a fixed seed; 0 for all.
        jobs: Processes.

    Raises:
        UsageError: A data dir is there twice, or both tokens and a front end.
        MalsoriError: A data dir cannot be opened.
    """
    if tokens is not None and frontend is not None:
        raise UsageError("--tokens and --frontend: one of them")
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise UsageError("--data: a data dir is there twice")
    opened = [DataDir(folder) for folder in folders]
    cache = Cache(out / CACHE_FILE)
    speakers: dict[str, int] = {}
    sets = []
    for name, data in zip(set_names(folders), opened, strict=True):
        if tokens is not None:
            amounts = from_stage_2(data.path, tokens)
        elif frontend is not None:
            amounts = from_front_end(data.path, frontend, jobs)
        else:
            amounts = characters(data.path)
        heard = _chosen(len(data), sample)
        sound, faults = _listen(data, name, heard, cache, jobs)
        speaker = np.empty(len(data), np.int32)
        texts, keys = np.empty(len(data), np.uint64), np.empty(len(data), np.uint64)
        for row in range(len(data)):
            speaker[row] = speakers.setdefault(data.speaker(row), len(speakers))
            texts[row], keys[row] = text_hash(data.text(row)), _hash(data.key(row))
        found = SetSurvey(
            name=name, data=data, amounts=amounts, heard=heard, sound=sound, faults=faults,
            speaker=speaker, text_hashes=texts, key_hashes=keys,
        )  # fmt: skip
        sets.append(found)
    return Survey(sets=tuple(sets), speakers=tuple(speakers), sampled=sample)


def set_names(folders: Sequence[Path]) -> list[str]:
    """Return the shortest ends of the folders' paths that differ."""
    parts = [folder.resolve().parts for folder in folders]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[-length:]) for each in parts]
        if len(set(names)) == len(names):
            return names
    raise ValueError("two folders are the same")


def _chosen(count: int, sample: int) -> NDArray[np.bool_]:
    chosen = np.ones(count, np.bool_)
    if 0 < sample < count:
        chosen[:] = False
        chosen[np.random.default_rng(SEED).choice(count, sample, replace=False)] = True
    return chosen


def _listen(
    data: DataDir, name: str, heard: NDArray[np.bool_], cache: Cache, jobs: int
) -> tuple[NDArray[Any], dict[int, str]]:
    """Return the measurements of a data dir, (N,), and the rows that have none, with the reason."""
    sound = np.zeros(len(data), MEASUREMENT)
    faults: dict[int, str] = {}
    rows = np.flatnonzero(heard)
    missing = list(_look_up(data, rows, cache, sound, faults))
    known = len(rows) - len(missing) - len(faults)
    if known:
        log.info("%s: %d of %d utterances were measured before", name, known, len(rows))
    chunks = (missing[first : first + CHUNK] for first in range(0, len(missing), CHUNK))
    processes: Processes[Task, Any] = Processes(
        _measure_all, jobs, lambda _: "its decoder crashed, or needs more memory than there is"
    )
    at = 0
    bar = progress(
        processes.run(_tasks(data, chunks)), -(-len(missing) // CHUNK), f"audio of {name}"
    )
    for results in bar:
        for result in results:
            if isinstance(result, str):
                faults[missing[at]] = sys.intern(result)
            else:
                sound[missing[at]] = result
            at += 1
        cache.add(np.array([each for each in results if not isinstance(each, str)], MEASUREMENT))
    return sound, faults


Task = tuple[bytes, AudioSource]


def _look_up(
    data: DataDir,
    rows: NDArray[np.int64],
    cache: Cache,
    sound: NDArray[Any],
    faults: dict[int, str],
) -> Iterator[int]:
    """Fill in what is known already; yield the rows that have to be measured."""
    for first in range(0, len(rows), LOOKED_UP):
        keys: dict[int, bytes] = {}
        for row in rows[first : first + LOOKED_UP].tolist():
            try:
                key = state_key(data.source(row))
            except MalsoriError as error:
                faults[row] = sys.intern(str(error))
                continue
            if key is None:
                faults[row] = "no such audio file"
            else:
                keys[row] = key
        for row, found in zip(keys, cache.get(list(keys.values())), strict=True):
            if found is None:
                yield row
            else:
                sound[row] = found


def _tasks(data: DataDir, chunks: Iterator[list[int]]) -> Iterator[list[Task]]:
    for chunk in chunks:
        sources = [data.source(row) for row in chunk]
        yield [(state_key(source) or b"", source) for source in sources]


def _measure_all(tasks: Sequence[Task]) -> list[Any]:
    return [_measure(key, source) for key, source in tasks]


def _measure(key: bytes, source: AudioSource) -> NDArray[Any] | str:
    """Return the measurement with its key, or why there is none; a fault is never fatal."""
    try:
        found = measure_source(source)
    except AudioError as error:
        return error.reason
    except Exception as error:  # what decoders raise on damaged bytes; memory that is not there
        return f"cannot be measured ({type(error).__name__}: {error})"
    found["key"] = np.void(key.ljust(16, b"\0"))
    return found


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
