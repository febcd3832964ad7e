"""Lists by set, as VITS and Matcha-TTS have them: ``train.txt`` and ``val.txt``.

A list is written as those of ``metadata`` are: ``wavs/a.wav|text``, ``wavs/a.wav|speaker|text``,
CSV or TSV, with a heading or without one; also ``train/metadata.csv`` and ``test/metadata.csv``.
Beside a list of the whole corpus they only say which utterance is in which set.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from malsori.core.errors import MalsoriError
from malsori.core.log import get_logger
from malsori.data.layouts.metadata import NAMES, Form, form_of, read_list
from malsori.data.layouts.rows import AudioFinder, metadata_file
from malsori.data.layouts.sets import set_lists
from malsori.data.prepare import Utterance
from malsori.data.splits import has_sets

log = get_logger(__name__)

SUMMARY = "lists by set of audio files and texts, as VITS has them: train.txt, val.txt"
WHOLE = tuple(name for name in NAMES if not name.startswith("train"))


def recognise(corpus: Path) -> str | None:
    """Return why the corpus has such lists, None if it has not."""
    found = _lists(corpus)
    if not found:
        return None
    names = ", ".join(f"{path.relative_to(corpus)} ({one})" for path, (_, one) in found.items())
    return f"{names} with {next(iter(found.values()))[0].told()}"


def read_corpus(corpus: Path, *, speaker: str, language: str, extract_to: Path) -> list[Utterance]:
    """Return the utterances of all lists, those with a ``problem`` included.

    Args:
        corpus: The folder.
        speaker: Who speaks where the lists do not say it.
        language: What is spoken, where the lists do not say it.
        extract_to: Not used.

    Raises:
        MalsoriError: There are no such lists, or one is not UTF-8.
    """
    del extract_to
    lists = _lists(corpus)
    if not lists:
        raise MalsoriError(f"{corpus}: no lists by set in it (train.txt and val.txt)")
    rows = []
    for path, (form, one) in lists.items():
        log.info("%s: %s, for %s", path, form.told(), one)
        for each in read_list(path, form, _finder(corpus, path), speaker, language):
            id = f"{path.stem}_{each.id}" if each.problem else each.id
            rows.append(replace(each, id=id, set=one))
    return rows


def _lists(corpus: Path) -> dict[Path, tuple[Form, str]]:
    """Return form and set of each list with texts, in a corpus that has no other one."""
    lists = set_lists(corpus)
    whole = metadata_file(corpus, WHOLE)
    if whole is not None and whole not in lists:
        return {}
    found = {}
    for path, one in lists.items():
        form = form_of(path, _finder(corpus, path))
        if form is not None:
            found[path] = (form, one)
    return found if has_sets(one for _, one in found.values()) else {}


def _finder(corpus: Path, path: Path) -> AudioFinder:
    """Return what finds the audio of a list: metadata tells of its own folder, others of all."""
    return AudioFinder(path.parent if path.stem == "metadata" else corpus)
