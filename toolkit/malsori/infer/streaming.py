"""Speech in chunks, each as soon as it is ready.

Axes: S samples, T frames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from malsori.core.errors import MalsoriError
from malsori.dsp.windowing import by_windows, growing, usual_size
from malsori.infer.spoken import Spoken, Timing, joined_timing, silence
from malsori.infer.utterances import Utterance, clauses
from malsori.text.frontend import TextError
from malsori.text.markup import Break

if TYPE_CHECKING:
    from malsori.infer.request import Request
    from malsori.infer.synthesizer import Synthesizer

FIRST_SECONDS = 0.3
"""Of each sentence's first chunk."""
LONGEST_FIRST = 60.0
"""Seconds."""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """A piece of speech."""

    audio: NDArray[np.float32]
    """(S,), full scale 1; the last one may be empty."""
    sample_rate: int
    timing: Timing | None = None
    """With the last chunk of each sentence or silence: when its words were said."""

    @classmethod
    def whole(cls, spoken: Spoken) -> Chunk:
        """Return all of a speech as one chunk."""
        return cls(audio=spoken.audio, sample_rate=spoken.sample_rate, timing=spoken.timing())


class Begun(NamedTuple):
    """A sentence whose waveform is still to be made."""

    timing: Timing
    frames: int
    """T."""
    context: int | None
    """Frames on either side that a frame's samples hang on; None for all of them."""
    sound: Callable[[int, int], NDArray[np.float32]]
    """Given the first frame and that behind the last, makes the samples of these alone, (S,)."""

    def pieces(self, first: int) -> Iterator[NDArray[np.float32]]:
        """Yield the waveform piece by piece, (S,) each.

        Args:
            first: Frames of the first piece.
        """
        sizes: Iterable[int] = ()
        if self.context is not None:
            sizes = growing(first, max(first, usual_size(self.context)))
        hop = self.timing.hop
        return by_windows(self.sound, self.frames, hop, self.context or 0, sizes)


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How speech is cut into chunks."""

    first: float = FIRST_SECONDS
    """Seconds of each sentence's first chunk."""
    clauses: bool = False
    """Speak long sentences clause by clause."""
    pause: float = 0.2
    """Seconds of silence between sentences."""

    def __post_init__(self) -> None:
        if not 0 < self.first <= LONGEST_FIRST:
            raise MalsoriError(
                f"first: {self.first:g} is not above 0 and at most {LONGEST_FIRST:g} seconds"
            )


def stream(
    synthesizer: Synthesizer,
    planned: Iterator[Utterance | Break],
    request: Request,
    pace: Pace,
) -> Iterator[Chunk]:
    """Yield speech in chunks; see ``Synthesizer.stream``.

    Args:
        synthesizer: Who speaks.
        planned: Sentences and silences, read when they are due.
        request: How it is said.
        pace: How it is cut.

    Raises:
        TextError: There is nothing to speak; raised when the first chunk is asked for.
    """
    settings, spoke = synthesizer.voice.audio, False
    rate, hop = settings.sample_rate, settings.hop
    first = max(1, round(pace.first * rate / hop))
    each = next(planned, None)
    while each is not None:
        if isinstance(each, Break):
            still = silence(each.seconds, rate, hop)
            yield Chunk(audio=still.audio, sample_rate=rate, timing=still.timing())
            each = next(planned, None)
            continue
        spoke, timings = True, list[Timing]()
        for part in clauses(each) if pace.clauses else (each,):
            begun = synthesizer.begin(part, request)
            timings.append(begun.timing)
            for samples in begun.pieces(first):
                yield Chunk(audio=samples, sample_rate=rate)
        following = next(planned, None)
        still = silence(pace.pause if isinstance(following, Utterance) else 0.0, rate, hop)
        timing = joined_timing(timings).lengthened(int(still.durations[0]))
        yield Chunk(audio=still.audio, sample_rate=rate, timing=timing)
        each = following
    if not spoke:
        raise TextError("nothing to speak: give at least one word")
