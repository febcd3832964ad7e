"""Voice conversion: what recordings say, in the voice of another speaker.

Axes: B recordings, S samples, E numbers of a speaker vector.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from malsori.core.errors import MalsoriError
from malsori.core.files import write_json
from malsori.core.log import progress
from malsori.data.datadir import DataDir
from malsori.data.recordings import Recordings
from malsori.data.table import Table
from malsori.dsp import audio
from malsori.dsp.cutting import pieces
from malsori.infer.decode import Timer, remove_stale, speed_record
from malsori.infer.features import features_of
from malsori.infer.speaker_vector import speaker_vector
from malsori.infer.utterances import batches
from malsori.infer.voice import Voice
from malsori.models.voice import Conditions, ConvertingModel

LONGEST = 3600.0
"""Seconds of one recording, which is held in memory whole."""
HIGHEST_SHIFT = 24.0
"""Semitones."""
Role = Literal["from", "to"]


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who speaks, as a model is told."""

    speaker: int = 0
    """Index of the speaker."""
    language: int = 0
    """Index of the language."""
    vector: Tensor | None = None
    """External speaker vector, (1, E), for a voice that was trained with them."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """Who speaks in recordings, and who shall."""

    to: str | None = None
    """Speaker to convert to."""
    source: str | None = None
    """Speaker of all recordings; None takes each one's from ``utt2spk``."""
    to_vector: Path | None = None
    """File ``.npy`` with the vector of the speaker to convert to."""
    source_vector: Path | None = None
    """File ``.npy`` with that of the recordings' speaker; None takes the data dir's vectors."""
    language: str | None = None
    """What is spoken; None takes it from ``utt2lang``, or the voice's first language."""


class Converter:
    """Says recordings again with the voices of one model.

    Args:
        voice: Its model.
        pitch: Semitones up or down, for a model that is given the pitch to sing.
        batch_seconds: Audio converted at a time; recordings of more than half a minute are cut
            where they are quiet.

    Raises:
        MalsoriError: The model does not convert or knows one speaker only, or a number is out of
            its range.
    """

    def __init__(self, voice: Voice, pitch: float = 0.0, batch_seconds: float = 60.0) -> None:
        if not isinstance(voice.model, ConvertingModel):
            raise MalsoriError(
                f"{voice.origin}: this model does not convert voices; VITS and VAEJETS do"
            )
        if len(voice.speakers) == 1 and not voice.embedding_size:
            raise MalsoriError(
                f"{voice.origin}: knows one speaker only, there is nobody to convert to; train a "
                "voice on a data dir with several speakers in utt2spk"
            )
        if not abs(pitch) <= HIGHEST_SHIFT:
            raise MalsoriError(
                f"pitch: {pitch:g} is not between {-HIGHEST_SHIFT:g} and {HIGHEST_SHIFT:g}"
            )
        if pitch and voice.model.melody is None:
            raise MalsoriError(
                f"pitch: {voice.origin} takes it from the speaker (model.generator.harmonics is "
                "0); leave it at 0"
            )
        if not batch_seconds > 0:
            raise MalsoriError(f"batch: must be above 0 s, got {batch_seconds:g}")
        self.voice, self.batch_seconds = voice, batch_seconds
        self.model: ConvertingModel = voice.model
        self.pitch_shift = pitch * math.log(2) / 12 / voice.statistics.pitch_std

    def person(
        self,
        role: Role,
        name: str | None,
        vector: Path | ArrayLike | None = None,
        language: str | None = None,
    ) -> Person:
        """Return whom the model is told of.

        Args:
            role: Who is meant, for messages.
            name: Speaker, for a voice with several; otherwise it is not looked at.
            vector: File ``.npy`` or numbers, (E,), for a voice that takes such.
            language: What is spoken, for a voice with several languages; None for the first.

        Raises:
            MalsoriError: The voice does not know the name or the language, or it has to be given
                something that is not there.
        """
        voice = self.voice
        if len(voice.speakers) > 1 and name is None:
            known = ", ".join(voice.speakers)
            raise MalsoriError(f"--{role}: say which speaker of {voice.origin}, one of: {known}")
        if voice.embedding_size and vector is None:
            raise MalsoriError(
                f"--{role}-embedding: {voice.origin} knows speakers by vectors; give a .npy file "
                f"with {voice.embedding_size} numbers"
            )
        numbers = speaker_vector(voice, vector)
        return Person(
            speaker=voice.index("speaker", name) if len(voice.speakers) > 1 else 0,
            language=voice.index("language", language) if len(voice.languages) > 1 else 0,
            vector=None if numbers is None else torch.from_numpy(numbers)[None].to(voice.device),
        )

    @torch.inference_mode()
    def convert(
        self,
        wavs: Sequence[NDArray[np.float32]],
        sources: Sequence[Person],
        targets: Sequence[Person],
        label: str = "convert",
    ) -> list[NDArray[np.float32]]:
        """Return the recordings in other voices, (S,) each, as long as they are.

        Args:
            wavs: (S,) each, at least one sample, full scale 1, at the voice's sample rate.
            sources: Who speaks in each.
            targets: Who shall.
            label: Stands before the progress bar, if it takes more than one batch.
        """
        rate = self.voice.audio.sample_rate
        cut = [(i, *piece) for i, wav in enumerate(wavs) for piece in pieces(wav, rate)]
        lengths = [end - begin for _, begin, end in cut]
        chosen = list(batches(lengths, self.batch_seconds * rate))
        made = [np.zeros_like(wav) for wav in wavs]
        for batch in progress(chosen, len(chosen), label) if len(chosen) > 1 else chosen:
            parts = [cut[n] for n in batch]
            samples = [wavs[i][begin:end] for i, begin, end in parts]
            said = self.model.convert(
                features_of(self.voice, samples, with_pitch=self.model.melody is not None),
                self._conditions([sources[i] for i, _, _ in parts]),
                self._conditions([targets[i] for i, _, _ in parts]),
                self.pitch_shift,
            )
            for (i, begin, end), row in zip(parts, said.wav.cpu(), strict=True):
                made[i][begin:end] = row[: end - begin].numpy()
        return made

    def _conditions(self, people: Sequence[Person]) -> Conditions:
        device = self.voice.device
        vectors = [person.vector for person in people if person.vector is not None]
        return Conditions(
            speaker=torch.tensor([person.speaker for person in people], device=device),
            language=torch.tensor([person.language for person in people], device=device),
            embedding=torch.cat(vectors) if vectors else None,
        )


def convert_file(converter: Converter, path: Path, out: Path, request: Request) -> float:
    """Convert one recording, and return its seconds.

    Args:
        converter: Does it.
        path: Audio file.
        out: Wav file to write.
        request: Who speaks, and who shall.

    Raises:
        MalsoriError: A speaker is not known, or the recording cannot be read or is longer than
            ``LONGEST``, or the file cannot be written.
    """
    rate = converter.voice.audio.sample_rate
    source = converter.person("from", request.source, request.source_vector, request.language)
    target = converter.person("to", request.to, request.to_vector, request.language)
    _refuse_long(str(path), audio.info(path).seconds)
    wav, _ = audio.read(path, rate)
    (made,) = converter.convert([wav], [source], [target], f"convert {path.name}")
    audio.write(out, made, rate)
    return len(made) / rate


def convert_all(converter: Converter, recordings: Recordings, out: Path, request: Request) -> float:
    """Convert a data dir or a folder of audio files, and return its seconds.

    Writes ``wav/`` and ``rtf.json``.

    Args:
        converter: Does it.
        recordings: What is converted.
        out: Folder to write into.
        request: Who speaks, and who shall.

    Raises:
        MalsoriError: A speaker is not known, or a recording cannot be read or is longer than
            ``LONGEST``, or a file cannot be written.
    """
    rate, seconds = converter.voice.audio.sample_rate, recordings.seconds
    longest = int(seconds.argmax())
    _refuse_long(f"{recordings.path}: {recordings.key(longest)}", float(seconds[longest]))
    cast = _cast(converter, recordings, request)
    samples = [round(s * rate) for s in seconds.tolist()]
    chosen = list(batches(samples, converter.batch_seconds * rate))
    timer, length = Timer(converter.voice.device), 0.0
    for indices in progress(chosen, len(chosen), f"convert {recordings.path.name}"):
        wavs = [recordings.wav(i, rate) for i in indices]
        sources, targets = zip(*(cast[i] for i in indices), strict=True)
        with timer:
            made = converter.convert(wavs, sources, targets, recordings.key(indices[0]))
        for i, wav in zip(indices, made, strict=True):
            audio.write(out / "wav" / f"{recordings.key(i)}.wav", wav, rate)
            length += len(wav) / rate
    remove_stale(out / "wav", {recordings.key(i) for i in range(len(recordings))})
    write_json(out / "rtf.json", speed_record(timer, length, len(recordings)))
    return length


def _cast(
    converter: Converter, recordings: Recordings, request: Request
) -> list[tuple[Person, Person]]:
    """Return who speaks in each recording, and who shall: in the language of the recording.

    Raises:
        MalsoriError: Nobody says who it is, or the voice does not know them.
    """
    voice, folder = converter.voice, recordings.path
    converter.person("to", request.to, request.to_vector, request.language)
    names: list[str | None] = [request.source] * len(recordings)
    if request.source is None and len(voice.speakers) > 1:
        names = _column(folder / "utt2spk", recordings)
    languages: list[str | None] = [request.language] * len(recordings)
    if request.language is None and len(voice.languages) > 1:
        languages = _column(folder / "utt2lang", recordings)
    data: DataDir | None = None
    if voice.embedding_size and request.source_vector is None and (folder / "text").exists():
        data = DataDir(folder)
        data.check_embeddings(voice.embedding_size, voice.speaker_encoder)
    cast = []
    for i, (name, language) in enumerate(zip(names, languages, strict=True)):
        vector = request.source_vector if data is None else data.embedding(i)
        try:
            source = converter.person("from", name, vector, language)
        except MalsoriError as error:
            raise MalsoriError(f"{folder}: {recordings.key(i)}: {error}") from error
        cast.append((source, converter.person("to", request.to, request.to_vector, language)))
    return cast


def _column(path: Path, recordings: Recordings) -> list[str | None]:
    """Return what a file of the data dir says of each recording; None where there is no file.

    Raises:
        MalsoriError: It says nothing of one.
    """
    if not path.exists():
        return [None] * len(recordings)
    table, values = Table(path), list[str | None]()
    for i in range(len(recordings)):
        row = table.find(recordings.key(i))
        if row is None:
            raise MalsoriError(
                f"{path}: nothing of {recordings.key(i)!r}: 'malsori data check {path.parent}' "
                "shows all differences"
            )
        values.append(table.value(row))
    return values


def _refuse_long(name: str, seconds: float) -> None:
    if seconds > LONGEST:
        raise MalsoriError(f"{name}: {seconds:.0f} s; cut it into files of at most {LONGEST:g} s")
