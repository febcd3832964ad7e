"""Text to speech through ONNX Runtime, without PyTorch.

Axes: B utterances, N tokens, S samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from malsori.core.errors import MalsoriError
from malsori.dsp.windowing import usual_size
from malsori.infer.onnx_voice import Named, OnnxVoice
from malsori.infer.onnx_voice import open_onnx as open_voice
from malsori.infer.request import all_controls, controls_of
from malsori.infer.speaker_vector import Recordings, speaker_vector
from malsori.infer.spoken import Spoken, Timing
from malsori.infer.streaming import Begun
from malsori.infer.synthesizer import Synthesizer
from malsori.infer.utterances import Utterance, token_ids
from malsori.models.controls import Controls
from malsori.text.markup import Manner

UNSEEN = {"pitch_shift": "pitch", "energy_scale": "energy", "energy_shift": "energy"}
"""Controls that a voice may not have, as users call them."""


@dataclass(frozen=True, kw_only=True)
class OnnxRequest:
    """How something shall be said, checked."""

    whole: Manner
    """Of all of it."""
    who: Named
    """Speaker, language, external speaker vector."""


class OnnxSynthesizer(Synthesizer):
    """Speak texts with a voice that was exported; used as a ``Synthesizer``.

    Args:
        voice: From ``infer.onnx_voice.open_onnx``.
    """

    voice: OnnxVoice  # type: ignore[assignment]

    def __init__(self, voice: OnnxVoice) -> None:
        self.voice = voice

    def request(  # type: ignore[override]
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
    ) -> OnnxRequest:
        """Return how something shall be said; the arguments are those of a call.

        Raises:
            MalsoriError: As for a call; ``style_wav`` is always refused.
        """
        voice = self.voice
        if style_wav is not None:
            raise MalsoriError(
                f"style_wav: {voice.origin} was exported with its neutral style; take the pack "
                "that it was exported from"
            )
        whole = Manner(speed=speed, pitch=pitch, energy=energy)
        controls_of(whole, voice.statistics)  # refuses what is out of its range
        who: Named = {
            "speaker": np.array([voice.index("speaker", speaker)], dtype=np.int64),
            "language": np.array([voice.index("language", language)], dtype=np.int64),
        }
        vector = speaker_vector(voice, embedding, speaker_wav)
        if vector is not None:
            who["embedding"] = vector[None]
        return OnnxRequest(whole=whole, who=who)

    def say(self, said: Sequence[Utterance], **how: Any) -> list[Spoken]:
        """Return speech for utterances, one by one; the arguments are those of a call."""
        request = self.request(**how)
        for each in said:  # nothing is spoken if something cannot be
            token_ids(self.voice, each.words)
            all_controls([each], request.whole, self.voice.statistics)
        return [self._spoken(self.begin(each, request)) for each in said]

    def begin(self, said: Utterance, request: OnnxRequest) -> Begun:  # type: ignore[override]
        """Return a sentence whose waveform is still to be made.

        Raises:
            TextError: It has no token, or too many.
            MalsoriError: A control is out of its range, or one that the voice does not have.
        """
        voice = self.voice
        told = all_controls([said], request.whole, voice.statistics)
        self._refuse_unseen(told)
        given = {**request.who, **token_controls(said, told)}
        if said.language:
            index = voice.index("language", said.language)
            given["language"] = np.array([index], dtype=np.int64)
        plan = voice.plan(token_ids(voice, said.words), given)
        timing = Timing(
            sample_rate=voice.audio.sample_rate,
            tokens=tuple(token for word in said.words for token in word.tokens),
            durations=plan["durations"][0],
            hop=voice.audio.hop,
            words=tuple((word.text, len(word.tokens)) for word in said.words),
        )
        frames: int = plan["frames"].shape[1]
        return Begun(
            timing, frames, voice.context, lambda start, end: voice.sound(plan, start, end)
        )

    def _spoken(self, begun: Begun) -> Spoken:
        """Return a sentence with its waveform; each of the threads has a window to make."""
        window = self.voice.threads * usual_size(self.voice.context)
        return Spoken(audio=np.concatenate(list(begun.pieces(window))), **vars(begun.timing))

    def _refuse_unseen(self, told: Mapping[Manner, Controls]) -> None:
        usual = vars(Controls())
        for name, called in UNSEEN.items():
            changed = any(vars(each)[name] != usual[name] for each in told.values())
            if changed and not self.voice.changes(name):
                tag = "volume" if called == "energy" else called
                raise MalsoriError(
                    f"{called}: this voice draws it itself; leave it at 0, and {tag} out of "
                    "<prosody>"
                )


def open_onnx(
    path: Path,
    device: str = "cpu",
    vocoder: str | Path | None = None,
    lexicon: str | Path | None = None,
    lexicon_language: str | None = None,
) -> OnnxSynthesizer:
    """Return what speaks with a file of ``malsori export --to onnx``.

    The arguments are those of ``Synthesizer.from_pretrained``.

    Raises:
        MalsoriError: It is no such file or damaged, ONNX Runtime is not there, or something is
            asked for that such a voice does not do.
    """
    if device != "cpu":
        raise MalsoriError(f"device: {path} speaks on the CPU (cpu), not on {device!r}")
    if vocoder is not None:
        raise MalsoriError(f"{path}: makes waveforms itself; leave the vocoder ({vocoder}) out")
    voice = open_voice(path)
    if lexicon is not None:
        known = voice.tokenizer.with_lexicon(lexicon, lexicon_language or voice.language)
        voice = replace(voice, tokenizer=known)
    return OnnxSynthesizer(voice)


def token_controls(said: Utterance, told: Mapping[Manner, Controls]) -> Named:
    """Return the controls of every token, (1, N) each, by name.

    Args:
        said: What is said.
        told: Controls of each manner, numbers.
    """
    rows = [vars(told[manner]) for manner in said.token_manners]

    def column(name: str) -> NDArray[np.float32]:
        return np.array([[float(row[name]) for row in rows]], dtype=np.float32)

    return {name: column(name) for name in vars(Controls())}
