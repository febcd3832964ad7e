"""Scores of every utterance of a set, with two trivial baselines measured by the same functions.

A number such as 6.1 dB says little alone. Beside the decoded recording each reference is therefore
compared with silence of its own length and with the reference of another sentence, by the same
speaker where there is one: a voice that is no better than those has learnt nothing.
"""

from __future__ import annotations

import concurrent.futures
import concurrent.futures.process
import functools
import math
import multiprocessing
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from malsori.core.config import Choice, build
from malsori.core.errors import MalsoriError
from malsori.core.log import progress
from malsori.data.datadir import DataDir
from malsori.dsp import audio
from malsori.score import SCORERS
from malsori.score.decoded import DecodedSpeech
from malsori.score.intervals import Estimate, estimate
from malsori.score.scorer import Clip, Metric, Scorer

DECODED, SILENCE, OTHER = "decoded", "silence", "other_utterance"
SYSTEMS = (DECODED, SILENCE, OTHER)
_UTTERANCES_A_JOB = 8  # starting a process costs about as much as scoring these
_DIFFERENT_TEXT_TRIES = 10


@dataclass(frozen=True, kw_only=True)
class UtteranceScores:
    """One utterance of the set and its scores."""

    id: str
    """Utterance id."""
    text: str
    """What should be said."""
    speaker: str
    """Speaker of the reference."""
    seconds: float
    """Length of the reference."""
    decoded_seconds: float
    """Length of the decoded recording."""
    other: str | None
    """Id of the other utterance that was compared; None in a set of one."""
    scores: dict[str, dict[str, float]]
    """System, then metric's name, to value; NaN where not defined."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """All scores of a set."""

    metrics: tuple[Metric, ...]
    """Of all scorers, in their order."""
    sample_rate: int
    """At which everything was compared, Hz: the lower of the two sides'."""
    utterances: tuple[UtteranceScores, ...]
    """In the order of the data dir."""

    def summary(self) -> dict[str, dict[str, Estimate]]:
        """Return the mean with its interval by system and metric's name."""
        return {
            system: {
                metric.name: estimate(row.scores[system][metric.name] for row in self.utterances)
                for metric in self.metrics
            }
            for system in SYSTEMS
        }


def evaluate(
    data: DataDir, decoded: DecodedSpeech, scorers: Sequence[Choice], jobs: int = 1
) -> Evaluation:
    """Score every utterance of a data dir.

    Args:
        data: The references.
        decoded: The recordings to judge.
        scorers: From ``SCORERS``, at least one.
        jobs: Processes; small sets use fewer.

    Raises:
        MalsoriError: The two sides do not hold the same utterances, a recording cannot be read, or
            the data dir has no utterance.
    """
    if len(data) == 0:
        raise MalsoriError(f"{data.path}: has no utterances to score")
    rows = decoded.rows(data)
    sample_rate = common_sample_rate(data, decoded, rows[0])
    worker = _Worker(data, decoded, scorers, sample_rate)
    jobs = max(1, min(jobs, math.ceil(len(rows) / _UTTERANCES_A_JOB)))
    scores = _in_processes(worker, rows, jobs) if jobs > 1 else map(worker.score, rows)
    return Evaluation(
        metrics=worker.metrics,
        sample_rate=sample_rate,
        utterances=tuple(progress(scores, total=len(rows), label="score")),
    )


def common_sample_rate(data: DataDir, decoded: DecodedSpeech, row: int) -> int:
    """Return the lower of the sample rates of one utterance's reference and decoded recording.

    The band above half of it exists in one of the two only and would be counted as distortion.
    """
    reference_rate = audio.info(data.source(row).path).sample_rate
    return min(reference_rate, audio.info(decoded.path(data.key(row))).sample_rate)


def other_utterances(data: DataDir) -> list[int | None]:
    """Return for each utterance the one that it is compared with as a baseline.

    The next of the same speaker, after the last the first again, and of those the first with
    another text; where the speaker has no such utterance the next of the set.
    """
    of_speaker: dict[str, list[int]] = defaultdict(list)
    for i in range(len(data)):
        of_speaker[data.speaker(i)].append(i)
    others: list[int | None] = [None] * len(data)
    everyone = list(range(len(data)))
    for same in of_speaker.values():
        for place, i in enumerate(same):
            others[i] = _next_with_other_text(data, same, place)
            if others[i] is None:
                others[i] = _next_with_other_text(data, everyone, i)
    return others


def _next_with_other_text(data: DataDir, utterances: list[int], place: int) -> int | None:
    text = data.text(utterances[place])
    for step in range(1, min(len(utterances), _DIFFERENT_TEXT_TRIES + 1)):
        candidate = utterances[(place + step) % len(utterances)]
        if data.text(candidate) != text:
            return candidate
    return None


class _Worker:
    """Scores utterances by number; sent once to each process."""

    def __init__(
        self, data: DataDir, decoded: DecodedSpeech, scorers: Sequence[Choice], sample_rate: int
    ) -> None:
        self.data = data
        self.decoded = decoded
        self.choices = tuple(scorers)
        self.sample_rate = sample_rate
        self.others = other_utterances(data)
        self._start()

    def __getstate__(self) -> dict[str, Any]:
        kept = ("data", "decoded", "choices", "sample_rate", "others")
        return {name: self.__dict__[name] for name in kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._start()

    def _start(self) -> None:
        self.scorers: list[Scorer] = [build(SCORERS, choice) for choice in self.choices]
        self.metrics = tuple(metric for scorer in self.scorers for metric in scorer.metrics)
        # An utterance is most often the next one's "other", so two are kept.
        self.reference = functools.lru_cache(maxsize=2)(self._reference)

    def score(self, i: int) -> UtteranceScores:
        """Return the scores of utterance ``i`` and of its baselines."""
        utterance, other = self.data.key(i), self.others[i]
        reference, references = self.reference(i)
        wav, _ = audio.read(self.decoded.path(utterance), self.sample_rate)
        judged: dict[str, list[Any] | None] = {
            DECODED: self._prepare(reference._replace(wav=wav)),
            SILENCE: self._prepare(reference._replace(wav=np.zeros_like(reference.wav))),
            OTHER: None if other is None else self.reference(other)[1],
        }
        return UtteranceScores(
            id=utterance,
            text=reference.text,
            speaker=self.data.speaker(i),
            seconds=len(reference.wav) / self.sample_rate,
            decoded_seconds=len(wav) / self.sample_rate,
            other=None if other is None else self.data.key(other),
            scores={name: self._compare(references, judged[name]) for name in SYSTEMS},
        )

    def _reference(self, i: int) -> tuple[Clip, list[Any]]:
        clip = Clip(
            wav=self.data.wav(i, self.sample_rate),
            sample_rate=self.sample_rate,
            text=self.data.text(i),
            language=self.data.language(i),
        )
        return clip, self._prepare(clip)

    def _prepare(self, clip: Clip) -> list[Any]:
        return [scorer.prepare(clip) for scorer in self.scorers]

    def _compare(self, references: list[Any], judged: list[Any] | None) -> dict[str, float]:
        if judged is None:
            return {metric.name: float("nan") for metric in self.metrics}
        scores: dict[str, float] = {}
        for scorer, reference, other in zip(self.scorers, references, judged, strict=True):
            scores.update(scorer.compare(reference, other))
        return scores


_worker: _Worker | None = None


def _start_process(worker: _Worker) -> None:
    global _worker
    _worker = worker


def _score_in_process(i: int) -> UtteranceScores:
    assert _worker is not None, "the process was not started by _start_process"
    return _worker.score(i)


def _in_processes(worker: _Worker, rows: list[int], jobs: int) -> Iterator[UtteranceScores]:
    """Yield the scores in order; neighbours go to the same process, which then reads each once."""
    with concurrent.futures.ProcessPoolExecutor(
        jobs,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start_process,
        initargs=(worker,),
    ) as pool:
        try:
            yield from pool.map(_score_in_process, rows, chunksize=_UTTERANCES_A_JOB)
        except concurrent.futures.process.BrokenProcessPool:
            raise MalsoriError(
                "a scoring process was killed, perhaps for want of memory; try again with --jobs 1"
            ) from None
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
