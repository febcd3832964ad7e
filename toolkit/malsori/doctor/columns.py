"""The survey of all sets as columns: what was measured, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from malsori.doctor.duplicates import Duplicates, duplicates, other_texts
from malsori.doctor.measurement import is_silent
from malsori.doctor.survey import Survey

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEWEST = 10
"""Utterances that a speaker needs for outliers among them to mean anything."""
MAD_TO_DEVIATION = 1.4826
FITS, NARROWEST = 4, 0.02
BAND_HZ = 12000.0
ALWAYS = ("rate", "channels", "seconds", "clipped", "offset")
OF_SPEECH = ("level_db", "peak_db", "lead", "tail", "pause", "floor_db", "bandwidth")
"""Measurements that say nothing of silence."""


@dataclass(frozen=True)
class Columns:
    """Columns over all N utterances; NaN where something was not measured.

    Args:
        survey: What was found.
    """

    survey: Survey

    def of(self, name: str) -> NDArray[np.float64]:
        """Return a column of the measurements, (N,)."""
        return self._measured[name]

    def fault(self, row: int) -> str:
        """Return why the audio of an utterance cannot be used."""
        found, at = self.survey.place(row)
        return found.faults[at]

    def unreadable(self, row: int) -> str:
        """Return why the text of an utterance cannot be read."""
        found, at = self.survey.place(row)
        return found.amounts.unread[at]

    @cached_property
    def seconds(self) -> NDArray[np.float64]:
        """Durations, (N,)."""
        return self.survey.column(lambda each: each.seconds)

    @cached_property
    def amounts(self) -> NDArray[np.float64]:
        """Spoken tokens or letters, (N,)."""
        return self.survey.column(lambda each: each.amounts.counts).astype(np.float64)

    @cached_property
    def speakers(self) -> NDArray[np.int32]:
        """Number of the speaker, (N,)."""
        return self.survey.column(lambda each: each.speaker)

    @cached_property
    def unusable(self) -> NDArray[np.bool_]:
        """Whose audio cannot be used, (N,)."""
        return self._rows("faults")

    @cached_property
    def unread(self) -> NDArray[np.bool_]:
        """Whose text cannot be read, (N,)."""
        return self._rows("unread")

    @cached_property
    def silent(self) -> NDArray[np.bool_]:
        """Who is silent, (N,)."""
        return self.survey.column(lambda each: is_silent(each.sound) & each.measured)

    @cached_property
    def samples(self) -> NDArray[np.float64]:
        """Length in samples, (N,)."""
        return np.maximum(self.of("seconds") * self.of("rate"), 1.0)

    @cached_property
    def spoken_seconds(self) -> NDArray[np.float64]:
        """Time from the first to the last sound; the duration where it was not measured, (N,)."""
        ends = np.nan_to_num(self.of("lead") + self.of("tail"), nan=0.0)
        return np.maximum(self.seconds - ends, 1e-3)

    @cached_property
    def rate(self) -> NDArray[np.float64]:
        """Spoken tokens or letters a second, (N,)."""
        return np.where(self.silent, np.nan, self.amounts / self.spoken_seconds)

    @cached_property
    def snr_db(self) -> NDArray[np.float64]:
        """Level of the speech above that of the quietest windows, (N,)."""
        return self.of("level_db") - self.of("floor_db")

    @cached_property
    def band_share(self) -> NDArray[np.float64]:
        """Bandwidth as a share of what the sample rate allows, or of 12 kHz if that is less."""
        return self.of("bandwidth") / np.minimum(self.of("rate") / 2, BAND_HZ)

    @cached_property
    def log_excess(self) -> NDArray[np.float64]:
        """Logarithm of a duration over the usual one for as much text, (N,); 0 if nobody knows."""
        return self._fitted[0]

    @cached_property
    def rate_z(self) -> NDArray[np.float64]:
        """The same in robust standard deviations, (N,)."""
        return self._fitted[1]

    @cached_property
    def usual(self) -> dict[int, tuple[float, float]]:
        """By speaker: seconds = first + second · amount."""
        return self._fitted[2]

    @cached_property
    def level_excess_db(self) -> NDArray[np.float64]:
        """Level above the speaker's median, (N,); 0 for speakers with few utterances."""
        level = self.of("level_db")
        excess = np.zeros(len(level))
        for rows in self._by_speaker(np.isfinite(level)):
            excess[rows] = level[rows] - np.median(level[rows])
        return excess

    @cached_property
    def texts(self) -> Duplicates:
        """Texts that are there more than once."""
        hashes = self.survey.column(lambda each: each.text_hashes)
        return duplicates(self.survey, hashes, np.ones(len(hashes), np.bool_))

    @cached_property
    def sounds(self) -> Duplicates:
        """Sounds that are there more than once."""
        return duplicates(self.survey, self._sound_hashes, self._audible)

    @cached_property
    def two_texts(self) -> NDArray[np.bool_]:
        """Whose sound another utterance has too, with another text, (N,)."""
        hashes = self.survey.column(lambda each: each.text_hashes)
        return other_texts(self._sound_hashes, hashes, self._audible)

    @cached_property
    def keys(self) -> Duplicates:
        """Ids that are in several sets."""
        hashes = self.survey.column(lambda each: each.key_hashes)
        return duplicates(self.survey, hashes, np.ones(len(hashes), np.bool_))

    @cached_property
    def _sound_hashes(self) -> NDArray[np.uint64]:
        return self.survey.column(lambda each: each.sound["hash"])

    @cached_property
    def _audible(self) -> NDArray[np.bool_]:
        measured = self.survey.column(lambda each: each.measured)
        return np.asarray(measured & ~self.silent)

    @cached_property
    def _measured(self) -> dict[str, NDArray[np.float64]]:
        there = self.survey.column(lambda each: each.measured)
        columns = {}
        for names, known in ((ALWAYS, there), (OF_SPEECH, there & ~self.silent)):
            for name in names:
                values = np.concatenate([each.sound[name] for each in self.survey.sets])
                columns[name] = np.where(known, values, np.nan).astype(np.float64)
        return columns

    @cached_property
    def _fitted(
        self,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[int, tuple[float, float]]]:
        """Fit each speaker's durations by their texts; return excess, z-score and the lines."""
        excess, scores = np.zeros(len(self.seconds)), np.zeros(len(self.seconds))
        lines = {}
        valid = np.isfinite(self.amounts) & ~self.unusable & ~self.silent
        for rows in self._by_speaker(valid):
            amounts, seconds = self.amounts[rows], self.spoken_seconds[rows]
            base, slope = fit_line(amounts, seconds)
            found = np.log(seconds / np.maximum(base + slope * amounts, 1e-3))
            found -= np.median(found)
            deviation = MAD_TO_DEVIATION * np.median(np.abs(found))
            # short texts vary more: the spread of their like, if that is larger, counts
            short = amounts <= np.quantile(amounts, 0.2)
            spread = np.full(len(rows), max(float(deviation), NARROWEST))
            if short.sum() >= FEWEST:
                own = MAD_TO_DEVIATION * float(np.median(np.abs(found[short])))
                spread[short] = np.maximum(spread[short], own)
            excess[rows], scores[rows] = found, found / spread
            lines[int(self.speakers[rows[0]])] = (base, slope)
        return excess, scores, lines

    def _by_speaker(self, valid: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
        """Return the valid rows of each speaker who has enough of them."""
        rows = np.flatnonzero(valid)
        rows = rows[np.argsort(self.speakers[rows], kind="stable")]
        edges = np.flatnonzero(np.diff(self.speakers[rows])) + 1
        return [group for group in np.split(rows, edges) if len(group) >= FEWEST]

    def _rows(self, what: str) -> NDArray[np.bool_]:
        found = np.zeros(len(self.seconds), np.bool_)
        first = 0
        for each in self.survey.sets:
            listed = each.faults if what == "faults" else each.amounts.unread
            found[[first + row for row in listed]] = True
            first += len(each)
        return found


def fit_line(amounts: NDArray[np.float64], seconds: NDArray[np.float64]) -> tuple[float, float]:
    """Return a and b of seconds = a + b · amounts, with a ≥ 0, fitted to the middle of the data.

    Least squares of the relative error, again and again without what is far off, beginning at the
    median rate.

    Args:
        amounts: Above 0, (N,).
        seconds: Above 0, (N,).
    """
    base, slope = 0.0, float(np.median(seconds / amounts))
    for _ in range(FITS):
        error = np.log(seconds / (base + slope * amounts))
        error -= np.median(error)
        near = np.abs(error) <= 3 * max(MAD_TO_DEVIATION * np.median(np.abs(error)), NARROWEST)
        design = np.stack([1 / seconds[near], amounts[near] / seconds[near]], axis=1)
        (base, slope), *_ = np.linalg.lstsq(design, np.ones(int(near.sum())), rcond=None)
        if base < 0 or slope <= 0:
            base, slope = 0.0, float(np.median(seconds[near] / amounts[near]))
    return float(base), float(slope)
