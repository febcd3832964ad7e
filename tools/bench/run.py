"""Run every bench, compare with the stored figures, and write doc/performance.md.

    python tools/bench/run.py [--only training synthesis …] [--quick] [--keep]
    python tools/bench/run.py --only training -- --steps 3 --no-growth

Figures are stored in doc/performance.json. What was measured beside a peer is compared by the ratio
of the two, everything else by its value, times how fast this machine was in the same minutes
(a matrix product, before and after each bench). Anything worse than the stored figure by more than
15% is listed, and the program ends with 1; --keep then stores the new figures nevertheless.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
STORED, PAGE = ROOT / "doc/performance.json", ROOT / "doc/performance.md"
PICTURE = ROOT / "doc/figures/performance.png"
BENCHES = {
    "training": "Training",
    "stage3": "Statistics and F0",
    "data_dir": "A million utterances",
    "loading": "Data while training",
    "synthesis": "Speaking",
    "streaming": "Streaming and long texts",
    "batch_decode": "Many texts",
    "startup": "Start",
    "text_speed": "Text",
}
"""Scripts in this folder, and what their section is called."""
WORSE = 1.15
LINEAR, FLAT = 1.1, 0.05
"""Powers up to which growth is called linear, and within which it is called none."""
SHOWN = 5
"""Points of a curve that are written out."""


class Goal(NamedTuple):
    """A line of the summary: what was aimed at, and the figures that tell."""

    what: str
    bench: str
    words: tuple[str, ...] = ("",)
    """Figures of the bench whose names have one of these in them, and a target."""


GOALS = (
    Goal("a training step of the KSS model, 4 utterances", "training", ("B=4",)),
    Goal("the same, 8 utterances", "training", ("B=8",)),
    Goal("statistics and F0 of one hour", "stage3"),
    Goal("a million utterances, opened and put into batches", "data_dir"),
    Goal("data while training the small model", "loading"),
    Goal("speaking, full model", "synthesis", ("hifigan_v1",)),
    Goal("speaking, small voices", "synthesis", ("hifigan_v2", "istft")),
    Goal("first audio of a long sentence", "streaming", ("first audio",)),
    Goal("many texts at a time", "batch_decode"),
    Goal("import and help", "startup"),
    Goal("text to tokens", "text_speed"),
)


def main() -> None:
    """Measure, compare, write."""
    args = parse()
    stored = json.loads(STORED.read_text(encoding="utf-8")) if STORED.exists() else {}
    complaints = []
    for name in args.only:
        made = measured(name, [*(["--quick"] if args.quick else []), *args.words])
        if made is None:
            complaints.append(f"{name}: failed; what it said stands above")
            continue
        worse = [] if args.quick else compared(name, stored.get(name), made)
        complaints += worse
        if not args.quick and (args.keep or not worse):
            stored[name] = made
            store(stored)
    for line in complaints:
        print(line, file=sys.stderr)
    sys.exit(1 if complaints else 0)


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=[*BENCHES], default=[*BENCHES])
    parser.add_argument("--quick", action="store_true", help="small sizes; stores nothing")
    parser.add_argument("--keep", action="store_true", help="store figures that got worse, too")
    parser.add_argument("words", nargs="*", help="behind --: what the bench itself is told")
    return parser.parse_args()


def store(found: dict[str, Any]) -> None:
    """Write figures, page and picture."""
    text = json.dumps(found, indent=1, ensure_ascii=False)
    STORED.write_text(text + "\n", encoding="utf-8")
    draw(found, PICTURE)
    PAGE.write_text(page(found), encoding="utf-8")


def measured(name: str, words: list[str]) -> dict[str, Any] | None:
    """Run one bench and return what it wrote, with the speed of the machine around it.

    None if it failed.
    """
    out = ROOT / "build" / "bench" / f"{name}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-W", "ignore", str(HERE / f"{name}.py"), "--out", str(out)]
    before = product_seconds()
    began = time.monotonic()
    if subprocess.run([*command, *words], check=False).returncode:
        return None
    made: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    made["product_seconds"] = round(statistics.median([before, product_seconds()]), 4)
    made["minutes"] = round((time.monotonic() - began) / 60, 1)
    return made


def product_seconds() -> float:
    """Return the seconds of a matrix product of 2048 by 2048, the median of five."""
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(2048, 2048)).astype(np.float32)
    seconds = []
    for _ in range(5):
        began = time.perf_counter()
        matrix @ matrix
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds)


def compared(name: str, before: dict[str, Any] | None, now: dict[str, Any]) -> list[str]:
    """Return a line for each figure that is worse than the stored one by more than 15%."""
    if before is None:
        return []
    old = {measure["what"]: measure for measure in before["measures"]}
    slower = now["product_seconds"] / before["product_seconds"]
    lines = []
    for measure in now["measures"]:
        stored = old.get(measure["what"])
        if stored is None or measure["axis"]:
            continue
        if measure["ratio"] and stored["ratio"]:
            change = measure["ratio"] / stored["ratio"]
        else:
            change = median(measure) / median(stored)
            timed = measure["unit"] not in ("MB", "%")
            change /= (1 / slower if measure["larger_is_better"] else slower) if timed else 1.0
        change = 1 / change if measure["larger_is_better"] else change
        if change > WORSE:
            lines.append(f"{name}: {measure['what']}: {change - 1:.0%} worse than stored")
    return lines


def median(measure: dict[str, Any]) -> float:
    """Return the figure of a measure."""
    return statistics.median(measure["runs"])


def met(measure: dict[str, Any]) -> str:
    """Return yes or no to a measure's target; nothing where there is none."""
    if not measure["target"]:
        return ""
    reached = distance(measure)
    if reached is None:
        return "not measured"
    return "yes" if reached <= 1 else "**no**"


def distance(measure: dict[str, Any]) -> float | None:
    """Return how far from its target a measure is, 1 for just there and above 1 for missed.

    None if it was not measured.
    """
    target, value = measure["target"], median(measure)
    if target.startswith("ratio"):
        if measure["ratio"] is None:
            return None
        value, target = measure["ratio"], target.removeprefix("ratio").strip()
    sign, bound = target.split()[:2]
    far = value / float(bound)
    return far if sign == "<=" else 1 / far


def summary(found: dict[str, Any]) -> list[str]:
    """Return the lines of the table of what was aimed at, a line for each goal."""
    lines = [
        "| aimed at | met | the figure nearest to its bound, or farthest beyond it |",
        "| --- | --- | --- |",
    ]
    for goal in GOALS:
        aimed = [
            measure
            for measure in found.get(goal.bench, {}).get("measures", [])
            if measure["target"] and any(word in measure["what"] for word in goal.words)
        ]
        far = {i: away for i, each in enumerate(aimed) if (away := distance(each)) is not None}
        if not far:
            lines.append(f"| {goal.what} | not measured | |")
            continue
        reached = sum(away <= 1 for away in far.values())
        told = "yes" if reached == len(far) else f"**{reached} of {len(far)}**"
        worst = aimed[max(far, key=far.__getitem__)]
        value = figure([median(worst)], worst["unit"])
        if worst["target"].startswith("ratio"):
            value = f"ratio {worst['ratio']:.2f} to {worst['peer']}"
        told += f" | {worst['what']}: {value}, aimed at {worst['target'].removeprefix('ratio ')}"
        lines.append(f"| {goal.what} | {told} |")
    return [*lines, ""]


def page(found: dict[str, Any]) -> str:
    """Return doc/performance.md."""
    lines = [
        "# Performance",
        "",
        "Written by `make bench` (`tools/bench/run.py`); raw figures are in `performance.json`.",
        "A figure is the median of its runs, with the smallest and the largest; a ratio is ours",
        "divided by the peer's, measured by turns in the same minutes. `make bench` fails where a",
        "figure got worse by more than 15%.",
        "",
        *summary(found),
    ]
    for name, title in BENCHES.items():
        if name in found:
            lines += section(name, title, found[name])
    if any(measure["axis"] for made in found.values() for measure in made["measures"]):
        picture = f"figures/{PICTURE.name}"
        lines += ["## Growth", "", "Dotted: linear growth.", "", f"![how cost grows]({picture})"]
    return "\n".join(lines).rstrip() + "\n"


def section(name: str, title: str, made: dict[str, Any]) -> list[str]:
    """Return the lines of one bench."""
    machine, versions = made["machine"], made["versions"]
    shown = ", ".join(f"{part} {versions[part]}" for part in ("torch", "numpy") if part in versions)
    lines = [f"## {title}", ""]
    points = [measure for measure in made["measures"] if not measure["axis"]]
    curves = [measure for measure in made["measures"] if measure["axis"]]
    if points:
        lines += [
            "| what | ours | peer | ratio | target | met |",
            "| --- | --- | --- | ---: | --- | --- |",
        ]
        lines += [row(measure) for measure in points]
        lines.append("")
    lines += [f"- {growth(measure)}" for measure in curves]
    lines += [""] * bool(curves)
    notes = dict.fromkeys(measure["note"] for measure in points if measure["note"])
    lines += [*notes, *([""] if notes else [])]
    lines += [
        f"`python tools/bench/{name}.py`, {made['minutes']:g} minutes; {machine['processor']}, "
        f"{machine['cores']} cores, load {machine['load_at_end']:g} at the end; the product of two "
        f"2048 × 2048 matrices took {made['product_seconds']:.3f} s; {shown}.",
        "",
    ]
    return lines


def row(measure: dict[str, Any]) -> str:
    """Return a line of the table."""
    peer = measure["peer"] and measure["peer_runs"]
    beside = f"{measure['peer']}: {figure(measure['peer_runs'], measure['unit'])}" if peer else ""
    ratio = "" if measure["ratio"] is None else f"{measure['ratio']:.2f}"
    ours = figure(measure["runs"], measure["unit"])
    cells = (measure["what"], ours, beside, ratio, measure["target"], met(measure))
    return f"| {' | '.join(cells)} |"


def figure(runs: list[float], unit: str) -> str:
    """Return a median with its spread."""
    middle, low, high = statistics.median(runs), min(runs), max(runs)
    spread = f" ({low:.4g} to {high:.4g})" if len(runs) > 1 and low != high else ""
    return f"{middle:.4g} {unit}{spread}".strip()


def growth(measure: dict[str, Any]) -> str:
    """Return how a curve grows, in two sentences: as it was measured, and why."""
    sizes, runs = by_size(measure)
    if len(sizes) > SHOWN + 1:  # the first ones, one in the middle and the last
        shown = [*range(SHOWN - 2), len(sizes) // 2, len(sizes) - 1]
    else:
        shown = [*range(len(sizes))]
    values = ", ".join(f"{runs[i]:.3g}" for i in shown)
    asked = ", ".join(f"{round(sizes[i], 2):,.9g}" for i in shown)
    why = measure["note"] or "**Nobody has explained it.**"
    found = f"{values} {measure['unit']} at {asked} {measure['axis']}"
    return f"*{measure['what']}*: {found}; {grown(sizes, runs)}. {why}"


def grown(sizes: list[float], runs: list[float]) -> str:
    """Return what kind of growth it is, by the powers fitted to all of it and to its upper half."""
    if min([*sizes, *runs]) <= 0:
        return f"from {min(runs):.3g} to {max(runs):.3g}, to which no power can be fitted"
    half = min(len(sizes) // 2, max(len(sizes) - 2, 0))
    whole, last = (exponent(sizes[start:], runs[start:]) for start in (0, half))
    if abs(whole) < FLAT:
        return "constant"
    if last < -FLAT:
        return f"not growing (power {last:.2f} at the end)"
    if last <= LINEAR:
        kind = "linear" if last >= 2 - LINEAR else "less than linear"
        return f"{kind} (power {last:.2f} at the end)"
    return f"**worse than linear** (power {last:.2f} at the end)"


def by_size(measure: dict[str, Any]) -> tuple[list[float], list[float]]:
    """Return the sizes of a curve, each once, and the median of the runs at each."""
    found: dict[float, list[float]] = {}
    for size, run in zip(measure["sizes"], measure["runs"], strict=True):
        found.setdefault(size, []).append(run)
    return sorted(found), [statistics.median(found[size]) for size in sorted(found)]


def exponent(sizes: list[float], runs: list[float]) -> float:
    """Return p of run ~ size^p, fitted by least squares of the logarithms."""
    if len(sizes) < 2:
        return 0.0
    return float(np.polyfit(np.log(sizes), np.log(runs), 1)[0])


def draw(found: dict[str, Any], path: Path) -> None:
    """Draw all curves, both axes logarithmic, beside what linear growth would look like."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, StrMethodFormatter

    curves = [m for name in BENCHES for m in found.get(name, {}).get("measures", []) if m["axis"]]
    if not curves:
        return
    columns = 3
    rows = -(-len(curves) // columns)
    drawing = Figure(figsize=(4 * columns, 2.8 * rows), dpi=90, layout="constrained")
    panels = drawing.subplots(rows, columns, squeeze=False).flatten()
    for axes, measure in zip(panels, curves, strict=False):
        sizes, runs = map(np.array, by_size(measure))
        axes.loglog(sizes, runs, "o-", color="tab:blue")
        axes.loglog(sizes, runs[-1] * sizes / sizes[-1], ":", color="0.6")
        axes.set_xticks(sizes[:: -(-len(sizes) // SHOWN)])
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_title(textwrap.fill(measure["what"], 40), fontsize=9)
        axes.set_xlabel(measure["axis"])
        axes.set_ylabel(measure["unit"])
        axes.grid(alpha=0.3, which="both")
    for axes in panels[len(curves) :]:
        axes.set_axis_off()
    path.parent.mkdir(parents=True, exist_ok=True)
    drawing.savefig(path)


if __name__ == "__main__":
    main()
