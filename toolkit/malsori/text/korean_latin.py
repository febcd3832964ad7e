"""Latin letters in Korean text: loan words from a table, letter names as the last resort.

The table loanwords.tsv has common English words, firms, places and short forms. What it does not
know is looked at by its parts (hyphens, capitals inside, a plural's s) before it is spelt out.

Source: 외래어 표기법 (문화체육관광부 고시 제2017-14호) for the words; letter names after 표준국어대사전.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from importlib.resources import files

TABLE = "loanwords.tsv"
CACHED_WORDS = 20_000

LETTER_NAMES = {
    "a": "에이", "b": "비", "c": "시", "d": "디", "e": "이", "f": "에프", "g": "지",
    "h": "에이치", "i": "아이", "j": "제이", "k": "케이", "l": "엘", "m": "엠", "n": "엔",
    "o": "오", "p": "피", "q": "큐", "r": "아르", "s": "에스", "t": "티", "u": "유",
    "v": "브이", "w": "더블유", "x": "엑스", "y": "와이", "z": "제트",
}  # fmt: skip

_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
"""A piece of a word with capitals inside: ``YouTube``, ``LGTwins``."""


@cache
def loan_words() -> dict[str, str]:
    """Return the table: words as written there, lower case mostly, to Hangul."""
    text = files("malsori.text").joinpath(TABLE).read_text(encoding="utf-8")
    table = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            word, reading = line.split("\t")
            table[word] = reading
    return table


@cache
def mixed_words() -> re.Pattern[str]:
    """Return the pattern of the table's words that are not letters alone: ``mp3``, ``r&d``."""
    words = [word for word in loan_words() if not word.isalpha()]
    choice = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    return re.compile(rf"(?<![A-Za-z0-9.])(?:{choice})(?![A-Za-z0-9])", re.IGNORECASE)


@lru_cache(maxsize=CACHED_WORDS)
def read_latin(word: str) -> str:
    """Return a Latin word in Hangul: from the table, otherwise by its parts or letters.

    Args:
        word: ASCII letters, also with hyphens and apostrophes inside.
    """
    known = _known(word)
    if known is not None:
        return known
    stem = word.removesuffix("'s")
    if stem != word and stem:
        return read_latin(stem) + "스"
    if "-" in word or "'" in word:
        return " ".join(read_latin(part) for part in re.split("[-']", word) if part)
    parts = _PART.findall(word)
    if 1 < len(parts) <= 3 and all(_known(part) or part.isupper() for part in parts):
        return "".join(read_latin(part) for part in parts)
    if len(word) > 3 and word.endswith("s"):
        single = _known(word[:-1])
        if single is not None:
            return single + "스"
    return "".join(LETTER_NAMES[letter] for letter in word.lower())


def _known(word: str) -> str | None:
    table = loan_words()
    return table.get(word) or table.get(word.lower())
