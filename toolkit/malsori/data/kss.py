"""KSS, the Korean Single Speaker Speech Dataset (Kyubyong Park), as it is downloaded.

A folder or ``kss.zip`` with ``1/1_0000.wav`` … ``4/4_5655.wav`` and a transcript of lines

    1/1_0000.wav|original script|expanded script|decomposed script|seconds|English (v1.3, v1.4)

The expanded script has numbers and signs written out as they were read. Version 1.1 has notes of
the recording session in brackets and lists audio that does not exist; both are told, not used.
"""

from __future__ import annotations

import re
from pathlib import Path

from malsori.core.errors import MalsoriError
from malsori.core.log import get_logger
from malsori.data.corpus_zip import extract
from malsori.data.prepare import Utterance

log = get_logger(__name__)

SPEAKER = "kss"
LANGUAGE = "ko"
SUFFIXES = (".wav", ".flac", ".txt")
TRANSCRIPT = re.compile(r"transcript(?:[._ -]*v?[._ -]*(?P<version>\d+(?:\.\d+)*))?\.txt", re.I)
AUDIO_NAME = re.compile(r"(?:(?P<part>\d+)/)?(?P<stem>(?P<book>\d+)_\d+)\.(?:wav|flac)", re.I)
NOTE = re.compile(r"[\[(<{\uff08\uff3b\u3008\u3010\u300a\u300c\u300e\u203b].*")
FIELDS = (5, 6)
WHERE_TO_GET_IT = (
    "download the Korean Single Speaker Speech Dataset (kss.zip) from "
    "https://www.kaggle.com/datasets/bryanpark/korean-single-speaker-speech-dataset "
    "and run ./run.sh --corpus PATH with the zip file or its folder"
)


def read_corpus(corpus: Path, *, field: int = 3, extract_to: Path) -> list[Utterance]:
    """Return the utterances of KSS, those with a ``problem`` included.

    Args:
        corpus: The folder or the zip file.
        field: Which script is the text, counted from 1 with the file name: 3 is the expanded
            one, 2 the original one.
        extract_to: Folder for the members of a zip file.

    Raises:
        MalsoriError: No such corpus, no transcript in it, or one of another form.
    """
    if field not in (2, 3):
        raise MalsoriError(f"--field {field}: 3 is the expanded script, 2 the original one")
    if not corpus.exists():
        raise MalsoriError(f"{corpus}: no such corpus: {WHERE_TO_GET_IT}")
    folder = corpus if corpus.is_dir() else extract(corpus, extract_to, SUFFIXES)
    transcript = newest_transcript(folder)
    try:
        lines = transcript.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise MalsoriError(
            f"{transcript}: not UTF-8 (byte {error.start}): save it as UTF-8"
        ) from None
    roots = _audio_roots(folder, transcript)
    rows = [
        _utterance(roots, number, line, field)
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if not rows:
        raise MalsoriError(f"{transcript}: has no lines")
    if all("fields" in row.problem for row in rows):
        raise MalsoriError(f"{transcript}:1: {rows[0].problem}")
    return rows


def newest_transcript(folder: Path) -> Path:
    """Return the transcript with the highest version, in the folder or up to two below.

    Raises:
        MalsoriError: There is none.
    """
    found = [
        (tuple(int(n) for n in (match["version"] or "0").split(".")), path)
        for path in sorted(
            [*folder.glob("*.txt"), *folder.glob("*/*.txt"), *folder.glob("*/*/*.txt")]
        )
        if (match := TRANSCRIPT.fullmatch(path.name))
    ]
    if not found:
        raise MalsoriError(f"{folder}: no transcript.v.1.4.txt in it: {WHERE_TO_GET_IT}")
    newest = max(found)[1]
    if len(found) > 1:
        log.info("%d transcripts, the newest is used: %s", len(found), newest)
    else:
        log.info("transcript: %s", newest)
    return newest


def _audio_roots(folder: Path, transcript: Path) -> list[Path]:
    """Return the folders that may hold ``1/`` … ``4/``, beside the transcript or in ``kss/``."""
    around = [transcript.parent, *sorted(transcript.parent.glob("*/")), *sorted(folder.glob("*/"))]
    return [
        root for root in around if any((root / str(part)).is_dir() for part in range(1, 5))
    ] or [transcript.parent]


def _utterance(roots: list[Path], number: int, line: str, field: int) -> Utterance:
    """Return what one line of the transcript says."""
    fields = [part.strip() for part in line.split("|")]
    name = AUDIO_NAME.fullmatch(fields[0].replace("\\", "/"))
    text = fields[field - 1] if len(fields) >= field else ""
    problem = ""
    if len(fields) not in FIELDS:
        problem = f"line {number} has {len(fields)} fields between '|' instead of 5 or 6"
    elif name is None:
        problem = f"line {number}: {fields[0]!r} is not of the form 1/1_0000.wav"
    elif note := NOTE.search(text):
        problem = f"a note of the recording session in the text: {note[0]!r}"
    stem = name["stem"] if name else f"line_{number}"
    wav = _find_audio(roots, name) if name else roots[0] / "missing"
    return Utterance(
        id=f"{SPEAKER}_{stem}",
        wav=wav,
        text=text,
        speaker=SPEAKER,
        language=LANGUAGE,
        problem=problem,
    )


def _find_audio(roots: list[Path], name: re.Match[str]) -> Path:
    """Return the audio file that a transcript means, or where it ought to be."""
    part, stem = name["part"] or name["book"], name["stem"]
    places = [
        root / folder / f"{stem}{suffix}"
        for root in roots
        for folder in (part, "", "wavs")
        for suffix in (".wav", ".flac")
    ]
    return next((path for path in places if path.is_file()), places[0])
