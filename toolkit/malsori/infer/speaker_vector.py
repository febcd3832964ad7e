"""The vector that tells a voice who speaks: given as numbers, or made of recordings.

Axes: E numbers of a vector.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from malsori.core.config import build, read_choice
from malsori.core.errors import MalsoriError
from malsori.dsp import audio
from malsori.dsp.audio import AudioError
from malsori.infer.reading import ReadingVoice
from malsori.modules import SPEAKER_ENCODERS

if TYPE_CHECKING:
    from malsori.modules.speaker_encoder import SpeakerEncoder

Recordings = str | Path | Sequence[str | Path]


def open_encoder(name: str, device: str = "cpu") -> SpeakerEncoder:
    """Return the speaker encoder of that name.

    Raises:
        ConfigError: There is none, or no such device.
        MalsoriError: What it needs is not installed; the line says how to get it.
    """
    choice = read_choice(SPEAKER_ENCODERS, name, "encoder")
    encoder: SpeakerEncoder = build(SPEAKER_ENCODERS, choice, device=device)
    return encoder


def embed_files(encoder: SpeakerEncoder, paths: Sequence[str | Path]) -> NDArray[np.float32]:
    """Return the vector of the voice in recordings of one person, (E,), of length 1.

    Args:
        encoder: From ``open_encoder``.
        paths: At least one file.

    Raises:
        AudioError: One cannot be read, or has too little speech; the line names it.
    """
    vectors = []
    for path in paths:
        wav, _ = audio.read(path, encoder.sample_rate)
        try:
            vectors.append(encoder.embed(wav))
        except AudioError as error:
            raise AudioError(path, error.reason) from None
    return mean_vector(vectors)


def mean_vector(vectors: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the direction of the mean of vectors, (E,), of length 1; at least one."""
    mean = np.stack(vectors).mean(axis=0, dtype=np.float64)
    unit = mean / np.linalg.norm(mean)
    return np.asarray(unit, dtype=np.float32)


def speaker_vector(
    voice: ReadingVoice, vector: str | Path | ArrayLike | None, recordings: Recordings | None = None
) -> NDArray[np.float32] | None:
    """Return an external speaker vector, (E,); None if the voice does without.

    Args:
        voice: Who shall speak.
        vector: A file ``.npy``, or numbers (E,).
        recordings: Files with the speech of one person; the encoder whose vectors the voice was
            trained with makes the vector of them.

    Raises:
        MalsoriError: The voice needs one and none is given, or the other way round, or it has
            another size or numbers that are not finite, or none can be made of the recordings.
    """
    size = voice.embedding_size
    if recordings is not None:
        vector = _made_of(voice, vector, recordings)
    elif not size and vector is None:
        return None
    elif not size or vector is None:
        wanted = f"needs {size} numbers (--speaker-embedding)"
        if voice.speaker_encoder:
            wanted += ", or a recording of the speaker (--speaker-wav)"
        told = wanted if size else "was trained without; leave it out"
        raise MalsoriError(f"embedding: {voice.origin} {told}")
    name = "embedding"
    if isinstance(vector, (str, Path)):
        name = str(vector)
        try:
            vector = np.load(vector, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise MalsoriError(f"{name}: cannot be read as a NumPy array: {error}") from error
    numbers = np.array(vector, dtype=np.float32).flatten()
    if len(numbers) != size or not np.isfinite(numbers).all():
        raise MalsoriError(f"{name}: needs {size} finite numbers, got {[*numbers.shape]}")
    return numbers


def _made_of(voice: ReadingVoice, vector: object, recordings: Recordings) -> NDArray[np.float32]:
    """Return the vector of the voice in some recordings, (E,)."""
    if vector is not None:
        raise MalsoriError("speaker_wav: a speaker embedding is given as well; leave one out")
    if not voice.embedding_size:
        raise MalsoriError(f"speaker_wav: {voice.origin} was trained without; leave it out")
    if voice.speaker_encoder is None:
        raise MalsoriError(
            f"speaker_wav: {voice.origin} does not say which encoder its speaker vectors are of; "
            "give the vector itself (--speaker-embedding)"
        )
    paths = [recordings] if isinstance(recordings, (str, Path)) else list(recordings)
    if not paths:
        raise MalsoriError("speaker_wav: give at least one recording")
    return embed_files(open_encoder(voice.speaker_encoder), paths)
