"""A folder of audio files with their texts beside them: ``a.wav`` and ``a.txt`` (or ``.lab``)."""

from __future__ import annotations

from pathlib import Path

from malsori.core.errors import MalsoriError
from malsori.data.layouts.rows import as_id, audio_files
from malsori.data.prepare import Utterance

SUMMARY = "audio files with a .txt (or .normalized.txt, .lab) of the same name beside each"
TEXT_SUFFIXES = (".normalized.txt", ".txt", ".lab")
LEAST_SHARE = 0.5


def recognise(corpus: Path) -> str | None:
    """Return why the corpus is such a folder, None if it is not."""
    if not corpus.is_dir():
        return None
    files = list(audio_files(corpus))
    texts = [path for path in map(_text_of, files) if path is not None]
    if not texts or len(texts) < LEAST_SHARE * len(files):
        return None
    suffix = texts[0].name.removeprefix(texts[0].name.split(".")[0])
    return f"{len(texts)} of {len(files)} audio files have a {suffix} beside them"


def read_corpus(corpus: Path, *, speaker: str, language: str, extract_to: Path) -> list[Utterance]:
    """Return one utterance for each audio file, with a ``problem`` those without a text.

    Args:
        corpus: The folder; folders below it are read too, and stand in the ids.
        speaker: Who speaks.
        language: What is spoken.
        extract_to: Not used.

    Raises:
        MalsoriError: There is no audio.
    """
    del extract_to
    found = []
    for path in audio_files(corpus):
        text, problem = "", ""
        place = _text_of(path)
        if place is None:
            problem = "no text beside it"
        else:
            try:
                text = place.read_text(encoding="utf-8-sig")
            except UnicodeDecodeError as error:
                problem = f"{place.name} is not UTF-8 (byte {error.start})"
        found.append(
            Utterance(
                id=as_id(str(path.relative_to(corpus))),
                wav=path,
                text=text,
                speaker=speaker,
                language=language,
                problem=problem,
            )
        )
    if not found:
        raise MalsoriError(f"{corpus}: no audio files in it")
    return found


def _text_of(path: Path) -> Path | None:
    """Return the text beside an audio file, None if there is none."""
    places = (path.with_name(path.stem + suffix) for suffix in TEXT_SUFFIXES)
    return next((place for place in places if place.is_file()), None)
