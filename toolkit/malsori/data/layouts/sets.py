"""Lists that say which utterance is in which set: ``train.txt``, ``val.txt``, ``test.txt``."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

from malsori.core.log import get_logger
from malsori.data.layouts.rows import AUDIO_SUFFIXES, first_lines
from malsori.data.prepare import Utterance
from malsori.data.splits import UNLISTED, own_sets

log = get_logger(__name__)

SUFFIXES = (".txt", ".csv", ".tsv", ".list", ".lst")
PLACES = ("*", "filelists/*", "splits/*", "*/metadata.*")
MOST_LISTS = 50
"""More of them are texts of utterances that are called so."""
LEAST_SHARE = 0.5
SEPARATOR = re.compile(r"[|\t,]")


def set_lists(folder: Path) -> dict[Path, str]:
    """Return the lists in a folder, and which set each is; none where they are no sets to keep."""
    if not folder.is_dir():
        return {}
    paths = {path for place in PLACES for path in folder.glob(place)}
    lists = sorted(path for path in paths if path.suffix.lower() in SUFFIXES and path.is_file())
    sets = own_sets(str(path.relative_to(folder)) for path in lists)
    named = {path: sets[str(path.relative_to(folder))] for path in lists}
    named = {path: one for path, one in named.items() if one not in ("", UNLISTED)}
    return named if len(named) <= MOST_LISTS else {}


def with_listed_sets(rows: list[Utterance], folder: Path) -> list[Utterance]:
    """Return utterances with the set whose list names their audio; as they are without lists.

    Args:
        rows: Utterances of a corpus.
        folder: Where the lists are; the audio's name stands in one field of a line, in any folder,
            with or without suffix.
    """
    lists = set_lists(folder)
    names = [_name(str(each.wav)) for each in rows]
    known = frozenset(names)
    sets: dict[str, str] = {}
    lines = matched = 0
    for path, one in lists.items():
        for line in first_lines(path, None):
            lines += 1
            fields = map(_name, SEPARATOR.split(line))
            name = next((field for field in fields if field in known), None)
            if name is None:
                continue
            matched += 1
            if one != "train" or name not in sets:  # what is held out stays held out
                sets[name] = one
    if matched <= LEAST_SHARE * lines:
        return rows  # no lists, or those of something else
    told = ", ".join(f"{path.relative_to(folder)} ({one})" for path, one in lists.items())
    if max(Counter(names).values()) > 1:
        log.warning("%s: %s are not used: audio files of one name are in several", folder, told)
        return rows
    log.info("%s: sets by %s", folder, told)
    return [
        replace(each, set=sets.get(name, UNLISTED)) for each, name in zip(rows, names, strict=True)
    ]


def _name(place: str) -> str:
    """Return the name of an audio file without folders and suffix."""
    name = place.strip().replace("\\", "/").rpartition("/")[2]
    stem, _, suffix = name.rpartition(".")
    return stem if stem and f".{suffix.lower()}" in AUDIO_SUFFIXES else name
