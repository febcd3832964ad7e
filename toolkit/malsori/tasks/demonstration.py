"""What a model that speaks is shown by: free speech beside recordings, and their alignment.

Axes: B utterances, N tokens, T frames, S samples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from malsori.data.batch import Batch
from malsori.dsp.cepstrum import mel_cepstral_distortion
from malsori.dsp.mel import Spectrogram
from malsori.models.voice import AligningModel, Conditions, SpeakingModel
from malsori.modules.alignment import diagonality
from malsori.modules.features import FeatureExtractor, Features
from malsori.tasks.plots import alignment_picture, mel_picture
from malsori.tasks.task import Demonstration


def conditions_of(batch: Batch) -> Conditions:
    """Return who speaks in the batch, and in which language."""
    return Conditions(speaker=batch.speaker, language=batch.language, embedding=batch.embedding)


def features_of(batch: Batch, extractor: FeatureExtractor) -> Features:
    """Return what a model sees of the batch's recordings."""
    found: Features = extractor(
        batch.wav, batch.wav_lengths, batch.log_f0, batch.voiced, batch.shortest_wav
    )
    return dataclasses.replace(found, durations=batch.durations)


def metrics_of(model: SpeakingModel) -> Mapping[str, bool]:
    """Return the names of what is measured; True where more is better."""
    aligns = isinstance(model, AligningModel)
    return {"mcd": False, **({"diagonality": True} if aligns else {})}


def demonstrate(
    model: SpeakingModel, batch: Batch, extractor: FeatureExtractor, aligns: bool = True
) -> Demonstration:
    """Speak the batch's tokens freely, and align its recordings if the model aligns.

    The metrics are the mel-cepstral distortion of free speech from the recordings, in dB after
    time warping, and the diagonality of the alignment.

    Args:
        model: Who speaks.
        batch: What is spoken.
        extractor: Tells what the model sees of recordings.
        aligns: Show how it aligns; False where it only repeats durations that it is given.
    """
    features = features_of(batch, extractor)
    conditions = conditions_of(batch)
    speech = model.synthesize(
        batch.tokens,
        batch.token_lengths,
        conditions.with_own_style(features.mel, features.mel_lengths),
    )
    show = beside_recordings(batch, speech.wav, speech.wav_lengths, extractor.spectrogram)
    if aligns and isinstance(model, AligningModel):
        show_alignment(show, model, batch, features, conditions)
    return show


def beside_recordings(
    batch: Batch, wav: Tensor, wav_lengths: Tensor, spectrogram: Spectrogram
) -> Demonstration:
    """Return audio and mels of generated speech beside those of the batch's recordings.

    The metric is the mel-cepstral distortion from the recordings, in dB after time warping.

    Args:
        batch: The recordings.
        wav: Generated, (B, S).
        wav_lengths: (B,).
        spectrogram: What is drawn.
    """
    sample_rate = spectrogram.audio.sample_rate
    show = Demonstration(sample_rate=sample_rate)
    distances = []
    for i, name in enumerate(batch.ids):
        recorded = batch.wav[i, : batch.wav_lengths[i]].cpu().numpy()
        spoken = wav[i, : wav_lengths[i]].cpu().numpy()
        distances.append(mel_cepstral_distortion(recorded, spoken, sample_rate))
        show.audio[f"{name}/recorded"] = recorded
        show.audio[f"{name}/spoken"] = spoken
        mels = {"recorded": recorded, "spoken": spoken}
        show.images[f"{name}/mel"] = mel_picture(
            {label: _log_mel(samples, spectrogram) for label, samples in mels.items()}, name
        )
    show.metrics["mcd"] = float(np.mean(distances))
    return show


def show_alignment(
    show: Demonstration,
    model: AligningModel,
    batch: Batch,
    features: Features,
    conditions: Conditions,
) -> None:
    """Add the alignment of the batch's recordings to ``show``: pictures and diagonality."""
    prosody, log_p = model.analyse(batch.tokens, batch.token_lengths, features, conditions)
    sharp = diagonality(log_p, batch.token_lengths, features.mel_lengths)
    show.metrics["diagonality"] = float(sharp.mean())
    for i, name in enumerate(batch.ids):
        frames, tokens = int(features.mel_lengths[i]), int(batch.token_lengths[i])
        show.images[f"{name}/alignment"] = alignment_picture(
            log_p[i, :frames, :tokens].softmax(-1).cpu().numpy(),
            prosody.durations[i, :tokens].cpu().numpy(),
            f"{name}: diagonality {float(sharp[i]):.3f}",
        )


def _log_mel(wav: NDArray[np.float32], spectrogram: Spectrogram) -> Any:
    device = spectrogram.window.device
    samples = torch.from_numpy(wav).to(device)[None]
    mel, _ = spectrogram(samples, torch.tensor([len(wav)], device=device))
    return mel[0].cpu().numpy()
