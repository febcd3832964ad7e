"""The look of the report: one page without network, its style and its little script inside it."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

STYLE = """
:root { color-scheme: light dark; --ink: #1c1d1f; --soft: #63666b; --line: #e1e1dc;
  --paper: #fbfbf9; --card: #fff; --head: #f5f5f2; --chip: #f1f1ed; --accent: #1f5fa8;
  --bar: #e4edf7; --main: #f1f6fc; --bad: #c8402f; --good: #2f7d4f; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e6e3; --soft: #9fa2a6; --line: #35373b;
  --paper: #17181a; --card: #1f2124; --head: #26282c; --chip: #2c2f33; --accent: #7db2ee;
  --bar: #25364b; --main: #222c38; --bad: #f0826f; --good: #74c394; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); line-height: 1.5;
  font: 15px/1.5 system-ui, "Noto Sans KR", "Apple SD Gothic Neo", "Malgun Gothic", sans-serif; }
main { max-width: 1240px; margin: 0 auto; padding: 28px 24px 80px; }
h1 { font-size: 25px; margin: 0 0 2px; letter-spacing: -0.01em; }
h2 { font-size: 18px; margin: 38px 0 8px; }
p { margin: 6px 0; max-width: 82ch; }
.soft, figcaption, dd { color: var(--soft); }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 8px;
  background: var(--card); }
.scroll.tall { max-height: 520px; overflow-y: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 12px; text-align: right; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
tr:last-child td { border-bottom: 0; }
th { font-weight: 600; font-size: 13px; color: var(--soft); background: var(--head); }
.tall th { position: sticky; top: 0; z-index: 1; }
th.text, td.text { text-align: left; }
td.sentence { text-align: left; white-space: normal; min-width: 260px; }
td .range { color: var(--soft); font-size: 13px; margin-left: 6px; }
tr.main td { font-weight: 600; background: var(--main); }
tr.main td .range { font-weight: 400; }
th button { all: unset; cursor: pointer; font: inherit; color: inherit; }
th button:hover { color: var(--accent); }
th button:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
th[aria-sort=ascending] button::after { content: " ▲"; font-size: 10px; }
th[aria-sort=descending] button::after { content: " ▼"; font-size: 10px; }
td.bar { background: linear-gradient(to left, var(--bar) var(--share), transparent var(--share)); }
a { color: var(--accent); text-decoration: none; } a:hover { text-decoration: underline; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 14px; font-size: 14px; }
dt { font-weight: 600; } dd { margin: 0; }
article { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 14px 16px 12px; margin: 16px 0; scroll-margin-top: 12px; }
article:target { border-color: var(--accent); }
article header { display: flex; flex-wrap: wrap; gap: 4px 14px; align-items: baseline; }
article h3 { margin: 0; font-size: 14px; font-weight: 600; color: var(--soft); }
.said { font-size: 18px; margin: 2px 0 6px; max-width: none; }
.chips span { display: inline-block; background: var(--chip); border-radius: 5px; padding: 0 8px;
  margin-right: 5px; font-size: 13px; font-variant-numeric: tabular-nums; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 6px 20px; }
@media (max-width: 900px) { .pair { grid-template-columns: 1fr; } }
figure { margin: 0; min-width: 0; }
figcaption { font-size: 13px; font-weight: 600; margin-bottom: 2px; }
figcaption em { font-weight: 400; font-style: normal; }
.picture { position: relative; cursor: crosshair; }
.picture img { display: block; width: 100%; height: auto; border-radius: 6px; }
.needle { position: absolute; top: 1%; bottom: 9%; width: 1px; background: #e23b2e; display: none; }
.labels { position: relative; height: 46px; font-size: 12px; line-height: 15px;
  color: var(--soft); }
.labels span { position: absolute; transform: translateX(-50%); white-space: nowrap; }
audio { width: 100%; height: 34px; margin-top: 4px; }
details { font-size: 13px; color: var(--soft); margin-top: 6px; } summary { cursor: pointer; }
details code { overflow-wrap: anywhere; font-size: 13px; }
footer { margin-top: 44px; font-size: 13px; color: var(--soft); }
"""

SCRIPT = """
"use strict";
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th"), table = head.closest("table"), body = table.tBodies[0];
    const down = head.getAttribute("aria-sort") !== "descending";
    for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = row => row.cells[head.cellIndex].dataset.key;
    const number = row => key(row) === "" ? -Infinity : Number(key(row));
    const compare = "words" in head.dataset
      ? (a, b) => key(b).localeCompare(key(a)) : (a, b) => number(b) - number(a);
    const rows = [...body.rows].sort(compare);
    if (!down) rows.reverse();
    body.append(...rows);
  });
}
for (const figure of document.querySelectorAll("figure[data-seconds]")) {
  const audio = figure.querySelector("audio"), picture = figure.querySelector(".picture");
  const needle = figure.querySelector(".needle");
  const left = Number(figure.dataset.left), width = Number(figure.dataset.width);
  const seconds = Number(figure.dataset.seconds);
  const follow = () => {
    needle.style.display = "block";
    needle.style.left = 100 * (left + width * audio.currentTime / seconds) + "%";
    if (!audio.paused) requestAnimationFrame(follow);
  };
  audio.addEventListener("seeked", follow);
  audio.addEventListener("play", () => {
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
    follow();
  });
  picture.addEventListener("click", event => {
    const box = picture.getBoundingClientRect();
    const share = ((event.clientX - box.left) / box.width - left) / width;
    audio.currentTime = Math.max(0, share * seconds);
    audio.play();
  });
}
"""


def page(title: str, body: Iterable[str], style: str = "") -> str:
    """Return a whole HTML page.

    Args:
        title: Plain text.
        body: Pieces of HTML.
        style: CSS of this page alone, after what all pages share.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + f"\n</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )


def row(cells: Iterable[str], kind: str = "") -> str:
    """Return a table row of cells that are HTML already; ``kind`` is its class."""
    attributes = f' class="{kind}"' if kind else ""
    return f"<tr{attributes}>{''.join(cells)}</tr>"


def cell(content: str, key: float | str | None = None, kind: str = "", share: float = -1.0) -> str:
    """Return a table cell.

    Args:
        content: HTML.
        key: What the column is sorted by; None in tables that are not sorted, NaN comes last.
        kind: Its class.
        share: Length of a bar behind it, 0 to 1; none if below 0.
    """
    attributes = ""
    if key is not None:
        undefined = isinstance(key, float) and key != key
        attributes += f' data-key="{"" if undefined else escape(str(key))}"'
    if share >= 0:
        kind = f"{kind} bar".strip()
        attributes += f' style="--share: {100 * share:.0f}%"'
    if kind:
        attributes += f' class="{kind}"'
    return f"<td{attributes}>{content}</td>"


def heading(text: str, sort: str = "", kind: str = "", button: bool = False) -> str:
    """Return a heading cell of a table.

    Args:
        text: Plain text.
        sort: ``ascending`` or ``descending`` if the table is sorted by this column.
        kind: Its class; ``text`` columns are sorted as words.
        button: Whether a click sorts by it.
    """
    attributes = f' aria-sort="{sort}"' if sort else ""
    attributes += f' class="{kind}"' if kind else ""
    attributes += " data-words" if kind == "text" else ""
    inner = f'<button type="button">{escape(text)}</button>' if button else escape(text)
    return f"<th{attributes}>{inner}</th>"
