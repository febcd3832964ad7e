"""What a voice sees of recordings that it was not trained on.

Axes: B recordings, S samples, T frames.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from malsori.dsp.f0 import extract_f0, log_f0
from malsori.infer.voice import Voice
from malsori.modules.features import FeatureExtractor, Features


def features_of(
    voice: Voice, wavs: Sequence[NDArray[np.float32]], with_pitch: bool = True
) -> Features:
    """Return the features of recordings, on the voice's device.

    Args:
        voice: Says how they are made, and normalised.
        wavs: (S,) each, at least one sample, full scale 1, at the voice's sample rate.
        with_pitch: Look for F0 (most of the time it takes); without it every frame is unvoiced and
            of the voice's mean pitch, as those of a recording without a voice are.
    """
    audio = voice.audio
    wav = torch.zeros(len(wavs), max(map(len, wavs)))
    contours = torch.full((len(wavs), audio.frames(wav.shape[1])), voice.statistics.pitch_mean)
    voiced = torch.zeros_like(contours)
    for i, samples in enumerate(wavs):
        wav[i, : len(samples)] = torch.from_numpy(samples)
        if not with_pitch:
            continue
        f0 = extract_f0(samples, audio.sample_rate, audio.hop, audio.f0_low_hz, audio.f0_high_hz)
        contour = log_f0(f0)
        if contour is not None:
            contours[i, : len(contour)] = torch.from_numpy(contour)
            voiced[i, : len(f0)] = torch.from_numpy(f0 > 0).float()
    extractor = FeatureExtractor(audio, voice.statistics).to(voice.device)
    wav_lengths = torch.tensor([len(samples) for samples in wavs], device=voice.device)
    found: Features = extractor(
        *(wav.to(voice.device), wav_lengths, contours.to(voice.device), voiced.to(voice.device))
    )
    return found
