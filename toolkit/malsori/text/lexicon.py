"""User's pronunciations: lines ``word<TAB>pronunciation``, ``#`` starts a comment line."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from malsori.text.frontend import TextError


def read_lexicon(path: str | Path, *, lower: bool = False) -> dict[str, str]:
    """Return the pronunciation of each word of a lexicon file, both in NFC.

    Args:
        path: UTF-8 file; a byte order mark and CRLF line ends are accepted.
        lower: Compare words without case.

    Raises:
        TextError: The file is missing or not UTF-8, a line has not two columns, or a word has two
            different pronunciations; the message has the form ``file:line: reason``.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise TextError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise TextError(f"{path}: not a UTF-8 file: {error}") from error
    words: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = unicodedata.normalize("NFC", line)
        if not line.strip() or line.startswith("#"):
            continue
        columns = [column.strip() for column in line.split("\t")]
        if len(columns) != 2 or not all(columns):
            raise TextError(f"{path}:{number}: expected 'word<TAB>pronunciation', got {line!r}")
        word, pronunciation = columns
        word = word.lower() if lower else word
        if words.setdefault(word, pronunciation) != pronunciation:
            raise TextError(
                f"{path}:{number}: {word!r} has two pronunciations: {words[word]!r} and "
                f"{pronunciation!r}"
            )
    return words


def pronunciation_tokens(
    path: str | Path, word: str, pronunciation: str, inventory: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the tokens of a pronunciation that is written as tokens with spaces between.

    Raises:
        TextError: A token is not in ``inventory``.
    """
    tokens = tuple(pronunciation.split())
    for token in tokens:
        if token not in inventory:
            raise TextError(
                f"{path}: {word!r}: {token!r} is not a token of this front end; known: "
                f"{' '.join(inventory)}"
            )
    return tokens
