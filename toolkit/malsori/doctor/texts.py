"""How much is said in each utterance: tokens of stage 2, tokens of a front end, or characters."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from malsori.core.errors import MalsoriError
from malsori.core.log import progress
from malsori.data.table import Table
from malsori.data.tokens import Texts
from malsori.doctor.processes import Processes
from malsori.text.frontend import TextError
from malsori.text.tokenizer import Tokenizer, TokenizerConfig
from malsori.text.tokens import BLANK, SPACE, UNKNOWN

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK = 500
UNSPOKEN = frozenset((BLANK, SPACE, UNKNOWN))


@dataclass(frozen=True, kw_only=True)
class Amounts:
    """How much is said in each utterance of a set."""

    unit: str
    """"tokens" or "characters"."""
    counts: NDArray[np.float32]
    """Sounds or letters, without punctuation and spaces, (N,); NaN for what cannot be read."""
    unread: dict[int, str]
    """Rows that the front end cannot read, and why."""


def characters(folder: Path) -> Amounts:
    """Return how many letters and digits each text has."""
    texts = Texts(folder)
    counts = np.array([spoken_characters(text) for _, text, _ in texts], np.float32)
    unread = {int(row): "no letter in it" for row in np.flatnonzero(counts == 0)}
    counts[counts == 0] = np.nan
    return Amounts(unit="characters", counts=counts, unread=unread)


def from_stage_2(folder: Path, tokens: Path) -> Amounts:
    """Return how many spoken tokens stage 2 wrote for each utterance of a data dir.

    Args:
        folder: The data dir.
        tokens: The output folder of stage 2, which has ``SET.tokens`` and ``rejected.tsv``.

    Raises:
        MalsoriError: Stage 2 did not see this set.
    """
    name = folder.name or folder.resolve().name
    path = tokens / f"{name}.tokens"
    if not path.is_file():
        raise MalsoriError(f"{path}: not there; run stage 2 ('malsori tokens') or give --frontend")
    table, texts = Table(path), Table(folder / "text")
    counts = np.full(len(texts), np.nan, np.float32)
    at = 0
    for row in range(len(texts)):
        key = texts.key(row)
        if table.has_key(at, key):
            counts[row] = spoken_tokens(table.value(at).split())
            at += 1
    if at != len(table):
        raise MalsoriError(f"{path}:{at + 1}: not of these texts: run stage 2 again")
    reasons = _rejections(tokens / "rejected.tsv")
    missing = np.flatnonzero(np.isnan(counts)).tolist()
    unread = {row: reasons.get(texts.key(row), "left out by stage 2") for row in missing}
    return Amounts(unit="tokens", counts=counts, unread=unread)


def from_front_end(folder: Path, frontend: str, jobs: int) -> Amounts:
    """Return how many spoken tokens a front end makes of each text, and which it cannot read.

    Args:
        folder: The data dir.
        frontend: Its name, as in ``malsori tokens --frontend``.
        jobs: Processes.

    Raises:
        ConfigError: There is no such front end.
        MalsoriError: Nothing reads the language of some texts.
    """
    texts = Texts(folder)
    texts.check(list(Tokenizer(TokenizerConfig(frontend=frontend)).frontends))
    counts = np.full(len(texts), np.nan, np.float32)
    unread: dict[int, str] = {}
    workers: Processes[tuple[str, str, str | None], int | str] = Processes(
        _count_all, jobs if len(texts) > CHUNK else 1, lambda _: "its front end crashed"
    )
    row = 0
    label = f"texts of {folder.name}"
    for found in progress(workers.run(_chunks(texts, frontend)), -(-len(texts) // CHUNK), label):
        for each in found:
            if isinstance(each, int):
                counts[row] = each
            else:
                unread[row] = each
            row += 1
    return Amounts(unit="tokens", counts=counts, unread=unread)


def spoken_tokens(tokens: Sequence[str]) -> int:
    """Return how many tokens are sounds: no punctuation, blank or space."""
    return sum(
        token not in UNSPOKEN and any(character.isalnum() for character in token)
        for token in tokens
    )


def spoken_characters(text: str) -> int:
    """Return how many letters and digits a text has."""
    return sum(map(str.isalnum, unicodedata.normalize("NFC", text)))


def text_hash(text: str) -> int:
    """Return 64 bits that are the same for texts that differ in case, space and punctuation only.

    A text without any letter is hashed as it is.
    """
    letters = "".join(filter(str.isalnum, unicodedata.normalize("NFC", text).casefold()))
    return int.from_bytes(
        hashlib.blake2b((letters or text).encode(), digest_size=8).digest(), "little"
    )


def _chunks(texts: Texts, frontend: str) -> Iterator[list[tuple[str, str, str | None]]]:
    chunk: list[tuple[str, str, str | None]] = []
    for _, text, language in texts:
        chunk.append((frontend, text, language))
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


@lru_cache(maxsize=1)
def _tokenizer(frontend: str) -> Tokenizer:
    return Tokenizer(TokenizerConfig(frontend=frontend))


def _count_all(things: Sequence[tuple[str, str, str | None]]) -> list[int | str]:
    return [_count(*thing) for thing in things]


def _count(frontend: str, text: str, language: str | None) -> int | str:
    """Return the number of spoken tokens, or why the text cannot be read."""
    try:
        count = spoken_tokens(_tokenizer(frontend).tokens(text, language))
    except TextError as error:
        return " ".join(str(error).split())
    return count or "no word in it"


def _rejections(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("\t", 1) for line in lines if "\t" in line)
