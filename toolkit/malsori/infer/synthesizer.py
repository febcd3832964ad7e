"""Text to speech with a voice.

Axes: B utterances, N tokens, S samples, T frames, M mel bands.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from malsori.core.errors import MalsoriError
from malsori.core.log import get_logger
from malsori.infer.request import (
    Request,
    all_controls,
    controls_of,
    style_of,
    token_controls,
    vector_of,
)
from malsori.infer.speaker_vector import Recordings
from malsori.infer.spoken import Spoken, Timing, joined, lengthened, silence
from malsori.infer.streaming import FIRST_SECONDS, Begun, Chunk, Pace, stream
from malsori.infer.utterances import Utterance, batches, padded, plain, token_ids, utterances
from malsori.models.controls import Controls
from malsori.text.frontend import TextError, Word
from malsori.text.markup import (
    Break,
    Manner,
    MarkupError,
    Script,
    is_ssml,
    read_plain,
    read_ssml,
)

if TYPE_CHECKING:  # what speaks through ONNX Runtime does without PyTorch
    from torch import Tensor

    from malsori.infer.voice import Voice
    from malsori.models.voice import Conditions, Speech

log = get_logger(__name__)

LONGEST_PAUSE = 60.0
"""Seconds between two sentences."""
BATCH_TOKENS = 600
"""Padded tokens spoken at a time on a GPU, about a minute of speech: a longer text takes no more
memory. A CPU speaks every sentence alone: masks and padding would cost more than batches gain."""
SILENT = "does not speak; it aligns recordings ('malsori align')"
"""What is told of a model without a voice."""


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
        if voice.is_provisional:
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
        lexicon: str | Path | None = None,
        lexicon_language: str | None = None,
    ) -> Synthesizer:
        """Return a synthesizer for a packed voice or a run folder.

        Args:
            path: ``voice.malsori.zip``, ``exp/NAME``, ``voice.onnx.zip`` (which speaks without
                PyTorch), or a Hugging Face repository id if the package huggingface_hub is there.
            device: Where it speaks.
            checkpoint: Of a run folder: best, last, average, step-N.
            vocoder: What makes a voice's mels audible, a pack, run folder or repository id; for a
                voice that makes mels, which else speaks through Griffin-Lim.
            lexicon: File of the user's pronunciations; they win over the voice's own.
            lexicon_language: Which of the voice's languages they are of, the first by default.

        Raises:
            MalsoriError: There is no such voice, vocoder or lexicon, or it is damaged, or they do
                not fit.
        """
        from malsori.packs.format import is_onnx

        if is_onnx(path):
            from malsori.infer.onnx_synthesizer import open_onnx

            return open_onnx(Path(path), device, vocoder, lexicon, lexicon_language)
        from malsori.infer.pack import open_voice, with_vocoder

        voice = open_voice(path, device, checkpoint)
        if lexicon is not None:
            known = voice.tokenizer.with_lexicon(lexicon, lexicon_language or voice.language)
            voice = replace(voice, tokenizer=known)
        return cls(voice if vocoder is None else with_vocoder(voice, vocoder, device=device))

    def __call__(
        self,
        text: str,
        *,
        ssml: bool | None = None,
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
            text: At least one word. Pronunciations may be written into it (``{t ˈeɪ}``).
            ssml: Whether it has SSML's tags (doc/text.md); by default if it begins with
                ``<speak>``. Breaks are silence to the nearest frame; what is asked of a part
                adds to speed, pitch and energy.
            speed: 2 is twice as fast; 0.25 to 4.
            pitch: Semitones up or down, −24 to 24.
            energy: Decibels louder or softer, −20 to 20, as the voice was recorded (timbre too).
            speaker: Of a voice with several; the first by default.
            language: Likewise; the text is read as this language. By default each sentence as
                what its script tells (Hangul Korean, Latin English), else as the first.
            pause: Seconds of silence between sentences.
            style_wav: Recording whose style is taken, for a voice with style tokens: a file, or
                samples (S,) at the voice's sample rate. Neutral by default.
            embedding: External speaker vector (x-vector) of a voice that was trained with them: a
                file ``.npy``, or numbers (E,).
            speaker_wav: Recordings of one person to make that vector of.

        Raises:
            TextError: The text has no word, a word without a reading, or a sentence of more than
                ``LONGEST_SENTENCE`` tokens; or a tag is not known or not where it belongs.
            MalsoriError: A control is out of its range, no such speaker or language, or a style
                that cannot be used.
        """
        is_marked = is_ssml(text) if ssml is None else ssml
        script = read_ssml(text) if is_marked else read_plain(text)
        language = language or self._language_of(script)
        planned = list(utterances(self.voice, script, language))
        said = [each for each in planned if isinstance(each, Utterance)]
        if not said:
            raise TextError(f"nothing to speak in {text!r}: give at least one word")
        check_pause(pause)
        spoken = self.say(
            said,
            speed=speed,
            pitch=pitch,
            energy=energy,
            speaker=speaker,
            language=language,
            style_wav=style_wav,
            embedding=embedding,
            speaker_wav=speaker_wav,
        )
        return self._in_order(planned, spoken, pause)

    def stream(
        self,
        text: str,
        *,
        first: float = FIRST_SECONDS,
        clauses: bool = False,
        ssml: bool | None = None,
        language: str | None = None,
        pause: float = 0.2,
        **how: Any,
    ) -> Iterator[Chunk]:
        """Return what a call does in chunks, each as soon as it is ready.

        Sentences are read and spoken one after the other, and each sentence's waveform is made
        window by window, the first of them short. All chunks in a row are what a call returns.

        Args:
            text: As for a call; so is what is not told here.
            first: Seconds of each sentence's first chunk; later ones are longer.
            clauses: Also speak a long sentence clause by clause, where commas and the like part
                them: sound begins before the whole sentence is thought of, but a clause is then
                spoken without knowledge of the next one, and differs from what a call returns.
            ssml: As for a call.
            language: Likewise.
            pause: Likewise.
            how: Likewise: speed, pitch, energy, speaker, style_wav, embedding, speaker_wav.

        Raises:
            TextError: As for a call, but of a later sentence only when it is due.
            MalsoriError: As for a call, or ``first`` is out of its range.
        """
        check_pause(pause)
        pace = Pace(first=first, clauses=clauses, pause=pause)
        is_marked = is_ssml(text) if ssml is None else ssml
        script = read_ssml(text) if is_marked else read_plain(text)
        language = language or self._language_of(script)
        request = self.request(language=language, **how)
        return stream(self, utterances(self.voice, script, language), request, pace)

    def speak_tokens(self, tokens: Sequence[str], **how: Any) -> Spoken:
        """Return speech for tokens of the voice's list, whatever its front end.

        Args:
            tokens: At least one.
            how: As in ``speak``.

        Raises:
            TextError: There is none, too many, or one that the voice does not know.
        """
        return self.speak([self.voice.tokenizer.given(tokens)], **how)[0]

    def speak(self, texts: Sequence[Sequence[Word]], **how: Any) -> list[Spoken]:
        """Return speech for texts that are words already; see ``say``."""
        return self.say([plain(words) for words in texts], **how)

    def say(self, said: Sequence[Utterance], **how: Any) -> list[Spoken]:
        """Return speech for utterances, on a GPU spoken in batches of like lengths.

        The arguments are those of a call; a slow voice speaks fewer tokens at a time.
        """
        import torch

        request = self.request(**how)
        voice = self.voice
        counts = [len(token_ids(voice, each.words)) for each in said]
        told = all_controls(said, request.whole, voice.statistics)
        slowest = min(1.0, *(float(each.speed) for each in told.values()))
        spoken: dict[int, Spoken] = {}
        most = 0.0 if voice.device.type == "cpu" else BATCH_TOKENS * slowest
        for batch in batches(counts, most):
            with torch.inference_mode():
                speech = voice.model.synthesize(*self.inputs([said[i] for i in batch], request))
            spoken |= {i: self.spoken(said[i].words, speech, at) for at, i in enumerate(batch)}
        return [spoken[i] for i in range(len(counts))]

    def request(
        self,
        *,
        speed: float = 1.0,
        pitch: float = 0.0,
        energy: float = 0.0,
        speaker: str | None = None,
        language: str | None = None,
        style_wav: str | Path | ArrayLike | None = None,
        embedding: str | Path | ArrayLike | None = None,
        speaker_wav: Recordings | None = None,
    ) -> Request:
        """Return how something shall be said; the arguments are those of a call.

        Raises:
            MalsoriError: As for a call.
        """
        whole = Manner(speed=speed, pitch=pitch, energy=energy)
        controls_of(whole, self.voice.statistics)  # refuses what is out of its range
        vector = vector_of(self.voice, embedding, speaker_wav)
        return Request(
            whole=whole,
            conditions=replace(style_of(self.voice, style_wav), embedding=vector),
            speaker=self.voice.index("speaker", speaker),
            language=self.voice.index("language", language),
        )

    def inputs(
        self, said: Sequence[Utterance], request: Request
    ) -> tuple[Tensor, Tensor, Conditions, Controls]:
        """Return what the model is given of a batch: tokens, their lengths, who speaks, and how.

        Raises:
            TextError: One has no token, or too many.
            MalsoriError: A control is out of its range.
        """
        import torch

        voice = self.voice
        tokens, lengths = padded([token_ids(voice, each.words) for each in said], voice.device)
        languages = [
            voice.index("language", each.language) if each.language else request.language
            for each in said
        ]
        conditions = replace(
            request.conditions,
            speaker=torch.full_like(lengths, request.speaker),
            language=torch.tensor(languages, dtype=lengths.dtype, device=lengths.device),
        )
        told = all_controls(said, request.whole, voice.statistics)
        controls = token_controls(said, told, voice.device)
        return tokens, lengths, conditions, controls

    def begin(self, said: Utterance, request: Request) -> Begun:
        """Return a sentence whose waveform is still to be made, for ``stream``.

        Raises:
            MalsoriError: As for ``inputs``.
        """
        import torch

        from malsori.models.plan import PlanningModel

        model: Any = self.voice.model
        given = self.inputs([said], request)
        if not isinstance(model, PlanningModel):  # its waveform comes with all the rest
            with torch.inference_mode():
                spoken = self.spoken(said.words, model.synthesize(*given), 0)
            frames = math.ceil(len(spoken.audio) / spoken.hop)
            return Begun(spoken.timing(), frames, None, lambda start, end: spoken.audio)
        with torch.inference_mode():
            plan = model.plan(*given)

        def sound(start: int, end: int) -> NDArray[np.float32]:
            with torch.inference_mode():
                return model.sound(plan.window(start, end)).flatten().float().cpu().numpy()

        timing = self._timing(said.words, plan.prosody.durations[0])
        return Begun(timing, plan.frames.shape[1], model.context, sound)

    def _language_of(self, script: Script) -> str | None:
        """Return which of the voice's languages ``xml:lang`` names; None where it says nothing.

        Raises:
            MarkupError: The voice does not speak it.
        """
        if script.language is None:
            return None
        wanted = script.language.lower().partition("-")[0]
        names = self.voice.languages
        for name in names:
            if wanted in (name, self.voice.tokenizer.reader(name).language):
                return name if len(names) > 1 else None
        raise MarkupError(
            f'<speak xml:lang="{script.language}">: {self.voice.origin} speaks '
            f"{self.voice.tokenizer.language}"
        )

    def _in_order(
        self, planned: Sequence[Utterance | Break], spoken: Sequence[Spoken], pause: float
    ) -> Spoken:
        """Return what was said with its silences; a pause is where two sentences meet."""
        rate, hop = self.voice.audio.sample_rate, self.voice.audio.hop
        remaining, parts = iter(spoken), []
        for each, following in zip(planned, (*planned[1:], None), strict=True):
            if isinstance(each, Break):
                parts.append(silence(each.seconds, rate, hop))
            elif isinstance(following, Utterance):
                parts.append(lengthened(next(remaining), pause))
            else:
                parts.append(next(remaining))
        return joined(parts)

    def spoken(self, words: Sequence[Word], speech: Speech, i: int) -> Spoken:
        """Return utterance ``i`` of a batch."""
        audio = speech.wav[i, : int(speech.wav_lengths[i])].cpu().numpy()
        return Spoken(audio=audio, **vars(self._timing(words, speech.prosody.durations[i])))

    def _timing(self, words: Sequence[Word], durations: Tensor) -> Timing:
        """Return when words are said whose tokens have these durations, (N,) or padded."""
        tokens = tuple(token for word in words for token in word.tokens)
        return Timing(
            sample_rate=self.voice.audio.sample_rate,
            tokens=tokens,
            durations=durations[: len(tokens)].cpu().numpy(),
            hop=self.voice.audio.hop,
            words=tuple((word.text, len(word.tokens)) for word in words),
        )


def check_pause(seconds: float) -> None:
    """Refuse a pause that no text needs.

    Raises:
        MalsoriError: It is out of its range.
    """
    if not 0 <= seconds <= LONGEST_PAUSE:
        raise MalsoriError(f"pause: {seconds:g} is not between 0 and {LONGEST_PAUSE:g} seconds")
