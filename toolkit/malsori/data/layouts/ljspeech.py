"""LJSpeech: ``metadata.csv`` of ``id|text`` or ``id|text|normalised text``, and ``wavs/``."""

from __future__ import annotations

from pathlib import Path

from malsori.data import ljspeech
from malsori.data.layouts.rows import first_lines, metadata_file
from malsori.data.prepare import Utterance

SUMMARY = "LJSpeech: metadata.csv with id|text or id|text|normalised text, and wavs/"


def recognise(corpus: Path) -> str | None:
    """Return why the corpus is laid out as LJSpeech, None if it is not."""
    path = metadata_file(corpus, ("metadata.csv",))
    if path is None or not (path.parent / "wavs").is_dir():
        return None
    rows = [line.split("|") for line in first_lines(path)]
    if not rows or any(len(row) not in (2, 3) or not row[0].strip() for row in rows):
        return None
    stems = [row[0].strip().removesuffix(".wav").removesuffix(".flac") for row in rows]
    places = [path.parent / "wavs" / f"{stem}{s}" for stem in stems for s in (".wav", ".flac")]
    if any("/" in stem for stem in stems) or not any(place.is_file() for place in places):
        return None
    count = "2 or 3" if len({len(row) for row in rows}) > 1 else str(len(rows[0]))
    return f"{path.name} with {count} fields between '|', and wavs/"


def read_corpus(corpus: Path, *, speaker: str, language: str, extract_to: Path) -> list[Utterance]:
    """Return the utterances of a corpus in this layout.

    Raises:
        MalsoriError: See ``malsori.data.ljspeech``.
    """
    del extract_to
    return ljspeech.read_corpus(corpus, speaker=speaker, language=language)
