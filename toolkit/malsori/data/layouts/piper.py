"""Piper: ``metadata.csv`` of ``id|text`` or ``id|speaker|text``, audio in ``wav/`` or ``wavs/``.

Source: the training guide of Piper (rhasspy/piper, TRAINING.md), "ljspeech" format.
"""

from __future__ import annotations

from pathlib import Path

from malsori.core.errors import MalsoriError
from malsori.data.layouts.rows import (
    AudioFinder,
    as_id,
    as_speaker,
    first_lines,
    metadata_file,
    read_lines,
)
from malsori.data.layouts.sets import with_listed_sets
from malsori.data.prepare import Utterance

SUMMARY = "Piper: metadata.csv with id|text or id|speaker|text, audio in wav/ or wavs/"


def recognise(corpus: Path) -> str | None:
    """Return why the corpus is Piper's, None if it is not."""
    path = metadata_file(corpus, ("metadata.csv",))
    if path is None:
        return None
    rows = [line.split("|") for line in first_lines(path)]
    if not rows or {len(row) for row in rows} not in ({2}, {3}):
        return None
    finder = AudioFinder(path.parent)
    if not any(finder.find(row[0].strip()).is_file() for row in rows):
        return None
    if len(rows[0]) == 3:
        return f"{path.name} with id|speaker|text" if has_speakers(rows) else None
    if (path.parent / "wavs").is_dir() or not (path.parent / "wav").is_dir():
        return None  # LJSpeech's, or one of the others
    return f"{path.name} with id|text, and wav/"


def has_speakers(rows: list[list[str]]) -> bool:
    """Return whether the second of three fields names a speaker: a word that comes again."""
    seconds = [row[1].strip() for row in rows]
    words = all(word and len(word.split()) == 1 for word in seconds)
    return words and (len(set(seconds)) <= max(len(seconds) // 2, 1))


def read_corpus(corpus: Path, *, speaker: str, language: str, extract_to: Path) -> list[Utterance]:
    """Return the utterances of a corpus in this layout.

    Args:
        corpus: The folder.
        speaker: Who speaks where lines do not say it.
        language: What is spoken.
        extract_to: Not used.

    Raises:
        MalsoriError: There is no metadata.csv, or it is empty or not UTF-8.
    """
    del extract_to
    path = metadata_file(corpus, ("metadata.csv",))
    if path is None:
        raise MalsoriError(f"{corpus}: no metadata.csv in it")
    finder, found = AudioFinder(path.parent), []
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        fields = [part.strip() for part in line.split("|")]
        problem = ""
        if len(fields) not in (2, 3) or not fields[0]:
            problem = f"line {number} has {len(fields)} fields between '|' instead of 2 or 3"
        who = fields[1] if len(fields) == 3 else ""
        found.append(
            Utterance(
                id=as_id(fields[0]) if not problem else f"line_{number}",
                wav=finder.find(fields[0] or f"line_{number}"),
                text=fields[-1],
                speaker=as_speaker(who, speaker),
                language=language,
                problem=problem,
            )
        )
    if not found:
        raise MalsoriError(f"{path}: has no lines")
    return with_listed_sets(found, path.parent)
