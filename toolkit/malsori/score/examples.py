"""Examples for the report: which utterances are shown, and their audio and pictures as files."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from malsori.core.log import progress
from malsori.data.datadir import DataDir
from malsori.dsp import audio, cepstrum
from malsori.dsp.cepstrum import CepstrumConfig
from malsori.score.decoded import DecodedSpeech, TokenTimes
from malsori.score.evaluation import DECODED, Evaluation
from malsori.score.plots import Picture, draw, pitch_range
from malsori.score.scorer import distance_from_best
from malsori.score.token_labels import Label, place

_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of the two recordings of an example."""

    wav: str
    """File name in the folder of the examples."""
    picture: str
    """File name in the folder of the examples."""
    labels: tuple[Label, ...]
    """Tokens under the picture; empty where decoding left no durations."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """An utterance that is shown with audio and pictures."""

    utterance: int
    """Number in the evaluation."""
    reason: str
    """Why it was chosen: "worst", "best", "random", or empty where all are shown."""
    tokens: tuple[str, ...]
    """What the voice was given; empty where decoding did not tell."""
    axis_seconds: float
    """Length of both pictures' time axis."""
    reference: Side
    decoded: Side


def select(evaluation: Evaluation, limit: int) -> dict[int, str]:
    """Return the utterances to show, worst first, with the reason for each.

    All of them if there are no more than ``limit``; else a third each of the worst and the best by
    the first metric, and the rest drawn at random from the others with a fixed seed.

    Args:
        evaluation: The scores.
        limit: How many at most.
    """
    metric = evaluation.metrics[0]
    scores = [row.scores[DECODED][metric.name] for row in evaluation.utterances]
    order = sorted(range(len(scores)), key=lambda i: -distance_from_best(metric, scores[i]))
    if len(order) <= limit:
        return dict.fromkeys(order, "")
    third = limit // 3
    reasons = dict.fromkeys(order[:third], "worst")
    best = order[len(order) - third :]
    middle = order[third : len(order) - third]
    drawn = np.random.default_rng(_SEED).permutation(len(middle))[: limit - 2 * third]
    reasons |= dict.fromkeys((middle[i] for i in sorted(drawn)), "random")
    return reasons | dict.fromkeys(best, "best")


def make_examples(
    folder: Path, data: DataDir, decoded: DecodedSpeech, evaluation: Evaluation, limit: int
) -> list[Example]:
    """Write audio and pictures of the selected utterances into a folder, return them worst first.

    Args:
        folder: Exists already.
        data: The references.
        decoded: What was judged.
        evaluation: The scores.
        limit: How many examples at most.

    Raises:
        MalsoriError: A recording cannot be read or a file not be written.
    """
    reasons = select(evaluation, limit)
    times = decoded.token_times([evaluation.utterances[i].id for i in reasons])
    examples = []
    for i in progress(reasons, total=len(reasons), label="report"):
        utterance = evaluation.utterances[i].id
        reference_wav = data.wav(i, evaluation.sample_rate)
        decoded_wav, _ = audio.read(decoded.path(utterance), evaluation.sample_rate)
        name = f"{i + 1:04d}_{re.sub(r'[^A-Za-z0-9.-]', '_', utterance)}"
        reference, judged, axis_seconds = _sides(
            folder, name, reference_wav, decoded_wav, evaluation.sample_rate, times.get(utterance)
        )
        examples.append(
            Example(
                utterance=i,
                reason=reasons[i],
                tokens=times[utterance].tokens if utterance in times else (),
                axis_seconds=axis_seconds,
                reference=reference,
                decoded=judged,
            )
        )
    return examples


def _sides(
    folder: Path,
    name: str,
    reference_wav: NDArray[np.float32],
    decoded_wav: NDArray[np.float32],
    sample_rate: int,
    times: TokenTimes | None,
) -> tuple[Side, Side, float]:
    """Write the files of both sides; return them and the length of their time axis."""
    config = CepstrumConfig()
    hop_seconds = round(config.hop_seconds * sample_rate) / sample_rate
    reference = cepstrum.analyse(reference_wav, sample_rate, config)
    judged = cepstrum.analyse(decoded_wav, sample_rate, config)
    path = cepstrum.align(reference, judged).path
    axis_seconds = max(len(reference_wav), len(decoded_wav)) / sample_rate
    ends = token_ends(times, len(decoded_wav) / sample_rate)
    boundaries = {
        "decoded": ends,
        "reference": [warped(second, path, hop_seconds) for second in ends],
    }
    warped_f0 = np.zeros_like(judged.f0)
    warped_f0[path[:, 1]] = reference.f0[path[:, 0]]
    sides = {}
    for kind, wav, frames, other_f0 in (
        ("reference", reference_wav, reference, None),
        ("decoded", decoded_wav, judged, warped_f0),
    ):
        audio.write(folder / f"{name}.{kind}.wav", wav, sample_rate)
        picture = Picture(
            wav=wav,
            sample_rate=sample_rate,
            axis_seconds=axis_seconds,
            f0=frames.f0,
            f0_hop_seconds=hop_seconds,
            f0_range_hz=pitch_range(reference.f0, judged.f0),
            boundaries=boundaries[kind],
            other_f0=other_f0,
        )
        draw(picture, folder / f"{name}.{kind}.png")
        labels = place(times.tokens, boundaries[kind], axis_seconds) if times else ()
        sides[kind] = Side(wav=f"{name}.{kind}.wav", picture=f"{name}.{kind}.png", labels=labels)
    return sides["reference"], sides["decoded"], axis_seconds


def token_ends(times: TokenTimes | None, seconds: float) -> list[float]:
    """Return where each token ends in a decoded recording of this length, seconds, (N,)."""
    if times is None or sum(times.durations) == 0:
        return []
    ends = np.cumsum(times.durations)
    return [float(end) for end in ends * (seconds / ends[-1])]


def warped(second: float, path: NDArray[np.int64], hop_seconds: float) -> float:
    """Return when the reference says what the decoded recording says at a time, in seconds.

    Args:
        second: In the decoded recording.
        path: Pairs of frames (reference, decoded), (L, 2).
        hop_seconds: Time between frames.
    """
    frame = second / hop_seconds
    same: Sequence[int] = np.flatnonzero(path[:, 1] == min(round(frame), path[-1, 1])).tolist()
    return float(path[same[len(same) // 2], 0]) * hop_seconds
