"""Everything that is wrong with a data dir, with the place and the fix."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from malsori.core.errors import MalsoriError
from malsori.core.log import progress
from malsori.data.prepare import INVISIBLE
from malsori.data.vectors import VectorError, read_vector
from malsori.dsp.audio import AudioError, read

REQUIRED = ("wav.scp", "text", "utt2spk", "spk2utt", "utt2dur")
OPTIONAL = ("segments", "utt2lang", "xvector.scp", "spk2xvector.scp")
PATHS = ("wav.scp", "xvector.scp", "spk2xvector.scp")
"""Files whose values are paths: those have the Unicode form that the file system gives them."""
TOLERANCE_SECONDS = 0.02
AGAIN = "run stage 1 again"
EXTRACT = "extract it again"
SORT = "sort the file with LC_ALL=C sort"
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Problem:
    """One thing that is wrong; as text ``file:line: problem: fix``."""

    file: str
    """File of the data dir."""
    line: int
    """Line, counted from 1; 0 where the whole file is meant."""
    problem: str
    """What is wrong."""
    fix: str
    """What to do about it."""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.problem}: {self.fix}"


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one file that could be read, and what is wrong with the others."""

    path: Path
    values: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Line and value of each key; of its first row where a key has several."""
    problems: list[Problem] = field(default_factory=list)

    def add(self, line: int, problem: str, fix: str) -> None:
        """Note a problem of this file."""
        self.problems.append(Problem(file=str(self.path), line=line, problem=problem, fix=fix))


def check(path: Path, *, allow_pipes: bool = False, jobs: int = 1) -> list[Problem]:
    """Return every problem of a data dir, sorted by file and line; an empty list if it is right.

    Args:
        path: The data dir.
        allow_pipes: Accept shell commands in ``wav.scp``; they are not run and not checked.
        jobs: Audio files read at a time.

    Raises:
        MalsoriError: There is no such folder.
    """
    if not path.is_dir():
        raise MalsoriError(f"{path}: no such data dir")
    problems: list[Problem] = []
    files: dict[str, Rows] = {}
    for name in (*REQUIRED, *OPTIONAL):
        if (path / name).is_file():
            files[name] = _read_rows(path / name)
        elif name in REQUIRED:
            problems.append(
                Problem(file=str(path / name), line=0, problem="missing file", fix=AGAIN)
            )
    _check_keys(files)
    _check_speakers(files)
    _check_vectors(files)
    _check_audio(files, allow_pipes, jobs)
    for rows in files.values():
        problems += rows.problems
    return sorted(problems)


def _read_rows(path: Path) -> Rows:
    """Return the rows of a file, with the problems that a file has by itself."""
    rows = Rows(path)
    content = path.read_bytes()
    if not content:
        rows.add(0, "empty file", AGAIN)
        return rows
    if content.startswith(BOM):
        rows.add(1, "begins with a byte order mark", "save it as UTF-8 without BOM")
        content = content.removeprefix(BOM)
    if not content.endswith(b"\n"):
        rows.add(content.count(b"\n") + 1, "no line end at the end of the file", "add one")
    before = b""
    for number, line in enumerate(content.removesuffix(b"\n").split(b"\n"), start=1):
        key, value = _read_row(rows, number, line)
        if not key:
            continue
        encoded = key.encode()
        if key in rows.values:
            rows.add(number, f"key {key!r} is there twice", "keep one of the two lines")
            continue
        if encoded < before:
            rows.add(number, f"not sorted: {key!r} after {before.decode()!r}", SORT)
        before = max(encoded, before)
        rows.values[key] = (number, value)
    return rows


def _read_row(rows: Rows, number: int, line: bytes) -> tuple[str, str]:
    """Return key and value of a line; an empty key where there is none."""
    if line.endswith(b"\r"):
        rows.add(number, "ends in CR LF", "use LF line ends: sed -i 's/\\r$//' FILE")
    try:
        text = line.rstrip(b"\r").decode()
    except UnicodeDecodeError as error:
        rows.add(number, f"not UTF-8 (byte {error.start + 1} of the line)", "save it as UTF-8")
        return "", ""
    if not text.strip():
        rows.add(number, "empty line", "remove it")
        return "", ""
    if text[0].isspace():
        rows.add(number, "begins with white space", "begin the line with its key")
    composed = text.split(None, 1)[0] if rows.path.name in PATHS else text
    if not unicodedata.is_normalized("NFC", composed):
        rows.add(number, "not in Unicode form NFC", f"compose the characters (NFC): {AGAIN}")
    if rows.path.name == "text" and (found := INVISIBLE.search(text)):
        rows.add(number, f"an invisible character (U+{ord(found[0]):04X})", "remove it")
    key, *value = text.split(None, 1)
    if rows.path.name == "utt2spk" and value and len(value[0].split()) > 1:
        rows.add(number, f"more than one speaker: {value[0].strip()!r}", "keep one")
    if not value:
        what = "empty text" if rows.path.name == "text" else "nothing after the key"
        rows.add(number, what, "add it, or remove the utterance from all files")
    return key, value[0].strip() if value else ""


def _check_keys(files: dict[str, Rows]) -> None:
    """Compare the utterances of all files with those of ``text``."""
    if "text" not in files:
        return
    text = files["text"]
    per_utterance = ["utt2spk", "utt2dur", "utt2lang", "xvector.scp"]
    per_utterance.append("segments" if "segments" in files else "wav.scp")
    for name in per_utterance:
        if name not in files:
            continue
        rows = files[name]
        for key in text.values.keys() - rows.values.keys():
            text.add(text.values[key][0], f"{key!r} is not in {name}", "add it there or remove it")
        for key in rows.values.keys() - text.values.keys():
            rows.add(rows.values[key][0], f"{key!r} is not in text", "add it there or remove it")


def _check_speakers(files: dict[str, Rows]) -> None:
    """Compare ``utt2spk`` with ``spk2utt``."""
    if "utt2spk" not in files or "spk2utt" not in files:
        return
    utt2spk, spk2utt = files["utt2spk"], files["spk2utt"]
    fix = f"make spk2utt from utt2spk: {AGAIN}"
    listed: dict[str, str] = {}
    for speaker, (line, utterances) in spk2utt.values.items():
        for key in utterances.split():
            if key in listed:
                spk2utt.add(line, f"{key!r} is listed twice", fix)
            listed[key] = speaker
            if key not in utt2spk.values:
                spk2utt.add(line, f"{key!r} is not in utt2spk", fix)
    for key, (line, speaker) in utt2spk.values.items():
        if key not in listed:
            utt2spk.add(line, f"{key!r} is not in spk2utt", fix)
        elif listed[key] != speaker:
            utt2spk.add(line, f"{key!r} is by {speaker!r}, by {listed[key]!r} in spk2utt", fix)


def _check_vectors(files: dict[str, Rows]) -> None:
    """Read all speaker vectors; each file's must be as long as its first one."""
    for name in ("xvector.scp", "spk2xvector.scp"):
        first: tuple[str, int] | None = None
        rows = files.get(name, Rows(Path(name)))
        for key, (line, place) in rows.values.items():
            if not place:  # told already
                continue
            try:
                size = len(read_vector(place))
            except VectorError as error:
                rows.add(line, str(error), EXTRACT)
                continue
            first = first or (key, size)
            if size != first[1]:
                problem = f"a vector of {size} numbers, that of {first[0]!r} has {first[1]}"
                rows.add(line, problem, "extract all with one model")
    if "spk2xvector.scp" in files and "spk2utt" in files:
        vectors, speakers = files["spk2xvector.scp"], files["spk2utt"]
        for speaker in speakers.values.keys() - vectors.values.keys():
            line = speakers.values[speaker][0]
            speakers.add(line, f"{speaker!r} is not in spk2xvector.scp", "add it there")


def _check_audio(files: dict[str, Rows], allow_pipes: bool, jobs: int) -> None:
    """Read all audio; compare its length with ``segments`` and ``utt2dur``."""
    if "wav.scp" not in files:
        return
    recordings = files["wav.scp"]
    plain = dict(_plain_files(recordings, allow_pipes))
    seconds: dict[str, float] = {}
    with ThreadPoolExecutor(max(jobs, 1)) as pool:
        results = progress(pool.map(_read_seconds, plain.values()), len(plain), "audio")
        for recording, result in zip(plain, results, strict=True):
            if isinstance(result, float):
                seconds[recording] = result
            else:
                line = recordings.values[recording][0]
                recordings.add(line, f"audio {result}", "mend the file or remove the utterance")
    durations = seconds
    if "segments" in files:
        durations = dict(_segment_durations(files["segments"], recordings, seconds))
    if "utt2dur" in files:
        _check_durations(files["utt2dur"], durations)


def _plain_files(recordings: Rows, allow_pipes: bool) -> Iterator[tuple[str, str]]:
    """Yield recording and path where that is no shell command."""
    for recording, (line, path) in recordings.values.items():
        if path.endswith("|") or path.startswith("|"):
            if not allow_pipes:
                recordings.add(
                    line,
                    "a shell pipe: whoever wrote this file could run any command here",
                    "write the command's output into a file and name that, or pass --allow-pipes",
                )
        elif path:
            yield recording, path


def _read_seconds(path: str) -> float | str:
    """Return the length of an audio file in seconds, or why it cannot be read."""
    try:
        wav, rate = read(path)
    except AudioError as error:
        return str(error)
    return len(wav) / rate


def _segment_durations(
    segments: Rows, recordings: Rows, seconds: dict[str, float]
) -> Iterable[tuple[str, float]]:
    """Yield utterance and duration of each right segment."""
    used = set()
    for key, (line, value) in segments.values.items():
        fields = value.split()
        try:
            recording, start, end = fields[0], float(fields[1]), float(fields[2])
        except (IndexError, ValueError):
            segments.add(line, f"{value!r} is no segment", "write: utterance recording start end")
            continue
        used.add(recording)
        if recording not in recordings.values:
            segments.add(line, f"recording {recording!r} is not in wav.scp", "add it there")
        elif not 0 <= start < end:
            segments.add(line, f"from {start:g} s to {end:g} s", "start and end in seconds")
        elif recording in seconds and end > seconds[recording] + TOLERANCE_SECONDS:
            problem = f"ends at {end:g} s, the recording at {seconds[recording]:g} s"
            segments.add(line, problem, "end it inside of the recording")
        else:
            yield key, end - start
    for recording in recordings.values.keys() - used:
        line = recordings.values[recording][0]
        recordings.add(line, f"recording {recording!r} is not in segments", "remove it")


def _check_durations(stated: Rows, durations: dict[str, float]) -> None:
    for key, (line, value) in stated.values.items():
        try:
            seconds = float(value)
        except ValueError:
            stated.add(line, f"{value!r} is not a number of seconds", AGAIN)
            continue
        if key in durations and not abs(seconds - durations[key]) <= TOLERANCE_SECONDS:
            stated.add(line, f"{seconds:g} s, the audio has {durations[key]:.4f} s", AGAIN)
