"""Stage 1: from a corpus to data dirs ``train``, ``dev`` and ``test``.

A corpus script lists its utterances; ``prepare`` reads every audio file once, finds where the
speech in it begins and ends, sets aside what cannot be used, with the reason, and writes the data
dirs. Audio is never copied: trimming is a row in ``segments``. Paths in ``wav.scp`` are absolute,
so that a command may run in any folder. The same corpus gives the same bytes again.

What was heard is kept in ``examined.tsv``: a run that was stopped goes on where it stopped.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from logging import INFO, WARNING
from pathlib import Path
from typing import NamedTuple

from malsori.core.errors import MalsoriError
from malsori.core.files import atomic_folder, atomic_write
from malsori.core.log import get_logger, progress
from malsori.data.audio_files import AudioSource
from malsori.data.examination import Examined
from malsori.data.splits import SETS, UNLISTED, Split, has_sets
from malsori.dsp.audio import AudioError

log = get_logger(__name__)

FRAMES_PER_SECOND = 100  # a character is spoken in 10 ms at the very least
INVISIBLE = re.compile("[\ufeff\u200b\u200c\u200d\u2060\u00ad\x00-\x08\x0e-\x1f\x7f]")
ID = re.compile(r"[^\s/\\]+")
SAMPLE = "train_sample"
LONGEST_SECONDS = 600.0
"""Longer audio files are not decoded as a whole, unless utterances may be as long."""
HELD_OUT_FIRST = ("test", "dev", "", "train", UNLISTED)
"""Which one of two utterances of one id is used."""


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
    set: str = ""
    """"train", "dev" or "test" where the corpus has such sets, "none" where these leave it out."""


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
    listed = _unique(sorted(utterances, key=_order), rejected)
    if not listed:
        raise MalsoriError("the corpus lists no utterances")
    sets, listed = _sets(listed, split or Split())
    kept: dict[str, list[Prepared]] = {name: [] for name in SETS}
    with Examined(out / "examined.tsv") as examined:
        results = _examine_all(listed, examined, trim, limits, jobs)
        for each, result in zip(listed, results, strict=True):
            if isinstance(result, str):
                rejected.append((each.id, result))
            elif each.id in sets:
                kept[sets[each.id]].append(result)
            else:
                rejected.append((each.id, "its audio file came while the stage ran: run it again"))
        if examined.known:
            log.info("%d of them were heard in an earlier run", examined.known)
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


def _order(each: Utterance) -> tuple[bytes, int]:
    """Return what utterances are sorted by; of one id, those that are held out come first."""
    if each.set not in HELD_OUT_FIRST:
        raise MalsoriError(f"{each.id}: set {each.set!r}: sets are train, dev and test")
    return each.id.encode(), HELD_OUT_FIRST.index(each.set)


def _unique(utterances: list[Utterance], rejected: list[tuple[str, str]]) -> list[Utterance]:
    """Return the utterances without those whose id was used before; add these to rejected.

    One that is in two sets, and else the same, is no fault: the one that is held out stays.
    """
    unique: list[Utterance] = []
    twice = 0
    for each in utterances:
        if not unique or unique[-1].id != each.id:
            unique.append(each)
        elif replace(each, set="") == replace(unique[-1], set=""):
            twice += 1
        else:
            rejected.append((each.id, f"the id is used twice; this one is {each.wav}"))
    if twice:
        log.warning("%d utterances are listed twice: what is held out is not trained on", twice)
    return unique


def _sets(listed: list[Utterance], split: Split) -> tuple[dict[str, str], list[Utterance]]:
    """Return the set of every id with an audio file, and the utterances that are in a set."""
    keep = split.keep and has_sets(each.set for each in listed)
    if keep:
        left_out = sum(each.set == UNLISTED for each in listed)
        if left_out:
            log.warning("%d utterances are in none of the corpus's sets: left out", left_out)
        listed = [each for each in listed if each.set != UNLISTED]
    present = [each for each in listed if has_audio(each.wav)]
    log.info("%d utterances, %d with an audio file", len(listed), len(present))
    if keep and has_sets(each.set for each in present):
        return split.complete({each.id: each.set for each in present}), listed
    return split.sets([each.id for each in present]), listed


def _examine_all(
    utterances: list[Utterance], examined: Examined, trim: bool, limits: Limits, jobs: int
) -> Iterable[Prepared | str]:
    """Yield what ``_examine`` says of each; threads, since libsndfile and numpy free the lock."""

    def examine(each: Utterance) -> Prepared | str:
        return _examine(each, examined, trim, limits)

    if jobs <= 1:
        yield from progress(map(examine, utterances), len(utterances), "audio")
        return
    with ThreadPoolExecutor(jobs) as pool:
        yield from progress(pool.map(examine, utterances), len(utterances), "audio")


def _examine(each: Utterance, examined: Examined, trim: bool, limits: Limits) -> Prepared | str:
    """Return the utterance with cleaned text and its bounds, or why it cannot be used."""
    text = clean_text(each.text)
    if problem := each.problem or _name_problem(each):
        return problem
    if not text:
        return "empty text"
    source = AudioSource(path=str(each.wav.absolute()), start=each.start, end=each.end)
    try:
        heard = examined.hear(source, max(LONGEST_SECONDS, limits.max_seconds))
    except AudioError as error:
        return error.reason
    start, end = (heard.start, heard.end) if trim else (0.0, heard.seconds)
    whole = int((each.start + heard.seconds) * 10_000) / 10_000
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
    return Prepared(cleaned, first, last, f"{seconds:.4f}", heard.sample_rate)


def has_audio(wav: Path) -> bool:
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


def _length(rows: Sequence[Prepared]) -> str:
    minutes = sum(float(row.seconds) for row in rows) / 60
    return f"{minutes / 60:.1f} h" if minutes >= 60 else f"{minutes:.1f} min"
