"""A list of recordings and texts: CSV, TSV or ``|``, with a heading line or without one.

With a heading, columns are found by their names (``file_name``, ``path``, ``text``, ``sentence``,
``speaker``, …: also Common Voice's and Hugging Face's audio folders). Without one the first field
is the audio, the last the text, and one between them the speaker.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from malsori.core.errors import MalsoriError
from malsori.core.log import get_logger
from malsori.data.layouts.piper import has_speakers
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
from malsori.data.splits import own_sets

log = get_logger(__name__)

SUMMARY = "a CSV, TSV or |-separated list of audio files and texts, with or without a heading"
NAMES = tuple(
    f"{stem}.{suffix}"
    for stem in ("metadata", "transcripts", "transcript", "validated", "train", "data", "filelist")
    for suffix in ("csv", "tsv", "txt", "list")
)
SEPARATORS = {"|": "'|'", "\t": "tabs", ",": "commas"}
COLUMNS = {
    "audio": (
        "file_name", "filename", "file", "path", "audio", "audio_file", "audio_path",
        "audio_filepath", "wav", "wav_path", "wav_file", "wav_filename", "name", "id", "utt_id",
        "utterance", "clip",
    ),
    "text": (
        "normalized_text", "normalised_text", "normalized_transcription", "text", "transcript",
        "transcription", "sentence", "script", "raw_text", "original_text",
    ),
    "speaker": ("speaker", "speaker_id", "speaker_name", "spk", "client_id", "voice"),
    "language": ("language", "lang", "locale"),
    "set": ("split", "set", "subset", "partition"),
}  # fmt: skip
"""Headings, the likeliest first."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """How a list is written."""

    separator: str
    heading: tuple[str, ...]
    """Names of the columns in lower case; empty without a heading."""
    columns: dict[str, int]
    """Where audio, text, speaker, language and set stand; -1 is the last field."""

    def told(self) -> str:
        """Return the form in words."""
        if not self.heading:
            speaker = " speaker," if "speaker" in self.columns else ""
            return f"{SEPARATORS[self.separator]}, no heading (audio,{speaker} text)"
        named = ", ".join(f"{what} {self.heading[at]!r}" for what, at in self.columns.items())
        return f"{SEPARATORS[self.separator]}, columns: {named}"


def recognise(corpus: Path) -> str | None:
    """Return why the corpus is such a list, None if it is not."""
    found = _list_file(corpus)
    return None if found is None else f"{found[0].name} with {found[1].told()}"


def read_corpus(corpus: Path, *, speaker: str, language: str, extract_to: Path) -> list[Utterance]:
    """Return the utterances of a list, those with a ``problem`` included.

    Args:
        corpus: The folder.
        speaker: Who speaks where the list does not say it.
        language: What is spoken, where the list does not say it.
        extract_to: Not used.

    Raises:
        MalsoriError: There is no such list, or it is not UTF-8.
    """
    del extract_to
    listed = _list_file(corpus)
    if listed is None:
        raise MalsoriError(f"{corpus}: no list of audio files and texts in it (metadata.csv)")
    path, form = listed
    log.info("%s: %s", path, form.told())
    rows = read_list(path, form, AudioFinder(path.parent), speaker, language)
    return rows if "set" in form.columns else with_listed_sets(rows, path.parent)


def read_list(
    path: Path, form: Form, finder: AudioFinder, speaker: str, language: str
) -> list[Utterance]:
    """Return the utterances of one list, those with a ``problem`` included.

    Args:
        path: The list.
        form: How it is written.
        finder: Finds its audio.
        speaker: Who speaks where the list does not say it.
        language: What is spoken, where the list does not say it.

    Raises:
        MalsoriError: It is not UTF-8.
    """
    found, sets = [], []
    rows = split(read_lines(path), form.separator)
    for number, fields in enumerate(rows, start=1):
        if not any(map(str.strip, fields)) or (number == 1 and form.heading):
            continue
        values, problem = _values(fields, form, number)
        sets.append(values.get("set", ""))
        found.append(
            Utterance(
                id=as_id(values["audio"]) if not problem else f"line_{number}",
                wav=finder.find(values["audio"] or f"line_{number}"),
                text=values["text"],
                speaker=as_speaker(values.get("speaker", ""), speaker),
                language=values.get("language") or language,
                problem=problem,
            )
        )
    named = own_sets(sorted(set(sets)))
    return [replace(each, set=named[one]) for each, one in zip(found, sets, strict=True)]


def form_of(path: Path, finder: AudioFinder) -> Form | None:
    """Return how a file is written if it is a list of audio that is there, else None."""
    lines = first_lines(path)
    form = find_form(lines)
    if form is None:
        return None
    for fields in split(lines[bool(form.heading) :], form.separator):
        name = fields[form.columns["audio"]].strip() if fields else ""
        if name and finder.find(name).is_file():
            return form
    return None


def split(lines: Sequence[str], separator: str) -> list[list[str]]:
    """Return the fields of lines; only with commas do quotation marks keep a field together."""
    if separator == ",":
        return list(csv.reader(lines))
    return [line.split(separator) for line in lines]


def find_form(lines: Sequence[str]) -> Form | None:
    """Return how a list is written, by its first lines; None if it is none."""
    if not lines:
        return None
    for separator in SEPARATORS:
        if not all(separator in line for line in lines):
            continue
        rows = split(lines, separator)
        heading = tuple(field.strip().lower() for field in rows[0])
        columns = {
            what: heading.index(name)
            for what, names in COLUMNS.items()
            for name in [next((name for name in names if name in heading), None)]
            if name is not None
        }
        if {"audio", "text"} <= columns.keys():
            return Form(separator=separator, heading=heading, columns=columns)
        columns = {"audio": 0, "text": 1 if separator == "," else -1}
        if {len(row) for row in rows} == {3} and has_speakers(rows):
            columns |= {"speaker": 1, "text": 2}
        return Form(separator=separator, heading=(), columns=columns)
    return None


def _values(fields: list[str], form: Form, number: int) -> tuple[dict[str, str], str]:
    """Return the values of a row by their meaning, and what is wrong with it."""
    expected = len(form.heading) or 2
    if len(fields) < expected:
        told = f"line {number} has {len(fields)} fields instead of {expected}"
        return {"audio": f"line_{number}", "text": ""}, told
    if form.separator == "," and not form.heading and "speaker" not in form.columns:
        fields = [fields[0], ",".join(fields[1:])]  # a text with commas, not in quotation marks
    values = {what: fields[at].strip() for what, at in form.columns.items()}
    return values, "" if values["audio"] else f"line {number} names no audio file"


def _list_file(corpus: Path) -> tuple[Path, Form] | None:
    """Return the list of a corpus and its form: a usual name, or the only list there."""
    if not corpus.is_dir():
        return None
    lists = sorted([*corpus.glob("*.csv"), *corpus.glob("*.tsv")])
    named = metadata_file(corpus, NAMES)
    for path in [*([named] if named else []), *lists]:
        form = form_of(path, AudioFinder(path.parent))
        if form is not None:
            return path, form
    return None
