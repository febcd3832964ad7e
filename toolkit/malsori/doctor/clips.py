"""What to listen to: the most suspicious utterances, their sound copied beside the page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from malsori.core.errors import MalsoriError
from malsori.core.log import progress
from malsori.doctor.charts import waveform
from malsori.doctor.judgement import Judgement
from malsori.dsp import audio

FEWEST_A_KIND = 3


@dataclass(frozen=True, kw_only=True)
class Clip:
    """An utterance with a player."""

    row: int
    """Number among all utterances."""
    wav: str
    """File name in the folder of the clips."""
    picture: str
    """SVG of its waveform."""
    seconds: float


def select(judgement: Judgement, limit: int) -> list[int]:
    """Return the utterances to listen to, the most suspicious first.

    What is wrong most with an utterance is its kind: no kind gets more than its share of the places
    while others wait, so that a hundred clipped recordings do not hide one wrong text.

    Args:
        judgement: Of all utterances.
        limit: How many at most.
    """
    columns = judgement.columns
    there = np.isfinite(columns.of("rate"))
    rows = [row for row in judgement.order().tolist() if there[row]]
    if len(rows) <= limit:
        return rows
    kinds = {row: judgement.reasons(row)[0][0].name for row in rows[: 50 * limit]}
    share = max(limit // max(len(set(kinds.values())), 1), FEWEST_A_KIND)
    taken: Counter[str] = Counter()
    first: list[int] = []
    later: list[int] = []
    for row, kind in kinds.items():
        taken[kind] += 1
        (first if taken[kind] <= share else later).append(row)
    chosen = {*first[:limit], *later[: max(limit - len(first), 0)]}
    return [row for row in rows if row in chosen]


def make_clips(folder: Path, judgement: Judgement, rows: Sequence[int]) -> list[Clip]:
    """Write the sound of some utterances into a folder, as 16-bit WAV files at their own rate.

    Args:
        folder: Exists already.
        judgement: Of all utterances.
        rows: Which ones.
    """
    columns, clips = judgement.columns, []
    for place, row in enumerate(progress(rows, len(rows), "clips"), start=1):
        found, at = columns.survey.place(row)
        source = found.data.source(at)
        try:
            wav, rate = audio.read(source.path, None, source.start, source.end)
        except MalsoriError:
            continue  # gone since it was measured
        name = f"{place:04d}_{re.sub(r'[^A-Za-z0-9.-]', '_', found.data.key(at))[:60]}.wav"
        audio.write(folder / name, np.clip(wav, -1.0, 1.0), rate)
        seconds = len(wav) / rate
        begin, end = float(columns.of("lead")[row]), seconds - float(columns.of("tail")[row])
        picture = waveform(wav, (begin / seconds, end / seconds))
        clips.append(Clip(row=row, wav=name, picture=picture, seconds=seconds))
    return clips
