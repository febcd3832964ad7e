"""Write the table of Hanja readings of the Korean front ends from Unicode's Unihan_Readings.txt.

    python tools/hanja_table.py Unihan_Readings.txt toolkit/malsori/text/hanja.tsv

The file is in Unicode's Unihan.zip, and in Debian's package unicode-data. Of several readings the
one taught in schools is kept (``E``), else the first; of a pair like 녀 and 여, which the initial
law of Hangul spelling makes of each other, the older one (녀), from which the other follows.
"""

from __future__ import annotations

import argparse
import re
import unicodedata
from collections import defaultdict
from pathlib import Path

HEAD = """\
# Hanja by their Korean reading: reading, characters. Made by tools/hanja_table.py from the field
# kHangul of Unihan_Readings.txt, Unicode {version}, (c) Unicode, Inc., Unicode License
# (https://www.unicode.org/copyright.html); the data were reordered and shortened.
"""


def main() -> None:
    """Read the arguments and write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("unihan", type=Path, help="Unihan_Readings.txt")
    parser.add_argument("table", type=Path, help="hanja.tsv")
    args = parser.parse_args()
    text = args.unihan.read_text(encoding="utf-8")
    version = re.search(r"# Unicode version: (\S+)", text)
    by_reading: dict[str, list[str]] = defaultdict(list)
    for line in text.splitlines():
        found = re.fullmatch(r"U\+([0-9A-F]+)\tkHangul\t(.+)", line)
        if found is None:
            continue
        character = chr(int(found[1], 16))
        if unicodedata.normalize("NFC", character) == character:
            by_reading[chosen(found[2])].append(character)
    lines = [f"{reading}\t{''.join(by_reading[reading])}\n" for reading in sorted(by_reading)]
    head = HEAD.format(version=version[1] if version else "unknown")
    args.table.write_text(head + "".join(lines), encoding="utf-8")


def chosen(field: str) -> str:
    """Return one reading of a kHangul field such as ``낙:0 락:0 악:0N 요:0N``."""
    pairs = [
        (unicodedata.normalize("NFC", reading), sources)
        for reading, _, sources in (cell.partition(":") for cell in field.split())
    ]
    taught = [reading for reading, sources in pairs if "E" in sources]
    best = (taught or [reading for reading, _ in pairs])[0]
    older = [reading for reading, _ in pairs if initial_law(reading) == best != reading]
    return older[0] if older else best


def initial_law(reading: str) -> str:
    """Return a reading as it is spelt at a word's start: 녀 → 여, 락 → 낙 (한글 맞춤법 10-12)."""
    place = ord(reading) - 0xAC00
    initial, vowel, final = place // 588, place % 588 // 28, place % 28
    y_vowels = (2, 3, 6, 7, 12, 17, 20)
    if initial in (2, 5) and vowel in y_vowels:
        initial = 11
    elif initial == 5:
        initial = 2
    return chr(0xAC00 + initial * 588 + vowel * 28 + final)


if __name__ == "__main__":
    main()
