"""Sentences a second that a text front end reads on one core, after warm-up.

    python tools/bench/text_speed.py --frontend en --text metadata.csv --column 2

Warm-up reads the whole text once: lexicons are loaded and words that repeat are remembered, as in
a server or in stage 2. ``--cold`` also tells the first round. A sentence that cannot be read is
counted and passed over.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

from malsori.core.errors import MalsoriError
from malsori.text import FRONTENDS, FrontEnd, TextError


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--frontend", default="ko", help="see 'malsori list frontends' (default ko)"
    )
    parser.add_argument("--text", type=Path, nargs="+", required=True, help="UTF-8 files of lines")
    parser.add_argument("--column", type=int, help="of lines with | between columns, from 0")
    parser.add_argument("--rounds", type=int, default=5, help="the median counts (default 5)")
    parser.add_argument("--cold", action="store_true", help="tell the first round, too")
    args = parser.parse_args()
    try:
        entry = FRONTENDS.entry(args.frontend)
        front_end: FrontEnd = entry.build(entry.config())
        lines = [
            line if args.column is None else line.split("|")[args.column]
            for path in args.text
            for line in path.read_text(encoding="utf-8").splitlines()
            if line.strip()
        ]
    except (MalsoriError, OSError, IndexError) as error:
        sys.exit(f"text_speed: {error}")
    if not lines:
        sys.exit("text_speed: no line in the text")
    cold, unread = read(front_end, lines)
    if args.cold:
        print(f"first round: {len(lines) / cold:,.0f} sentences/s")
    rates = [len(lines) / read(front_end, lines)[0] for _ in range(args.rounds)]
    letters = sum(map(len, lines)) / len(lines)
    print(
        f"{args.frontend}: {statistics.median(rates):,.0f} sentences/s (best {max(rates):,.0f}), "
        f"{len(lines)} sentences of {letters:.0f} characters, {unread} unread"
    )


def read(front_end: FrontEnd, lines: list[str]) -> tuple[float, int]:
    """Return the CPU seconds that all lines take, and how many cannot be read."""
    unread, start = 0, time.process_time()
    for line in lines:
        try:
            front_end(line)
        except TextError:
            unread += 1
    return time.process_time() - start, unread


if __name__ == "__main__":
    main()
