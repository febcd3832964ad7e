"""KSS: a transcript of lines ``1/1_0000.wav|…|…`` beside folders ``1/`` to ``4/``, or its zip."""

from __future__ import annotations

from pathlib import Path

from malsori.core.errors import MalsoriError
from malsori.data import kss
from malsori.data.prepare import Utterance

SUMMARY = "KSS as it is downloaded"


def recognise(corpus: Path) -> str | None:
    """Return why the corpus is KSS, None if it is not."""
    if corpus.is_file() and corpus.name.lower() == "kss.zip":
        return "kss.zip"
    if not corpus.is_dir():
        return None
    try:
        transcript = kss.newest_transcript(corpus)
        with open(transcript, encoding="utf-8-sig") as file:
            fields = file.readline().split("|")
    except (MalsoriError, UnicodeDecodeError):
        return None
    if len(fields) not in kss.FIELDS or not kss.AUDIO_NAME.fullmatch(fields[0].strip()):
        return None
    return f"{transcript.name} with {len(fields)} fields a line"


def read_corpus(corpus: Path, *, speaker: str, language: str, extract_to: Path) -> list[Utterance]:
    """Return the utterances of KSS; ``speaker`` and ``language`` are its own.

    Raises:
        MalsoriError: See ``malsori.data.kss``.
    """
    del speaker, language
    return kss.read_corpus(corpus, extract_to=extract_to)
