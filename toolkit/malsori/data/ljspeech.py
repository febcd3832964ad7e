"""LJSpeech and corpora in its layout: ``metadata.csv`` beside ``wavs/``.

A line is ``id|text`` or ``id|text|normalised text``; the normalised text is taken where there is
one. Quotation marks are part of the text, not CSV quoting. Audio is ``wavs/ID.wav`` or ``.flac``.
Where lists (``train.txt``, ``val.txt``) are beside it, they say what is in which set.
"""

from __future__ import annotations

from pathlib import Path

from malsori.core.errors import MalsoriError
from malsori.core.log import get_logger
from malsori.data.layouts.sets import with_listed_sets
from malsori.data.prepare import Utterance

log = get_logger(__name__)

WHERE_TO_GET_IT = (
    "download LJSpeech-1.1.tar.bz2 from https://keithito.com/LJ-Speech-Dataset/, unpack it, and "
    "run ./run.sh --corpus PATH with its folder"
)


def read_corpus(
    corpus: Path,
    *,
    speaker: str = "LJ",
    language: str = "en",
    where_to_get_it: str = WHERE_TO_GET_IT,
) -> list[Utterance]:
    """Return the utterances of LJSpeech, those with a ``problem`` included.

    Args:
        corpus: The folder with ``metadata.csv``, or the one around it.
        speaker: Id of the one speaker.
        language: What is spoken.
        where_to_get_it: What to tell someone who has no corpus.

    Raises:
        MalsoriError: No such corpus, or its ``metadata.csv`` is missing, empty or not UTF-8.
    """
    if not corpus.exists():
        raise MalsoriError(f"{corpus}: no such corpus: {where_to_get_it}")
    if not corpus.is_dir():
        raise MalsoriError(f"{corpus}: not a folder: {where_to_get_it}")
    found = sorted([*corpus.glob("metadata.csv"), *corpus.glob("*/metadata.csv")])
    if not found:
        raise MalsoriError(f"{corpus}: no metadata.csv in it: {where_to_get_it}")
    metadata = found[0]
    log.info("transcript: %s", metadata)
    try:
        lines = metadata.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise MalsoriError(
            f"{metadata}: not UTF-8 (byte {error.start}): save it as UTF-8"
        ) from None
    rows = [
        _utterance(metadata, number, line, speaker, language)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if not rows:
        raise MalsoriError(f"{metadata}: has no lines")
    return with_listed_sets(rows, metadata.parent)


def _utterance(metadata: Path, number: int, line: str, speaker: str, language: str) -> Utterance:
    """Return what one line of metadata.csv says."""
    fields = [part.strip() for part in line.split("|")]
    stem = fields[0].removesuffix(".wav").removesuffix(".flac")
    text, problem = "", ""
    if len(fields) not in (2, 3):
        problem = f"line {number} has {len(fields)} fields between '|' instead of 2 or 3"
    elif not stem or "/" in stem or "\\" in stem or stem.startswith("."):
        problem, stem = f"line {number}: {fields[0]!r} is no file name", f"line_{number}"
    else:
        text = fields[-1] or fields[1]
    usual = metadata.parent / "wavs" / f"{stem}.wav"
    flac = usual.with_suffix(".flac")
    return Utterance(
        id=stem,
        wav=flac if flac.is_file() and not usual.is_file() else usual,
        text=text,
        speaker=speaker,
        language=language,
        problem=problem,
    )
