"""Pitch contours as a sum of ten waves of different lengths, from phones to phrases.

Axes: B utterances, T frames, W = 10 scales.

Source: Suni et al. 2013, "Wavelets for intonation modeling in HMM speech synthesis"; Ren et al.
2021 (FastSpeech 2), arXiv:2006.04558, section 2.3 and appendix. Where we differ: they weight scale
i by (i + 2.5)^(−5/2), which gives the contour back up to a factor that is set right afterwards; we
weight a scale τ by τ^(−1/2) and a constant (Torrence, Compo 1998, "A practical guide to wavelet
analysis", equation 11): the contour is the plain sum of its scales, within 1 % at rates of speech.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

SCALES = 10
SHORTEST = 0.02
"""Seconds of the shortest scale, if frames are not further apart; each is twice as long as the one
before it."""
FLAT = 1e-4
"""A contour that varies less than that does not vary."""


class PitchSpectrogram(NamedTuple):
    """A contour, taken apart."""

    waves: Tensor
    """What each scale adds to the normalised contour, (B, T, W), shortest first; 0 at padding."""
    mean: Tensor
    """Of the contour, (B,)."""
    std: Tensor
    """Its deviation, (B,)."""


def pitch_spectrogram(contour: Tensor, valid: Tensor, frame_seconds: float) -> PitchSpectrogram:
    """Return a contour's waves, and its mean and deviation over the utterance.

    Beyond the ends of an utterance the contour stands at its mean.

    Args:
        contour: Continuous log-F0, (B, T).
        valid: True where a frame exists, (B, T).
        frame_seconds: From one frame to the next.
    """
    contour, counts = contour.float(), valid.sum(1).clamp_min(1)
    mean = (contour * valid).sum(1) / counts
    apart = (contour - mean[:, None]) * valid
    std = (apart.square().sum(1) / counts).sqrt()
    normalised = apart / std.clamp_min(FLAT)[:, None]
    waves = _filtered(normalised, _kernels(contour.shape[1], frame_seconds, contour.device))
    return PitchSpectrogram(waves * valid[..., None], mean, std)


def contour_of(spectrogram: PitchSpectrogram) -> Tensor:
    """Return the contour that the waves add up to, (B, T), with their mean and deviation.

    What is faster than the shortest scale, above about 10 Hz, is lost.
    """
    waves, mean, std = spectrogram
    return waves.sum(-1) * std[:, None] + mean[:, None]


def _kernels(frames: int, frame_seconds: float, device: torch.device) -> Tensor:
    """Return each scale's wave at lags −(T − 1) to T − 1, (W, 2T − 1).

    With x = lag / τ it is ln 2 / (√(2π) τ) · (1 − x²) exp(−x²/2), a Mexican hat whose Fourier
    transform is ln 2 · (τω)² exp(−(τω)²/2); over octaves these add up to 1.
    """
    lags = torch.arange(1 - frames, frames, device=device, dtype=torch.float32) * frame_seconds
    octaves = torch.arange(SCALES, device=device, dtype=torch.float32)
    scales = max(SHORTEST, frame_seconds) * torch.pow(2.0, octaves)[:, None]
    squares = (lags / scales).square()
    size = math.log(2) / math.sqrt(2 * math.pi) * frame_seconds / scales
    return size * (1 - squares) * torch.exp(-squares / 2)


def _filtered(contour: Tensor, kernels: Tensor) -> Tensor:
    """Return the contour convolved with each kernel, without wrapping around, (B, T, W)."""
    frames = contour.shape[1]
    size = 3 * frames  # at least T + 2T − 1 − 1
    spectrum = torch.fft.rfft(contour, size)[:, None] * torch.fft.rfft(kernels, size)
    return torch.fft.irfft(spectrum, size)[..., frames - 1 : 2 * frames - 1].transpose(1, 2)
