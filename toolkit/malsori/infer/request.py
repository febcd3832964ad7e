"""How something shall be said: what users ask for, as a model is told it.

Axes: B utterances, N tokens, S samples, E numbers of an external speaker vector.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from malsori.core.errors import MalsoriError
from malsori.dsp import audio
from malsori.dsp.statistics import Statistics
from malsori.infer.speaker_vector import Recordings, speaker_vector
from malsori.infer.utterances import Utterance
from malsori.models.controls import Controls
from malsori.text.markup import PLAIN, Manner

if TYPE_CHECKING:  # what speaks through ONNX Runtime does without PyTorch
    import torch
    from torch import Tensor

    from malsori.infer.voice import Voice
    from malsori.models.voice import Conditions

LONGEST_STYLE = 60.0
"""Seconds of a style recording."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """How something shall be said, checked."""

    whole: Manner
    """Of all of it."""
    conditions: Conditions
    """Style and external speaker vector."""
    speaker: int
    language: int


def style_of(voice: Voice, recording: str | Path | ArrayLike | None) -> Conditions:
    """Return conditions with the style of a recording, and nothing else; empty for None.

    Args:
        voice: Who speaks.
        recording: A file, or samples (S,) at the voice's sample rate.

    Raises:
        MalsoriError: The voice has no style tokens, or the recording is not to be read, empty,
            not finite or longer than ``LONGEST_STYLE``.
    """
    import torch

    from malsori.models.voice import Conditions
    from malsori.modules.features import FeatureExtractor

    if recording is None:
        return Conditions()
    rate = voice.audio.sample_rate
    if not voice.model.uses_style:
        raise MalsoriError(
            f"style_wav: {voice.origin} has no style tokens (model.style.tokens is 0); leave it out"
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


def vector_of(
    voice: Voice,
    vector: str | Path | ArrayLike | None,
    recordings: Recordings | None = None,
) -> Tensor | None:
    """Return an external speaker vector, (1, E); None if the voice does without.

    Args:
        voice: Who speaks.
        vector: A file ``.npy``, or numbers (E,).
        recordings: Of one person; the encoder that the voice was trained with makes it of them.

    Raises:
        MalsoriError: The voice needs one and none is given, or the other way round, or it has
            another size or numbers that are not finite, or none can be made of the recordings.
    """
    import torch

    numbers = speaker_vector(voice, vector, recordings)
    return None if numbers is None else torch.from_numpy(numbers)[None].to(voice.device)


def controls_of(manner: Manner, numbers: Statistics) -> Controls:
    """Return the model's controls for a manner of speaking.

    Args:
        manner: Speed, semitones and decibels.
        numbers: Of the voice's features.

    Raises:
        MalsoriError: One is out of its range.
    """
    for name, value, low, high in (
        ("speed", manner.speed, 0.25, 4.0),
        ("pitch", manner.pitch, -24.0, 24.0),
        ("energy", manner.energy, -20.0, 20.0),
    ):
        if not low <= value <= high:
            raise MalsoriError(f"{name}: {value:g} is not between {low:g} and {high:g}")
    scale = 10 ** (manner.energy / 20)
    return Controls(
        speed=manner.speed,
        pitch_shift=manner.pitch * math.log(2) / 12 / numbers.pitch_std,
        energy_scale=scale,
        energy_shift=(scale - 1) * numbers.energy_mean / numbers.energy_std,
    )


def all_controls(
    said: Sequence[Utterance], whole: Manner, numbers: Statistics
) -> dict[Manner, Controls]:
    """Return the controls of every manner in which something is said.

    Args:
        said: What is said.
        whole: What is asked of all of it; what is asked of a part adds to it.
        numbers: Of the voice's features.

    Raises:
        MalsoriError: One is out of its range.
    """
    manners = dict.fromkeys(manner for each in said for manner in each.manners)
    return {
        manner: controls_of(
            Manner(
                speed=whole.speed * manner.speed,
                pitch=whole.pitch + manner.pitch,
                energy=whole.energy + manner.energy,
            ),
            numbers,
        )
        for manner in (manners or (PLAIN,))
    }


def token_controls(
    said: Sequence[Utterance], told: Mapping[Manner, Controls], device: torch.device
) -> Controls:
    """Return the controls of a batch: numbers where all is said in one manner, else (B, N).

    Args:
        said: The utterances of the batch.
        told: Controls of each manner, numbers.
        device: Where tensors shall be.
    """
    import torch
    from torch.nn.utils.rnn import pad_sequence

    if len(told) == 1:
        return next(iter(told.values()))
    neutral = Controls()
    rows = [[told[manner] for manner in each.token_manners] for each in said]

    def column(name: str) -> Tensor:
        numbers = [torch.tensor([float(vars(each)[name]) for each in row]) for row in rows]
        pad = float(vars(neutral)[name])
        return pad_sequence(numbers, batch_first=True, padding_value=pad).to(device)

    return Controls(**{name: column(name) for name in vars(neutral)})
