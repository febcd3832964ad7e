"""Boxes and arrows as SVG: text stays text, colours follow the reader's light or dark mode.

A drawing refuses to be written if something in it overlaps, does not fit, or crosses. Widths of
text are those of DejaVu Sans, which is wider than what browsers are likely to take.

Units are pixels; y grows downwards.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from pathlib import Path
from xml.sax.saxutils import escape

import matplotlib
from PIL import ImageFont

Point = tuple[float, float]

WIDTH = 960
"""Of every drawing."""
BOX = 220
"""Width of a box."""
PAD = 12
"""Left and right of what is written in a box."""
TITLE, LINE, TAG_ROW = 18, 16, 20
"""Heights of what stands in a box."""
CORNER = 8
"""Radius where an arrow turns."""
FONTS = {
    "title": ("DejaVuSans-Bold.ttf", 13),
    "name": ("DejaVuSansMono.ttf", 11),
    "count": ("DejaVuSans.ttf", 11),
    "note": ("DejaVuSans.ttf", 11),
    "data": ("DejaVuSans.ttf", 12.5),
    "tag": ("DejaVuSansMono.ttf", 10),
}
"""Font and size of every class of text."""
STYLE = (Path(__file__).parent / "figure.css").read_text(encoding="utf-8").strip()
"""Of all classes, in light and dark mode."""


class DrawingError(Exception):
    """Something overlaps, crosses, or does not fit."""


@functools.cache
def text_width(text: str, kind: str) -> float:
    """Return the pixels that ``text`` takes, in the font of its class."""
    name, size = FONTS[kind]
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return float(ImageFont.truetype(str(folder / name), 100).getlength(text)) * size / 100


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle that arrows begin and end at."""

    label: str
    """What errors call it."""
    x: float
    """Left."""
    y: float
    """Top."""
    width: float
    height: float

    def top(self, aside: float = 0) -> Point:
        """Return the middle of the upper edge, or a point ``aside`` from it."""
        return self.x + self.width / 2 + aside, self.y

    def bottom(self, aside: float = 0) -> Point:
        """Return the middle of the lower edge, or a point ``aside`` from it."""
        return self.x + self.width / 2 + aside, self.y + self.height

    def left(self, aside: float = 0) -> Point:
        """Return the middle of the left edge, or a point ``aside`` below it."""
        return self.x, self.y + self.height / 2 + aside

    def right(self, aside: float = 0) -> Point:
        """Return the middle of the right edge, or a point ``aside`` below it."""
        return self.x + self.width, self.y + self.height / 2 + aside

    def overlaps(self, other: Box, margin: float = 2) -> bool:
        """Return whether the two are nearer than ``margin``."""
        across = self.x < other.x + other.width + margin and other.x < self.x + self.width + margin
        down = self.y < other.y + other.height + margin and other.y < self.y + self.height + margin
        return across and down

    def shrunk(self, by: float) -> Box:
        """Return it smaller on each side."""
        width, height = self.width - 2 * by, self.height - 2 * by
        return Box(label=self.label, x=self.x + by, y=self.y + by, width=width, height=height)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A row in a box: the name of a module, and how many parameters it has."""

    name: str
    count: str = ""


@dataclass
class Drawing:
    """Boxes, arrows and notes on a card."""

    title: str
    """For readers who cannot see it."""
    height: float = 0
    """Follows from what is drawn, when the legend is."""
    modules: dict[str, bool] = field(default_factory=dict)
    """Names in its boxes; True if they are there in training only."""
    losses: list[str] = field(default_factory=list)
    """Tags in its boxes."""
    shapes: list[str] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    notes: list[Box] = field(default_factory=list)
    arrows: list[list[Point]] = field(default_factory=list)

    def part(
        self,
        middle: float,
        y: float,
        title: str,
        lines: Sequence[Line | str] = (),
        *,
        kind: str = "part",
        losses: Sequence[str] = (),
        learns: bool = False,
        width: float = BOX,
    ) -> Box:
        """Draw a box and return it.

        Args:
            middle: Of its width.
            y: Top.
            title: First line.
            lines: Modules, or plain words.
            kind: part (has weights), or step (has none).
            losses: Tags in its last rows.
            learns: Only there in training.
            width: Of the box.
        """
        rows = list(_rows(losses, width - 2 * PAD))
        height = 8 + TITLE + LINE * len(lines) + TAG_ROW * len(rows) + (10 if rows else 8)
        box = Box(label=title, x=middle - width / 2, y=y, width=width, height=height)
        self._frame(box, f"{kind}{' learns' if learns else ''}", 7)
        self.modules |= {line.name: learns for line in lines if isinstance(line, Line)}
        self.losses += losses
        self._write(box, box.x + PAD, y + 8 + 13, title, "title")
        below = y + 8 + TITLE
        for row in lines:
            if isinstance(row, str):
                self._write(box, box.x + PAD, below + 12, row, "note")
            else:
                used = self._write(box, box.x + PAD, below + 12, row.name, "name")
                if row.count:
                    free = width - 2 * PAD - used - 8
                    self._write(box, box.x + width - PAD, below + 12, row.count, "count", free)
            below += LINE
        for tags in rows:
            left = box.x + PAD
            for tag in tags:
                left += self._tag(left, below + 4, tag) + 6
            below += TAG_ROW
        return box

    def data(
        self, middle: float, y: float, text: str, *, learns: bool = False, width: float = BOX
    ) -> Box:
        """Draw what goes in or comes out, and return its box."""
        box = Box(label=text, x=middle - width / 2, y=y, width=width, height=30)
        self._frame(box, f"pill{' learns' if learns else ''}", 15)
        if text_width(text, "data") > width - 2 * PAD:
            raise DrawingError(f"{text!r} does not fit its box")
        self.shapes.append(
            f'<text class="data" x="{middle:g}" y="{y + 19.5:g}" text-anchor="middle">'
            f"{escape(text)}</text>"
        )
        return box

    def arrow(self, *points: Point, learns: bool = False) -> None:
        """Draw an arrow through points; it turns at right angles only."""
        for (x, y), (to_x, to_y) in pairwise(points):
            if x != to_x and y != to_y:
                raise DrawingError(f"an arrow runs askew from {x, y} to {to_x, to_y}")
        self.arrows.append(list(points))
        suffix = " learns" if learns else ""
        self.shapes.append(f'<path class="flow{suffix}" d="{_path(points)}"/>')
        self.shapes.append(f'<path class="head{suffix}" d="{_head(points[-2], points[-1])}"/>')

    def note(
        self, x: float, y: float, text: str, *, anchor: str = "start", learns: bool = False
    ) -> None:
        """Write beside an arrow.

        Args:
            x: Where the text starts, or has its middle or end, as ``anchor`` says.
            y: Middle of its height.
            text: What.
            anchor: start, middle or end.
            learns: Only true in training.
        """
        width = text_width(text, "note")
        left = x - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
        self.notes.append(Box(label=text, x=left, y=y - 7, width=width, height=14))
        self.shapes.append(
            f'<text class="note{" learns" if learns else ""}" x="{x:g}" y="{y + 4:g}" '
            f'text-anchor="{anchor}">{escape(text)}</text>'
        )

    def legend(self, axes: Sequence[str]) -> None:
        """Draw what the shapes mean, and what the letters stand for, along the lower edge."""
        y = max(box.y + box.height for box in self.boxes) + 44
        self.height = y + 62
        self.shapes.append(f'<path class="rule" d="M 30 {y - 18:g} H {WIDTH - 30}"/>')
        entries = (
            ("part", "has weights"),
            ("step", "has none"),
            ("part learns", "in training only"),
        )
        x = 30.0
        for kind, text in entries:
            self.shapes.append(
                f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="26" height="16" rx="4"/>'
            )
            self.note(x + 34, y + 8, text)
            x += 34 + text_width(text, "note") + 26
        self.shapes.append(
            f'<rect class="pill" x="{x:g}" y="{y:g}" width="26" height="16" rx="8"/>'
        )
        self.note(x + 34, y + 8, "goes in, comes out")
        x += 34 + text_width("goes in, comes out", "note") + 26
        x += self._tag(x, y, "loss") + 8
        self.note(x, y + 8, "minimised")
        x += text_width("minimised", "note") + 26
        self.shapes.append(f'<text class="name" x="{x:g}" y="{y + 12:g}">module</text>')
        x += text_width("module", "name") + 8
        self.note(x, y + 8, "in the code, and its parameters")
        x = 30.0
        for axis in axes:
            self.note(x, y + 36, axis)
            x += text_width(axis, "note") + 26

    def svg(self) -> str:
        """Return the file.

        Raises:
            DrawingError: Something overlaps, crosses or lies outside.
        """
        self.check()
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height:g}" '
                f'width="{WIDTH}" height="{self.height:g}" role="img">',
                f"<title>{escape(self.title)}</title>",
                f"<style>\n{STYLE}\n</style>",
                f'<rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" '
                f'height="{self.height - 1:g}" rx="12"/>',
                *self.shapes,
                "</svg>",
                "",
            ]
        )

    def check(self) -> None:
        """Refuse what cannot be read.

        Raises:
            DrawingError: Something overlaps, crosses or lies outside.
        """
        things = [*self.boxes, *self.notes]
        for thing in things:
            if not (
                thing.x >= 4
                and thing.x + thing.width <= WIDTH - 4
                and thing.y >= 4
                and thing.y + thing.height <= self.height - 4
            ):
                raise DrawingError(f"{thing.label!r} lies outside")
        for one, other in combinations(things, 2):
            if one.overlaps(other):
                raise DrawingError(f"{one.label!r} and {other.label!r} overlap")
        for points in self.arrows:
            for start, end in pairwise(points):
                for thing in things:
                    if _segment(start, end).overlaps(thing.shrunk(1), 0):
                        raise DrawingError(f"an arrow to {points[-1]} runs through {thing.label!r}")
        for one_arrow, other_arrow in combinations(self.arrows, 2):
            for a in pairwise(one_arrow):
                for b in pairwise(other_arrow):
                    if _segment(*a).overlaps(_segment(*b), 3):
                        raise DrawingError(f"arrows to {one_arrow[-1]} and {other_arrow[-1]} meet")

    def _frame(self, box: Box, kind: str, radius: float) -> None:
        self.boxes.append(box)
        self.shapes.append(
            f'<rect class="{kind}" x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" '
            f'height="{box.height:g}" rx="{radius:g}"/>'
        )

    def _write(self, box: Box, x: float, y: float, text: str, kind: str, free: float = 0) -> float:
        """Write a row of a box, its counts at the right; return its width."""
        width, free = text_width(text, kind), free or box.width - 2 * PAD
        if width > free:
            raise DrawingError(f"{text!r} does not fit {box.label!r}: {width:.0f} of {free:.0f}")
        anchor = ' text-anchor="end"' if kind == "count" else ""
        self.shapes.append(
            f'<text class="{kind}" x="{x:g}" y="{y:g}"{anchor}>{escape(text)}</text>'
        )
        return width

    def _tag(self, x: float, y: float, text: str) -> float:
        """Draw a loss; return its width."""
        width = _tag_width(text)
        self.shapes.append(
            f'<rect class="loss" x="{x:g}" y="{y:g}" width="{width:g}" height="16" rx="8"/>'
        )
        self.shapes.append(
            f'<text class="tag" x="{x + width / 2:g}" y="{y + 11.5:g}" text-anchor="middle">'
            f"{escape(text)}</text>"
        )
        return width


def _rows(tags: Sequence[str], width: float) -> Iterator[list[str]]:
    """Yield tags row by row."""
    row: list[str] = []
    used = 0.0
    for tag in tags:
        if row and used + _tag_width(tag) > width:
            yield row
            row, used = [], 0.0
        row.append(tag)
        used += _tag_width(tag) + 6
    if row:
        yield row


def _tag_width(text: str) -> float:
    return round(text_width(text, "tag") + 12)


def _segment(start: Point, end: Point) -> Box:
    """Return a straight piece of an arrow as a box of no width or no height."""
    (x, y), (to_x, to_y) = start, end
    return Box(label="", x=min(x, to_x), y=min(y, to_y), width=abs(x - to_x), height=abs(y - to_y))


def _path(points: Sequence[Point]) -> str:
    """Return straight pieces with rounded turns; it ends where the head begins."""
    words = [f"M {points[0][0]:g} {points[0][1]:g}"]
    for before, (x, y), after in zip(points, points[1:], points[2:]):
        enter, leave = _towards((x, y), before, CORNER), _towards((x, y), after, CORNER)
        words.append(f"L {enter[0]:g} {enter[1]:g} Q {x:g} {y:g} {leave[0]:g} {leave[1]:g}")
    end = _towards(points[-1], points[-2], 6)
    return " ".join([*words, f"L {end[0]:g} {end[1]:g}"])


def _head(before: Point, tip: Point) -> str:
    """Return a triangle at ``tip``."""
    base = _towards(tip, before, 8)
    aside = (4, 0) if base[0] == tip[0] else (0, 4)
    one, other = (base[0] + aside[0], base[1] + aside[1]), (base[0] - aside[0], base[1] - aside[1])
    return f"M {tip[0]:g} {tip[1]:g} L {one[0]:g} {one[1]:g} L {other[0]:g} {other[1]:g} Z"


def _towards(point: Point, other: Point, by: float) -> Point:
    """Return ``point`` moved ``by`` towards ``other``, at most half of the way."""
    x, y = other[0] - point[0], other[1] - point[1]
    length = abs(x) + abs(y)
    by = min(by, length / 2)
    return point[0] + x / length * by, point[1] + y / length * by
