"""Lhotse manifests: recordings and supervisions, or cuts, as ``.jsonl`` or ``.jsonl.gz``.

Only recordings in files are read: a source that is a command or an address is told, not followed.
The sets are those in the names of the manifests (``kss_cuts_train.jsonl.gz``).

Source: the manifests in Lhotse's documentation (lhotse.readthedocs.io, "Representing a corpus").
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from malsori.core.errors import MalsoriError
from malsori.data.layouts.rows import as_id, as_speaker
from malsori.data.prepare import Utterance
from malsori.data.splits import own_sets

SUMMARY = "Lhotse manifests: recordings and supervisions, or cuts (.jsonl, .jsonl.gz)"
LANGUAGES = {"korean": "ko", "english": "en", "kor": "ko", "eng": "en"}
LEVELS_UP = 4


def recognise(corpus: Path) -> str | None:
    """Return why the corpus has Lhotse manifests, None if it has not."""
    recordings, supervisions, cuts = (_files(corpus, kind) for kind in KINDS)
    if recordings and supervisions:
        return f"{recordings[0].name} and {supervisions[0].name}"
    return cuts[0].name if cuts else None


def read_corpus(corpus: Path, *, speaker: str, language: str, extract_to: Path) -> list[Utterance]:
    """Return one utterance for each supervision, those with a ``problem`` included.

    Args:
        corpus: Folder of the manifests.
        speaker: Who speaks where a supervision does not say it.
        language: What is spoken where a supervision does not say it.
        extract_to: Not used.

    Raises:
        MalsoriError: There are no manifests, or a line is no JSON.
    """
    del extract_to
    recordings, supervisions, cuts = (_files(corpus, kind) for kind in KINDS)
    found = []
    if recordings and supervisions:
        known = {str(each.get("id")): each for path in recordings for each in _rows(path)}
        sets = _sets(corpus, supervisions)
        for path in supervisions:
            for each in _rows(path):
                recording = known.get(str(each.get("recording_id")))
                read = _utterance(corpus, each, recording, 0.0, speaker, language)
                found.append(replace(read, set=sets[path]))
        return found
    if not cuts:
        raise MalsoriError(f"{corpus}: no recordings.jsonl.gz and supervisions.jsonl.gz in it")
    sets = _sets(corpus, cuts)
    for path in cuts:
        for cut in _rows(path):
            for each in cut.get("supervisions") or []:
                begin = float(cut.get("start") or 0.0)
                read = _utterance(corpus, each, cut.get("recording"), begin, speaker, language)
                found.append(replace(read, set=sets[path]))
    return found


KINDS = ("recordings", "supervisions", "cuts")


def _files(corpus: Path, kind: str) -> list[Path]:
    """Return the manifests of a kind; a name may have the corpus before and the set behind it."""
    if not corpus.is_dir():
        return []
    patterns = [f"{below}*{kind}*.jsonl{gz}" for below in ("", "*/") for gz in ("", ".gz")]
    return sorted({path for pattern in patterns for path in corpus.glob(pattern)})


def _sets(corpus: Path, manifests: list[Path]) -> dict[Path, str]:
    """Return the set of each manifest."""
    names = {path: str(path.relative_to(corpus)) for path in manifests}
    sets = own_sets(names.values())
    return {path: sets[name] for path, name in names.items()}


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if not line.strip():
                    continue
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise MalsoriError(f"{path}:{number}: not a JSON object")
                yield row
    except (OSError, EOFError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise MalsoriError(f"{path}: damaged: {error}") from None


def _utterance(
    corpus: Path,
    supervision: dict[str, Any],
    recording: dict[str, Any] | None,
    offset: float,
    speaker: str,
    language: str,
) -> Utterance:
    """Return what one supervision says; its times count from ``offset`` in the recording."""
    start = offset + float(supervision.get("start") or 0.0)
    seconds = float(supervision.get("duration") or 0.0)
    place, problem = _place(corpus, recording)
    whole = recording is not None and abs(float(recording.get("duration") or 0) - seconds) < 0.02
    if not problem and seconds <= 0:
        problem = f"lasts {seconds:g} s"
    told = str(supervision.get("language") or language)
    return Utterance(
        id=as_id(str(supervision.get("id"))),
        wav=place,
        text=str(supervision.get("text") or ""),
        speaker=as_speaker(str(supervision.get("speaker") or ""), speaker),
        language=LANGUAGES.get(told.lower(), told),
        problem=problem,
        start=0.0 if whole and start < 0.02 else start,
        end=None if whole and start < 0.02 else start + seconds,
    )


def _place(corpus: Path, recording: dict[str, Any] | None) -> tuple[Path, str]:
    """Return the audio file of a recording, and why there is none."""
    missing = corpus / "missing"
    if recording is None:
        return missing, "its recording is in no manifest"
    sources = recording.get("sources") or []
    if len(sources) != 1 or sources[0].get("type") != "file":
        kinds = ", ".join(str(source.get("type")) for source in sources) or "nothing"
        return missing, f"its recording is no single file but {kinds}: write it into a file"
    path = Path(str(sources[0].get("source")))
    for root in [corpus, *corpus.absolute().parents[:LEVELS_UP]]:
        if (root / path).is_file():
            return (root / path).absolute(), ""
    return path, ""
