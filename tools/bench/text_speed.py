"""Sentences a second that text front ends read on one core, after warm-up.

    python tools/bench/text_speed.py [--rounds 5] [--quick] [--out text_speed.json]
    python tools/bench/text_speed.py --frontend en --text metadata.csv --column 2

Without --text, Korean and English texts of the tests and of the embedded corpora are read. Warm-up
reads everything once: lexicons are loaded and words that repeat are remembered, as in a server or
in stage 2; the first round is measured, too. A text that cannot be read is counted and passed over.
Seconds are those of the processor.

Training reads what stage 2 wrote. Running it again with nothing changed is measured as a command,
on as many texts as KSS has.
"""

from __future__ import annotations

import csv
import itertools
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from measures import Measure, write
from processes import options

from malsori.core.errors import MalsoriError
from malsori.text import FRONTENDS, FrontEnd, TextError

ROOT = Path(__file__).parents[2]
TEXTS = {
    "ko": [
        (ROOT / "egs/mini_kss/corpus/transcript.v.1.4.txt", "|", 1),
        (ROOT / "test/text/ko_standard.tsv", "\t", 0),
        (ROOT / "test/text/g2p_cases.tsv", "\t", 0),
    ],
    "en": [
        (ROOT / "egs/mini_ljspeech/corpus/metadata.csv", "|", 1),
        (ROOT / "test/text/english_heteronyms.tsv", "\t", 0),
        (ROOT / "test/text/english_cases.tsv", "\t", 1),
    ],
}
"""Files of a language, what parts their columns, and which has the text."""
TARGET = ">= 2000"
SHORTEST = 12
"""Characters of a text that is called a sentence; the tests' tables are mostly single words."""
ROWS = 12_853
"""Utterances of KSS."""


def main() -> None:
    """Measure, print and write."""
    parser = options(__doc__)
    parser.add_argument("--frontend", help="see 'malsori list frontends' (default: ko, then en)")
    parser.add_argument("--text", type=Path, nargs="+", help="UTF-8 files of lines")
    parser.add_argument("--column", type=int, help="of lines with | between columns, from 0")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    if args.text and not args.frontend:
        sys.exit("text_speed: --text needs --frontend")
    rounds = 1 if args.quick else args.rounds
    measures: list[Measure] = []
    for name in [args.frontend] if args.frontend else [*TEXTS]:
        try:
            entry = FRONTENDS.entry(name)
            front_end: FrontEnd = entry.build(entry.config())
            own = [(path, "|", args.column) for path in args.text or ()]
            lines = texts(own or TEXTS.get(name, []))
        except (MalsoriError, OSError, IndexError) as error:
            sys.exit(f"text_speed: {error}")
        if not lines:
            sys.exit(f"text_speed: no text for {name}; give --text")
        measures += measured(name, front_end, lines, rounds)
        with tempfile.TemporaryDirectory() as made:
            measures.append(again(name, lines, 100 if args.quick else ROWS, rounds, Path(made)))
    write(measures, args.out)


def texts(files: list[tuple[Path, str, int | None]]) -> list[str]:
    """Return the texts of all files that have a sentence's length."""
    found = []
    for path, delimiter, column in files:
        with path.open(encoding="utf-8", newline="") as file:
            if column is None:
                found += [line.strip() for line in file if line.strip()]
            else:
                rows = csv.reader(file, delimiter=delimiter, quoting=csv.QUOTE_NONE)
                found += [row[column] for row in rows if row and not row[0].startswith("#")]
    return [text for text in found if len(text) >= SHORTEST]


def measured(name: str, front_end: FrontEnd, lines: list[str], rounds: int) -> list[Measure]:
    """Return the speed of the first round, and of those after it."""
    seconds, unread = read(front_end, lines)
    rates = [len(lines) / read(front_end, lines)[0] for _ in range(rounds)]
    letters = sum(map(len, lines)) / len(lines)
    note = f"{name}: {len(lines)} texts of {letters:.0f} characters, {unread} without a reading."
    common = {"unit": "sentences/s", "larger_is_better": True, "note": note}
    return [
        Measure(what=f"text to tokens, {name}, warm", runs=rates, target=TARGET, **common),
        Measure(what=f"text to tokens, {name}, first round", runs=[len(lines) / seconds], **common),
    ]


def again(name: str, lines: list[str], rows: int, rounds: int, folder: Path) -> Measure:
    """Return how long stage 2 takes where it has been run on the same texts before."""
    (folder / "train").mkdir()
    texts = enumerate(itertools.islice(itertools.cycle(lines), rows))
    text = "".join(f"u{number:06} {line}\n" for number, line in texts)
    (folder / "train/text").write_text(text, encoding="utf-8")
    command = [sys.executable, "-W", "ignore", "-m", "malsori", "tokens", "--frontend", name]
    command += ["--data", str(folder / "train"), "--out", str(folder / "tokens")]
    runs = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        subprocess.run([*command, "--max-rejected", "1"], check=True, capture_output=True)
        runs.append(time.perf_counter() - start)
    note = f"Stage 2, {name}: {runs[0]:.1f} s for the first time."
    return Measure(
        what=f"stage 2 again, {name}, {rows:,} texts, nothing changed",
        unit="s",
        runs=runs[1:],
        target="<= 2",
        note=note,
    )


def read(front_end: FrontEnd, lines: list[str]) -> tuple[float, int]:
    """Return the processor seconds that all lines take, and how many cannot be read."""
    unread, start = 0, time.process_time()
    for line in lines:
        try:
            front_end(line)
        except TextError:
            unread += 1
    return time.process_time() - start, unread


if __name__ == "__main__":
    main()
