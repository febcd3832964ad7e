"""Stage 5: speak the texts of a data dir."""

from __future__ import annotations

import contextlib
import dataclasses
import statistics
import time
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from malsori.core.errors import MalsoriError
from malsori.core.files import write_json, write_text
from malsori.core.log import get_logger, progress
from malsori.core.record import run_record
from malsori.data.datadir import DataDir
from malsori.data.durations import DurationFolder
from malsori.dsp import audio
from malsori.infer.features import features_of
from malsori.infer.predicted_mels import mel_archive
from malsori.infer.spoken import Spoken, Timing
from malsori.infer.synthesizer import Synthesizer
from malsori.infer.utterances import batches, padded, speaks, token_ids
from malsori.infer.voice import Voice
from malsori.infer.workers import spread
from malsori.models.composed import ComposedModel
from malsori.models.plan import PlanningModel
from malsori.models.voice import AligningModel, Conditions
from malsori.modules.features import Features
from malsori.text.frontend import TextError, Word

log = get_logger(__name__)
T = TypeVar("T")

BATCH_SECONDS = 60.0
"""Audio spoken at a time, where nothing is said and batches pay: on a GPU, and where recordings are
looked at."""
GUESSED_TOKEN_SECONDS = 0.1
"""For forming batches, before durations are known."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One text of the set."""

    row: int
    key: str
    words: list[Word]
    tokens: list[int]
    """Their ids."""


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a model is given of some texts."""

    lines: Sequence[Line]
    tokens: torch.Tensor
    token_lengths: torch.Tensor
    conditions: Conditions
    features: Features | None
    """Of the recordings, if these are followed."""


@dataclass(frozen=True, kw_only=True)
class Said:
    """What was made of it."""

    lines: Sequence[Line]
    spoken: Sequence[Spoken]
    mel: torch.Tensor | None
    """As in ``Speech``."""
    seconds: float
    """That it took, on one worker."""


def decode(
    voice: Voice,
    data: DataDir,
    out: Path,
    batch_seconds: float | None = None,
    forced: bool = False,
    save_mel: bool = False,
    durations: DurationFolder | None = None,
) -> None:
    """Write speech for every text of a data dir.

    Makes ``wav/``, ``durations``, ``tokens``, ``timestamps.json``, ``rtf.json``, for texts that
    cannot be read ``rejected.tsv``, and with ``save_mel`` the folder ``mels/``. On a CPU as many
    texts are spoken at a time as PyTorch has threads, each alone; elsewhere texts of similar length
    are spoken together. A voice with style tokens speaks in its neutral style, or with ``forced``
    in that of each recording; one that takes speaker vectors is given those of the data dir.

    Args:
        voice: Who speaks.
        data: What is spoken.
        out: Folder to write into.
        batch_seconds: Audio spoken together, estimated; None for what is best.
        forced: Take durations, pitch, energy and style from the recordings (teacher forcing).
        save_mel: Keep the mel spectrograms that a vocoder makes audible.
        durations: Those of the recordings, for a voice that does not align them itself.

    Raises:
        MalsoriError: No text can be read, a file cannot be written, or the voice makes no mels.
    """
    if save_mel and not isinstance(voice.model, ComposedModel):
        raise MalsoriError(
            f"{voice.origin}: makes waveforms without a mel spectrogram; leave --save-mel out"
        )
    if voice.embedding_size:
        data.check_embeddings(voice.embedding_size, voice.speaker_encoder)
    workers = _workers(voice, forced)
    if batch_seconds is None:
        batch_seconds = 0.0 if workers > 1 else BATCH_SECONDS
    lines, rejected = _read(voice, data)
    counts = [len(line.tokens) for line in lines]
    chosen = list(batches(counts, batch_seconds / GUESSED_TOKEN_SECONDS))
    given = (_given(voice, data, [lines[i] for i in batch], forced, durations) for batch in chosen)
    synthesizer = Synthesizer(voice)
    said = spread(lambda each: _speak(synthesizer, each), given, workers)
    spoken: dict[str, Timing] = {}
    factors: list[float] = []
    timer = Timer(voice.device)
    with mel_archive(out / "mels") if save_mel else contextlib.nullcontext() as mels:
        for batch in progress(timed(said, timer, workers), len(chosen), f"speak {data.path.name}"):
            for i, (line, result) in enumerate(zip(batch.lines, batch.spoken, strict=True)):
                spoken[line.key] = result.timing()
                audio.write(out / "wav" / f"{line.key}.wav", result.audio, result.sample_rate)
                if mels is not None and batch.mel is not None:
                    frames = int(result.durations.sum())
                    mels.add(line.key, batch.mel[i, :frames].cpu().numpy())
            if len(batch.lines) == 1:
                factors.append(batch.seconds / batch.spoken[0].seconds)
            del batch, result
    if mels is not None:
        mels.write_lists(data, recorded=forced)
    write_text(out / "rejected.tsv", "".join(f"{key}\t{why}\n" for key, why in rejected))
    alone = {"utterance_real_time_factor": statistics.median(factors)} if factors else {}
    speed = {"workers": workers, **alone}
    _write_results(out, [(line.key, spoken[line.key]) for line in lines], timer, speed)


def _workers(voice: Voice, forced: bool) -> int:
    """Return how many texts are spoken at a time, each on one core.

    Where recordings are looked at it is one: their files are read in order.
    """
    is_known = isinstance(voice.model, PlanningModel)  # others may not bear two calls at a time
    return torch.get_num_threads() if is_known and voice.device.type == "cpu" and not forced else 1


def timed(results: Iterator[T], timer: Timer, workers: int) -> Iterator[T]:
    """Yield results, and add the time that they take to ``timer``.

    With several workers it goes on while a result is written: so does their work.
    """
    if workers > 1:
        with timer:
            yield from results
        return
    while True:
        with timer:
            result = next(results, None)
        if result is None:
            return
        yield result


def _write_results(
    out: Path, spoken: list[tuple[str, Timing]], timer: Timer, speed: dict[str, Any]
) -> None:
    """Write what is told of the waveforms in ``out``, and delete those of an earlier run."""
    remove_stale(out / "wav", dict(spoken))
    _write_rows(
        out / "durations", ((k, " ".join(map(str, s.durations.tolist()))) for k, s in spoken)
    )
    _write_rows(out / "tokens", ((k, " ".join(s.tokens)) for k, s in spoken))
    write_json(out / "timestamps.json", {key: result.timestamps() for key, result in spoken})
    length = sum(result.seconds for _, result in spoken)
    write_json(out / "rtf.json", {**speed_record(timer, length, len(spoken)), **speed})
    log.info(
        "%s: %d utterances, %.1f s of speech in %.1f s (real-time factor %.3f)",
        out,
        len(spoken),
        length,
        timer.seconds,
        timer.seconds / max(length, 1e-9),
    )


class Timer:
    """Adds up the time inside its blocks, waiting for the device at their ends."""

    def __init__(self, device: torch.device) -> None:
        self.device, self.seconds, self._start = device, 0.0, 0.0

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.seconds += time.perf_counter() - self._start


def _read(voice: Voice, data: DataDir) -> tuple[list[Line], list[tuple[str, str]]]:
    lines, rejected = [], []
    for row in range(len(data)):
        key = data.key(row)
        try:
            words = voice.words(data.text(row), data.language(row))
            if not speaks(words):
                raise TextError(f"no word to speak in {data.text(row)!r}")
            lines.append(Line(row=row, key=key, words=words, tokens=token_ids(voice, words)))
        except TextError as error:
            log.warning("%s: left out: %s", key, error)
            rejected.append((key, str(error)))
    if not lines:
        raise MalsoriError(
            f"{data.path}: none of its {len(data)} texts can be read; the first: {rejected[0][1]}"
        )
    return lines, rejected


def _given(
    voice: Voice,
    data: DataDir,
    batch: list[Line],
    forced: bool,
    durations: DurationFolder | None,
) -> Given:
    """Return what the model is given of a batch."""
    tokens, lengths = padded([line.tokens for line in batch], voice.device)
    speakers = [_index(voice, "speaker", data.speaker(line.row)) for line in batch]
    languages = [_index(voice, "language", data.language(line.row)) for line in batch]
    device = voice.device
    return Given(
        lines=batch,
        tokens=tokens,
        token_lengths=lengths,
        conditions=Conditions(
            speaker=torch.tensor(speakers, device=device),
            language=torch.tensor(languages, device=device),
            embedding=_embeddings(voice, data, batch),
        ),
        features=_features(voice, data, batch, durations) if forced else None,
    )


def _speak(synthesizer: Synthesizer, given: Given) -> Said:
    """Return what the voice says; several threads may do so at a time."""
    start, voice = time.perf_counter(), synthesizer.voice
    asked = given.tokens, given.token_lengths
    conditions, prosody = given.conditions, None
    with torch.inference_mode():
        if given.features is not None:
            if not isinstance(voice.model, AligningModel):
                raise MalsoriError(
                    f"{voice.origin}: this model does not align recordings; speak without "
                    "--teacher-forcing"
                )
            mel, mel_lengths = given.features.mel, given.features.mel_lengths
            conditions = conditions.with_own_style(mel, mel_lengths)
            prosody = voice.model.analyse(*asked, given.features, conditions).prosody
        speech = voice.model.synthesize(*asked, conditions, prosody=prosody)
    spoken = [synthesizer.spoken(line.words, speech, i) for i, line in enumerate(given.lines)]
    took = time.perf_counter() - start
    return Said(lines=given.lines, spoken=spoken, mel=speech.mel, seconds=took)


def _index(voice: Voice, kind: str, name: str | None) -> int:
    """Return the index of a name, or 0 where the voice has only one, whatever it is called."""
    names = voice.speakers if kind == "speaker" else voice.languages
    return voice.index(kind, name) if len(names) > 1 else 0


def _embeddings(voice: Voice, data: DataDir, batch: list[Line]) -> torch.Tensor | None:
    """Return the speaker vectors of the data dir, (B, E); None if the voice does without."""
    if not voice.embedding_size:
        return None
    vectors = [torch.from_numpy(data.embedding(line.row)) for line in batch]
    return torch.stack(vectors).to(voice.device)


def _features(
    voice: Voice, data: DataDir, batch: list[Line], durations: DurationFolder | None
) -> Features:
    """Return the features of the batch's recordings.

    Raises:
        MalsoriError: A recording has fewer frames than its text has tokens, or its durations are
            of other tokens.
    """
    wavs = [data.wav(line.row, voice.audio.sample_rate) for line in batch]
    features = features_of(voice, wavs)
    for line, frames in zip(batch, features.mel_lengths.tolist(), strict=True):
        if frames < len(line.tokens):
            raise MalsoriError(f"{line.key}: fewer frames than tokens; leave it out")
    if durations is None:
        return features
    read = [
        durations.read(
            line.key,
            [token for word in line.words for token in word.tokens],
            len(wav),
            voice.audio,
        ).tolist()
        for line, wav in zip(batch, wavs, strict=True)
    ]
    return dataclasses.replace(features, durations=padded(read, voice.device)[0])


def speed_record(timer: Timer, length: float, count: int) -> dict[str, Any]:
    """Return what ``rtf.json`` tells.

    Args:
        timer: Has measured all of it.
        length: Seconds of audio that were made.
        count: Utterances.
    """
    return {
        "real_time_factor": timer.seconds / max(length, 1e-9),
        "seconds": timer.seconds,
        "audio_seconds": length,
        "utterances": count,
        "device": str(timer.device),
        "threads": torch.get_num_threads(),
        **run_record(),
    }


def remove_stale(folder: Path, spoken: Container[str]) -> None:
    """Delete audio of an earlier run that was not made again."""
    for path in folder.glob("*.wav"):
        if path.stem not in spoken:
            path.unlink()


def _write_rows(path: Path, rows: Iterable[tuple[str, str]]) -> None:
    write_text(path, "".join(f"{key} {value}\n" for key, value in rows))
