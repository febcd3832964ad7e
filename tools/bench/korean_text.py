"""How right and how fast the Korean front ends are.

    python tools/bench/korean_text.py accuracy test/text/g2p_cases.tsv --backends ko,g2pk
    python tools/bench/korean_text.py accuracy test/text/ko_standard.tsv --half unseen --show
    python tools/bench/korean_text.py speed sentences.txt --backends ko
    python tools/bench/korean_text.py compare sentences.txt --backends ko,g2pk

A table has lines ``written<TAB>said[/said…]``, more columns are ignored. Of ko_standard.tsv the
front end ``ko`` was tuned on one half alone; the other, ``unseen``, are the rows whose SHA-256 of
the written text begins with an odd byte. A file of sentences has one a line, after ``|`` if there
is one.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections import Counter
from pathlib import Path

from malsori.text import FRONTENDS, FrontEnd, FrontEndConfig, TextError, Word, jamo

ROUNDS = 3


def main() -> None:
    """Read the arguments and print what they ask for."""
    parser = argparse.ArgumentParser(description="how right and how fast Korean front ends are")
    parser.add_argument("what", choices=("accuracy", "speed", "compare"))
    parser.add_argument("file", type=Path, help="table of cases, or sentences, one a line")
    parser.add_argument("--backends", default="ko", help="front ends, with commas (default ko)")
    parser.add_argument("--half", choices=("all", "tuned", "unseen"), default="all")
    parser.add_argument("--show", action="store_true", help="list what is wrong")
    args = parser.parse_args()
    names = args.backends.split(",")
    if args.what == "accuracy":
        table = read_table(args.file, args.half)
        for name in names:
            print_accuracy(name, table, args.show)
        return
    lines = args.file.read_text(encoding="utf-8").splitlines()
    sentences = [line.rpartition("|")[2] for line in lines if line.strip()]
    if args.what == "speed":
        for name in names:
            print_speed(name, sentences)
    else:
        print_differences(names, sentences)


def read_table(path: Path, half: str) -> list[tuple[str, set[str]]]:
    """Return what is written and the ways in which it may be said."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        written, said = line.split("\t")[:2]
        unseen = hashlib.sha256(written.encode()).digest()[0] % 2 == 1
        if half == "all" or unseen == (half == "unseen"):
            rows.append((written, set(said.replace(" ", "").split("/"))))
    return rows


def print_accuracy(name: str, table: list[tuple[str, set[str]]], show: bool) -> None:
    """Print the share of cases that a front end says in one of the given ways."""
    frontend = build(name)
    right = 0
    for written, said in table:
        try:
            got = hangul(frontend(written))
        except TextError as error:
            got = str(error)
        right += got in said
        if show and got not in said:
            print(f"{name}\t{written}\t{got}\t{'/'.join(sorted(said))}")
    print(f"{name}: {right} of {len(table)}, {right / len(table):.1%}")


def print_speed(name: str, sentences: list[str]) -> None:
    """Print sentences a second of one core, round by round: the first one fills the caches."""
    frontend = build(name)
    for round_number in range(1, ROUNDS + 1):
        start = time.process_time()
        for sentence in sentences:
            frontend(sentence)
        rate = len(sentences) / (time.process_time() - start)
        print(f"{name}: round {round_number}: {rate:,.0f} sentences/s of {len(sentences):,}")


def print_differences(names: list[str], sentences: list[str]) -> None:
    """Print the words that two front ends say differently, the most frequent first."""
    first, second = map(build, names)
    found: Counter[tuple[str, str, str]] = Counter()
    words = 0
    for sentence in sentences:
        for one, two in zip(first(sentence), second(sentence), strict=True):
            words += 1
            if one.tokens != two.tokens:
                found[one.text, hangul([one]), hangul([two])] += 1
    print(f"{found.total():,} of {words:,} words differ, {len(found):,} kinds")
    for (written, said, other), count in found.most_common():
        print(f"{count}\t{written}\t{said}\t{other}")


def build(name: str) -> FrontEnd:
    """Return a front end with its defaults."""
    entry = FRONTENDS.entry(name)
    config = entry.config()
    assert isinstance(config, FrontEndConfig)
    frontend: FrontEnd = entry.build(config)
    return frontend


def hangul(words: list[Word]) -> str:
    """Return the spoken syllables of words, without spaces and punctuation."""
    syllables: list[list[int]] = []
    for token in (token for word in words for token in word.tokens):
        if token in jamo.INITIALS:
            syllables.append([jamo.INITIALS.index(token), 0, 0])
        elif token in jamo.VOWELS:
            syllables[-1][1] = jamo.VOWELS.index(token)
        elif token in jamo.FINALS:
            syllables[-1][2] = jamo.FINALS.index(token) + 1
    return "".join(jamo.join(jamo.Syllable(*parts)) for parts in syllables)


if __name__ == "__main__":
    main()
