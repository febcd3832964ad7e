"""Stage 1: from a corpus to data dirs ``train``, ``dev`` and ``test``.

A corpus script lists its utterances; ``prepare`` reads every audio file once, finds where the
speech in it begins and ends, sets aside what cannot be used, with the reason, and writes the data
dirs. Audio is never copied: trimming is a row in ``segments``. Paths in ``wav.scp`` are absolute,
so that a command may run in any folder. The same corpus gives the same bytes again.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from logging import INFO, WARNING
from pathlib import Path
from typing import Literal, NamedTuple

from malsori.core.errors import MalsoriError
from malsori.core.files import atomic_folder, atomic_write
from malsori.core.log import get_logger, progress
from malsori.dsp.audio import AudioError, read
from malsori.dsp.silence import speech_bounds

log = get_logger(__name__)

FRAMES_PER_SECOND = 100  # a character is spoken in 10 ms at the very least
INVISIBLE = re.compile("[\ufeff\u200b\u200c\u200d\u2060\u00ad\x00-\x08\x0e-\x1f\x7f]")
ID = re.compile(r"[^\s/\\]+")
SAMPLE = "train_sample"


@dataclass(frozen=True, kw_only=True, slots=True)
class Utterance:
    """One utterance as a corpus lists it."""

    id: str
    """Unique name without white space and slashes."""
    wav: Path
    """Audio file."""
    text: str
    """What is said in it."""
    speaker: str
    """Speaker's id, without white space."""
    language: str | None = None
    """Language code ("ko"), if the corpus says so."""
    problem: str = ""
    """Why the corpus itself shows that it cannot be used; empty if it does not."""
    start: float = 0.0
    """Where it begins in the audio file, in seconds."""
    end: float | None = None
    """Where it ends in the audio file, in seconds; None for the end of the file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """Which utterances go to dev and test; the rest is for training.

    It is decided over all listed utterances with an audio file, in the order of their ids, before
    any is rejected for its sound or length, so that a set never changes because of another.
    """

    dev: int = 250
    """Utterances for validation, above 0."""
    test: int = 250
    """Utterances for decoding and scores, above 0."""
    rule: Literal["even", "last"] = "even"
    """"even" takes dev + test evenly from the whole corpus, the first of these for dev (ESPnet's
    KSS recipe); "last" takes the last dev + test ones (ESPnet's LJSpeech recipe)."""

    def sets(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the set ("train", "dev", "test") of each id.

        A corpus with less than ten times dev + test utterances gives a tenth to each of the two
        instead, with a warning.

        Args:
            ids: Ids in the order of their bytes.

        Raises:
            MalsoriError: There are fewer than three utterances.
        """
        if len(ids) < 3:
            raise MalsoriError(f"{len(ids)} utterances with audio: a recipe needs at least 3")
        dev, test = self.dev, self.test
        if dev + test > len(ids) // 5:
            dev, test = (min(wanted, max(len(ids) // 10, 1)) for wanted in (dev, test))
        if (dev, test) != (self.dev, self.test):
            log.warning(
                "%d utterances are few: dev gets %d instead of %d, test %d instead of %d",
                *(len(ids), dev, self.dev, test, self.test),
            )
        if self.rule == "even":
            held_out = _spread(0, len(ids), dev + test)
        else:
            held_out = list(range(len(ids) - dev - test, len(ids)))
        chosen = dict.fromkeys(ids, "train")
        for place, i in enumerate(held_out):
            chosen[ids[i]] = "dev" if place < dev else "test"
        return chosen


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What an utterance must be to be used."""

    min_seconds: float = 0.2
    """Shortest speech, in seconds."""
    max_seconds: float = 30.0
    """Longest speech, in seconds."""
    max_rejected: float = 0.1
    """The stage fails when a larger share of the utterances is rejected, 0 to 1."""


class Prepared(NamedTuple):
    """An utterance that is used, and where its speech is; times in seconds as they are written."""

    utterance: Utterance
    start: str
    end: str
    seconds: str
    sample_rate: int


def prepare(
    utterances: Iterable[Utterance],
    out: Path,
    *,
    split: Split | None = None,
    trim: bool = True,
    limits: Limits | None = None,
    sample: int = 0,
    jobs: int = 1,
) -> dict[str, int]:
    """Write the data dirs of a corpus; return how many utterances each holds.

    ``OUT/rejected.tsv`` lists what is left out, as ``id<TAB>reason``.

    Args:
        utterances: The corpus, in any order.
        out: Folder of the data dirs.
        split: What goes to dev and test.
        trim: Cut silence at both ends.
        limits: What is rejected.
        sample: Also write ``train_sample`` with the first so many training utterances.
        jobs: Audio files read at a time.

    Raises:
        MalsoriError: No utterances, more than the allowed share rejected, an empty set, or a file
            that cannot be written.
    """
    limits = limits or Limits()
    rejected: list[tuple[str, str]] = []
    listed = _unique(sorted(utterances, key=lambda each: each.id.encode()), rejected)
    if not listed:
        raise MalsoriError("the corpus lists no utterances")
    present = [each.id for each in listed if _has_audio(each.wav)]
    log.info("%d utterances, %d with an audio file", len(listed), len(present))
    sets = (split or Split()).sets(present)
    kept: dict[str, list[Prepared]] = {"train": [], "dev": [], "test": []}
    for each, result in zip(listed, _examine_all(listed, trim, limits, jobs), strict=True):
        if isinstance(result, str):
            rejected.append((each.id, result))
        else:
            kept[sets[each.id]].append(result)
    _write_rejected(out / "rejected.tsv", rejected, len(listed), limits.max_rejected)
    _log_rates([row.sample_rate for rows in kept.values() for row in rows])
    if sample:
        kept[SAMPLE] = kept["train"][:sample]
    for name, rows in kept.items():
        if not rows:
            raise MalsoriError(f"{out / name}: no usable utterance left; see {out}/rejected.tsv")
        write_datadir(out / name, rows)
        log.info("%s: %d utterances, %s", out / name, len(rows), _length(rows))
    return {name: len(rows) for name, rows in kept.items()}


def write_datadir(path: Path, rows: Sequence[Prepared]) -> None:
    """Write one data dir, whole or not at all; it replaces the one that stood there.

    Args:
        path: The folder.
        rows: Its utterances.
    """
    rows = sorted(rows, key=lambda row: row.utterance.id.encode())
    speakers: dict[str, list[str]] = {}
    for row in rows:
        speakers.setdefault(row.utterance.speaker, []).append(row.utterance.id)
    columns: dict[str, Callable[[Prepared], str]] = {
        "wav.scp": lambda row: str(row.utterance.wav.absolute()),
        "text": lambda row: row.utterance.text,
        "utt2spk": lambda row: row.utterance.speaker,
        "utt2dur": lambda row: row.seconds,
        "segments": lambda row: f"{row.utterance.id} {row.start} {row.end}",
    }
    if all(row.utterance.language for row in rows):
        columns["utt2lang"] = lambda row: str(row.utterance.language)
    with atomic_folder(path) as folder:
        for name, column in columns.items():
            with open(folder / name, "w", encoding="utf-8", newline="\n") as file:
                file.writelines(f"{row.utterance.id} {column(row)}\n" for row in rows)
        with open(folder / "spk2utt", "w", encoding="utf-8", newline="\n") as file:
            for speaker in sorted(speakers, key=str.encode):
                file.write(f"{speaker} {' '.join(speakers[speaker])}\n")


def clean_text(text: str) -> str:
    """Return text in NFC, without invisible characters, with single spaces between words."""
    return " ".join(INVISIBLE.sub("", unicodedata.normalize("NFC", text)).split())


def _unique(utterances: list[Utterance], rejected: list[tuple[str, str]]) -> list[Utterance]:
    """Return the utterances without those whose id was used before; add these to rejected."""
    unique: list[Utterance] = []
    for each in utterances:
        if unique and unique[-1].id == each.id:
            rejected.append((each.id, f"the id is used twice; this one is {each.wav}"))
        else:
            unique.append(each)
    return unique


def _examine_all(
    utterances: list[Utterance], trim: bool, limits: Limits, jobs: int
) -> Iterable[Prepared | str]:
    """Yield what ``_examine`` says of each; threads, since libsndfile and numpy free the lock."""

    def examine(each: Utterance) -> Prepared | str:
        return _examine(each, trim, limits)

    if jobs <= 1:
        yield from progress(map(examine, utterances), len(utterances), "audio")
        return
    with ThreadPoolExecutor(jobs) as pool:
        yield from progress(pool.map(examine, utterances), len(utterances), "audio")


def _examine(each: Utterance, trim: bool, limits: Limits) -> Prepared | str:
    """Return the utterance with cleaned text and its bounds, or why it cannot be used."""
    text = clean_text(each.text)
    if problem := each.problem or _name_problem(each):
        return problem
    if not text:
        return "empty text"
    try:
        wav, rate = read(each.wav, None, each.start, each.end)
        start, end = speech_bounds(wav, rate)
    except AudioError as error:
        return error.reason
    if not trim:
        start, end = 0.0, len(wav) / rate
    whole = int((each.start + len(wav) / rate) * 10_000) / 10_000
    first, last = f"{each.start + start:.4f}", f"{min(each.start + end, whole):.4f}"
    seconds = float(last) - float(first)
    if not limits.min_seconds <= seconds <= limits.max_seconds:
        used = f"{limits.min_seconds:g} to {limits.max_seconds:g} s are used"
        return f"{seconds:.2f} s of speech; {used}"
    characters = sum(not character.isspace() for character in text)
    if characters > seconds * FRAMES_PER_SECOND:
        return f"{seconds:.2f} s of speech are too short for a text of {characters} characters"
    cleaned = Utterance(
        id=each.id, wav=each.wav, text=text, speaker=each.speaker, language=each.language
    )  # where it is, the bounds say from here on
    return Prepared(cleaned, first, last, f"{seconds:.4f}", rate)


def _has_audio(wav: Path) -> bool:
    """Return whether the audio file, or the archive of ``archive.ark:offset``, is there."""
    archive, _, offset = str(wav).rpartition(":")
    return wav.is_file() or (offset.isdecimal() and Path(archive).is_file())


def _name_problem(each: Utterance) -> str:
    """Return what is wrong with id, speaker or path; empty if nothing is."""
    for name, value in (("id", each.id), ("speaker", each.speaker)):
        if not ID.fullmatch(value):
            return f"{name} {value!r} is empty or has white space or slashes"
    if re.search(r"[\n\r|]$|[\n\r]", str(each.wav)):
        return f"the path {str(each.wav)!r} cannot stand in wav.scp"
    return ""


def _write_rejected(
    path: Path, rejected: list[tuple[str, str]], total: int, max_share: float
) -> None:
    """Write the list of rejected utterances; raise if they are more than the allowed share."""
    with atomic_write(path) as file:
        for id, reason in sorted(rejected, key=lambda row: (row[0].encode(), row[1])):
            file.write(f"{' '.join(id.split())}\t{' '.join(reason.split())}\n")
    if not rejected:
        return
    kinds = Counter(re.sub(r"\d+(\.\d+)?", "N", reason) for _, reason in rejected)
    for kind, count in kinds.most_common(10):
        log.warning("rejected %d: %s", count, kind)
    share = len(rejected) / total
    log.warning("%d of %d utterances rejected, listed in %s", len(rejected), total, path)
    if share > max_share:
        raise MalsoriError(
            f"{path}: {len(rejected)} of {total} utterances rejected ({share:.0%}), more than "
            f"{max_share:.0%}; the first: {rejected[0][0]}: {rejected[0][1]}"
        )


def _log_rates(rates: list[int]) -> None:
    """Say which sample rates the audio has; several are resampled later, but may be a mistake."""
    counted = Counter(rates).most_common()
    told = ", ".join(f"{rate} Hz ({count} files)" for rate, count in counted)
    log.log(WARNING if len(counted) > 1 else INFO, "sample rate: %s", told)


def _spread(start: int, end: int, count: int) -> list[int]:
    """Return ``count`` numbers of ``start`` ≤ n < ``end``, evenly spread.

    Each half of the range gives half of them, the second half the odd one, and so on down.

    Source: the rule of Kaldi's utils/subset_scp.pl, which ESPnet's KSS recipe relies on.
    """
    if count == 0:
        return []
    if end - start == 1:
        return [start]
    middle = start + (end - start) // 2
    half = count // 2
    return [*_spread(start, middle, half), *_spread(middle, end, count - half)]


def _length(rows: Sequence[Prepared]) -> str:
    minutes = sum(float(row.seconds) for row in rows) / 60
    return f"{minutes / 60:.1f} h" if minutes >= 60 else f"{minutes:.1f} min"
