"""``report.html``, ``report.json`` and ``suspicious.tsv``: what the doctor found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from malsori.core.files import atomic_folder, atomic_write, write_json, write_text
from malsori.core.log import get_logger
from malsori.core.version import VERSION
from malsori.doctor.clips import make_clips, select
from malsori.doctor.columns import Columns
from malsori.doctor.duplicates import Duplicates
from malsori.doctor.judgement import Judgement, judge
from malsori.doctor.sections import STYLE, body
from malsori.doctor.summary import (
    findings,
    formats,
    notes,
    parts_of_sets,
    parts_of_speakers,
    sample_rates,
)
from malsori.doctor.survey import Survey, survey
from malsori.score.page import page

log = get_logger(__name__)

FILES = "report"
"""Folder beside the page that holds its sound."""
MOST_LISTED = 10_000
"""Ids that the JSON lists of each kind; suspicious.tsv has all."""


def diagnose(
    folders: Sequence[Path],
    out: Path,
    *,
    tokens: Path | None = None,
    frontend: str | None = None,
    sample: int = 0,
    jobs: int = 1,
    examples: int = 40,
) -> Judgement:
    """Look at data dirs and write the report on them.

    Args:
        folders: The data dirs.
        out: Folder of the report; what was measured is kept there for the next time.
        tokens: Output folder of stage 2, to count tokens by.
        frontend: Text front end that reads the texts now; neither of both counts letters.
        sample: Utterances of each set to measure; 0 for all.
        jobs: Processes.
        examples: Players in the page at most.

    Returns:
        What was found.

    Raises:
        MalsoriError: A data dir cannot be opened or a file not be written.
        UsageError: Arguments that contradict each other.
    """
    found = survey(folders, out, tokens=tokens, frontend=frontend, sample=sample, jobs=jobs)
    judgement = judge(Columns(found))
    write_report(judgement, out, examples)
    return judgement


def write_report(judgement: Judgement, out: Path, examples: int) -> None:
    """Write page, JSON, table and sound of a judgement into a folder."""
    with atomic_folder(out / FILES) as folder:
        clips = make_clips(folder, judgement, select(judgement, examples))
    write_text(
        out / "report.html", page(_title(judgement.columns.survey), body(judgement, clips), STYLE)
    )
    write_json(out / "report.json", as_json(judgement))
    _write_suspicious(judgement, out / "suspicious.tsv")


def as_json(judgement: Judgement) -> dict[str, Any]:
    """Return everything that the page tells, for programs."""
    columns = judgement.columns
    return {
        "malsori": VERSION,
        "unit": columns.survey.sets[0].amounts.unit,
        "sampled": columns.survey.sampled,
        "sets": [part.as_json() for part in parts_of_sets(judgement)],
        "speakers": [part.as_json() for part in parts_of_speakers(judgement)],
        "sample_rates": {str(rate): count for rate, count in sample_rates(columns).items()},
        "formats": dict(formats(columns)),
        "notes": notes(judgement),
        "findings": [
            {
                "name": finding.kind.name,
                "label": finding.kind.label,
                "meaning": finding.kind.meaning,
                "utterances": finding.count,
                "hours": round(finding.hours, 4),
                "ids": _ids(judgement, finding.kind.name),
            }
            for finding in findings(judgement)
        ],
        "duplicates": {
            "texts": _duplicates(columns, columns.texts),
            "sounds": _duplicates(columns, columns.sounds),
        },
        "quantiles": _quantiles(columns),
    }


def _title(found: Survey) -> str:
    names = ", ".join(each.name for each in found.sets)
    return f"Data report: {names if len(names) < 60 else f'{len(found.sets)} sets'}"


def _ids(judgement: Judgement, name: str) -> list[str]:
    severities = judgement.severities[name]
    rows = np.flatnonzero(severities > 0)
    rows = rows[np.argsort(-severities[rows], kind="stable")][:MOST_LISTED]
    return [_place(judgement.columns, row) for row in rows.tolist()]


def _place(columns: Columns, row: int) -> str:
    found, at = columns.survey.place(row)
    return f"{found.name}/{found.data.key(at)}"


def _duplicates(columns: Columns, found: Duplicates) -> dict[str, Any]:
    return {
        "groups": found.groups,
        "utterances": found.utterances,
        "held_out_and_trained": found.leaked,
        "first": [
            {
                "size": group.size,
                "held_out_and_trained": group.leak,
                "ids": [_place(columns, row) for row in group.rows],
            }
            for group in found.shown
        ],
    }


def _quantiles(columns: Columns) -> dict[str, dict[str, float]]:
    """Return minimum, 5%, 25%, median, 75%, 95% and maximum of what was measured."""
    measures = {
        "seconds": columns.seconds,
        "rate": columns.rate,
        "snr_db": columns.snr_db,
        **{
            name: columns.of(name)
            for name in ("level_db", "peak_db", "floor_db", "lead", "tail", "pause", "bandwidth")
        },
    }
    shares = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
    table = {}
    for name, values in measures.items():
        fine = values[np.isfinite(values)]
        if len(fine):
            found = np.quantile(fine, shares).tolist()
            table[name] = {f"{s:g}": round(v, 4) for s, v in zip(shares, found, strict=True)}
    return table


def _write_suspicious(judgement: Judgement, path: Path) -> None:
    """Write one line for each suspicious utterance: set, id, suspicion, why."""
    columns = judgement.columns
    with atomic_write(path) as file:
        file.write("set\tutterance\tsuspicion\tkinds\twhy\n")
        for row in judgement.order().tolist():
            found, at = columns.survey.place(row)
            reasons = judgement.reasons(row)
            kinds = ",".join(kind.name for kind, _ in reasons)
            why = " ".join("; ".join(told for _, told in reasons).split())
            suspicion = judgement.suspicion[row]
            file.write(f"{found.name}\t{found.data.key(at)}\t{suspicion:.2f}\t{kinds}\t{why}\n")
