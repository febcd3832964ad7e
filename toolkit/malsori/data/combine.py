"""Several corpora as one: data dirs joined, what belongs to different corpora kept apart.

Every utterance, recording and speaker is called ``CORPUS-ID`` afterwards, always, whether ids of
two corpora meet or not: no name changes because another corpus is added, and the part before the
first ``-`` tells where something comes from. Where speakers begin the ids of their utterances, as
Kaldi wishes, they go on doing so. Languages are shared: Korean of two corpora is one language.

A corpus's name has no sign that sorts before ``-``, so the rows of one corpus stay together: sorted
files are joined by reading them one after the other, a row at a time.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np

from malsori.core.errors import MalsoriError, UsageError
from malsori.core.files import atomic_folder, write_json
from malsori.core.log import get_logger
from malsori.data.datadir import DataDir
from malsori.data.table import Table
from malsori.data.vectors import RECORD
from malsori.dsp import audio

log = get_logger(__name__)

SEPARATOR = "-"
NAME = re.compile("[A-Za-z0-9_]+")
LANGUAGE = re.compile("[A-Za-z][A-Za-z0-9_-]*")
TRAIN = "train"
LISTENED = 100
"""Files of a corpus whose sample rate is looked at."""
VECTORS = ("xvector.scp", "spk2xvector.scp")

Change = Callable[[bytes, bytes], bytes]
"""From a row's own key and value to its new value."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One corpus."""

    name: str
    """Letters, digits and _; stands before its ids."""
    path: Path
    """Data dir, or folder of data dirs (``train``, ``dev``, …)."""
    language: str | None = None
    """What is spoken in it, if it has no ``utt2lang``."""

    @classmethod
    def read(cls, word: str) -> Part:
        """Return what ``[NAME=]DIR[:LANGUAGE]`` means; without a name it is the folder's.

        Raises:
            UsageError: The name is none.
        """
        name, equals, rest = word.partition("=")
        if not equals or Path(word).is_dir():
            name, rest = "", word
        path, colon, language = rest.rpartition(":")
        if not colon or Path(rest).is_dir() or not LANGUAGE.fullmatch(language):
            path, language = rest, ""
        name = name if equals and name else Path(path).resolve().name
        if not NAME.fullmatch(name):
            raise UsageError(
                f"{word}: {name!r} is no name of a corpus (letters, digits and _): NAME={rest}"
            )
        return cls(name=name, path=Path(path), language=language or None)


class Combined(NamedTuple):
    """A data dir that was written."""

    path: Path
    utterances: int
    speakers: int
    languages: tuple[str, ...]
    """Sorted; none without ``utt2lang``."""


def combine(parts: Sequence[Part], out: Path, sample_rate: int | None = None) -> list[Combined]:
    """Write the data dir that holds all utterances of some corpora.

    Of folders of data dirs, every set that all of them have is joined; of all sets but ``train``
    there is ``SET_NAME`` as well, with the utterances of that corpus alone.

    Args:
        parts: The corpora, each a data dir, or each a folder of them.
        out: Data dir, or folder of them, to write; a data dir of the same name is replaced.
        sample_rate: At which they will be trained on, in Hz, if that is known.

    Raises:
        UsageError: No corpus, or two of one name.
        MalsoriError: A file is missing, unsorted or does not fit the others, only some corpora say
            their language, speaker vectors differ in size, or audio is not there.
    """
    if not parts:
        raise UsageError("no data dirs to combine")
    parts = sorted(parts, key=lambda part: part.name + SEPARATOR)
    for first, second in pairwise(parts):
        if first.name == second.name:
            raise UsageError(
                f"{first.path} and {second.path} are both called {first.name!r}: give them names, "
                f"a={first.path} b={second.path}"
            )
    sets = _sets(parts, out)
    for path, members in sets.items():
        _check_target(path, members)
    opened = {path: [_Corpus(part) for part in members] for path, members in sets.items()}
    _report_rates(opened[out / TRAIN if out / TRAIN in opened else next(iter(opened))], sample_rate)
    return [_join(path, corpora) for path, corpora in opened.items()]


def _sets(parts: Sequence[Part], out: Path) -> dict[Path, list[Part]]:
    """Return, for each data dir to write, the data dirs that it is made of."""
    single = [part for part in parts if (part.path / "text").exists()]
    if len(single) == len(parts):
        return {out: list(parts)}
    names = {part: _set_names(part.path) for part in parts}
    for part in parts:
        if part in single or not names[part]:
            told = "a data dir, but others are folders of them" if part in single else "no data dir"
            raise MalsoriError(f"{part.path}: {told}: run stage 1 of the recipe, or name another")
    shared = sorted(set.intersection(*(set(found) for found in names.values())))
    if not shared:
        listed = "; ".join(f"{part.path}: {', '.join(names[part])}" for part in parts)
        raise MalsoriError(f"no set is in all of the folders: {listed}")
    sets = {out / name: [_inside(part, name) for part in parts] for name in shared}
    for part in parts:
        for name in names[part]:
            path = out / f"{name}_{part.name}"
            if path in sets:
                raise MalsoriError(f"{path}: two sets would be called so: rename {part.name!r}")
            if name != TRAIN:
                sets[path] = [_inside(part, name)]
    return sets


def _set_names(folder: Path) -> list[str]:
    if not folder.is_dir():
        raise MalsoriError(f"{folder}: no such folder: run stage 1 of the recipe")
    return sorted(text.parent.name for text in folder.glob("*/text"))


def _inside(part: Part, name: str) -> Part:
    return replace(part, path=part.path / name)


def _check_target(path: Path, parts: Sequence[Part]) -> None:
    """Refuse to write over what is read, or over a folder that is no data dir."""
    if any(path.resolve() == part.path.resolve() for part in parts):
        raise MalsoriError(f"{path}: is one of the corpora: write to another folder")
    if path.exists() and not (path / "text").exists():
        raise MalsoriError(f"{path}: is there already and is no data dir: write to another folder")


class _Corpus:
    """One corpus while it is joined to others.

    Args:
        part: Which one; a data dir.

    Raises:
        MalsoriError: A file is missing or empty, or has another number of rows.
    """

    def __init__(self, part: Part) -> None:
        self.part, self.path = part, part.path
        self.data = DataDir(part.path)
        self.prefix = f"{part.name}{SEPARATOR}".encode()
        self.segmented = (self.path / "segments").exists()
        self._keys = b""

    @property
    def languages(self) -> list[str]:
        """What is spoken in it; nothing if that is not known.

        Raises:
            MalsoriError: It is said twice.
        """
        known = self.data.languages()
        if known and self.part.language:
            raise MalsoriError(
                f"{self.path}/utt2lang: says {', '.join(known)} already: leave "
                f"':{self.part.language}' out, or remove the file"
            )
        return known or list(filter(None, [self.part.language]))

    def rows(self, name: str, change: Change) -> Iterator[bytes]:
        """Yield the lines of a file with new keys and values.

        Raises:
            MalsoriError: A row is unsorted, or the file has other utterances than ``text``.
        """
        path, before = self.path / name, b""
        keys = hashlib.blake2b()
        with open(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    line.decode()
                    key, value = line.split(None, 1)
                except ValueError:
                    raise self._wrong(f"{path}:{number}: not 'key value' in UTF-8") from None
                if key <= before:
                    told = "there twice" if key == before else "not where LC_ALL=C sort puts it"
                    raise self._wrong(f"{path}:{number}: {key.decode()!r} is {told}")
                before = key
                keys.update(key + b"\n")
                yield b"%b%b %b\n" % (self.prefix, key, change(key, value.rstrip()))
        if name == "text":
            self._keys = keys.digest()
        elif self._per_utterance(name) and keys.digest() != self._keys:
            raise self._wrong(f"{path}: other utterances than in text")

    def _per_utterance(self, name: str) -> bool:
        others = ("spk2utt", "spk2xvector.scp", *(("wav.scp",) if self.segmented else ()))
        return name not in others

    def _wrong(self, told: str) -> MalsoriError:
        return MalsoriError(f"{told}: 'malsori data check {self.path}' shows all that is wrong")

    def prefixed(self, key: bytes, value: bytes) -> bytes:
        """Return a value that begins with an id: a speaker, or a recording and its bounds."""
        return self.prefix + value

    def absolute(self, key: bytes, value: bytes) -> bytes:
        """Return where something is, whatever the folder that a command runs in."""
        if value.endswith(b"|") or value.startswith(b"|"):
            raise self._wrong(f"{self.path}: {key.decode()!r} is a shell pipe, which is never run")
        return value if value.startswith(b"/") else os.path.abspath(value)

    def segments(self) -> Iterator[bytes]:
        """Yield the lines of ``segments``; whole recordings where there are none."""
        if self.segmented:
            return self.rows("segments", self.prefixed)
        return self.rows("utt2dur", lambda key, value: b"%b%b 0 %b" % (self.prefix, key, value))

    def utterance_languages(self) -> Iterator[bytes]:
        """Yield the lines of ``utt2lang``."""
        if (self.path / "utt2lang").exists():
            return self.rows("utt2lang", _same)
        language = (self.part.language or "").encode()
        return self.rows("text", lambda key, value: language)

    def speakers(self) -> Iterator[bytes]:
        """Yield the lines of ``spk2utt``.

        Raises:
            MalsoriError: They have not as many utterances as there are.
        """
        counted = 0

        def listed(key: bytes, value: bytes) -> bytes:
            nonlocal counted
            utterances = value.split()
            counted += len(utterances)
            return b" ".join(self.prefix + utterance for utterance in utterances)

        yield from self.rows("spk2utt", listed)
        if counted != len(self.data):
            raise self._wrong(f"{self.path}/spk2utt: {counted} utterances, not {len(self.data)}")


def _same(key: bytes, value: bytes) -> bytes:
    return value


def _join(out: Path, corpora: Sequence[_Corpus]) -> Combined:
    """Write one data dir, whole or not at all."""
    languages, vectors = _languages(corpora), _vectors(corpora)
    columns: dict[str, Callable[[_Corpus], Iterator[bytes]]] = {
        "text": lambda corpus: corpus.rows("text", _same),  # the others are compared with it
        "utt2dur": lambda corpus: corpus.rows("utt2dur", _same),
        "utt2spk": lambda corpus: corpus.rows("utt2spk", corpus.prefixed),
        "spk2utt": _Corpus.speakers,
        "wav.scp": lambda corpus: corpus.rows("wav.scp", corpus.absolute),
    }
    if any(corpus.segmented for corpus in corpora):
        columns["segments"] = _Corpus.segments
    if languages:
        columns["utt2lang"] = _Corpus.utterance_languages
    if vectors:
        columns[vectors] = lambda corpus: corpus.rows(vectors, corpus.absolute)
    with atomic_folder(out) as folder:
        for name, column in columns.items():
            with open(folder / name, "wb") as file:
                for corpus in corpora:
                    file.writelines(column(corpus))
        encoders = {corpus.data.speaker_encoder for corpus in corpora}
        if vectors and None not in encoders:
            write_json(folder / RECORD, {"encoder": encoders.pop()})
    utterances = sum(len(corpus.data) for corpus in corpora)
    speakers = sum(len(corpus.data.speakers()) for corpus in corpora)
    return Combined(out, utterances, speakers, languages)


def _languages(corpora: Sequence[_Corpus]) -> tuple[str, ...]:
    """Return the languages of all corpora; none if no corpus says its language.

    Raises:
        MalsoriError: Some say it and some do not.
    """
    found = [corpus.languages for corpus in corpora]
    if any(found):
        for corpus, known in zip(corpora, found, strict=True):
            if not known:
                part = corpus.part
                raise MalsoriError(
                    f"{part.path}: has no utt2lang, others have: say its language, "
                    f"{part.name}={part.path}:ko"
                )
    return tuple(sorted({language for known in found for language in known}))


def _vectors(corpora: Sequence[_Corpus]) -> str:
    """Return the file of speaker vectors that all corpora have; empty if there is none.

    Raises:
        MalsoriError: They are not of one size and encoder.
    """
    for name in VECTORS:
        if all((corpus.path / name).exists() for corpus in corpora):
            sizes = {corpus.data.embedding_size: corpus.path for corpus in corpora}
            if len(sizes) > 1:
                listed = ", ".join(f"{size} in {path}" for size, path in sizes.items())
                raise MalsoriError(f"{name}: vectors of different sizes, {listed}: use one model")
            encoders = {corpus.data.speaker_encoder for corpus in corpora} - {None}
            if len(encoders) > 1:
                told = " and ".join(sorted(map(str, encoders)))
                raise MalsoriError(f"{name}: vectors of different encoders, {told}: use one")
            return name
    if any(corpus.data.has_embeddings for corpus in corpora):
        without = [str(corpus.path) for corpus in corpora if not corpus.data.has_embeddings]
        log.warning(
            "speaker vectors are left out: %s",
            f"none in {', '.join(without)}" if without else f"no file is in all: {VECTORS}",
        )
    return ""


def _report_rates(corpora: Sequence[_Corpus], sample_rate: int | None) -> None:
    """Say which sample rates there are; warn of a corpus that has fewer samples than are wanted."""
    rates = {corpus.part.name: _rates(corpus) for corpus in corpora}
    for name, counted in rates.items():
        told = ", ".join(f"{rate} Hz ({count} files)" for rate, count in counted.most_common())
        log.info("%s: sample rate %s", name, told)
    wanted = sample_rate or max(max(counted) for counted in rates.values())
    for name, counted in rates.items():
        lowest = min(counted)
        if lowest < wanted:
            log.warning(
                "%s: recorded at %d Hz: audio.sample_rate %d upsamples it, and the voice learns "
                "that nothing is above %d Hz in it",
                *(name, lowest, wanted, lowest // 2),
            )


def _rates(corpus: _Corpus) -> Counter[int]:
    """Return how many of a corpus's files, up to ``LISTENED`` of them, have which sample rate."""
    files = Table(corpus.path / "wav.scp")
    chosen = np.unique(np.linspace(0, len(files) - 1, min(LISTENED, len(files)), dtype=np.int64))
    rows = ((files.key(int(i)).encode(), files.value(int(i)).encode()) for i in chosen)
    paths = (corpus.absolute(key, value).decode() for key, value in rows)
    return Counter(audio.info(path).sample_rate for path in paths)
