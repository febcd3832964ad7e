"""What a corpus is, seen from outside: layout, language, sample rate, speakers, faults."""

from __future__ import annotations

import tempfile
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from malsori.core.errors import MalsoriError
from malsori.data.layouts import LAYOUTS, huggingface, layout, recognise
from malsori.data.prepare import Utterance, has_audio
from malsori.data.splits import SETS, UNLISTED, has_sets
from malsori.dsp import audio
from malsori.dsp.audio import AudioError

LISTENED, READ = 50, 500
MOST_LETTERS = 0.5
SCRIPTS = {"HANGUL": "ko", "LATIN": "en"}
"""Which language a recipe takes for texts in a script."""


@dataclass(frozen=True, kw_only=True)
class Recognised:
    """A corpus whose layout is known."""

    layout: str
    """Name in ``LAYOUTS``."""
    reason: str
    """How it was recognised."""
    utterances: int
    """How many are listed."""
    unusable: int
    """How many of them have a problem, or no audio file."""
    problem: str
    """The first problem; empty if there is none."""
    speakers: int
    language: str | None
    """"ko" or "en" by the texts' letters; None for others."""
    sample_rate: int | None
    """The most frequent one of some files; None where none can be read."""
    sets: dict[str, int] = field(default_factory=dict)
    """How many utterances are in each set that the corpus comes with, and in none; empty if it has
    no sets."""

    def told(self) -> list[str]:
        """Return what was recognised, a line each."""
        lines = [f"{layout(self.layout).SUMMARY}: {self.reason}"]
        script = {"ko": "Korean, by its letters", "en": "English, by its letters"}
        spoken = script.get(
            str(self.language), "of unknown language: set language= and frontend= in run.sh"
        )
        if not self.utterances:
            return [*lines, spoken]
        count = f"{self.utterances} utterances of {self.speakers} speaker(s)"
        rate = f", {self.sample_rate} Hz" if self.sample_rate else ""
        lines.append(f"{count}{rate}; {spoken}")
        if self.sets:
            counted = ", ".join(f"{name} {self.sets[name]}" for name in SETS if name in self.sets)
            left_out = self.sets.get(UNLISTED, 0)
            others = f"; {left_out} in none of them are left out" if left_out else ""
            lines.append(f"its own sets are kept: {counted}{others} (not with run.sh --split anew)")
        if self.unusable:
            lines.append(
                f"{self.unusable} of them cannot be used, the first: {self.problem} (stage 1 lists "
                "all in data/rejected.tsv)"
            )
        return lines


def look_at(corpus: Path, name: str | None = None) -> Recognised:
    """Return what a corpus is.

    Args:
        corpus: Folder or zip file.
        name: Its layout, if the user says so; else it is recognised.

    Raises:
        MalsoriError: It is not there, nobody knows its layout, or it cannot be read.
        UsageError: There is no such layout.
    """
    if not corpus.exists():
        raise MalsoriError(f"{corpus}: no such corpus")
    found = (name, "as --layout says") if name else recognise(corpus)
    if found is None:
        known = "; ".join(f"{each}: {layout(each).SUMMARY}" for each in LAYOUTS)
        raise MalsoriError(f"{corpus}: none of the layouts that are known ({known})")
    chosen, reason = found
    if corpus.is_file() or chosen == "huggingface":  # reading would unpack all of it
        texts = [] if corpus.is_file() else huggingface.first_texts(corpus, READ)
        return Recognised(
            layout=chosen, reason=reason, utterances=0, unusable=0, problem="", speakers=0,
            language="ko" if chosen == "kss" else language_of(texts), sample_rate=None,
        )  # fmt: skip
    with tempfile.TemporaryDirectory() as aside:
        rows: list[Utterance] = layout(chosen).read_corpus(
            corpus, speaker="speaker", language="", extract_to=Path(aside)
        )
    usable = [each for each in rows if not each.problem and has_audio(each.wav)]
    bad = next((each for each in rows if each.problem or not has_audio(each.wav)), None)
    return Recognised(
        layout=chosen,
        reason=reason,
        utterances=len(rows),
        unusable=len(rows) - len(usable),
        problem="" if bad is None else bad.problem or f"no audio file {bad.wav}",
        speakers=len({each.speaker for each in rows}),
        language=language_of([each.text for each in _some(usable or rows, READ)]),
        sample_rate=_sample_rate(_some(usable, LISTENED)),
        sets=_own_sets(rows),
    )


def language_of(texts: Sequence[str]) -> str | None:
    """Return "ko" or "en" if most letters of the texts are Hangul or Latin, else None."""
    counted: Counter[str] = Counter()
    for text in texts:
        letters = filter(str.isalpha, unicodedata.normalize("NFC", text))
        counted.update(unicodedata.name(letter, "?").split()[0] for letter in letters)
    script, count = counted.most_common(1)[0] if counted else ("", 0)
    return SCRIPTS.get(script) if count > MOST_LETTERS * sum(counted.values()) else None


def _own_sets(rows: Sequence[Utterance]) -> dict[str, int]:
    counted = Counter(each.set for each in rows)
    return dict(counted) if has_sets(counted) else {}


def _some(rows: Sequence[Utterance], count: int) -> list[Utterance]:
    """Return up to ``count`` of the rows, evenly spread."""
    places = np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)
    return [rows[int(place)] for place in places]


def _sample_rate(rows: Sequence[Utterance]) -> int | None:
    counted: Counter[int] = Counter()
    for each in rows:
        try:
            counted[audio.info(each.wav).sample_rate] += 1
        except AudioError:
            continue
    return counted.most_common(1)[0][0] if counted else None
