"""``malsori data check --fix``: a data dir made right, and a list of what had to go for that.

Files are sorted and composed (NFC); line ends, byte order marks, empty lines and invisible
characters go; ``spk2utt`` and ``utt2dur`` are made anew from ``utt2spk`` and the audio. What cannot
be used is left out of all files and listed in ``dropped.tsv``, "file:line<TAB>why<TAB>the line".
In place, the files as they were are kept beside in ``before_fix/``.
"""

from __future__ import annotations

import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from malsori.core.errors import MalsoriError
from malsori.core.files import atomic_write
from malsori.core.log import progress
from malsori.data.check import PATHS
from malsori.data.prepare import clean_text
from malsori.data.vectors import VectorError, read_vector
from malsori.dsp import audio
from malsori.dsp.audio import AudioError

NEEDED = ("wav.scp", "text", "utt2spk")
PER_UTTERANCE = ("text", "utt2spk", "utt2lang", "xvector.scp")
TABLES = (*NEEDED, "segments", "utt2lang", "xvector.scp", "spk2xvector.scp")
MADE = ("utt2dur", "spk2utt")
BACKUP, DROPPED = "before_fix", "dropped.tsv"
OVERSHOOT_SECONDS = 0.5
"""A segment that ends so little behind its recording ends with it; Kaldi's extract-segments
has the same limit (--max-overshoot)."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line that can be used."""

    line: int
    value: str
    raw: bytes


@dataclass
class Mended:
    """What became of a data dir."""

    path: Path
    """Where the mended one is."""
    backup: Path | None
    """Where the files as they were are; None where none was changed, or the original stays."""
    kept: int = 0
    """Utterances that are left."""
    dropped: list[tuple[str, str, str]] = field(default_factory=list)
    """Place, reason and line of all that was left out."""
    changed: list[str] = field(default_factory=list)
    """Files that are other than before."""

    def told(self) -> Iterator[str]:
        """Yield what was done, a line each: what was dropped by reason, then the sums."""
        for place, reason, _ in self.dropped[:20]:
            yield f"dropped {place}: {reason}"
        if len(self.dropped) > 20:
            yield f"dropped {len(self.dropped) - 20} more lines, see {self.path / DROPPED}"
        kinds = Counter(place.partition(":")[0] for place, _, _ in self.dropped)
        lines = ", ".join(f"{count} of {name}" for name, count in sorted(kinds.items()))
        yield (
            f"{self.path}: {self.kept} utterances kept, "
            + (f"lines dropped: {lines}; listed in {DROPPED}" if lines else "nothing dropped")
        )
        if self.backup is not None:
            yield f"{self.path}: changed {', '.join(self.changed)}; as they were: {self.backup}"


def mend(
    path: Path, out: Path | None = None, *, allow_pipes: bool = False, jobs: int = 1
) -> Mended:
    """Mend a data dir, in place or into another folder; the audio is not touched.

    Args:
        path: The data dir.
        out: Where to write; None mends in place.
        allow_pipes: Keep shell commands in ``wav.scp``, with the durations that ``utt2dur`` has.
        jobs: Audio files read at a time.

    Raises:
        MalsoriError: ``text``, ``wav.scp`` or ``utt2spk`` is missing, nothing usable is left, or a
            file cannot be written.
    """
    if not path.is_dir():
        raise MalsoriError(f"{path}: no such data dir")
    for name in NEEDED:
        if not (path / name).is_file():
            raise MalsoriError(f"{path / name}: missing: it cannot be made from the other files")
    if out is not None and out.exists() and any(out.iterdir()):
        raise MalsoriError(f"{out}: is not empty: choose another folder")
    work = _Mending(path)
    files = work.files(allow_pipes, jobs)
    kept = files["text"].count("\n")
    if not kept:
        raise MalsoriError(f"{path}: no usable utterance: 'malsori data check {path}' says why")
    done = Mended(path=out or path, backup=None, kept=kept, dropped=work.dropped)
    if work.dropped:
        rows = (f"{place}\t{reason}\t{line}\n" for place, reason, line in work.dropped)
        files[DROPPED] = "".join(rows)
    for name, content in files.items():
        there = path / name
        if not there.is_file() or there.read_bytes() != content.encode():
            done.changed.append(name)
    if out is None:
        done.backup = _back_up(path, [name for name in done.changed if (path / name).exists()])
    for name in files if out is not None else done.changed:
        with atomic_write((out or path) / name) as file:
            file.write(files[name])
    return done


def _back_up(path: Path, names: list[str]) -> Path | None:
    """Copy files into a new folder beside them; return it."""
    if not names:
        return None
    backup, number = path / BACKUP, 1
    while backup.exists():
        number += 1
        backup = path / f"{BACKUP}.{number}"
    try:
        backup.mkdir()
        for name in names:
            shutil.copy2(path / name, backup / name)
    except OSError as error:
        raise MalsoriError(f"{backup}: cannot be written: {error.strerror}") from error
    return backup


class _Mending:
    """One data dir on its way to be right.

    Args:
        path: The data dir, with the files that are needed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.dropped: list[tuple[str, str, str]] = []
        self.tables = {name: self._read(name) for name in TABLES if (path / name).is_file()}

    def files(self, allow_pipes: bool, jobs: int) -> dict[str, str]:
        """Return the content of all files of the mended data dir."""
        seconds = self._listen(allow_pipes, jobs)
        durations = self._durations(seconds)
        self._drop_bad_vectors("xvector.scp")
        self._drop_bad_vectors("spk2xvector.scp")
        self._drop_lonely(durations)
        text = self.tables["text"]
        if "segments" in self.tables:
            used = {row.value.split()[0] for row in self.tables["segments"].values()}
            self._keep("wav.scp", used, "no utterance uses this recording")
        files = {name: _table(rows) for name, rows in self.tables.items()}
        files["utt2dur"] = "".join(f"{key} {durations[key]}\n" for key in _sorted(text))
        spoken: dict[str, list[str]] = {}
        for key in _sorted(text):
            spoken.setdefault(self.tables["utt2spk"][key].value, []).append(key)
        files["spk2utt"] = "".join(f"{who} {' '.join(spoken[who])}\n" for who in _sorted(spoken))
        return files

    def _read(self, name: str) -> dict[str, Row]:
        """Return the usable rows of a file by key."""
        rows: dict[str, Row] = {}
        content = (self.path / name).read_bytes().removeprefix(b"\xef\xbb\xbf")
        for number, raw in enumerate(content.split(b"\n"), start=1):
            line = raw.rstrip(b"\r")
            if not line.strip():
                continue
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                self._drop(name, number, line, f"not UTF-8 (byte {error.start + 1} of the line)")
                continue
            cleaned = clean_text(text) if name == "text" else _composed(name, text)
            key, *value = cleaned.split(None, 1) or [""]
            if not value:
                what = "empty text" if name == "text" else "nothing after the key"
                self._drop(name, number, line, what)
            elif name == "utt2spk" and len(value[0].split()) > 1:
                self._drop(name, number, line, "more than one speaker")
            elif key in rows and rows[key].value != value[0].strip():
                self._drop(
                    name, number, line, f"key {key!r} was there before (line {rows[key].line})"
                )
            elif key not in rows:
                rows[key] = Row(number, value[0].strip(), line)
        return rows

    def _listen(self, allow_pipes: bool, jobs: int) -> dict[str, float | None]:
        """Return the length of each usable recording; None for pipes that are kept unread."""
        recordings = self.tables["wav.scp"]
        found: dict[str, float | None] = {}
        paths = {}
        for key, row in list(recordings.items()):
            if not row.value.endswith("|") and not row.value.startswith("|"):
                paths[key] = row.value
            elif allow_pipes:
                found[key] = None
            else:
                self._remove("wav.scp", key, "a shell pipe; malsori runs no commands out of data")
        with ThreadPoolExecutor(max(jobs, 1)) as pool:
            results = progress(pool.map(_seconds, paths.values()), len(paths), "audio")
            for key, result in zip(paths, results, strict=True):
                if isinstance(result, str):
                    self._remove("wav.scp", key, f"audio: {result}")
                else:
                    found[key] = result
        return found

    def _durations(self, seconds: dict[str, float | None]) -> dict[str, str]:
        """Return the duration of each utterance with usable audio, as it is written."""
        stated: dict[str, Row] = {}
        if any(length is None for length in seconds.values()) and (self.path / "utt2dur").is_file():
            stated = self._read("utt2dur")
        if "segments" not in self.tables:
            return {
                key: stated[key].value if length is None else f"{length:.4f}"
                for key, length in seconds.items()
                if length is not None or key in stated
            }
        durations = {}
        for key, row in list(self.tables["segments"].items()):
            fields = row.value.split()
            try:
                recording, start, end = fields[0], float(fields[1]), float(fields[2])
            except (IndexError, ValueError):
                self._remove("segments", key, "not 'utterance recording start end'")
                continue
            length = seconds.get(recording, 0.0)
            overshot = length is not None and length < end <= length + OVERSHOOT_SECONDS
            last = f"{int(length * 1e4) / 1e4:.4f}" if length and overshot else fields[2]
            if recording not in seconds:
                self._remove("segments", key, f"its recording {recording!r} cannot be used")
            elif not 0 <= start < float(last):
                self._remove("segments", key, f"from {start:g} s to {end:g} s")
            elif length is not None and end > length + OVERSHOOT_SECONDS:
                told = f"ends at {end:g} s, the recording at {length:g} s"
                self._remove("segments", key, told)
            else:
                durations[key] = f"{float(last) - start:.4f}"
                value = f"{recording} {fields[1]} {last}"
                self.tables["segments"][key] = Row(row.line, value, row.raw)
        return durations

    def _drop_bad_vectors(self, name: str) -> None:
        """Remove vectors that cannot be read, or have another size than most."""
        sizes: dict[str, int] = {}
        for key, row in list(self.tables.get(name, {}).items()):
            try:
                sizes[key] = len(read_vector(row.value))
            except VectorError as error:
                self._remove(name, key, str(error))
        if sizes:
            usual = Counter(sizes.values()).most_common(1)[0][0]
            for key, size in sizes.items():
                if size != usual:
                    self._remove(name, key, f"a vector of {size} numbers, most have {usual}")

    def _drop_lonely(self, durations: dict[str, str]) -> None:
        """Keep the utterances that are in all files, have audio and a speaker with a vector."""
        names = [name for name in PER_UTTERANCE if name in self.tables]
        speakers = self.tables.get("spk2xvector.scp")
        why: dict[str, str] = {}
        for key in {key for name in names for key in self.tables[name]} | set(durations):
            missing = [name for name in names if key not in self.tables[name]]
            if key not in durations:
                why[key] = "its audio cannot be used"
            elif missing:
                why[key] = f"not in {', '.join(missing)}, or not usable there"
            elif speakers is not None and self.tables["utt2spk"][key].value not in speakers:
                why[key] = "its speaker has no vector"
        audio_rows = "segments" if "segments" in self.tables else "wav.scp"
        for name in (*names, audio_rows):
            for key in [key for key in self.tables[name] if key in why]:
                self._remove(name, key, why[key])

    def _keep(self, name: str, keys: set[str], reason: str) -> None:
        for key in [key for key in self.tables[name] if key not in keys]:
            self._remove(name, key, reason)

    def _remove(self, name: str, key: str, reason: str) -> None:
        row = self.tables[name].pop(key)
        self._drop(name, row.line, row.raw, reason)

    def _drop(self, name: str, line: int, raw: bytes, reason: str) -> None:
        shown = raw.decode(errors="backslashreplace").replace("\t", " ")
        self.dropped.append((f"{name}:{line}", " ".join(reason.split()), shown))


def _composed(name: str, text: str) -> str:
    """Return a line in NFC; of paths only the key, since files have the names that they have."""
    if name not in PATHS:
        return unicodedata.normalize("NFC", text)
    key, *value = text.split(None, 1)
    return " ".join([unicodedata.normalize("NFC", key), *value])


def _seconds(path: str) -> float | str:
    """Return the length of an audio file, or why it cannot be used."""
    try:
        wav, rate = audio.read(path)
    except AudioError as error:
        return error.reason
    return len(wav) / rate


def _table(rows: dict[str, Row]) -> str:
    return "".join(f"{key} {rows[key].value}\n" for key in _sorted(rows))


def _sorted(keys: dict[str, Row] | dict[str, list[str]]) -> list[str]:
    return sorted(keys, key=str.encode)
