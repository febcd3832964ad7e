"""Kaldi and ESPnet data dirs: ``wav.scp``, ``text``, and where they are ``utt2spk``, ``segments``.

A folder may hold several (``train``, ``dev``, …): these are the sets. Paths may be absolute, or
begin in the data dir or in a folder above it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from malsori.core.errors import MalsoriError
from malsori.data.layouts.rows import as_id, as_speaker, read_lines
from malsori.data.prepare import Utterance
from malsori.data.splits import own_sets

SUMMARY = "Kaldi or ESPnet data dir: wav.scp, text, and where they are utt2spk, segments"
LEVELS_UP = 4


def recognise(corpus: Path) -> str | None:
    """Return why the corpus is a data dir or a folder of them, None if it is not."""
    found = _data_dirs(corpus)
    if not found:
        return None
    if found == [corpus]:
        return "wav.scp and text in it"
    return f"wav.scp and text in {', '.join(each.name for each in found)}"


def read_corpus(corpus: Path, *, speaker: str, language: str, extract_to: Path) -> list[Utterance]:
    """Return the utterances of the data dirs, those with a ``problem`` included.

    Args:
        corpus: The data dir, or the folder of several.
        speaker: Who speaks where there is no ``utt2spk``.
        language: What is spoken where there is no ``utt2lang``.
        extract_to: Not used.

    Raises:
        MalsoriError: There is no data dir, or a file is not UTF-8.
    """
    del extract_to
    folders = _data_dirs(corpus)
    if not folders:
        raise MalsoriError(f"{corpus}: no wav.scp and text in it")
    sets = own_sets(folder.name for folder in folders)
    return [
        replace(each, set=sets[folder.name])
        for folder in folders
        for each in _read(folder, speaker, language)
    ]


def _data_dirs(corpus: Path) -> list[Path]:
    if not corpus.is_dir():
        return []
    around = [corpus, *sorted(path for path in corpus.iterdir() if path.is_dir())]
    found = [path for path in around if (path / "wav.scp").is_file() and (path / "text").is_file()]
    return found[:1] if corpus in found else found


def _read(folder: Path, speaker: str, language: str) -> Iterator[Utterance]:
    recordings, segments = _pairs(folder / "wav.scp"), _pairs(folder / "segments")
    speakers, languages = _pairs(folder / "utt2spk"), _pairs(folder / "utt2lang")
    for key, text in _pairs(folder / "text").items():
        recording, start, end, problem = key, 0.0, None, ""
        if segments:
            try:
                recording, *times = segments[key].split()
                start, end = float(times[0]), float(times[1])
            except (KeyError, ValueError, IndexError):
                problem = "has no row in segments of the form 'utterance recording start end'"
        place = recordings.get(recording, "")
        if not place:
            problem = problem or f"its recording {recording!r} is not in wav.scp"
        elif place.endswith("|") or place.startswith("|"):
            problem = f"a shell pipe, which is not run: write its output into a file: {place}"
        yield Utterance(
            id=as_id(key),
            wav=_find(folder, place) if place and not problem else folder / "missing",
            text=text,
            speaker=as_speaker(speakers.get(key, ""), speaker),
            language=languages.get(key, language),
            problem=problem,
            start=start,
            end=end,
        )


def _pairs(path: Path) -> dict[str, str]:
    """Return key and value of each line; none where there is no such file."""
    if not path.is_file():
        return {}
    rows = [line.split(None, 1) for line in read_lines(path) if line.strip()]
    return {row[0]: row[1].strip() if len(row) > 1 else "" for row in rows}


def _find(folder: Path, place: str) -> Path:
    """Return the audio file or ``archive.ark:offset``, which may begin in a folder above."""
    file, colon, offset = place.rpartition(":")
    archived = bool(colon) and offset.isdecimal()
    name = file if archived else place
    above = [folder, *folder.absolute().parents[:LEVELS_UP]]
    for root in above:
        if (root / name).is_file():
            found = (root / name).absolute()
            return Path(f"{found}:{offset}") if archived else found
    return Path(place)
