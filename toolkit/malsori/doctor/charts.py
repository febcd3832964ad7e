"""Charts as SVG inside of the page: they take its colours, and need no script and no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = 44
EDGE_QUANTILE = 0.002
FAR_QUARTILES = 4.0
"""An axis ends so many quartiles' distances beyond them: few outliers do not stretch it."""
FAR_POINTS = 1.5
FEW_POINTS = 3000
GRID = (150, 80)
WIDTH, HEIGHT = 400, 190
LEFT, RIGHT, TOP, BOTTOM = 40, 10, 12, 26

STYLE = """
svg.chart { display: block; width: 100%; height: auto; font: 11px system-ui, sans-serif; }
svg.chart text { fill: var(--soft); }
svg.chart .grid { stroke: var(--line); stroke-width: 1; }
svg.chart .bar { fill: var(--accent); opacity: .78; } svg.chart .bar:hover { opacity: 1; }
svg.chart .bar.bad { fill: var(--bad); opacity: .9; }
svg.chart .limit { stroke: var(--bad); stroke-dasharray: 3 3; opacity: .8; }
svg.chart .point { fill: var(--accent); opacity: .35; }
svg.chart .cell { fill: var(--accent); }
svg.chart .mark { fill: var(--bad); stroke: var(--card); stroke-width: 1; }
svg.chart a:hover .mark { stroke: var(--ink); }
svg.chart .usual { stroke: var(--good); stroke-width: 1.6; fill: none; }
svg.wave { display: block; width: 100%; height: 74px; }
svg.wave .silence { fill: var(--chip); } svg.wave path { fill: var(--accent); opacity: .8; }
svg.wave .clip { fill: var(--bad); }
"""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One point of a scatter plot that is pointed at."""

    x: float
    y: float
    title: str
    link: str
    """Where a click leads; empty for nowhere."""


def histogram(
    values: NDArray[np.float64],
    unit: str,
    *,
    limits: tuple[float | None, float | None] = (None, None),
    range_: tuple[float, float] | None = None,
    least: float = 0.0,
) -> str:
    """Return a histogram; what is beyond its axis is counted in the outermost bars.

    Args:
        values: Any; what is not finite is left out.
        unit: Of the values.
        limits: Below and above which values are suspicious.
        range_: Ends of the axis; None chooses.
        least: How much the axis spans at least, if it is chosen.
    """
    values = values[np.isfinite(values)]
    if not len(values):
        return '<p class="soft">nothing to show</p>'
    low, high = range_ or _range(values, limits, least)
    counts, bounds = np.histogram(np.clip(values, low, high), BINS, (low, high))
    edges: list[float] = bounds.tolist()
    top = max(int(counts.max()), 1)
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    parts = [_svg(WIDTH, HEIGHT)]
    for count in ticks(0, top, 3):
        y = TOP + height * (1 - count / top)
        parts.append(_line(LEFT, y, WIDTH - RIGHT, y) + _text(LEFT - 5, y + 4, f"{count:g}", "end"))
    for i, count in enumerate(counts.tolist()):
        if not count:
            continue
        tall = max(height * count / top, 1.5)
        x = LEFT + width * i / BINS
        middle = (edges[i] + edges[i + 1]) / 2
        bad = (limits[0] is not None and middle < limits[0]) or (
            limits[1] is not None and middle > limits[1]
        )
        parts.append(
            f'<rect class="bar{" bad" * bad}" x="{x + 0.5:.1f}" y="{TOP + height - tall:.1f}" '
            f'width="{width / BINS - 1:.1f}" height="{tall:.1f}"><title>{edges[i]:.3g} to '
            f"{edges[i + 1]:.3g} {escape(unit)}: {count}</title></rect>"
        )
    for limit in limits:
        if limit is not None and low < limit < high:
            x = LEFT + width * (limit - low) / (high - low)
            parts.append(_line(x, TOP, x, TOP + height, "limit"))
    for tick in ticks(low, high, 6):
        x = LEFT + width * (tick - low) / (high - low)
        parts.append(_text(x, HEIGHT - 8, f"{tick:g}", "middle"))
    return "".join(parts) + "</svg>"


def scatter(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    labels: tuple[str, str],
    *,
    lines: Sequence[tuple[float, float]],
    marks: Sequence[Mark],
) -> str:
    """Return a plot of pairs: points, or how dense they are where they are many.

    Args:
        x: One coordinate, (N,).
        y: The other one, (N,).
        labels: What x and y are.
        lines: Pairs a, b of y = a + b x.
        marks: Points that are pointed at.
    """
    fine = np.isfinite(x) & np.isfinite(y)
    x, y = x[fine], y[fine]
    if not len(x):
        return '<p class="soft">nothing to show</p>'
    wide, tall, left, bottom = 1180, 400, 52, 40
    right, top = _end(x), _end(y)
    width, height = wide - left - RIGHT, tall - TOP - bottom

    def place(px: float, py: float) -> tuple[float, float]:
        """Return where a point is drawn: at the edge if it is beyond the axes."""
        return left + width * min(px / right, 1), TOP + height * (1 - min(py / top, 1))

    parts = [_svg(wide, tall)]
    for tick in ticks(0, top, 6):
        _, at = place(0, tick)
        parts.append(
            _line(left, at, wide - RIGHT, at) + _text(left - 6, at + 4, f"{tick:g}", "end")
        )
    for tick in ticks(0, right, 12):
        parts.append(_text(place(tick, 0)[0], tall - bottom + 16, f"{tick:g}", "middle"))
    if len(x) <= FEW_POINTS:
        parts += [
            f'<circle class="point" cx="{px:.1f}" cy="{py:.1f}" r="2.6"/>'
            for px, py in (place(*pair) for pair in zip(x.tolist(), y.tolist(), strict=True))
        ]
    else:
        parts += _density(x, y, right, top, (left, width, height))
    for base, slope in lines:
        end = min(right, (top - base) / slope)
        (x0, y0), (x1, y1) = place(0, base), place(end, base + slope * end)
        parts.append(f'<path class="usual" d="M{x0:.1f} {y0:.1f}L{x1:.1f} {y1:.1f}"/>')
    for mark in marks:
        px, py = place(mark.x, mark.y)
        dot = (
            f'<circle class="mark" cx="{px:.1f}" cy="{py:.1f}" r="4.5">'
            f"<title>{escape(mark.title)}</title></circle>"
        )
        parts.append(f'<a href="{escape(mark.link)}">{dot}</a>' if mark.link else dot)
    parts.append(_text(wide - RIGHT, tall - 6, labels[0], "end"))
    parts.append(_text(left + 8, TOP + 8, labels[1], "start") + "</svg>")
    return "".join(parts)


def waveform(wav: NDArray[np.float32], speech: tuple[float, float], columns: int = 600) -> str:
    """Return the outline of a waveform; silence at its ends shaded, what touches the top red.

    Args:
        wav: Samples, (S,).
        speech: Where it begins and ends, as shares of the length.
        columns: Points of the outline.
    """
    edges = np.linspace(0, len(wav), min(columns, len(wav)) + 1).astype(np.int64)[:-1]
    high, low = np.maximum.reduceat(wav, edges), np.minimum.reduceat(wav, edges)
    x = np.linspace(0, 1000, len(edges))
    upper = [f"{a:.0f} {37 - 36 * min(b, 1):.1f}" for a, b in zip(x, high.tolist(), strict=True)]
    lower = [f"{a:.0f} {37 - 36 * max(b, -1):.1f}" for a, b in zip(x, low.tolist(), strict=True)]
    parts = ['<svg class="wave" viewBox="0 0 1000 74" preserveAspectRatio="none">']
    for first, last in ((0.0, speech[0]), (speech[1], 1.0)):
        if last > first:
            parts.append(
                f'<rect class="silence" x="{1000 * first:.1f}" y="0" '
                f'width="{1000 * (last - first):.1f}" height="74"/>'
            )
    parts.append(f'<path d="M{"L".join(upper)}L{"L".join(reversed(lower))}Z"/>')
    for at in np.flatnonzero(np.maximum(high, -low) >= 0.99)[:200].tolist():
        parts.append(f'<rect class="clip" x="{x[at]:.0f}" y="0" width="2" height="4"/>')
    return "".join(parts) + "</svg>"


def ticks(low: float, high: float, count: int) -> list[float]:
    """Return round numbers from ``low`` to ``high``, about ``count`` of them."""
    if high <= low:
        return [low]
    rough = (high - low) / count
    power = 10 ** np.floor(np.log10(rough))
    step = float(next(s for s in (1, 2, 5, 10) if s * power >= rough * 0.999) * power)
    first, last = int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9))
    return [round(i * step, 10) for i in range(first, last + 1)]


def _density(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    right: float,
    top: float,
    frame: tuple[float, float, float],
) -> list[str]:
    """Return one rectangle for each cell with points in it, the more opaque the more there are."""
    left, width, height = frame
    counts, _, _ = np.histogram2d(x, y, GRID, ((0, right), (0, top)))
    strength = np.log1p(counts) / np.log1p(counts.max())
    w, h = width / GRID[0], height / GRID[1]
    return [
        f'<rect class="cell" x="{left + i * w:.1f}" y="{TOP + height - (j + 1) * h:.1f}" '
        f'width="{w:.1f}" height="{h:.1f}" opacity="{0.12 + 0.8 * strength[i, j]:.2f}"/>'
        for i, j in np.argwhere(counts > 0).tolist()
    ]


def _end(values: NDArray[np.float64]) -> float:
    """Return where an axis from 0 ends: at the largest value, if that is not far beyond most."""
    most = float(np.quantile(values, 0.98))
    return max(min(float(values.max()), FAR_POINTS * most), 0.1) * 1.04


def _range(
    values: NDArray[np.float64], limits: tuple[float | None, float | None], least: float
) -> tuple[float, float]:
    """Return an axis that shows nearly all values, and a limit that is not far away."""
    low, first, third, high = np.quantile(
        values, [EDGE_QUANTILE, 0.25, 0.75, 1 - EDGE_QUANTILE]
    ).tolist()
    if third > first:
        low = max(low, first - FAR_QUARTILES * (third - first))
        high = min(high, third + FAR_QUARTILES * (third - first))
    reach = max(high - low, least, 1e-3 * max(abs(high), 1e-3))
    high = max(high, low + least)
    if limits[0] is not None and low - reach < limits[0] < low:
        low = limits[0] - 0.04 * reach
    if limits[1] is not None and high < limits[1] < high + reach:
        high = limits[1] + 0.04 * reach
    pad = 0.02 * reach
    return (0.0 if 0 <= low < 0.25 * high else low - pad), high + pad


def _svg(width: int, height: int) -> str:
    return f'<svg class="chart" viewBox="0 0 {width} {height}" role="img">'


def _line(x0: float, y0: float, x1: float, y1: float, kind: str = "grid") -> str:
    return f'<line class="{kind}" x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}"/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
