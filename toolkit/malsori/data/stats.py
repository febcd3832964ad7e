"""Stage 3: F0 of every utterance, and mean and spread of the training features.

For each set ``NAME.f0.ark`` and ``NAME.f0.scp`` (Hz, 0 where unvoiced, one value a frame); from
the first set ``stats.json``. Mel and energy are not stored: they are made again while training.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from malsori.core.errors import ConfigError, MalsoriError
from malsori.core.files import (
    add_content,
    atomic_write,
    read_json,
    sha256,
    write_json,
    write_text,
)
from malsori.core.log import get_logger, progress
from malsori.data.datadir import DataDir
from malsori.data.table import Table
from malsori.data.unfinished import UnfinishedArchive
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.f0 import extract_f0, log_f0
from malsori.dsp.statistics import Statistics

log = get_logger(__name__)

FLOAT_VECTOR = b"\0BFV "
"""How a vector of floats begins in an archive."""
CHUNK = 16
"""Utterances a process works on at a time."""


@dataclass(frozen=True)
class Sums:
    """What mean and spread are computed from: count, sum and sum of squares of each number."""

    frames: int
    voiced: int
    mel: NDArray[np.float64]
    """(2, M)."""
    pitch: NDArray[np.float64]
    """(2,), over all frames of utterances with a voiced frame."""
    energy: NDArray[np.float64]
    """(2,)."""

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            *(getattr(self, f.name) + getattr(other, f.name) for f in dataclasses.fields(self))
        )


@dataclass(frozen=True)
class Chunk:
    """Rows of one data dir for one process."""

    folder: Path
    tokens: Path
    audio: AudioConfig
    fingerprint: str
    rows: range


@dataclass(frozen=True)
class Result:
    """F0 by utterance, reasons of the rejected ones, and sums over the rest."""

    f0: list[tuple[str, NDArray[np.float32]]]
    rejected: list[tuple[str, str]]
    sums: Sums


@dataclass(frozen=True)
class Whole:
    """What is known of a whole set whose F0 is written."""

    kept: int
    rejected: list[tuple[str, str]]
    sums: Sums


def collect(
    sets: Sequence[Path],
    tokens: Path,
    audio: AudioConfig,
    out: Path,
    jobs: int = 1,
    max_rejected: float = 0.1,
) -> Statistics:
    """Write F0 for all sets and statistics of the first into ``out``, and return the latter.

    Sets that did not change since the last run are left as they are, and one that was not finished
    then is finished.

    Args:
        sets: Data dirs, the training set first.
        tokens: Output folder of stage 2.
        audio: Rate, hop, bands, F0 range.
        out: Folder to write into.
        jobs: Processes.
        max_rejected: Largest share of a set that may be rejected.

    Raises:
        MalsoriError: A set is missing, or too much of it is rejected.
    """
    rejected: list[tuple[str, str]] = []
    (out / "audio.json").unlink(missing_ok=True)  # until all is of these settings
    for place, folder in enumerate(sets):
        mark = _mark(out, folder)
        state = _state(place, folder, tokens, audio, out)
        previous = _unchanged(state, folder, out)
        if previous is not None:
            rejected += [(key, reason) for key, reason in previous["rejected"]]
            continue
        mark.unlink(missing_ok=True)  # until all is written anew
        done = _collect_set(folder, tokens, audio, out, jobs, state["fingerprint"])
        _report(folder, done, max_rejected)
        rejected += done.rejected
        if place == 0:
            _finish(done.sums, folder).save(out / "stats.json")
            state["statistics"] = _hash(out / "stats.json")
        write_json(mark, {**state, "rejected": done.rejected})
    lines = [f"{key}\t{reason}\n" for key, reason in sorted(rejected)]
    write_text(out / "rejected.tsv", "".join(lines))
    write_json(out / "audio.json", dataclasses.asdict(audio))
    return Statistics.load(out / "stats.json")


def collected(sets: Sequence[Path], tokens: Path, audio: AudioConfig, out: Path) -> bool:
    """Return whether ``collect`` would find all sets unchanged, and log it if so."""
    try:
        made = read_json(out / "audio.json")
    except MalsoriError:  # not there, or damaged: collect writes it anew
        return False
    return made == dataclasses.asdict(audio) and all(
        _unchanged(_state(place, folder, tokens, audio, out), folder, out) is not None
        for place, folder in enumerate(sets)
    )


def check_audio(stats: Path, audio: AudioConfig) -> None:
    """Refuse statistics that were made with other audio settings, or only in part.

    Raises:
        MalsoriError: Stage 3 has not ended there.
        ConfigError: A setting differs; the message names the first.
    """
    path = stats / "audio.json"
    if not path.exists():
        raise MalsoriError(f"{stats}: stage 3 ('malsori stats') has not ended there; run it again")
    made: dict[str, Any] = read_json(path)
    for name, value in dataclasses.asdict(audio).items():
        if made.get(name) != value:
            raise ConfigError(
                f"audio.{name}: {value}, but {stats} was made with {made.get(name)}; run stage 3 "
                "('malsori stats') with this config"
            )


def load_f0(scp: Table, i: int) -> NDArray[np.float32]:
    """Return the F0 contour in row ``i`` of a ``NAME.f0.scp``, (T,), Hz, 0 where unvoiced."""
    import kaldiio

    name, _, offset = scp.value(i).rpartition(":")
    path = scp.path.parent / name
    try:
        with open(path, "rb") as ark:
            ark.seek(int(offset))
            if ark.read(len(FLOAT_VECTOR)) != FLOAT_VECTOR:  # kaldiio would unpickle others
                raise ValueError("not a vector")
        contour = kaldiio.load_mat(f"{path}:{offset}")
    except (OSError, ValueError, EOFError, AssertionError) as error:
        raise MalsoriError(f"{path}: damaged or missing ({error}); run stage 3 again") from error
    return np.asarray(contour, dtype=np.float32)


def _mark(out: Path, folder: Path) -> Path:
    """Return the file that says what a finished set was made of."""
    return out / f"{folder.name}.done.json"


def _state(place: int, folder: Path, tokens: Path, audio: AudioConfig, out: Path) -> dict[str, str]:
    """Return what a set's results hang on, and of the first the statistics that are there."""
    state = {"fingerprint": _fingerprint(folder, tokens, audio)}
    return {**state, "statistics": _hash(out / "stats.json")} if place == 0 else state


def _unchanged(state: dict[str, str], folder: Path, out: Path) -> dict[str, Any] | None:
    """Return what was noted of a set if its results are there and of this state, and log it."""
    mark = _mark(out, folder)
    previous: dict[str, Any] = read_json(mark) if mark.exists() else {}
    results = [out / f"{folder.name}.f0.{kind}" for kind in ("ark", "scp")]
    same = all(previous.get(key) == value for key, value in state.items())
    if not same or not all(path.exists() for path in results):
        return None
    log.info("%s: unchanged, kept", folder)
    return previous


def _collect_set(
    folder: Path, tokens: Path, audio: AudioConfig, out: Path, jobs: int, fingerprint: str
) -> Whole:
    table = tokens / f"{folder.name}.tokens"
    if not table.exists():
        raise MalsoriError(f"{table}: not there; run stage 2 ('malsori tokens') first")
    count = len(Table(table))
    chunks = [
        Chunk(folder, table, audio, fingerprint, range(first, min(first + CHUNK, count)))
        for first in range(0, count, CHUNK)
    ]
    path = out / f"{folder.name}.f0.ark"
    with UnfinishedArchive(path, f"{fingerprint} {CHUNK}") as ark:
        before = ark.chunks
        if before:
            known = min(before * CHUNK, count)
            log.info("%s: %d of %d utterances were measured before", folder, known, count)
        bar = progress(
            _run(chunks[before:], jobs), len(chunks), f"F0 of {folder.name}", done=before
        )
        for result in bar:
            sums = {
                field.name: np.asarray(getattr(result.sums, field.name)).tolist()
                for field in dataclasses.fields(Sums)
            }
            ark.add(result.f0, {"rejected": result.rejected, "sums": sums})
        whole = _gathered(ark.notes(), path, audio)
        ark.finish()
    return whole


def _gathered(notes: Iterable[dict[str, Any]], path: Path, audio: AudioConfig) -> Whole:
    """Write where each vector of an archive is, and return what its chunks are together."""
    kept, rejected, sums = 0, [], _no_sums(audio)
    with atomic_write(path.with_suffix(".scp"), "w") as scp:
        for note in notes:
            kept += len(note["places"])
            scp.writelines(f"{key} {path.name}:{offset}\n" for key, offset in note["places"])
            rejected += [(key, reason) for key, reason in note["rejected"]]
            read = note["sums"]
            sums = sums + Sums(
                frames=read["frames"],
                voiced=read["voiced"],
                **{name: np.array(read[name]) for name in ("mel", "pitch", "energy")},
            )
    return Whole(kept, rejected, sums)


def _run(chunks: list[Chunk], jobs: int) -> Iterator[Result]:
    if jobs <= 1 or len(chunks) <= 1:
        yield from map(_measure, chunks)
        return
    # a fork has imported everything, and _one_thread asks for none of the threads that it lacks
    start = "fork" if sys.platform == "linux" else "spawn"
    with ProcessPoolExecutor(jobs, get_context(start), _one_thread) as pool:
        yield from pool.map(_measure, chunks)


def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


def _measure(chunk: Chunk) -> Result:
    """Return F0 and sums of one chunk; what cannot be read is rejected, never fatal."""
    import torch

    from malsori.dsp.mel import Spectrogram

    data, tokens = _opened(chunk.folder, chunk.tokens, chunk.fingerprint)
    audio = chunk.audio
    spectrogram = Spectrogram(audio)
    kept, rejected, sums = [], [], _no_sums(audio)
    for row in chunk.rows:
        key, length = tokens.key(row), len(tokens.value(row).split())
        at = data.find(key)
        if at is None:
            raise MalsoriError(
                f"{chunk.tokens}:{row + 1}: {key!r} is not in {chunk.folder}; run stage 2 again"
            )
        try:
            wav = data.wav(at, audio.sample_rate)
        except MalsoriError as error:
            rejected.append((key, str(error)))
            continue
        frames = audio.frames(len(wav))
        if length > frames:
            rejected.append((key, f"fewer frames ({frames}) than tokens ({length})"))
            continue
        f0 = extract_f0(wav, audio.sample_rate, audio.hop, audio.f0_low_hz, audio.f0_high_hz)
        mel, energy = spectrogram(torch.from_numpy(wav)[None], torch.tensor([len(wav)]))
        kept.append((key, f0))
        sums = sums + _sums(mel[0].numpy(), f0, energy[0].numpy())
    return Result(kept, rejected, sums)


@functools.lru_cache(maxsize=1)
def _opened(folder: Path, tokens: Path, fingerprint: str) -> tuple[DataDir, Table]:
    """Return a data dir and its tokens, opened once for all chunks of the same content."""
    return DataDir(folder), Table(tokens)


def _no_sums(audio: AudioConfig) -> Sums:
    return Sums(0, 0, np.zeros((2, audio.mel_bands)), np.zeros(2), np.zeros(2))


def _sums(mel: NDArray[np.float32], f0: NDArray[np.float32], energy: NDArray[np.float32]) -> Sums:
    contour = log_f0(f0)
    pitch = np.zeros(0) if contour is None else contour.astype(np.float64)
    wide, loud = mel.astype(np.float64), energy.astype(np.float64)
    return Sums(
        frames=len(mel),
        voiced=len(pitch),
        mel=np.stack([wide.sum(0), np.square(wide).sum(0)]),
        pitch=np.array([pitch.sum(), np.square(pitch).sum()]),
        energy=np.array([loud.sum(), np.square(loud).sum()]),
    )


def _finish(sums: Sums, folder: Path) -> Statistics:
    if sums.frames == 0:
        raise MalsoriError(f"{folder}: no usable utterance; rejected.tsv says why")
    if sums.voiced == 0:
        raise MalsoriError(
            f"{folder}: no voiced frame in the whole set; do audio.f0_low_hz and f0_high_hz fit?"
        )

    def spread(
        pair: NDArray[np.float64], count: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        mean = pair[0] / count
        return mean, np.sqrt(np.maximum(pair[1] / count - mean**2, 1e-10))

    mel_mean, mel_std = spread(sums.mel, sums.frames)
    pitch_mean, pitch_std = spread(sums.pitch, sums.voiced)
    energy_mean, energy_std = spread(sums.energy, sums.frames)
    return Statistics(
        mel_mean=tuple(mel_mean.tolist()),
        mel_std=tuple(mel_std.tolist()),
        pitch_mean=float(pitch_mean),
        pitch_std=float(pitch_std),
        energy_mean=float(energy_mean),
        energy_std=float(energy_std),
    )


def _report(folder: Path, done: Whole, max_rejected: float) -> None:
    count = done.kept + len(done.rejected)
    log.info("%s: %d utterances, %d rejected", folder, done.kept, len(done.rejected))
    for key, reason in done.rejected[:5]:
        log.warning("%s: rejected: %s", key, reason)
    if not done.kept or len(done.rejected) > max_rejected * count:
        first = f"; first: {done.rejected[0][0]}: {done.rejected[0][1]}" if done.rejected else ""
        raise MalsoriError(
            f"{folder}: {len(done.rejected)} of {count} utterances rejected, "
            f"more than --max-rejected {max_rejected:g}{first}"
        )


def _hash(path: Path) -> str:
    return sha256(path) if path.exists() else "none"


def _fingerprint(folder: Path, tokens: Path, audio: AudioConfig) -> str:
    """Return a hash that changes when the set, its tokens or the audio settings do."""
    total = hashlib.sha256(json.dumps(dataclasses.asdict(audio), sort_keys=True).encode())
    total.update(DataDir(folder).fingerprint().encode())
    path = tokens / f"{folder.name}.tokens"
    if path.exists():
        add_content(total, path)
    return total.hexdigest()
