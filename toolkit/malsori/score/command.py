"""Stage 6 as one function: from a decoded set to its scores and report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from malsori.core.config import Choice
from malsori.core.files import write_json, write_text
from malsori.data.datadir import DataDir
from malsori.score.decoded import DecodedSpeech
from malsori.score.evaluation import evaluate
from malsori.score.report import write_report
from malsori.score.results import as_json, as_markdown


def score_set(
    *,
    data: DataDir,
    decoded_folder: Path,
    out: Path,
    scorers: Sequence[Choice],
    title: str,
    examples: int = 30,
    jobs: int = 1,
) -> str:
    """Write ``report.html``, ``scores.md`` and ``scores.json``; return the Markdown summary.

    ``scores.json`` is written last: where it is, the others are.

    Args:
        data: The references.
        decoded_folder: Has ``wav/UTT.wav``, and ``tokens`` and ``durations`` where known.
        out: Folder to write into; other files in it stay.
        scorers: From ``SCORERS``.
        title: Heads the tables.
        examples: Utterances with audio and pictures in the report at most.
        jobs: Processes.

    Raises:
        MalsoriError: Recordings are missing, unreadable or of another set, or a file cannot be
            written.
    """
    decoded = DecodedSpeech(decoded_folder)
    evaluation = evaluate(data, decoded, scorers, jobs)
    write_report(out, data, decoded, evaluation, title, examples)
    summary = as_markdown(evaluation, title)
    write_text(out / "scores.md", summary)
    write_json(out / "scores.json", as_json(evaluation, scorers, title))
    return summary
