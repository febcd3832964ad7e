"""Text to speech with a voice.

Axes: N tokens, S samples.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from malsori.core.errors import MalsoriError
from malsori.infer.voice import Voice, load_run
from malsori.models.voice import Conditions, Controls, Speech
from malsori.text.frontend import TextError, Word

LONGEST_PAUSE = 60.0
"""Seconds between two sentences."""
SENTENCE_END = re.compile(r"(?<=[.!?…。])\s+|\n+")


@dataclass(frozen=True, kw_only=True)
class Spoken:
    """What was said, and when."""

    audio: NDArray[np.float32]
    """(S,), full scale 1."""
    sample_rate: int
    tokens: tuple[str, ...]
    """(N,)."""
    durations: NDArray[np.int64]
    """Frames of each token, (N,)."""
    hop: int
    """Samples of a frame."""
    words: tuple[tuple[str, int], ...]
    """Each word with the number of its tokens."""

    @property
    def seconds(self) -> float:
        """Duration."""
        return len(self.audio) / self.sample_rate

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


class Synthesizer:
    """Speak texts with one voice.

    Args:
        voice: From ``load_run`` or a pack; ``Synthesizer.from_pretrained`` opens either.
    """

    def __init__(self, voice: Voice) -> None:
        self.voice = voice

    @classmethod
    def from_pretrained(
        cls, path: str | Path, device: str = "cpu", checkpoint: str = "best"
    ) -> Synthesizer:
        """Return a synthesizer for a packed voice or a run folder.

        Args:
            path: ``voice.malsori.zip``, ``exp/NAME``, or a Hugging Face repository id if the
                package huggingface_hub is there.
            device: Where it speaks.
            checkpoint: Of a run folder: best, last, average, step-N.

        Raises:
            MalsoriError: There is no such voice, or it is damaged.
        """
        from malsori.infer.pack import download, load_pack

        found = Path(path)
        if found.is_dir():
            return cls(load_run(found, checkpoint, device))
        if not found.exists():
            found = download(str(path))
        return cls(load_pack(found, device))

    def __call__(
        self,
        text: str,
        *,
        speed: float = 1.0,
        pitch: float = 0.0,
        energy: float = 0.0,
        speaker: str | None = None,
        language: str | None = None,
        pause: float = 0.2,
    ) -> Spoken:
        """Return the spoken text; several sentences are spoken one by one and joined.

        Args:
            text: At least one word.
            speed: 2 is twice as fast; 0.25 to 4.
            pitch: Semitones up or down, −24 to 24.
            energy: Decibels louder or softer, −20 to 20, as the voice was recorded (timbre too).
            speaker: Of a voice with several; the first by default.
            language: Likewise.
            pause: Seconds of silence between sentences.

        Raises:
            TextError: The text has no word or a word without a reading.
            MalsoriError: A control is out of its range, or no such speaker or language.
        """
        sentences = [part for part in SENTENCE_END.split(text) if part.strip()]
        read = [words for part in sentences if speaks(words := self.voice.tokenizer.words(part))]
        if not read:
            raise TextError(f"nothing to speak in {text!r}: give at least one word")
        if not 0 <= pause <= LONGEST_PAUSE:
            raise MalsoriError(f"pause: {pause:g} is not between 0 and {LONGEST_PAUSE:g} seconds")
        spoken = self.speak(
            read, speed=speed, pitch=pitch, energy=energy, speaker=speaker, language=language
        )
        return _join(spoken, pause)

    def speak(
        self,
        texts: Sequence[Sequence[Word]],
        *,
        speed: float = 1.0,
        pitch: float = 0.0,
        energy: float = 0.0,
        speaker: str | None = None,
        language: str | None = None,
    ) -> list[Spoken]:
        """Return speech for texts that are words already, in one batch."""
        voice = self.voice
        rows = [voice.tokens.encode([t for word in words for t in word.tokens]) for words in texts]
        if not all(rows):
            raise TextError(f"text {[bool(row) for row in rows].index(False) + 1} has no token")
        lengths = torch.tensor([len(row) for row in rows])
        tokens = torch.zeros(len(rows), int(lengths.max()), dtype=torch.long)
        for row, ids in zip(tokens, rows, strict=True):
            row[: len(ids)] = torch.tensor(ids)
        speakers = torch.full((len(rows),), voice.index("speaker", speaker))
        languages = torch.full((len(rows),), voice.index("language", language))
        device = voice.device
        with torch.inference_mode():
            speech = voice.model.synthesize(
                tokens.to(device),
                lengths.to(device),
                Conditions(speaker=speakers.to(device), language=languages.to(device)),
                self.controls(speed, pitch, energy),
            )
        return [self.spoken(words, speech, i) for i, words in enumerate(texts)]

    def controls(self, speed: float, pitch: float, energy: float) -> Controls:
        """Return the model's controls for speed, semitones and decibels.

        Raises:
            MalsoriError: One is out of its range.
        """
        for name, value, low, high in (
            ("speed", speed, 0.25, 4.0),
            ("pitch", pitch, -24.0, 24.0),
            ("energy", energy, -20.0, 20.0),
        ):
            if not low <= value <= high:
                raise MalsoriError(f"{name}: {value:g} is not between {low:g} and {high:g}")
        numbers = self.voice.statistics
        scale = 10 ** (energy / 20)
        return Controls(
            speed=speed,
            pitch_shift=pitch * math.log(2) / 12 / numbers.pitch_std,
            energy_scale=scale,
            energy_shift=(scale - 1) * numbers.energy_mean / numbers.energy_std,
        )

    def spoken(self, words: Sequence[Word], speech: Speech, i: int) -> Spoken:
        """Return utterance ``i`` of a batch."""
        tokens = tuple(token for word in words for token in word.tokens)
        return Spoken(
            audio=speech.wav[i, : int(speech.wav_lengths[i])].cpu().numpy(),
            sample_rate=self.voice.audio.sample_rate,
            tokens=tokens,
            durations=speech.prosody.durations[i, : len(tokens)].cpu().numpy(),
            hop=self.voice.audio.hop,
            words=tuple((word.text, len(word.tokens)) for word in words),
        )


def speaks(words: Sequence[Word]) -> bool:
    """Return whether more than punctuation is there to be spoken."""
    tokens = (token for word in words for token in word.tokens)
    return any(character.isalnum() for token in tokens for character in token)


def _join(parts: list[Spoken], pause: float) -> Spoken:
    """Return sentences one after the other; a pause lengthens the last token before it."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    frames = round(pause * first.sample_rate / first.hop)
    silence = np.zeros(frames * first.hop, dtype=np.float32)
    audio, durations = [], []
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        audio += [part.audio] if last else [part.audio, silence]
        own = part.durations.copy()
        own[-1] += 0 if last else frames
        durations.append(own)
    return Spoken(
        audio=np.concatenate(audio),
        sample_rate=first.sample_rate,
        tokens=sum((part.tokens for part in parts), ()),
        durations=np.concatenate(durations),
        hop=first.hop,
        words=sum((part.words for part in parts), ()),
    )
