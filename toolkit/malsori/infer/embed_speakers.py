"""Speaker vectors of data dirs, by a speaker encoder of the registry.

A data dir gets ``xvector.ark`` and ``xvector.scp``, one vector of length 1 for each utterance, as
ESPnet and Kaldi read them, and ``xvector.json``, which says which encoder they are of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from malsori.core.config import read_choice
from malsori.core.errors import MalsoriError
from malsori.core.files import atomic_write, write_json, write_text
from malsori.core.log import get_logger, progress
from malsori.data.recordings import AudioDir
from malsori.data.table import Table
from malsori.data.vectors import RECORD, read_record, read_vector
from malsori.infer.speaker_vector import mean_vector, open_encoder
from malsori.modules import SPEAKER_ENCODERS
from malsori.modules.speaker_encoder import SpeakerEncoder

log = get_logger(__name__)

ARCHIVE, TABLE, REJECTED = "xvector.ark", "xvector.scp", "xvector_rejected.tsv"
SHOWN = 5
"""Rejected utterances that the log names."""

Vector = NDArray[np.float32]
Average = Literal["utterance", "speaker"]


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """What a data dir has now."""

    path: Path
    utterances: int
    speakers: int
    size: int
    """Numbers of a vector."""
    rejected: int
    """Utterances without a vector of their own, which have their speaker's."""


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What the encoder made of a data dir, in the order of its utterances."""

    speakers: dict[str, str]
    """Who speaks, by utterance."""
    vectors: dict[str, Vector] = field(default_factory=dict)
    """By utterance."""
    rejected: dict[str, str] = field(default_factory=dict)
    """Why there is none, by utterance."""


def embed_sets(
    sets: Sequence[Path],
    encoder: str = "resemblyzer",
    average: Average = "utterance",
    device: str = "cpu",
    max_rejected: float = 0.1,
) -> list[Embedded]:
    """Write speaker vectors into data dirs, and return what each has.

    Sets that did not change since the last time are left as they are. An utterance of which no
    vector can be made is rejected and listed in ``xvector_rejected.tsv``; since all need one, it
    gets the mean of its speaker's.

    Args:
        sets: Data dirs, the training set first.
        encoder: Name in the registry.
        average: ``speaker`` gives all utterances of a speaker the mean over those in the first of
            the sets in which the speaker occurs.
        device: Where the encoder works.
        max_rejected: Largest share of a set that may be rejected.

    Raises:
        MalsoriError: A set is missing or has vectors that were not made here, too much of it is
            rejected, a speaker has no vector at all, or the encoder is not installed.
    """
    read_choice(SPEAKER_ENCODERS, encoder, "encoder")  # a wrong name is told before any work
    states: list[dict[str, Any]] = []
    for folder in sets:
        before = states[-1]["fingerprint"] if states and average == "speaker" else ""
        own = _fingerprint(folder, before)
        states.append({"encoder": encoder, "average": average, "fingerprint": own})
    fresh = [_is_fresh(folder, state) for folder, state in zip(sets, states, strict=True)]
    network = None if all(fresh) else open_encoder(encoder, device)
    means: dict[str, Vector] = {}
    made = []
    for folder, state, kept in zip(sets, states, fresh, strict=True):
        if kept or network is None:
            log.info("%s: unchanged, kept", folder)
            known = _reread(folder) if network is not None else {}
        else:
            found = _embed(folder, network)
            _report(folder, found, max_rejected)
            known = _means(found)
            vectors = _assigned(folder, found, {**known, **means}, average)
            _write(folder, vectors, found, state)
        means = {**known, **means}
        made.append(_embedded(folder))
    return made


def _fingerprint(folder: Path, before: str) -> str:
    """Return a hash that changes with the audio and the speakers, and with ``before``.

    Raises:
        MalsoriError: There is no such data dir.
    """
    if not folder.is_dir():
        raise MalsoriError(f"{folder}: no such data dir: run stage 1 of the recipe")
    total = hashlib.sha256(before.encode())
    total.update(AudioDir(folder).fingerprint().encode())
    total.update(Table(folder / "utt2spk").path.read_bytes())
    return total.hexdigest()


def _is_fresh(folder: Path, state: Mapping[str, Any]) -> bool:
    """Return whether a data dir has just these vectors.

    Raises:
        MalsoriError: It has some that were not made here.
    """
    record = read_record(folder)
    if not record and (folder / TABLE).exists():
        raise MalsoriError(
            f"{folder / TABLE}: was not made by this command (there is no {RECORD} beside it); "
            "move it away first"
        )
    there = all((folder / name).exists() for name in (TABLE, ARCHIVE))
    return there and all(record.get(key) == value for key, value in state.items())


def _embed(folder: Path, encoder: SpeakerEncoder) -> _Found:
    """Return what the encoder makes of each utterance of a data dir.

    Raises:
        MalsoriError: Audio and speakers are not of the same utterances.
    """
    recordings, speakers = AudioDir(folder), Table(folder / "utt2spk")
    if len(recordings) != len(speakers):
        raise MalsoriError(
            f"{speakers.path}: {len(speakers)} utterances, and audio of {len(recordings)}: "
            f"'malsori data check {folder}' shows which"
        )
    found = _Found(speakers=dict(speakers.items()))
    for row in progress(range(len(recordings)), len(recordings), f"speakers of {folder.name}"):
        key = recordings.key(row)
        if not speakers.has_key(row, key):
            raise MalsoriError(
                f"{speakers.path}:{row + 1}: no speaker of {key!r}: "
                f"'malsori data check {folder}' shows all differences"
            )
        try:
            found.vectors[key] = encoder.embed(recordings.wav(row, encoder.sample_rate))
        except MalsoriError as error:
            found.rejected[key] = " ".join(str(error).split())
    return found


def _report(folder: Path, found: _Found, max_rejected: float) -> None:
    """Log what was rejected; raise if it is too much."""
    count = len(found.vectors) + len(found.rejected)
    log.info("%s: %d utterances, %d rejected", folder, count, len(found.rejected))
    for key, reason in list(found.rejected.items())[:SHOWN]:
        log.warning("%s: rejected, has its speaker's mean: %s", key, reason)
    if len(found.rejected) > max_rejected * count or not found.vectors:
        key, reason = next(iter(found.rejected.items()))
        raise MalsoriError(
            f"{folder}: {len(found.rejected)} of {count} utterances rejected, more than "
            f"--max-rejected {max_rejected:g}; the first: {key}: {reason}"
        )


def _means(found: _Found) -> dict[str, Vector]:
    """Return each speaker's mean over the vectors that there are."""
    grouped: dict[str, list[Vector]] = {}
    for key, vector in found.vectors.items():
        grouped.setdefault(found.speakers[key], []).append(vector)
    return {speaker: mean_vector(vectors) for speaker, vectors in grouped.items()}


def _reread(folder: Path) -> dict[str, Vector]:
    """Return each speaker's mean over the vectors that a data dir has."""
    speakers = dict(Table(folder / "utt2spk").items())
    vectors = {key: read_vector(place) for key, place in Table(folder / TABLE).items()}
    return _means(_Found(speakers=speakers, vectors=vectors))


def _assigned(
    folder: Path, found: _Found, means: Mapping[str, Vector], average: Average
) -> dict[str, Vector]:
    """Return the vector that each utterance gets, in the order of their keys.

    Raises:
        MalsoriError: A speaker has none.
    """
    vectors = {}
    for key, speaker in found.speakers.items():
        own = found.vectors.get(key) if average == "utterance" else None
        if own is None and speaker not in means:
            raise MalsoriError(
                f"{folder}: no utterance of the speaker {speaker!r} has a vector; {key}: "
                f"{found.rejected[key]}"
            )
        vectors[key] = means[speaker] if own is None else own
    return vectors


def _write(
    folder: Path, vectors: Mapping[str, Vector], found: _Found, state: Mapping[str, Any]
) -> None:
    """Write archive, table and record; after a kill in between, there is no table."""
    import kaldiio

    write_json(folder / RECORD, {**state, "fingerprint": None})  # until all is written anew
    (folder / TABLE).unlink(missing_ok=True)
    offsets: dict[int, int] = {}  # the same vector stands in the archive once
    rows = []
    with atomic_write(folder / ARCHIVE, "wb") as archive:
        for key, vector in vectors.items():
            if id(vector) not in offsets:
                offsets[id(vector)] = archive.tell() + len(key.encode()) + 1
                kaldiio.save_ark(archive, {key: vector})
            rows.append(f"{key} {folder.absolute() / ARCHIVE}:{offsets[id(vector)]}\n")
    write_text(folder / TABLE, "".join(rows))
    write_text(folder / REJECTED, "".join(f"{k}\t{why}\n" for k, why in found.rejected.items()))
    numbers = {
        "utterances": len(vectors),
        "speakers": len(set(found.speakers.values())),
        "size": len(next(iter(vectors.values()))),
        "rejected": len(found.rejected),
    }
    write_json(folder / RECORD, {**state, **numbers})


def _embedded(folder: Path) -> Embedded:
    record = read_record(folder)
    numbers = {
        name: int(record.get(name, 0)) for name in ("utterances", "speakers", "size", "rejected")
    }
    return Embedded(path=folder, **numbers)
