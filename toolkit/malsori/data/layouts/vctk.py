"""VCTK and corpora in its layout: ``wav48/SPEAKER/NAME.wav`` and ``txt/SPEAKER/NAME.txt``.

Of two microphones (``NAME_mic1.flac``, ``NAME_mic2.flac``) the first is taken where it is there.

Source: the README of the CSTR VCTK Corpus 0.92, doi:10.7488/ds/2645.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from malsori.core.errors import MalsoriError
from malsori.data.layouts.rows import as_id, as_speaker, audio_files, read_text
from malsori.data.prepare import Utterance

SUMMARY = "VCTK: audio in wav48/SPEAKER/ (or wav…/SPEAKER/), texts in txt/SPEAKER/"
AUDIO_FOLDER = re.compile(r"(wav|flac|audio)\w*", re.I)
TEXT_FOLDERS = ("txt", "text", "texts", "transcripts", "lab", "labs")
TEXT_SUFFIXES = (".txt", ".lab")
MICROPHONE = re.compile(r"_mic(\d)$")


def recognise(corpus: Path) -> str | None:
    """Return why the corpus is laid out as VCTK, None if it is not."""
    found = _trees(corpus)
    if found is None:
        return None
    speakers = [path.name for path in sorted(found[1].iterdir()) if path.is_dir()]
    return f"{found[0].name}/ and {found[1].name}/, each with {len(speakers)} folder(s) of speakers"


def read_corpus(corpus: Path, *, speaker: str, language: str, extract_to: Path) -> list[Utterance]:
    """Return one utterance for each name, with a ``problem`` those without a text.

    Args:
        corpus: The folder with the two trees, or the one around it.
        speaker: Not used: the folders say it.
        language: What is spoken.
        extract_to: Not used.

    Raises:
        MalsoriError: There are no such trees.
    """
    del extract_to
    trees = _trees(corpus)
    if trees is None:
        raise MalsoriError(f"{corpus}: no wav48/SPEAKER and txt/SPEAKER in it")
    found = []
    for path in _one_microphone(trees[0]):
        place = path.relative_to(trees[0])
        stem = MICROPHONE.sub("", path.stem)
        text, problem = _text(trees[1] / place.parent, stem)
        who = as_speaker(place.parts[0], speaker)
        id = as_id(stem)
        found.append(
            Utterance(
                id=id if id.startswith(who) else f"{who}_{id}",
                wav=path,
                text=text,
                speaker=who,
                language=language,
                problem=problem,
            )
        )
    return found


def _trees(corpus: Path) -> tuple[Path, Path] | None:
    """Return the folders of audio and of texts, which have folders of the same names."""
    if not corpus.is_dir():
        return None
    for root in [corpus, *sorted(path for path in corpus.iterdir() if path.is_dir())]:
        folders = {path.name.lower(): path for path in sorted(root.iterdir()) if path.is_dir()}
        texts = next((folders[name] for name in TEXT_FOLDERS if name in folders), None)
        if texts is None:
            continue
        speakers = {path.name for path in texts.iterdir() if path.is_dir()}
        for name, audio in folders.items():
            if AUDIO_FOLDER.fullmatch(name) and any((audio / each).is_dir() for each in speakers):
                return audio, texts
    return None


def _one_microphone(audio: Path) -> Iterator[Path]:
    """Yield the audio files of the tree, one for each name."""
    taken: set[str] = set()
    for path in audio_files(audio):  # sorted, the first microphone before the second
        name = str(path.relative_to(audio).with_name(MICROPHONE.sub("", path.stem)))
        if len(path.relative_to(audio).parts) > 1 and name not in taken:
            taken.add(name)
            yield path


def _text(folder: Path, stem: str) -> tuple[str, str]:
    """Return the text of a name, or why there is none."""
    places = (folder / f"{stem}{suffix}" for suffix in TEXT_SUFFIXES)
    place = next((place for place in places if place.is_file()), None)
    return ("", f"no text {folder.name}/{stem}.txt") if place is None else read_text(place)
