"""Frames per token from a folder of TextGrids: those of ``malsori align``, or of MFA.

Axes: N tokens, T frames.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from malsori.core.errors import MalsoriError
from malsori.data.textgrid import Interval, read_textgrid
from malsori.dsp.audio_config import AudioConfig
from malsori.text.tokens import SPACE

TIERS = ("tokens", "phones")
"""Where the labels are: the first of these that a TextGrid has. MFA calls its one 'phones'."""
SILENCES = frozenset({"", "sil", "sp", "<eps>", SPACE})
"""Labels of intervals in which nothing is said; MFA has them all but the last."""
TOLERANCE = 0.05
"""Seconds by which a TextGrid may be longer or shorter than the audio."""
AGAIN = "align again ('malsori align') with the same data and token list"


class Span(NamedTuple):
    """When a token sounds, in seconds."""

    start: float
    end: float


class DurationFolder:
    """The TextGrids below a folder, one for each utterance, called as it is.

    Args:
        path: Such as the output folder of ``malsori align``, or one that holds those of several
            sets; MFA's folders by speaker are looked into as well.

    Raises:
        MalsoriError: There is no TextGrid, or two for the same utterance.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._files: dict[str, Path] = {}
        for file in sorted(self.path.rglob("*.TextGrid")):
            if file.stem in self._files:
                raise MalsoriError(
                    f"{file}: the same utterance as {self._files[file.stem]}; remove one, or name "
                    "one of their folders in data.durations"
                )
            self._files[file.stem] = file
        if not self._files:
            raise MalsoriError(
                f"{self.path}: no TextGrid below it; data.durations is the folder that "
                "'malsori align --out' wrote"
            )

    def check(self, keys: Sequence[str], data: Path) -> None:
        """Refuse utterances without a TextGrid.

        Args:
            keys: All of them.
            data: Their data dir, for the message.

        Raises:
            MalsoriError: Names the first, and how many there are.
        """
        missing = [key for key in keys if key not in self._files]
        if missing:
            raise MalsoriError(
                f"{self.path}: no {missing[0]}.TextGrid ({len(missing)} of {len(keys)} utterances "
                f"of {data} have none); align that set, or take them out of {data}"
            )

    def read(
        self, key: str, tokens: Sequence[str], samples: int, audio: AudioConfig
    ) -> NDArray[np.int64]:
        """Return the frames of each token of an utterance, (N,); they add up to T.

        Args:
            key: The utterance, one that was checked.
            tokens: Its tokens as stage 2 made them.
            samples: Of its audio.
            audio: Sample rate and hop.

        Raises:
            MalsoriError: The TextGrid cannot be read, or does not fit tokens or audio.
        """
        path = self._files[key]
        tiers = read_textgrid(path)
        name = next((name for name in TIERS if name in tiers), None)
        if name is None:
            has = ", ".join(tiers) or "no tier of intervals"
            raise MalsoriError(f"{path}: needs a tier called 'tokens' or 'phones', has {has}")
        seconds = samples / audio.sample_rate
        ends = max((interval.end for interval in tiers[name]), default=0.0)
        if abs(ends - seconds) > TOLERANCE:
            raise MalsoriError(
                f"{path}: ends at {ends:.3f} s, but the audio of {key} has {seconds:.3f} s; {AGAIN}"
            )
        try:
            spans = token_spans(tokens, tiers[name])
        except MalsoriError as error:
            raise MalsoriError(f"{path}: {error}") from None
        return frames_of(spans, samples, audio)


def token_spans(tokens: Sequence[str], labels: Sequence[Interval]) -> list[Span]:
    """Return when each token sounds.

    The labels are the tokens in their order. Spaces and punctuation may be without one: they have
    the silence between the labels around them, in equal parts.

    Args:
        tokens: As stage 2 made them.
        labels: A tier, silences among them.

    Raises:
        MalsoriError: They do not match; the line names the first token that differs.
    """
    spoken = [label for label in labels if label.text not in SILENCES]
    found: list[Interval | None] = []
    at = 0
    for number, token in enumerate(tokens, 1):
        if at < len(spoken) and spoken[at].text == token:
            found.append(spoken[at])
            at += 1
        elif _is_spoken(token):
            there = "there is no label any more"
            if at < len(spoken):
                there = f"the label at {spoken[at].start:.3f} s is {spoken[at].text!r}"
            raise MalsoriError(f"token {number} is {token!r}, but {there}; {AGAIN}")
        else:
            found.append(None)
    if at < len(spoken):
        raise MalsoriError(
            f"the label {spoken[at].text!r} at {spoken[at].start:.3f} s comes after the last of "
            f"{len(tokens)} tokens; {AGAIN}"
        )
    return _filled(found, labels[-1].end if labels else 0.0)


def frames_of(spans: Sequence[Span], samples: int, audio: AudioConfig) -> NDArray[np.int64]:
    """Return the frames of each token, (N,); they add up to all frames of the audio.

    Frame t lies about sample t · hop and begins half a hop before it. What is between two spans
    belongs to the first, what is before all to the first one.

    Args:
        spans: When each token sounds, in order.
        samples: Of the audio.
        audio: Sample rate and hop.
    """
    frames = audio.frames(samples)
    ends = np.array([span.start for span in spans[1:]]) * audio.sample_rate / audio.hop + 0.5
    edges = np.concatenate([[0], np.round(ends).clip(0, frames), [frames]]).astype(np.int64)
    return np.diff(np.maximum.accumulate(edges))


def _filled(found: Sequence[Interval | None], seconds: float) -> list[Span]:
    """Return a span for every token: those without a label share what is between the others."""
    spans: list[Span] = []
    start, waiting = 0.0, 0
    for label in [*found, Interval(text="", start=seconds, end=seconds)]:
        if label is None:
            waiting += 1
            continue
        edges = np.linspace(start, max(start, label.start), waiting + 1).tolist()
        spans += [Span(*pair) for pair in itertools.pairwise(edges)]
        spans.append(Span(max(start, label.start), max(start, label.end)))
        start, waiting = spans[-1].end, 0
    return spans[:-1]


def _is_spoken(token: str) -> bool:
    """Return whether a token sounds; spaces and punctuation may not."""
    return token != SPACE and any(map(str.isalnum, token))
