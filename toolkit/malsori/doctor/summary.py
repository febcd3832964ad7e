"""The numbers of the report: of each set, each speaker, each kind of fault, and notes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from malsori.doctor.columns import Columns
from malsori.doctor.judgement import KINDS, Judgement, Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Part:
    """The numbers of a set, of a speaker, or of everything; medians where nothing else is said."""

    name: str
    utterances: int
    hours: float
    speakers: int
    seconds: float
    longest: float
    rate: float
    """Tokens or characters a second."""
    level_db: float
    peak_db: float
    """Of the loudest recording."""
    snr_db: float
    floor_db: float
    ends: float
    """Silence before plus after the speech, seconds."""
    clipped: int
    """Recordings that are."""
    unusable: int
    unread: int
    suspicious: int

    def as_json(self) -> dict[str, Any]:
        """Return the numbers, rounded; None for what is not known."""
        return {name: _rounded(value) for name, value in vars_of(self).items()}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """How often one kind of fault was found."""

    kind: Kind
    count: int
    hours: float


def vars_of(part: Part) -> dict[str, Any]:
    """Return the fields of a part by name."""
    return {name: getattr(part, name) for name in part.__dataclass_fields__}


def parts_of_sets(judgement: Judgement) -> list[Part]:
    """Return the numbers of each set and, where there are several, of all together first."""
    survey = judgement.columns.survey
    ends = np.cumsum([0, *(len(each) for each in survey.sets)])
    parts = [
        _part(judgement, each.name, np.arange(first, last))
        for each, first, last in zip(survey.sets, ends[:-1], ends[1:], strict=True)
    ]
    return parts if len(parts) == 1 else [_part(judgement, "all", np.arange(ends[-1])), *parts]


def parts_of_speakers(judgement: Judgement, limit: int = 50) -> list[Part]:
    """Return the numbers of the speakers with most utterances."""
    columns = judgement.columns
    order = np.argsort(columns.speakers, kind="stable")
    counts = np.bincount(columns.speakers, minlength=len(columns.survey.speakers))
    groups = np.split(order, np.cumsum(counts)[:-1])
    most = np.argsort(-counts, kind="stable")[:limit].tolist()
    return [_part(judgement, columns.survey.speakers[i], groups[i]) for i in most]


def findings(judgement: Judgement) -> list[Finding]:
    """Return the kinds of faults that were found, the gravest first."""
    found = []
    for kind in KINDS:
        rows = judgement.severities[kind.name] > 0
        if rows.any():
            hours = float(judgement.columns.seconds[rows].sum()) / 3600
            found.append(Finding(kind=kind, count=int(rows.sum()), hours=hours))
    return found


def sample_rates(columns: Columns) -> Counter[int]:
    """Return how many recordings have which sample rate, the most frequent first."""
    rates = columns.of("rate")
    values, counts = np.unique(rates[np.isfinite(rates)].astype(np.int64), return_counts=True)
    return Counter(dict(zip(values.tolist(), counts.tolist(), strict=True)))


def formats(columns: Columns) -> Counter[str]:
    """Return how many recordings are in which format."""
    found: Counter[str] = Counter()
    for each in columns.survey.sets:
        values, counts = np.unique(each.sound["format"][each.measured], return_counts=True)
        found.update(
            {v.decode(): int(n) for v, n in zip(values.tolist(), counts.tolist(), strict=True)}
        )
    return found


def notes(judgement: Judgement) -> list[str]:
    """Return what has to be known besides the findings, a sentence each."""
    columns = judgement.columns
    told = []
    rates = sample_rates(columns).most_common()
    if len(rates) > 1:
        listed = ", ".join(f"{count} at {rate:,} Hz" for rate, count in rates)
        told.append(
            f"Several sample rates: {listed}. Train at the lowest of them, or leave some out: what "
            "is upsampled has no high frequencies, and the voice learns that."
        )
    stereo = int((columns.of("channels") > 1).sum())
    if stereo:
        told.append(f"{_counted(stereo, 'recording')} in several channels, averaged when read.")
    wrong, example = _wrong_suffixes(columns)
    if wrong:
        told.append(
            f"{_counted(wrong, 'file')} in another format than the name says, as {example}; "
            "malsori reads that all the same, other programs may not."
        )
    if columns.keys.groups:
        told.append(f"{_counted(columns.keys.groups, 'id')} in several sets.")
    if columns.texts.leaked:
        told.append(
            f"{_counted(columns.texts.leaked, 'held-out text')} in a training set too: scores of "
            "these sentences flatter the voice."
        )
    survey = columns.survey
    if survey.sampled and any(not each.heard.all() for each in survey.sets):
        told.append(
            f"Audio was measured of {survey.sampled:,} utterances of each set, drawn at random "
            "(--sample); durations are those of utt2dur for the others, and the same sound twice "
            "is found within the sample only."
        )
    if survey.sets[0].amounts.unit == "characters":
        told.append(
            "Letters were counted, since neither --tokens nor --frontend was given: texts that "
            "cannot be read are not found, and rates are rough where spelling is irregular."
        )
    return told


def _part(judgement: Judgement, name: str, rows: NDArray[np.int64]) -> Part:
    columns = judgement.columns
    sound = rows[~columns.silent[rows]]

    def middle(values: NDArray[np.float64], of: NDArray[np.int64] = rows) -> float:
        fine = values[of][np.isfinite(values[of])]
        return float(np.median(fine)) if len(fine) else float("nan")

    def count(kind: str) -> int:
        return int((judgement.severities[kind][rows] > 0).sum())

    peaks = columns.of("peak_db")[rows]
    return Part(
        name=name,
        utterances=len(rows),
        hours=float(columns.seconds[rows].sum()) / 3600,
        speakers=len(np.unique(columns.speakers[rows])),
        seconds=middle(columns.seconds),
        longest=float(columns.seconds[rows].max()),
        rate=middle(columns.rate, sound),
        level_db=middle(columns.of("level_db"), sound),
        peak_db=float(np.nanmax(peaks)) if np.isfinite(peaks).any() else float("nan"),
        snr_db=middle(columns.snr_db),
        floor_db=middle(columns.of("floor_db"), sound),
        ends=middle(columns.of("lead") + columns.of("tail"), sound),
        clipped=count("clipped"),
        unusable=count("unusable") + count("silent"),
        unread=count("unread"),
        suspicious=int((judgement.suspicion[rows] > 0).sum()),
    )


def _wrong_suffixes(columns: Columns) -> tuple[int, str]:
    """Return how many files are named for another format, and one of them."""
    total, example = 0, ""
    for each in columns.survey.sets:
        rows = np.flatnonzero(each.sound["misnamed"])
        total += len(rows)
        if len(rows) and not example:
            sound = each.sound["format"][rows[0]].decode()
            example = f"{each.data.source(int(rows[0])).path} ({sound.split(' ')[0]})"
    return total, example


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'s' if count != 1 else ''}"


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return None if value != value else round(value, 4)
    return value
