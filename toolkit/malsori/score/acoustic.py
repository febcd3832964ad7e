"""Distances between two recordings of a sentence, without a recogniser or a speaker model."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from malsori.core.registry import Entry
from malsori.dsp import cepstrum
from malsori.dsp.cepstrum import CepstrumConfig, SpeechFrames
from malsori.score.scorer import Clip, Metric

METRICS = (
    Metric(
        name="mcd_db",
        label="MCD (dB)",
        digits=2,
        best=0.0,
        meaning="Mel-cepstral distortion: mean distance of the mel-cepstra (without c0, the "
        "loudness) along the path that warps one recording onto the other.",
    ),
    Metric(
        name="log_f0_rmse",
        label="log-F0 RMSE",
        digits=3,
        best=0.0,
        meaning="Root mean square difference of the natural logarithm of F0 over the steps of "
        "that path which are voiced in both; 0.06 is about a semitone. Not defined where none is.",
    ),
    Metric(
        name="voicing_error",
        label="V/UV error",
        digits=3,
        best=0.0,
        meaning="Share of the path's steps at which one recording is voiced and the other is not.",
    ),
    Metric(
        name="duration_ratio",
        label="Duration ratio",
        digits=3,
        best=1.0,
        meaning="Length of the decoded recording divided by the reference's.",
    ),
)


class PreparedClip(NamedTuple):
    """A recording's frames and its length."""

    frames: SpeechFrames
    samples: int


class AcousticScorer:
    """Mel-cepstral distortion, log-F0 RMSE, voicing error and duration ratio.

    Args:
        config: How recordings are analysed.
    """

    metrics = METRICS

    def __init__(self, config: CepstrumConfig) -> None:
        self.config = config

    def prepare(self, clip: Clip) -> PreparedClip:
        """Return the frames of a recording."""
        frames = cepstrum.analyse(clip.wav, clip.sample_rate, self.config)
        return PreparedClip(frames, len(clip.wav))

    def compare(self, reference: PreparedClip, decoded: PreparedClip) -> dict[str, float]:
        """Return all four along one warping path, that of the mel-cepstra."""
        warping = cepstrum.align(reference.frames, decoded.frames)
        reference_f0 = reference.frames.f0[warping.path[:, 0]]  # (L,)
        decoded_f0 = decoded.frames.f0[warping.path[:, 1]]  # (L,)
        both = (reference_f0 > 0) & (decoded_f0 > 0)
        differences = np.log(reference_f0[both] / decoded_f0[both])
        return {
            "mcd_db": cepstrum.distortion(warping),
            "log_f0_rmse": float(np.sqrt(np.mean(differences**2))) if both.any() else float("nan"),
            "voicing_error": float(np.mean((reference_f0 > 0) != (decoded_f0 > 0))),
            "duration_ratio": decoded.samples / reference.samples,
        }


ENTRY = Entry(
    config=CepstrumConfig,
    build=AcousticScorer,
    summary="MCD with time warping, log-F0 RMSE, V/UV error, duration ratio",
    source="Kubichek 1993",
)
