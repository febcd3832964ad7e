"""What the readers of layouts share: lines of text files, audio by its name, ids out of paths."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

from malsori.core.errors import MalsoriError

AUDIO_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aif", ".aiff")
AUDIO_FOLDERS = ("", "wavs", "wav", "audio", "audios", "clips", "data")
LOOKED_AT = 50
"""Lines that decide what a file is."""


def read_lines(path: Path) -> list[str]:
    """Return the lines of a UTF-8 file, without line ends and byte order mark.

    Raises:
        MalsoriError: It is not UTF-8.
    """
    try:
        return re.split(r"\r\n|\n", path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError as error:
        raise MalsoriError(
            f"{path}: not UTF-8 (byte {error.start}): convert it, Korean files often with "
            "'iconv -f cp949 -t utf-8'"
        ) from None


def read_text(path: Path) -> tuple[str, str]:
    """Return the text of a file that is beside audio, or what is wrong with it."""
    try:
        return path.read_text(encoding="utf-8-sig"), ""
    except UnicodeDecodeError as error:
        return "", f"{path.name} is not UTF-8 (byte {error.start})"
    except OSError as error:
        return "", f"{path.name} cannot be read ({error.strerror})"


def first_lines(path: Path, most: int | None = LOOKED_AT) -> list[str]:
    """Return up to ``most`` lines with something in them (None: all), few where it is no text."""
    found: list[str] = []
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            for line in file:
                if line.strip():
                    found.append(line.rstrip("\r\n"))
                if len(found) == most:
                    break
    except UnicodeDecodeError:
        return found
    return found


def metadata_file(corpus: Path, names: Sequence[str]) -> Path | None:
    """Return the first of these files, in the folder or one below; None if there is none."""
    if not corpus.is_dir():
        return None
    for name in names:
        found = sorted([*corpus.glob(name), *corpus.glob(f"*/{name}")])
        if found:
            return found[0]
    return None


class AudioFinder:
    """Audio files by the name that a list gives them.

    Args:
        root: Folder of the list.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def _by_stem(self) -> dict[str, Path]:
        """Every audio file below the root by its name without suffix; the first one wins."""
        found: dict[str, Path] = {}
        for path in audio_files(self.root):
            found.setdefault(path.stem, path)
        return found

    def find(self, name: str) -> Path:
        """Return the file, or where it ought to be.

        Args:
            name: A path, with or without suffix, absolute or below the root or a usual folder. Of
                one that is not there (``DUMMY1/a.wav``, a folder of another machine) the end.
        """
        given = Path(name.replace("\\", "/"))
        named = given.suffix.lower() in AUDIO_SUFFIXES
        ends = [given, *(Path(*given.parts[first:]) for first in range(1, len(given.parts)))]
        for end in ends:
            for folder in AUDIO_FOLDERS:
                place = self.root / folder / end
                for path in [place] if named else [Path(f"{place}{s}") for s in AUDIO_SUFFIXES]:
                    if path.is_file():
                        return path
        if len(given.parts) == 1:
            found = self._by_stem.get(given.stem if named else name)
            if found is not None:
                return found
        return self.root / (given if named else Path(f"{given}.wav"))


def audio_files(folder: Path) -> Iterator[Path]:
    """Yield the audio files in a folder and below, sorted, hidden ones left out."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith("."):
            yield path


def as_id(name: str) -> str:
    """Return a name or path as an id: without suffix of audio, white space and slashes."""
    path = Path(name.replace("\\", "/"))
    stem = str(path.with_suffix("")) if path.suffix.lower() in AUDIO_SUFFIXES else str(path)
    return re.sub(r"[\s/:]+", "_", stem.strip("/. ")) or "_"


def as_speaker(name: str, otherwise: str) -> str:
    """Return a speaker's name without white space and slashes; ``otherwise`` if it is empty."""
    return re.sub(r"[\s/\\]+", "_", name.strip()) or otherwise
