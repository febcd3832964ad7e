"""Text to speech with a voice.

Axes: B utterances, N tokens, S samples, T frames, M mel bands.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from malsori.core.errors import MalsoriError
from malsori.core.log import get_logger
from malsori.dsp import audio
from malsori.infer.speaker_vector import Recordings, speaker_vector
from malsori.infer.voice import Voice
from malsori.models.composed import ComposedModel
from malsori.models.voice import Conditions, Controls, Speech
from malsori.modules.features import FeatureExtractor
from malsori.text.frontend import TextError, Word
from malsori.text.tokens import BLANK

log = get_logger(__name__)

LONGEST_PAUSE = 60.0
"""Seconds between two sentences."""
LONGEST_STYLE = 60.0
"""Seconds of a style recording."""
LONGEST_SENTENCE = 2000
"""Tokens without a full stop, some minutes of speech; attention grows with their square."""
BATCH_TOKENS = 600
"""Padded tokens spoken at a time, about a minute of speech: a longer text takes no more memory."""
SILENT = "does not speak; it aligns recordings ('malsori align')"
"""What is told of a model without a voice."""
SENTENCE_END = re.compile(r"(?<=[.!?…。])\s+|\n+")


@dataclass(frozen=True, kw_only=True)
class Timing:
    """When what was said."""

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
        return float(self.durations.sum()) * self.hop / self.sample_rate

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

    def timing(self) -> Timing:
        """Return the times without the audio, which takes far more memory."""
        return Timing(
            sample_rate=self.sample_rate,
            tokens=self.tokens,
            durations=self.durations,
            hop=self.hop,
            words=self.words,
        )


class Synthesizer:
    """Speak texts with one voice.

    Args:
        voice: From ``load_run`` or a pack; ``Synthesizer.from_pretrained`` opens either.

    Raises:
        MalsoriError: Its model does not speak.
    """

    def __init__(self, voice: Voice) -> None:
        if not voice.speaks:
            raise MalsoriError(f"{voice.origin}: {SILENT}")
        if isinstance(voice.model, ComposedModel) and voice.model.is_provisional:
            log.info(
                "%s: Griffin-Lim makes its mels audible, roughly; a vocoder does it better "
                "(--vocoder)",
                voice.origin,
            )
        self.voice = voice

    @classmethod
    def from_pretrained(
        cls,
        path: str | Path,
        device: str = "cpu",
        checkpoint: str = "best",
        vocoder: str | Path | None = None,
    ) -> Synthesizer:
        """Return a synthesizer for a packed voice or a run folder.

        Args:
            path: ``voice.malsori.zip``, ``exp/NAME``, or a Hugging Face repository id if the
                package huggingface_hub is there.
            device: Where it speaks.
            checkpoint: Of a run folder: best, last, average, step-N.
            vocoder: What makes a voice's mels audible, a pack, run folder or repository id; for a
                voice that makes mels, which else speaks through Griffin-Lim.

        Raises:
            MalsoriError: There is no such voice or vocoder, or it is damaged, or they do not fit.
        """
        from malsori.infer.pack import open_voice, with_vocoder

        voice = open_voice(path, device, checkpoint)
        return cls(voice if vocoder is None else with_vocoder(voice, vocoder, device=device))

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
        style_wav: str | Path | ArrayLike | None = None,
        embedding: str | Path | ArrayLike | None = None,
        speaker_wav: Recordings | None = None,
    ) -> Spoken:
        """Return the spoken text; several sentences are spoken one by one and joined.

        Args:
            text: At least one word.
            speed: 2 is twice as fast; 0.25 to 4.
            pitch: Semitones up or down, −24 to 24.
            energy: Decibels louder or softer, −20 to 20, as the voice was recorded (timbre too).
            speaker: Of a voice with several; the first by default.
            language: Likewise; the text is read as this language.
            pause: Seconds of silence between sentences.
            style_wav: Recording whose style is taken, for a voice with style tokens: a file, or
                samples (S,) at the voice's sample rate. Neutral by default.
            embedding: External speaker vector (x-vector) of a voice that was trained with them: a
                file ``.npy``, or numbers (E,).
            speaker_wav: Recordings of one person to make that vector of.

        Raises:
            TextError: The text has no word, a word without a reading, or a sentence of more than
                ``LONGEST_SENTENCE`` tokens.
            MalsoriError: A control is out of its range, no such speaker or language, or a style
                that cannot be used.
        """
        sentences = [part for part in SENTENCE_END.split(text) if part.strip()]
        read = [words for part in sentences if speaks(words := self.voice.words(part, language))]
        if not read:
            raise TextError(f"nothing to speak in {text!r}: give at least one word")
        if not 0 <= pause <= LONGEST_PAUSE:
            raise MalsoriError(f"pause: {pause:g} is not between 0 and {LONGEST_PAUSE:g} seconds")
        spoken = self.speak(
            read,
            speed=speed,
            pitch=pitch,
            energy=energy,
            speaker=speaker,
            language=language,
            style_wav=style_wav,
            embedding=embedding,
            speaker_wav=speaker_wav,
        )
        return _join(spoken, pause)

    def speak_tokens(self, tokens: Sequence[str], **how: Any) -> Spoken:
        """Return speech for tokens of the voice's list, whatever its front end.

        Args:
            tokens: At least one.
            how: As in ``speak``.

        Raises:
            TextError: There is none, too many, or one that the voice does not know.
        """
        return self.speak([self.voice.tokenizer.given(tokens)], **how)[0]

    def speak(
        self,
        texts: Sequence[Sequence[Word]],
        *,
        speed: float = 1.0,
        pitch: float = 0.0,
        energy: float = 0.0,
        speaker: str | None = None,
        language: str | None = None,
        style_wav: str | Path | ArrayLike | None = None,
        embedding: str | Path | ArrayLike | None = None,
        speaker_wav: Recordings | None = None,
    ) -> list[Spoken]:
        """Return speech for texts that are words already, spoken in batches of like lengths.

        The arguments are those of a call; a slow voice speaks fewer tokens at a time.
        """
        voice = self.voice
        rows = [token_ids(voice, words) for words in texts]
        controls = self.controls(speed, pitch, energy)
        indices = voice.index("speaker", speaker), voice.index("language", language)
        style = replace(self.style(style_wav), embedding=self.embedding(embedding, speaker_wav))
        spoken: dict[int, Spoken] = {}
        for batch in batches([len(row) for row in rows], BATCH_TOKENS * min(speed, 1.0)):
            tokens, lengths = padded([rows[i] for i in batch], voice.device)
            speakers, languages = (torch.full_like(lengths, index) for index in indices)
            conditions = replace(style, speaker=speakers, language=languages)
            with torch.inference_mode():
                speech = voice.model.synthesize(tokens, lengths, conditions, controls)
            spoken |= {i: self.spoken(texts[i], speech, at) for at, i in enumerate(batch)}
        return [spoken[i] for i in range(len(rows))]

    def style(self, recording: str | Path | ArrayLike | None) -> Conditions:
        """Return conditions with the style of a recording, and nothing else; empty for None.

        Args:
            recording: A file, or samples (S,) at the voice's sample rate.

        Raises:
            MalsoriError: The voice has no style tokens, or the recording is not to be read, empty,
                not finite or longer than ``LONGEST_STYLE``.
        """
        if recording is None:
            return Conditions()
        voice, rate = self.voice, self.voice.audio.sample_rate
        if not voice.model.uses_style:
            raise MalsoriError(
                f"style_wav: {voice.origin} has no style tokens (model.style.tokens is 0); "
                "leave it out"
            )
        name, samples = "style_wav", recording
        if isinstance(recording, (str, Path)):
            name, samples = str(recording), audio.read(recording, rate)[0]
        wav = torch.from_numpy(np.array(samples, dtype=np.float32))
        if wav.dim() != 1 or not len(wav) or not wav.isfinite().all():
            raise MalsoriError(f"{name}: needs finite samples of one channel, got {[*wav.shape]}")
        if len(wav) > LONGEST_STYLE * rate:
            raise MalsoriError(
                f"{name}: {len(wav) / rate:.1f} s; give at most {LONGEST_STYLE:g} s for the style"
            )
        extractor = FeatureExtractor(voice.audio, voice.statistics).to(voice.device)
        silent = torch.zeros(1, len(wav) // voice.audio.hop + 1, device=voice.device)
        lengths = torch.tensor([len(wav)], device=voice.device)
        features = extractor(wav[None].to(voice.device), lengths, silent)
        return Conditions(style_mel=features.mel, style_mel_lengths=features.mel_lengths)

    def embedding(
        self,
        vector: str | Path | ArrayLike | None,
        recordings: Recordings | None = None,
    ) -> Tensor | None:
        """Return an external speaker vector, (1, E); None if the voice does without.

        Args:
            vector: A file ``.npy``, or numbers (E,).
            recordings: Of one person; the encoder that the voice was trained with makes it of them.

        Raises:
            MalsoriError: The voice needs one and none is given, or the other way round, or it has
                another size or numbers that are not finite, or none can be made of the recordings.
        """
        return speaker_vector(self.voice, vector, recordings)

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
    tokens = (token for word in words for token in word.tokens if token != BLANK)
    return any(character.isalnum() for token in tokens for character in token)


def token_ids(voice: Voice, words: Sequence[Word]) -> list[int]:
    """Return the ids of a sentence's tokens.

    Raises:
        TextError: There is none, or there are more than ``LONGEST_SENTENCE``.
    """
    ids = voice.tokens.encode([token for word in words for token in word.tokens])
    if not ids:
        raise TextError(f"no token to speak in {' '.join(word.text for word in words)!r}")
    if len(ids) > LONGEST_SENTENCE:
        beginning = " ".join(word.text for word in words[:5])
        raise TextError(
            f"the sentence {beginning!r}… has {len(ids)} tokens, and {LONGEST_SENTENCE} is the "
            "most: end sentences with '.', '?' or '!' and a space, or with a new line"
        )
    return ids


def batches(lengths: Sequence[int], most: float) -> Iterator[list[int]]:
    """Yield the indices of what is spoken together, the longest first.

    Args:
        lengths: Tokens of each text.
        most: Padded tokens of a batch; a longer text is a batch of its own.
    """
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and lengths[batch[0]] * (len(batch) + 1) > most:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def padded(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return token ids, (B, N) with 0 at padding, and their lengths, (B,)."""
    lengths = torch.tensor([len(row) for row in rows], device=device)
    tokens = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
    return tokens.to(device), lengths


def _join(parts: list[Spoken], pause: float) -> Spoken:
    """Return sentences one after the other; a pause lengthens the last token before it."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    frames = round(pause * first.sample_rate / first.hop)
    silence = np.zeros(frames * first.hop, dtype=np.float32)
    samples, durations = [], []
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        samples += [part.audio] if last else [part.audio, silence]
        own = part.durations.copy()
        own[-1] += 0 if last else frames
        durations.append(own)
    return Spoken(
        audio=np.concatenate(samples),
        sample_rate=first.sample_rate,
        tokens=tuple(chain.from_iterable(part.tokens for part in parts)),
        durations=np.concatenate(durations),
        hop=first.hop,
        words=tuple(chain.from_iterable(part.words for part in parts)),
    )
