"""``report.html``: scores to read, and examples to hear and see beside their references."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from malsori.core.files import atomic_folder, write_text
from malsori.data.datadir import DataDir
from malsori.score.decoded import DecodedSpeech
from malsori.score.evaluation import DECODED, OTHER, SILENCE, SYSTEMS, Evaluation, UtteranceScores
from malsori.score.examples import Example, Side, make_examples
from malsori.score.page import cell, heading, page, row
from malsori.score.plots import AXES_LEFT, AXES_RIGHT
from malsori.score.results import INTERVAL_NOTE, SYSTEM_LABELS, SYSTEM_MEANINGS, interval, versions
from malsori.score.scorer import Metric, distance_from_best, written
from malsori.score.token_labels import Label

FILES = "report"
"""Folder beside the page that holds its audio and pictures."""


def write_report(
    out: Path,
    data: DataDir,
    decoded: DecodedSpeech,
    evaluation: Evaluation,
    title: str,
    limit: int = 30,
) -> Path:
    """Write ``report.html`` and the folder ``report/`` with its audio and pictures.

    Args:
        out: Folder to write into.
        data: The references.
        decoded: What was judged.
        evaluation: The scores.
        title: Names the run and the set.
        limit: Examples with audio and pictures at most.

    Returns:
        The page's path.

    Raises:
        MalsoriError: A recording cannot be read or a file not be written.
    """
    with atomic_folder(out / FILES) as folder:
        examples = make_examples(folder, data, decoded, evaluation, limit)
    path = out / "report.html"
    write_text(path, page(title, _body(title, evaluation, examples)))
    return path


def _body(title: str, evaluation: Evaluation, examples: Sequence[Example]) -> Iterator[str]:
    rows = evaluation.utterances
    count = f"{len(rows)} utterance{'s' * (len(rows) != 1)}"
    minutes = sum(item.seconds for item in rows) / 60
    yield f"<h1>{escape(title)}</h1>"
    yield (
        f'<p class="soft">{count}, {minutes:.1f} min of references, '
        f"compared at {evaluation.sample_rate / 1000:g} kHz</p>"
    )
    yield "<h2>Summary</h2>"
    yield from _summary(evaluation)
    yield "<h2>Utterances</h2>"
    yield (
        f'<p class="soft">Worst {escape(evaluation.metrics[0].label)} first; a click on a heading '
        "sorts by it. Linked utterances have audio and pictures below.</p>"
    )
    yield from _utterances(evaluation, {example.utterance for example in examples})
    if examples:
        yield "<h2>Examples</h2>"
        yield f'<p class="soft">{_about_examples(evaluation, examples)}</p>'
    for example in examples:
        yield from _example(example, rows[example.utterance], evaluation.metrics)
    found = ", ".join(f"{name} {version}" for name, version in versions().items())
    yield f"<footer>Made by <code>malsori score</code> with {escape(found)}.</footer>"


def _summary(evaluation: Evaluation) -> Iterator[str]:
    metrics = evaluation.metrics
    yield '<div class="scroll"><table><thead>'
    yield row([heading("", kind="text"), *(heading(metric.label) for metric in metrics)])
    yield "</thead><tbody>"
    for system, estimates in evaluation.summary().items():
        cells = [cell(escape(SYSTEM_LABELS[system]), kind="text")]
        for metric in metrics:
            mean, _, ends = interval(metric, estimates[metric.name]).partition(" ")
            cells.append(cell(mean + (f'<span class="range">{ends}</span>' if ends else "")))
        yield row(cells, kind="main" if system == DECODED else "")
    yield "</tbody></table></div>"
    yield f'<p class="soft">{escape(INTERVAL_NOTE)} A dash: not defined.</p>'
    yield "<dl>"
    for system in SYSTEMS:
        yield f"<dt>{escape(SYSTEM_LABELS[system])}</dt><dd>{escape(SYSTEM_MEANINGS[system])}</dd>"
    for metric in metrics:
        perfect = f"A perfect copy has {metric.best:g}."
        yield f"<dt>{escape(metric.label)}</dt><dd>{escape(metric.meaning)} {perfect}</dd>"
    yield "</dl>"


def _utterances(evaluation: Evaluation, shown: set[int]) -> Iterator[str]:
    metrics, rows = evaluation.metrics, evaluation.utterances
    first = metrics[0]
    order = sorted(
        range(len(rows)),
        key=lambda i: -distance_from_best(first, rows[i].scores[DECODED][first.name]),
    )
    largest = {
        metric.name: max(_bar_length(metric, item.scores[DECODED][metric.name]) for item in rows)
        or 1.0
        for metric in metrics
    }
    headings = [heading("Utterance", kind="text", button=True)]
    for metric in metrics:
        sort = "descending" if metric is first else ""
        headings.append(heading(metric.label, sort=sort, button=True))
    headings.append(heading("Seconds", button=True))
    headings.append(heading("Text", kind="text", button=True))
    yield '<div class="scroll tall"><table><thead>' + row(headings) + "</thead><tbody>"
    for i in order:
        item = rows[i]
        name = escape(item.id)
        link = f'<a href="#{_anchor(i)}">{name}</a>' if i in shown else name
        cells = [cell(link, item.id, "text")]
        for metric in metrics:
            value = item.scores[DECODED][metric.name]
            share = _bar_length(metric, value) / largest[metric.name]
            cells.append(cell(written(metric, value), value, share=share))
        cells.append(cell(f"{item.seconds:.2f}", item.seconds))
        cells.append(cell(escape(item.text), item.text, "sentence"))
        yield row(cells)
    yield "</tbody></table></div>"


def _bar_length(metric: Metric, value: float) -> float:
    return 0.0 if value != value else abs(value - metric.best)


def _about_examples(evaluation: Evaluation, examples: Sequence[Example]) -> str:
    total = len(evaluation.utterances)
    label = escape(evaluation.metrics[0].label)
    if len(examples) == total:
        which = f"All {total} utterances, worst {label} first."
    else:
        reasons = [example.reason for example in examples]
        counts = ", ".join(f"{reasons.count(name)} {name}" for name in ("worst", "random", "best"))
        which = f"{len(examples)} of the {total} utterances, by {label}: {counts}."
    explained = (
        f"{which} Above: mel spectrogram; below: F0 in blue, on the decoded side the reference's "
        "in grey, warped to the same time. A click on a picture plays from there."
    )
    if any(example.decoded.labels for example in examples):
        explained += (
            " White lines are token boundaries as the voice set them; on the reference's side "
            "they are carried over by the warping path."
        )
    return explained


def _example(example: Example, scores: UtteranceScores, metrics: Sequence[Metric]) -> Iterator[str]:
    reason = f" · {example.reason}" if example.reason else ""
    values = scores.scores[DECODED]
    chips = "".join(
        f"<span>{escape(metric.label)} <b>{written(metric, values[metric.name])}</b></span>"
        for metric in metrics
    )
    yield f'<article id="{_anchor(example.utterance)}"><header>'
    yield f'<h3>{escape(scores.id)}{reason}</h3><div class="chips">{chips}</div></header>'
    yield f'<p class="said">{escape(scores.text)}</p><div class="pair">'
    yield _side("Reference", example.reference, scores.seconds, example.axis_seconds)
    yield _side("Decoded", example.decoded, scores.decoded_seconds, example.axis_seconds)
    yield "</div>"
    if example.tokens:
        tokens = escape(" ".join(example.tokens))
        yield f"<details><summary>{len(example.tokens)} tokens</summary><code>{tokens}</code>"
        yield "</details>"
    yield f"<details><summary>Baselines</summary>{_baselines(scores, metrics[0])}</details>"
    yield "</article>"


def _baselines(scores: UtteranceScores, metric: Metric) -> str:
    """Return what the trivial systems reach on an utterance, in one line of HTML."""
    silence = written(metric, scores.scores[SILENCE][metric.name])
    line = f"{escape(metric.label)} of {SYSTEM_LABELS[SILENCE]} {silence}"
    if scores.other is None:
        return line
    other = written(metric, scores.scores[OTHER][metric.name])
    return f"{line}, of {SYSTEM_LABELS[OTHER]} ({escape(scores.other)}) {other}"


def _side(name: str, side: Side, seconds: float, axis_seconds: float) -> str:
    width = AXES_RIGHT - AXES_LEFT
    labels = "".join(_label(label, axis_seconds) for label in side.labels)
    return (
        f'<figure data-seconds="{axis_seconds:.4f}" data-left="{AXES_LEFT}" '
        f'data-width="{width:.4f}"><figcaption>{name} <em>{seconds:.2f} s</em></figcaption>'
        f'<div class="picture"><img loading="lazy" src="{FILES}/{quote(side.picture)}" '
        f'width="910" height="403" alt="{name}: mel spectrogram and F0">'
        '<div class="needle"></div></div>'
        + (f'<div class="labels">{labels}</div>' if labels else "")
        + f'<audio controls preload="none" src="{FILES}/{quote(side.wav)}"></audio></figure>'
    )


def _label(label: Label, axis_seconds: float) -> str:
    """Return a token's label in the middle of its time."""
    middle = (label.start + label.end) / 2 / axis_seconds
    left = 100 * (AXES_LEFT + (AXES_RIGHT - AXES_LEFT) * middle)
    title = f"{escape(label.token)} {label.start:.2f} to {label.end:.2f} s"
    return (
        f'<span style="left: {left:.2f}%; top: {15 * label.row}px" title="{title}">'
        f"{escape(label.text)}</span>"
    )


def _anchor(utterance: int) -> str:
    return f"utterance-{utterance + 1}"
