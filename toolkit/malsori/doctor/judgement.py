"""What is suspicious: for each kind of fault a threshold, and how far beyond it an utterance is.

Severity 1 is the threshold, 2 is twice as far, and so on; 0 is no problem. What counts as how bad
is each kind's ``weight``. The order of what to listen to is the weighted sum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from malsori.doctor.columns import Columns
from malsori.doctor.measurement import QUIETEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Severity = Callable[[Columns], NDArray[np.float64]]

Z_SCORE = 3.5
RATE_SHARE = 0.25
CLIPPED_SHARE = 1e-4
LOUDEST_DB, FAINTEST_DB, LEVEL_SPREAD_DB = -14.0, -38.0, 6.0
LEAST_SNR_DB = 20.0
END_SECONDS, PAUSE_SECONDS = 1.0, 1.0
SHORTEST_SECONDS, LONGEST_SECONDS = 0.5, 20.0
BAND_SHARE, BAND_HZ = 0.85, 12000.0
OFFSET = 0.01
GREATEST = 8.0
"""Severities end here: what is far off is far off."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of fault."""

    name: str
    label: str
    meaning: str
    """Threshold, why it is one, and where that comes from."""
    advice: str
    weight: float
    severity: Severity
    detail: Callable[[Columns, int], str]
    """What is told of one utterance."""


def ratio(value: NDArray[np.float64], threshold: float) -> NDArray[np.float64]:
    """Return value / threshold where that is above 1, else 0; NaN is no fault."""
    found = np.nan_to_num(value, nan=0.0) / threshold
    return np.where(found > 1, np.minimum(found, GREATEST), 0.0)


def beyond(value: NDArray[np.float64], threshold: float, step: float) -> NDArray[np.float64]:
    """Return 1 + (value - threshold) / step where the value is above the threshold, else 0."""
    over = np.nan_to_num(value - threshold, nan=-1.0, posinf=GREATEST * step, neginf=-1.0)
    return np.where(over > 0, np.minimum(1 + over / step, GREATEST), 0.0)


def flagged(value: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return severity 1 where something is so."""
    return value.astype(np.float64)


def _rate(columns: Columns) -> NDArray[np.float64]:
    far = np.abs(columns.log_excess) > np.log1p(RATE_SHARE)
    return np.where(far, ratio(np.abs(columns.rate_z), Z_SCORE), 0.0)


def _level(columns: Columns) -> NDArray[np.float64]:
    level = columns.of("level_db")
    outside = np.maximum(level - LOUDEST_DB, FAINTEST_DB - level)
    return np.maximum(
        beyond(outside, 0.0, 6.0), ratio(np.abs(columns.level_excess_db), LEVEL_SPREAD_DB)
    )


def _told_rate(columns: Columns, row: int) -> str:
    excess = float(np.expm1(columns.log_excess[row]))
    if excess >= 1:
        return f"{1 + excess:.1f} times as long as its text suggests: words missing in the text?"
    if excess > 0:
        return f"{excess:.0%} longer than its text suggests: words missing in the text, or a pause?"
    return f"{-excess:.0%} shorter than its text suggests: is something of the text not spoken?"


KINDS: tuple[Kind, ...] = (
    Kind(
        name="unusable",
        label="Audio that cannot be used",
        meaning="Missing, empty, truncated, not audio, with samples that are not finite, or longer "
        "than ten minutes.",
        advice="Stage 1 and 'malsori data check --fix' leave these out.",
        weight=10.0,
        severity=lambda columns: flagged(columns.unusable),
        detail=lambda columns, row: columns.fault(row),
    ),
    Kind(
        name="silent",
        label="Silent",
        meaning="No sample above -60 dB of full scale.",
        advice="Leave these out.",
        weight=10.0,
        severity=lambda columns: flagged(columns.silent),
        detail=lambda columns, row: "no sample above -60 dB of full scale",
    ),
    Kind(
        name="two_texts",
        label="One sound, two texts",
        meaning="The samples are the same as another utterance's, the texts differ. One is wrong.",
        advice="Find out which text is right, remove the other utterance.",
        weight=8.0,
        severity=lambda columns: flagged(columns.two_texts),
        detail=lambda columns, row: "another utterance has the same sound and another text",
    ),
    Kind(
        name="unread",
        label="Text that cannot be read",
        meaning="The front end does not know how to speak it, or there is no word in it.",
        advice="Write such words as they are spoken, or give a --lexicon.",
        weight=4.0,
        severity=lambda columns: flagged(columns.unread),
        detail=lambda columns, row: columns.unreadable(row),
    ),
    Kind(
        name="rate",
        label="Duration does not fit the text",
        meaning="The length of the speech is compared with what is usual for as much text by the "
        f"same speaker (a line fitted to the middle). Beyond {Z_SCORE} robust standard deviations, "
        "the limit of Iglewicz and Hoaglin (How to Detect and Handle Outliers, 1993), and by more "
        f"than {RATE_SHARE:.0%}.",
        advice="Listen first to these: most wrong texts and cut recordings are here.",
        weight=3.0,
        severity=_rate,
        detail=_told_rate,
    ),
    Kind(
        name="clipped",
        label="Clipped",
        meaning="Flat tops: three or more samples in a row at the peak, "
        f"{100 * CLIPPED_SHARE:g}% of all samples or more. A vocoder learns the crackle.",
        advice="Take the recording from before it was made loud; leave out the worst.",
        weight=1.5,
        severity=lambda columns: beyond(
            np.log2(np.maximum(columns.of("clipped") / columns.samples / CLIPPED_SHARE, 1e-9)),
            0.0,
            1.0,
        ),
        detail=lambda columns, row: f"{columns.of('clipped')[row]:.0f} samples in flat tops",
    ),
    Kind(
        name="noisy",
        label="Noisy",
        meaning="The speech (windows of 25 ms within 30 dB of the loudest) is less than "
        f"{LEAST_SNR_DB:g} dB above the quietest {QUIETEST:.0%} of the windows. LibriTTS keeps "
        "speech above 20 dB as clean (arXiv:1904.02882), Hi-Fi TTS above 32 dB (arXiv:2104.01497), "
        "by estimators of their own; with silence cut away this one tells less than theirs.",
        advice="Use less noisy recordings, or clean them all in the same way.",
        weight=1.0,
        severity=lambda columns: beyond(LEAST_SNR_DB - columns.snr_db, 0.0, 5.0),
        detail=lambda columns, row: f"speech only {columns.snr_db[row]:.0f} dB above the noise",
    ),
    Kind(
        name="level",
        label="Too loud or too faint",
        meaning=f"Level of the speech above {LOUDEST_DB:g} or below {FAINTEST_DB:g} dB of full "
        "scale, 12 dB around the -26 dB to which ITU-T P.56 and G.191 set speech, or more than "
        f"{LEVEL_SPREAD_DB:g} dB (twice the amplitude) from the speaker's median.",
        advice="Bring all recordings to one level.",
        weight=0.8,
        severity=_level,
        detail=lambda columns, row: (
            f"level {columns.of('level_db')[row]:.0f} dB, "
            f"{columns.level_excess_db[row]:+.0f} dB from the speaker's median"
        ),
    ),
    Kind(
        name="pause",
        label="Long pause inside",
        meaning=f"More than {PAUSE_SECONDS:g} s more than 30 dB below the loudest window, between "
        "words. The duration model has to give this time to some token.",
        advice="Check for a second take, or a sentence missing in the text.",
        weight=1.0,
        severity=lambda columns: ratio(columns.of("pause"), PAUSE_SECONDS),
        detail=lambda columns, row: f"{columns.of('pause')[row]:.1f} s of silence inside",
    ),
    Kind(
        name="ends",
        label="Silence at the ends",
        meaning=f"More than {END_SECONDS:g} s before or after the speech: an aligner gives it to "
        "the first or last sound. Recipes cut it in stage 1, unless told --keep-silence.",
        advice="Run stage 1 without --keep-silence.",
        weight=0.5,
        severity=lambda columns: ratio(
            np.maximum(columns.of("lead"), columns.of("tail")), END_SECONDS
        ),
        detail=lambda columns, row: (
            f"{columns.of('lead')[row]:.1f} s of silence before, {columns.of('tail')[row]:.1f} s "
            "after the speech"
        ),
    ),
    Kind(
        name="length",
        label="Very short or long",
        meaning=f"Below {SHORTEST_SECONDS:g} s or above {LONGEST_SECONDS:g} s. Long ones fill the "
        "memory and are hard to align, short ones teach little.",
        advice="Cut long ones into sentences.",
        weight=0.5,
        severity=lambda columns: np.maximum(
            ratio(columns.seconds, LONGEST_SECONDS),
            beyond(SHORTEST_SECONDS - columns.seconds, 0.0, 0.25),
        ),
        detail=lambda columns, row: f"{columns.seconds[row]:.2f} s",
    ),
    Kind(
        name="band",
        label="Narrow band",
        meaning=f"Less than {BAND_SHARE:.0%} of half the sample rate (of {BAND_HZ / 1000:g} kHz, "
        "if that is less) is used: recorded or stored at a lower rate and upsampled. Hi-Fi TTS "
        "asks for 13 kHz (arXiv:2104.01497).",
        advice="Train at the lower sample rate, or leave these out.",
        weight=0.6,
        severity=lambda columns: beyond(-columns.band_share, -BAND_SHARE, 0.2),
        detail=lambda columns, row: (
            f"nothing above {columns.of('bandwidth')[row] / 1000:.1f} kHz at "
            f"{columns.of('rate')[row] / 1000:g} kHz"
        ),
    ),
    Kind(
        name="offset",
        label="Offset",
        meaning=f"The samples' mean is more than {OFFSET:.0%} of full scale from zero.",
        advice="Filter it out (a high-pass at 20 Hz).",
        weight=0.5,
        severity=lambda columns: ratio(np.abs(columns.of("offset")), OFFSET),
        detail=lambda columns, row: f"offset {columns.of('offset')[row]:+.3f}",
    ),
    Kind(
        name="leaked_sound",
        label="Held-out sound that is in training",
        meaning="The same samples in a training set and in dev or test: scores tell nothing then.",
        advice="Remove one of the two.",
        weight=5.0,
        severity=lambda columns: flagged(columns.sounds.leaking),
        detail=lambda columns, row: "the same sound is in a training set",
    ),
)
BY_NAME = {kind.name: kind for kind in KINDS}


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """How suspicious each utterance is, N of them."""

    columns: Columns
    severities: dict[str, NDArray[np.float32]]
    """By kind, (N,)."""
    suspicion: NDArray[np.float64]
    """Weighted sum, (N,)."""

    def order(self) -> NDArray[np.int64]:
        """Return the suspicious utterances, the most suspicious first."""
        rows = np.flatnonzero(self.suspicion > 0)
        return rows[np.argsort(-self.suspicion[rows], kind="stable")]

    def reasons(self, row: int) -> list[tuple[Kind, str]]:
        """Return what is wrong with an utterance, the gravest first, with a detail each."""
        found = [kind for kind in KINDS if self.severities[kind.name][row] > 0]
        found.sort(key=lambda kind: -kind.weight * float(self.severities[kind.name][row]))
        return [(kind, kind.detail(self.columns, row)) for kind in found]


def judge(columns: Columns) -> Judgement:
    """Return how suspicious each utterance is."""
    severities = {kind.name: kind.severity(columns).astype(np.float32) for kind in KINDS}
    total = np.zeros(len(columns.seconds))
    for kind in KINDS:
        total += kind.weight * severities[kind.name]
    return Judgement(columns=columns, severities=severities, suspicion=total)
