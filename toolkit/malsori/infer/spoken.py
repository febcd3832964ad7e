"""What was said, and when.

Axes: N tokens, S samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

BREAK = "<break>"
"""Token of a silence that the text asked for; it is in no token list."""


@dataclass(frozen=True, kw_only=True)
class Timing:
    """When what was said."""

    sample_rate: int
    tokens: tuple[str, ...]
    """(N,); ``<break>`` where the text asked for silence."""
    durations: NDArray[np.int64]
    """Frames of each token, (N,)."""
    hop: int
    """Samples of a frame."""
    words: tuple[tuple[str, int], ...]
    """Each word with the number of its tokens."""

    @property
    def seconds(self) -> float:
        """Duration."""
        return float(self.durations.sum()) * self.hop / self.sample_rate

    def lengthened(self, frames: int) -> Timing:
        """Return these times with silence behind, which lengthens the last token."""
        durations = self.durations.copy()
        durations[-1] += frames
        return replace(self.timing(), durations=durations)

    def timing(self) -> Timing:
        """Return the times alone, without audio that may be there and takes far more memory."""
        return Timing(**{each.name: getattr(self, each.name) for each in fields(Timing)})

    def timestamps(self) -> dict[str, Any]:
        """Return start and end of every word and token in seconds, as JSON."""
        ends = np.cumsum(self.durations) * self.hop / self.sample_rate
        starts = np.concatenate([[0.0], ends[:-1]])

        def span(text: str, first: int, last: int) -> dict[str, Any]:
            return {
                "text": text,
                "start": round(float(starts[first]), 4),
                "end": round(float(ends[last]), 4),
            }

        words, first = [], 0
        for text, count in self.words:
            if count and any(character.isalnum() for character in text):
                words.append(span(text, first, first + count - 1))
            first += count
        tokens = [span(token, i, i) for i, token in enumerate(self.tokens)]
        return {"seconds": round(self.seconds, 4), "words": words, "tokens": tokens}


@dataclass(frozen=True, kw_only=True)
class Spoken(Timing):
    """What was said, and when."""

    audio: NDArray[np.float32]
    """(S,) with S = durations.sum() · hop, full scale 1."""


def silence(seconds: float, sample_rate: int, hop: int) -> Spoken:
    """Return silence, in whole frames the nearest to ``seconds``: one token ``<break>``."""
    frames = round(seconds * sample_rate / hop)
    return Spoken(
        audio=np.zeros(frames * hop, dtype=np.float32),
        sample_rate=sample_rate,
        tokens=(BREAK,),
        durations=np.array([frames], dtype=np.int64),
        hop=hop,
        words=(("", 1),),
    )


def lengthened(part: Spoken, seconds: float) -> Spoken:
    """Return what was said with a pause behind it, which lengthens the last token."""
    pause = silence(seconds, part.sample_rate, part.hop)
    timing = part.lengthened(int(pause.durations[0]))
    audio = np.concatenate([part.audio, pause.audio])
    return replace(part, audio=audio, durations=timing.durations)


def joined_timing(parts: Sequence[Timing]) -> Timing:
    """Return when all was said, one part after the other.

    Args:
        parts: At least one, of one voice.
    """
    first = parts[0]
    return Timing(
        sample_rate=first.sample_rate,
        tokens=tuple(chain.from_iterable(part.tokens for part in parts)),
        durations=np.concatenate([part.durations for part in parts]),
        hop=first.hop,
        words=tuple(chain.from_iterable(part.words for part in parts)),
    )


def joined(parts: Sequence[Spoken]) -> Spoken:
    """Return what was said one after the other.

    Args:
        parts: At least one, of one voice.
    """
    if len(parts) == 1:
        return parts[0]
    audio = np.concatenate([part.audio for part in parts])
    return Spoken(audio=audio, **vars(joined_timing(parts)))
