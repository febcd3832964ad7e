"""A folder of audio files with their texts beside them: ``a.wav`` and ``a.txt`` (or ``.lab``).

Folders below may be sets (``train``, ``dev``, ``test``), and in these, or without them, speakers:
``SPEAKER/a.wav``, as LibriTTS has them. Folders that are called as parts of one speaker's
recordings (``part1``, ``session 2``, ``wavs``) are no speakers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from malsori.core.errors import MalsoriError
from malsori.data.layouts.rows import as_id, as_speaker, audio_files, read_text
from malsori.data.prepare import Utterance
from malsori.data.splits import own_sets

SUMMARY = "audio files with a .txt (or .normalized.txt, .lab) of the same name beside each"
TEXT_SUFFIXES = (".normalized.txt", ".txt", ".lab")
LEAST_SHARE = 0.5
PART = re.compile(
    r"(part|session|day|chapter|book|vol|volume|disc|disk|cd|batch|set|take|wav|audio|flac|clip|"
    r"record|recording|train|dev|test)s?[\s_.-]*\d*[a-z]?",
    re.I,
)
"""What is no speaker's name."""


def recognise(corpus: Path) -> str | None:
    """Return why the corpus is such a folder, None if it is not."""
    if not corpus.is_dir():
        return None
    files = list(audio_files(corpus))
    texts = [path for path in map(_text_of, files) if path is not None]
    if not texts or len(texts) < LEAST_SHARE * len(files):
        return None
    suffix = texts[0].name.removeprefix(texts[0].name.split(".")[0])
    told = f"{len(texts)} of {len(files)} audio files have a {suffix} beside them"
    speakers = {who for _, who in _sets_and_speakers(corpus, files)}
    return f"{told}, in folders of {len(speakers)} speakers" if len(speakers) > 1 else told


def read_corpus(corpus: Path, *, speaker: str, language: str, extract_to: Path) -> list[Utterance]:
    """Return one utterance for each audio file, with a ``problem`` those without a text.

    Args:
        corpus: The folder; folders below it are read too, and stand in the ids.
        speaker: Who speaks, where no folders of speakers say it.
        language: What is spoken.
        extract_to: Not used.

    Raises:
        MalsoriError: There is no audio.
    """
    del extract_to
    files = list(audio_files(corpus))
    found = []
    for path, (one, who) in zip(files, _sets_and_speakers(corpus, files), strict=True):
        place = _text_of(path)
        text, problem = ("", "no text beside it") if place is None else read_text(place)
        found.append(
            Utterance(
                id=as_id(str(path.relative_to(corpus))),
                wav=path,
                text=text,
                speaker=as_speaker(who, speaker),
                language=language,
                problem=problem,
                set=one,
            )
        )
    if not found:
        raise MalsoriError(f"{corpus}: no audio files in it")
    return found


def _sets_and_speakers(corpus: Path, files: Sequence[Path]) -> list[tuple[str, str]]:
    """Return set and speaker of each audio file by the folders it is in; empty where none says."""
    folders = [path.relative_to(corpus).parts[:-1] for path in files]
    sets = own_sets(sorted({parts[0] if parts else "" for parts in folders}))
    split = any(sets.values())
    inner = [parts[1:] if split else parts for parts in folders]
    names = {parts[0] if parts else "" for parts in inner}
    spoken = len(names) > 1 and not any(not name or PART.fullmatch(name) for name in names)
    return [
        (sets[outer[0] if outer else ""], parts[0] if spoken else "")
        for outer, parts in zip(folders, inner, strict=True)
    ]


def _text_of(path: Path) -> Path | None:
    """Return the text beside an audio file, None if there is none."""
    places = (path.with_name(path.stem + suffix) for suffix in TEXT_SUFFIXES)
    return next((place for place in places if place.is_file()), None)
