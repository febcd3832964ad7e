"""Fundamental frequency, by WORLD's DIO with StoneMask refinement."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from malsori.dsp.dio import dio


def extract_f0(
    wav: NDArray[np.float32],
    sample_rate: int,
    hop: int,
    low_hz: float = 80.0,
    high_hz: float = 400.0,
) -> NDArray[np.float32]:
    """Return the fundamental frequency in Hz, (T,) with T = S // hop + 1; 0 where unvoiced.

    Args:
        wav: Samples, (S,), full scale 1.
        sample_rate: Hz.
        hop: Samples between frames.
        low_hz: Lowest frequency looked for.
        high_hz: Highest frequency looked for.

    Source: Morise et al. 2016 (WORLD); DIO: Morise et al. 2009.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*pkg_resources.*")
        import pyworld

    samples = np.ascontiguousarray(wav, dtype=np.float64)
    rough = dio(samples, sample_rate, hop, low_hz, high_hz)
    times = np.arange(len(rough)) * (hop / sample_rate)
    refined: NDArray[np.float64] = pyworld.stonemask(samples, rough, times, sample_rate)
    return refined.astype(np.float32)


def continuous(f0: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``f0``, (T,), with unvoiced frames (0) filled in linearly between voiced ones.

    Before the first and after the last voiced frame the nearest value holds. Without any voiced
    frame there is nothing to fill in from and the zeros stay.
    """
    voiced = np.flatnonzero(f0)
    if len(voiced) in (0, len(f0)):
        return f0
    return np.interp(np.arange(len(f0)), voiced, f0[voiced]).astype(np.float32)


def log_f0(f0: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """Return the natural logarithm of the continuous contour, (T,); None if nothing is voiced."""
    if not np.any(f0):
        return None
    return np.log(continuous(f0))
