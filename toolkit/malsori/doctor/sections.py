"""The sections of the page, from the numbers to the players."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from urllib.parse import quote

import numpy as np

from malsori.doctor import charts
from malsori.doctor.charts import Mark, histogram, scatter
from malsori.doctor.clips import Clip
from malsori.doctor.columns import Columns
from malsori.doctor.duplicates import Duplicates
from malsori.doctor.judgement import (
    BAND_HZ,
    BY_NAME,
    END_SECONDS,
    FAINTEST_DB,
    KINDS,
    LEAST_SNR_DB,
    LONGEST_SECONDS,
    LOUDEST_DB,
    PAUSE_SECONDS,
    SHORTEST_SECONDS,
    Judgement,
)
from malsori.doctor.summary import (
    Finding,
    Part,
    findings,
    formats,
    notes,
    parts_of_sets,
    parts_of_speakers,
    sample_rates,
)
from malsori.score.page import cell, heading, row

MOST_ROWS = 200
MOST_LINES = 8
FULL = "dB of full scale"
STYLE = (
    charts.STYLE
    + """
.tiles { display: grid; grid-template-columns: repeat(auto-fill, minmax(136px, 1fr)); gap: 10px;
  margin: 18px 0 6px; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 10px 14px; }
.tile b { display: block; font-size: 21px; font-weight: 600; letter-spacing: -0.01em;
  font-variant-numeric: tabular-nums; white-space: nowrap; }
.tile small { font-size: 13px; font-weight: 400; color: var(--soft); }
.tile span { color: var(--soft); font-size: 13px; }
.verdict { font-size: 17px; margin: 16px 0; } .verdict.good { color: var(--good); }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(330px, 1fr)); gap: 12px; }
.plots figure, figure.wide { background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; padding: 10px 12px 6px; }
figure.wide { margin-bottom: 12px; }
td.advice { text-align: left; white-space: normal; color: var(--soft); min-width: 260px; }
td.reason { text-align: left; white-space: normal; min-width: 240px; }
td.number { color: var(--bad); font-weight: 600; }
.why { color: var(--bad); font-weight: 600; margin: 0 0 4px; font-size: 14px; }
.why + .why { font-weight: 400; }
.clips { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(520px, 100%), 1fr));
  gap: 14px; }
.clips article { margin: 0; min-width: 0; }
.clips .said { font-size: 16px; overflow-wrap: anywhere; }
.clips .needle { bottom: 1%; } .clips h3 { overflow-wrap: anywhere; }
.notes li { margin: 4px 0; max-width: 90ch; } .notes { padding-left: 20px; }
.scroll.tall { max-height: 430px; }
table.parts th, table.parts td { padding: 6px 9px; }
table.parts th { white-space: normal; vertical-align: bottom; }
.leak { color: var(--bad); font-weight: 600; }
"""
)


def body(judgement: Judgement, clips: Sequence[Clip]) -> Iterator[str]:
    """Yield the page's HTML."""
    columns, found = judgement.columns, findings(judgement)
    parts = parts_of_sets(judgement)
    yield f"<h1>Data report</h1>{_subtitle(columns)}"
    yield from _tiles(columns, parts[0])
    yield from _verdict(parts[0], found, clips)
    yield from _findings(found, len(columns.seconds))
    told = notes(judgement)
    if told:
        yield '<ul class="notes">' + "".join(f"<li>{escape(note)}</li>" for note in told) + "</ul>"
    yield '<h2 id="sets">Sets</h2>'
    yield from _parts(parts, columns.survey.sets[0].amounts.unit, "set")
    if len(columns.survey.speakers) > 1:
        yield "<h2>Speakers</h2>"
        yield from _parts(parts_of_speakers(judgement), columns.survey.sets[0].amounts.unit, "")
    yield '<h2 id="plots">Plots</h2>'
    yield from _plots(judgement, clips)
    if clips:
        yield '<h2 id="listen">Listen to these</h2>'
        yield from _listen(judgement, clips)
    yield from _tables(judgement)
    yield '<h2 id="thresholds">What counts as suspicious</h2><dl>'
    for kind in KINDS:
        yield f"<dt>{escape(kind.label)}</dt><dd>{escape(kind.meaning)}</dd>"
    yield "</dl><footer>Made by <code>malsori data report</code>; the numbers of this page are in "
    yield "<code>report.json</code>, all suspicious utterances in <code>suspicious.tsv</code>."
    yield "</footer>"


def _subtitle(columns: Columns) -> str:
    paths = ", ".join(f"<code>{escape(str(each.data.path))}</code>" for each in columns.survey.sets)
    return f'<p class="soft">{paths}</p>'


def _tiles(columns: Columns, total: Part) -> Iterator[str]:
    unit = columns.survey.sets[0].amounts.unit
    rates = sample_rates(columns).most_common(1)
    kinds = formats(columns).most_common(1)
    told = [
        _tile(*_duration(total.hours), "of audio"),
        _tile(f"{total.utterances:,}", "", "utterances" if total.utterances != 1 else "utterance"),
        _tile(f"{total.speakers:,}", "", "speakers" if total.speakers != 1 else "speaker"),
        _tile(_number(total.seconds, 1), "s", f"median, up to {total.longest:.1f} s"),
        _tile(_number(total.rate, 1), "/s", unit),
        _tile(_number(total.level_db, 1), "dB", f"level, peak {_number(total.peak_db, 1)} dB"),
        _tile(_number(total.snr_db, 0), "dB", "speech above noise"),
    ]
    if rates:
        more = f", {len(sample_rates(columns)) - 1} other" if len(sample_rates(columns)) > 1 else ""
        told.append(_tile(f"{rates[0][0] / 1000:g}", "kHz", f"{kinds[0][0].lower()}{more}"))
    yield '<div class="tiles">' + "".join(told) + "</div>"


def _tile(number: str, unit: str, label: str) -> str:
    small = f" <small>{escape(unit)}</small>" if unit else ""
    return f'<div class="tile"><b>{escape(number)}{small}</b><span>{escape(label)}</span></div>'


def _verdict(total: Part, found: Sequence[Finding], clips: Sequence[Clip]) -> Iterator[str]:
    if not found:
        yield '<p class="verdict good">Nothing suspicious was found.</p>'
        return
    share = total.suspicious / total.utterances
    told = f"{total.suspicious:,} of {total.utterances:,} utterances ({share:.1%}) are suspicious"
    listen = f'; <a href="#listen">listen to {len(clips)}</a>' if clips else ""
    yield f'<p class="verdict">{told}{listen}.</p>'


def _findings(found: Sequence[Finding], total: int) -> Iterator[str]:
    if not found:
        return
    yield '<div class="scroll"><table><thead>'
    names = [heading(name, kind="text") for name in ("Finding", "What to do")]
    yield row([names[0], heading("Utterances"), heading("Share"), heading("Minutes"), names[1]])
    yield "</thead><tbody>"
    for each in found:
        share = each.count / total
        title = f'<span title="{escape(each.kind.meaning)}">{escape(each.kind.label)}</span>'
        yield row(
            [
                cell(title, kind="text"),
                cell(f"{each.count:,}", kind="number"),
                cell(f"{share:.1%}" if share >= 0.001 else "&lt; 0.1%", share=share),
                cell(f"{60 * each.hours:.1f}"),
                cell(escape(each.kind.advice), kind="advice"),
            ]
        )
    yield "</tbody></table></div>"


def _parts(parts: Sequence[Part], unit: str, what: str) -> Iterator[str]:
    yield '<div class="scroll"><table class="parts"><thead>'
    names = ["Utterances", "Hours", "Median s", "Longest s", f"{unit.capitalize()}/s", "Level dB"]
    names += ["Peak dB", "Noise dB", "SNR dB", "Ends s", "Clipped", "Unusable", "Unreadable"]
    names += ["Suspicious"]
    first = "Set" if what else "Speaker"
    yield row([heading(first, kind="text", button=True), *(heading(n, button=True) for n in names)])
    yield "</thead><tbody>"
    for part in parts:
        numbers = (
            (part.utterances, 0), (part.hours, 2), (part.seconds, 1), (part.longest, 1),
            (part.rate, 1), (part.level_db, 1), (part.peak_db, 1), (part.floor_db, 0),
            (part.snr_db, 0), (part.ends, 2), (part.clipped, 0), (part.unusable, 0),
            (part.unread, 0), (part.suspicious, 0),
        )  # fmt: skip
        cells = [cell(escape(part.name), part.name, "text")]
        cells += [cell(_number(value, digits), float(value)) for value, digits in numbers]
        yield row(cells, kind="main" if part.name == "all" and what else "")
    yield "</tbody></table></div>"
    if what:
        yield (
            '<p class="soft">Medians, but for counts, hours, the longest and the peak. SNR: speech '
            "above the noise; ends: silence before and after the speech together.</p>"
        )


def _plots(judgement: Judgement, clips: Sequence[Clip]) -> Iterator[str]:
    columns = judgement.columns
    unit = columns.survey.sets[0].amounts.unit
    shown = {clip.row for clip in clips}
    far = judgement.severities["rate"]
    rows = np.flatnonzero(far > 0)
    rows = rows[np.argsort(-far[rows], kind="stable")][:MOST_ROWS]
    marks = []
    for at in rows.tolist():
        found, place = columns.survey.place(at)
        title = f"{found.data.key(place)}: {found.data.text(place)[:80]}"
        x, y = float(columns.amounts[at]), float(columns.spoken_seconds[at])
        marks.append(Mark(x=x, y=y, title=title, link=f"#u{at}" if at in shown else ""))
    plot = scatter(
        columns.amounts,
        np.where(columns.silent | columns.unusable, np.nan, columns.spoken_seconds),
        (f"{unit} of the text", "seconds of speech"),
        lines=list(columns.usual.values())[:MOST_LINES],
        marks=marks,
    )
    yield (
        '<figure class="wide"><figcaption>Duration and text <em>· green: what is usual for a '
        "speaker; red: does not fit, a click leads to its player</em></figcaption>"
        f"{plot}</figure>"
    )
    ends = np.fmax(columns.of("lead"), columns.of("tail"))
    level, band = columns.of("level_db"), columns.of("bandwidth") / 1000
    yield '<div class="plots">'
    top = max(BAND_HZ / 1000, float(np.nanmax(band, initial=1.0)))
    for title, unit_, chart in (
        (
            "Duration",
            "s",
            histogram(columns.seconds, "s", limits=(SHORTEST_SECONDS, LONGEST_SECONDS)),
        ),
        ("Speaking rate", f"{unit}/s", histogram(columns.rate, f"{unit}/s")),
        ("Level of the speech", FULL, histogram(level, "dB", limits=(FAINTEST_DB, LOUDEST_DB))),
        ("Peak", FULL, histogram(columns.of("peak_db"), "dB")),
        ("Speech above noise", "dB", histogram(columns.snr_db, "dB", limits=(LEAST_SNR_DB, None))),
        ("Noise floor", FULL, histogram(columns.of("floor_db"), "dB")),
        (
            "Silence at the ends",
            "s, the longer one",
            histogram(ends, "s", limits=(None, END_SECONDS), least=0.3),
        ),
        (
            "Longest pause inside",
            "s",
            histogram(columns.of("pause"), "s", limits=(None, PAUSE_SECONDS), least=0.3),
        ),
        ("Bandwidth", "kHz", histogram(band, "kHz", range_=(0.0, top))),
    ):
        caption = f"{escape(title)} <em>· {escape(unit_)}</em>"
        yield f"<figure><figcaption>{caption}</figcaption>{chart}</figure>"
    yield "</div>"


def _listen(judgement: Judgement, clips: Sequence[Clip]) -> Iterator[str]:
    total = int((judgement.suspicion > 0).sum())
    limited = f"{len(clips)} of {total:,}, some of each kind that can be played"
    which = "All" if len(clips) == total else limited
    yield (
        f'<p class="soft">{which}, the most suspicious first. A click on a waveform plays from '
        "there; silence at the ends is shaded, what touches full scale red.</p>"
        '<div class="clips">'
    )
    for number, clip in enumerate(clips, start=1):
        found, at = judgement.columns.survey.place(clip.row)
        yield f'<article id="u{clip.row}"><header><h3>{number} · {escape(found.name)} · '
        yield f"{escape(found.data.key(at))}</h3></header>"
        for kind, told in judgement.reasons(clip.row):
            yield f'<p class="why">{escape(kind.label)}: {escape(told)}</p>'
        yield f'<p class="said">{escape(found.data.text(at))}</p>'
        yield (
            f'<figure data-seconds="{clip.seconds:.3f}" data-left="0" data-width="1">'
            f'<div class="picture">{clip.picture}<div class="needle"></div></div>'
            f'<audio controls preload="metadata" src="report/{quote(clip.wav)}"></audio></figure>'
        )
        yield f'<div class="chips">{_chips(judgement.columns, clip.row)}</div></article>'
    yield "</div>"


def _chips(columns: Columns, at: int) -> str:
    speaker = columns.survey.speakers[int(columns.speakers[at])]
    told = [
        speaker,
        f"{columns.seconds[at]:.2f} s",
        f"{columns.rate[at]:.1f} {columns.survey.sets[0].amounts.unit}/s",
        f"level {columns.of('level_db')[at]:.0f} dB",
        f"peak {columns.of('peak_db')[at]:.1f} dB",
        f"noise {columns.of('floor_db')[at]:.0f} dB",
    ]
    return "".join(f"<span>{escape(each)}</span>" for each in told if "nan" not in each)


def _tables(judgement: Judgement) -> Iterator[str]:
    columns = judgement.columns
    for name in ("unusable", "unread"):
        kind, rows = BY_NAME[name], np.flatnonzero(judgement.severities[name] > 0)
        if not len(rows):
            continue
        yield f'<h2 id="{name}">{escape(kind.label)}</h2>'
        yield _first_of(len(rows))
        yield '<div class="scroll tall"><table><thead>'
        yield row(
            [heading(n, kind="text", button=True) for n in ("Set", "Utterance", "Why", "Text")]
        )
        yield "</thead><tbody>"
        for at in rows[:MOST_ROWS].tolist():
            found, place = columns.survey.place(at)
            key, text = found.data.key(place), found.data.text(place)
            told = kind.detail(columns, at)
            cells = [cell(escape(found.name), found.name, "text"), cell(escape(key), key, "text")]
            cells += [cell(escape(told), told, "reason"), cell(escape(text), text, "sentence")]
            yield row(cells)
        yield "</tbody></table></div>"
    for title, found_twice in (
        ("The same sound more than once", columns.sounds),
        ("The same text more than once", columns.texts),
    ):
        if found_twice.groups:
            yield f"<h2>{title}</h2>"
            yield from _repeated(columns, found_twice)


def _repeated(columns: Columns, found: Duplicates) -> Iterator[str]:
    told = f"{found.utterances:,} utterances in {found.groups:,} groups"
    leaks = f"; {found.leaked:,} are held out and in training too" if found.leaked else ""
    yield f'<p class="soft">{told}{leaks}.{_more(found.groups, len(found.shown))}</p>'
    yield '<div class="scroll tall"><table><thead>'
    names = [heading(n, kind="text") for n in ("Utterances", "Text of the first")]
    yield row([heading("Times"), *names]) + "</thead><tbody>"
    for group in found.shown:
        ids = []
        for at in group.rows:
            each, place = columns.survey.place(at)
            name = escape(f"{each.name}/{each.data.key(place)}")
            ids.append(
                f'<span class="leak">{name}</span>' if group.leak and each.held_out else name
            )
        if group.size > len(ids):
            ids.append(f"… {group.size - len(ids)} more")
        each, place = columns.survey.place(group.rows[0])
        cells = [cell(str(group.size)), cell(", ".join(ids), kind="reason")]
        yield row([*cells, cell(escape(each.data.text(place)), kind="sentence")])
    yield "</tbody></table></div>"


def _first_of(count: int) -> str:
    if count <= MOST_ROWS:
        return ""
    return f'<p class="soft">{count:,}{_more(count, MOST_ROWS)}</p>'


def _more(count: int, shown: int) -> str:
    return f" The first {shown} are shown." if count > shown else ""


def _duration(hours: float) -> tuple[str, str]:
    return (f"{hours:.1f}", "h") if hours >= 1 else (f"{60 * hours:.1f}", "min")


def _number(value: float, digits: int) -> str:
    """Return a number as it is shown; a dash for what is not known, no minus before zero."""
    return "–" if value != value else f"{round(value, digits) + 0.0:,.{digits}f}"
