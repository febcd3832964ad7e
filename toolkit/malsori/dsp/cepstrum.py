"""Mel-cepstra of WORLD spectral envelopes, and how far two recordings are apart in them.

Axes: S samples, T frames, K spectrum bins (FFT size / 2 + 1), M = order + 1 coefficients, L steps
of a warping path.
"""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from malsori.core.ranges import COUNT, within
from malsori.dsp.f0 import extract_f0
from malsori.dsp.time_warping import Warping, euclidean, warp

DECIBELS_PER_DISTANCE = 10.0 / np.log(10.0) * np.sqrt(2.0)
_DITHER = 2.0**-16  # half a step of 16-bit audio, beside a peak of 1
_QUIET = 2.0**-12  # 72 dB below the peak: F0 found there is that of noise
_SHORTEST_SECONDS = 0.1  # F0 extraction needs a few periods to look at


@dataclass(frozen=True, kw_only=True)
class CepstrumConfig:
    """How a recording is analysed before it is compared."""

    hop_seconds: float = 0.005
    """Time between frames, rounded to whole samples."""
    order: int = 24
    """Highest mel-cepstral coefficient; 24 at every sample rate, so that figures compare."""
    low_hz: float = 70.0
    """Lowest fundamental frequency looked for."""
    high_hz: float = 500.0
    """Highest fundamental frequency looked for."""

    def __post_init__(self) -> None:
        within(self, "(0, inf)", "hop_seconds", "low_hz", "high_hz")
        within(self, COUNT, "order")


class SpeechFrames(NamedTuple):
    """What is compared of a recording."""

    mel_cepstrum: NDArray[np.float64]
    """Mel-cepstral coefficients 0 to order, (T, M)."""
    f0: NDArray[np.float32]
    """Fundamental frequency in Hz, 0 where unvoiced, (T,)."""


def mel_cepstral_distortion(
    reference_wav: NDArray[Any],
    decoded_wav: NDArray[Any],
    sample_rate: int,
    config: CepstrumConfig | None = None,
) -> float:
    """Return the mel-cepstral distortion of two recordings in dB, after time warping.

    Zero for equal recordings; the loudness (and with it c0) does not count. Natural Korean against
    good synthesis of the same sentence gives 4 to 7 dB.

    Args:
        reference_wav: Samples, (S1,).
        decoded_wav: Samples, (S2,).
        sample_rate: Of both, Hz.
        config: Analysis settings; the defaults if not given.

    Raises:
        ValueError: A recording has no samples.

    Source: Kubichek 1993, "Mel-cepstral distance measure for objective speech quality assessment";
    averaged over the warping path, as is usual for synthesis.
    """
    reference = analyse(reference_wav, sample_rate, config)
    decoded = analyse(decoded_wav, sample_rate, config)
    return distortion(align(reference, decoded))


def align(reference: SpeechFrames, decoded: SpeechFrames) -> Warping:
    """Return the path that warps two recordings onto each other by c1, c2, … (without c0)."""
    return warp(euclidean(reference.mel_cepstrum[:, 1:], decoded.mel_cepstrum[:, 1:]))


def distortion(warping: Warping) -> float:
    """Return the mean distance along a path of ``align`` in dB."""
    return float(DECIBELS_PER_DISTANCE * warping.cost / len(warping.path))


def analyse(
    wav: NDArray[Any], sample_rate: int, config: CepstrumConfig | None = None
) -> SpeechFrames:
    """Return mel-cepstra and F0 of a recording, T = S // hop + 1 frames.

    The recording is scaled to a peak of 1 and gets a fixed noise of half a 16-bit step. So digital
    silence has a spectrum too (a flat one) and a recording's gain does not matter. Frames 72 dB
    below the peak or more are unvoiced.

    Args:
        wav: Samples, (S,); less than 0.1 s is filled up with silence.
        sample_rate: Hz.
        config: Analysis settings; the defaults if not given.

    Raises:
        ValueError: ``wav`` has no samples or more than one axis.

    Source: WORLD's CheapTrick (Morise 2015) at the F0 of DIO and StoneMask.
    """
    config = config or CepstrumConfig()
    if np.ndim(wav) != 1 or len(wav) == 0:
        raise ValueError(f"wav must be one row of samples, not of shape {np.shape(wav)}")
    samples = _level(np.asarray(wav, np.float64), round(_SHORTEST_SECONDS * sample_rate))
    hop = round(config.hop_seconds * sample_rate)
    f0 = extract_f0(
        samples.astype(np.float32), sample_rate, hop, low_hz=config.low_hz, high_hz=config.high_hz
    )
    f0[_level_around(samples, hop, len(f0)) < _QUIET] = 0.0
    envelope = spectral_envelope(samples, f0, sample_rate, hop)
    return SpeechFrames(mel_cepstrum(envelope, sample_rate, config.order), f0)


def spectral_envelope(
    wav: NDArray[np.float64], f0: NDArray[np.float32], sample_rate: int, hop: int
) -> NDArray[np.float64]:
    """Return the smooth power spectrum around each frame, (T, K), by WORLD's CheapTrick.

    Args:
        wav: Samples, (S,).
        f0: Hz, 0 where unvoiced, (T,).
        sample_rate: Hz.
        hop: Samples between frames.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*pkg_resources.*")
        import pyworld

    times = np.arange(len(f0)) * (hop / sample_rate)
    envelope: NDArray[np.float64] = pyworld.cheaptrick(
        wav, f0.astype(np.float64), times, sample_rate
    )
    return envelope


def mel_cepstrum(
    envelope: NDArray[np.float64], sample_rate: int, order: int, alpha: float | None = None
) -> NDArray[np.float64]:
    """Return the mel-cepstrum of a power spectrum envelope, (T, M).

    The cepstrum of the minimum-phase filter with that envelope, on a bent frequency axis.

    Args:
        envelope: Power spectra, (T, K), above 0.
        sample_rate: Hz.
        order: Highest coefficient.
        alpha: Of the all-pass filter that bends the axis; ``mel_alpha(sample_rate)`` if not given.

    Source: Tokuda, Kobayashi, Masuko, Imai 1994, "Mel-generalized cepstral analysis", section 2.
    """
    if alpha is None:
        alpha = mel_alpha(sample_rate)
    cepstrum = np.fft.irfft(np.log(envelope), axis=-1)[:, : envelope.shape[-1]]  # (T, K), even part
    cepstrum[:, 0] *= 0.5  # power to amplitude: the other half of c1, c2, … lies at minus 1, 2, …
    bent: NDArray[np.float64] = cepstrum @ frequency_transform(cepstrum.shape[-1], order, alpha).T
    return bent


@functools.lru_cache(maxsize=8)
def frequency_transform(size: int, order: int, alpha: float) -> NDArray[np.float64]:
    """Return the matrix that takes a cepstrum to a bent frequency axis, (order + 1, size).

    With x the bent delay, a plain delay is the all-pass (x + alpha) / (1 + alpha x). Column n holds
    the first coefficients of its n-th power as a series in x, made from column n - 1.

    Args:
        size: Coefficients going in.
        order: Highest coefficient coming out.
        alpha: Of the all-pass filter, between -1 and 1; 0 changes nothing.

    Source: Oppenheim and Johnson 1972, "Discrete representation of signals", Proc. IEEE 60(6).
    """
    matrix = np.zeros((order + 1, size))
    matrix[0, 0] = 1.0
    for n in range(1, size):
        matrix[0, n] = alpha * matrix[0, n - 1]
        for m in range(1, order + 1):
            matrix[m, n] = matrix[m - 1, n - 1] + alpha * (matrix[m, n - 1] - matrix[m - 1, n])
    return matrix


@functools.lru_cache(maxsize=8)
def mel_alpha(sample_rate: int) -> float:
    """Return the all-pass constant whose phase is nearest to the mel scale, to three digits.

    0.312 at 8 kHz, 0.41 at 16 kHz (tables often have 0.42), 0.455 at 22.05 kHz, 0.466 at 24 kHz,
    0.544 at 44.1 kHz, 0.554 at 48 kHz. The mel scale is 1000 log2(1 + Hz / 1000).
    """
    omega = np.linspace(0.0, np.pi, 1000)
    mel = np.log1p(omega / np.pi * sample_rate / 2 / 1000)
    alphas = np.arange(1000)[:, None] / 1000
    bent = omega + 2 * np.arctan2(alphas * np.sin(omega), 1 - alphas * np.cos(omega))
    error = ((bent / np.pi - mel / mel[-1]) ** 2).sum(1)
    return float(alphas[error.argmin(), 0])


def _level(wav: NDArray[np.float64], shortest: int) -> NDArray[np.float64]:
    """Return ``wav`` with a peak of 1, at least ``shortest`` samples long, and the fixed noise."""
    wav = np.pad(wav, (0, max(0, shortest - len(wav))))
    peak = float(np.abs(wav).max())
    noise = np.random.default_rng(0).normal(scale=_DITHER, size=len(wav))
    return wav / (peak or 1.0) + noise


def _level_around(wav: NDArray[np.float64], hop: int, frames: int) -> NDArray[np.float64]:
    """Return the root mean square of the samples less than two hops from each frame, (T,)."""
    sums = np.concatenate([[0.0], np.cumsum(wav**2)])
    centres = np.arange(frames) * hop
    low, high = (np.clip(centres + side, 0, len(wav)) for side in (-2 * hop, 2 * hop))
    level: NDArray[np.float64] = np.sqrt((sums[high] - sums[low]) / np.maximum(high - low, 1))
    return level
