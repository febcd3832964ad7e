"""Where the speech in a recording begins and ends, by its energy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from malsori.dsp.audio import AudioError

if TYPE_CHECKING:
    from numpy.typing import NDArray

WINDOW_SECONDS = 0.025
HOP_SECONDS = 0.005
SILENT_PEAK_DB = -60.0  # of full scale; no recording of a voice is as faint as this


def speech_bounds(
    wav: NDArray[np.float32],
    sample_rate: int,
    *,
    threshold_db: float = 30.0,
    pad_seconds: float = 0.05,
) -> tuple[float, float]:
    """Return where the speech begins and ends, in seconds.

    The level is the root mean square of windows of 25 ms every 5 ms, without the waveform's
    mean; what lies before the first and after the last window within ``threshold_db`` of the
    loudest one is silence. Pauses inside are kept.

    Args:
        wav: Waveform, (S,).
        sample_rate: Samples a second.
        threshold_db: How far below the loudest window speech may lie, in dB, above 0.
        pad_seconds: Silence kept at both ends where there is as much, in seconds.

    Raises:
        AudioError: There are no samples, or no sample passes -60 dB of full scale.
    """
    if threshold_db <= 0 or pad_seconds < 0:
        raise ValueError(f"threshold {threshold_db} dB or pad {pad_seconds} s is negative")
    starts, window, loud = _loud_windows(wav, sample_rate, threshold_db)
    heard = np.flatnonzero(loud)
    begin = starts[heard[0]] / sample_rate - pad_seconds
    end = (starts[heard[-1]] + window) / sample_rate + pad_seconds
    return max(float(begin), 0.0), min(float(end), len(wav) / sample_rate)


def silences(
    wav: NDArray[np.float32],
    sample_rate: int,
    *,
    threshold_db: float = 40.0,
    shortest_seconds: float = 0.1,
) -> list[tuple[float, float]]:
    """Return the begin and end of every silence, in seconds, in the order of time.

    Levels are measured as in ``speech_bounds``. Silence at the beginning or the end of the waveform
    counts however short it is.

    Args:
        wav: Waveform, (S,).
        sample_rate: Samples a second.
        threshold_db: How far below the loudest window speech may lie, in dB, above 0.
        shortest_seconds: Shorter silences, such as those inside of plosives, are none.

    Raises:
        AudioError: There are no samples, or no sample passes -60 dB of full scale.
    """
    starts, window, loud = _loud_windows(wav, sample_rate, threshold_db)
    edges = np.flatnonzero(np.diff(np.concatenate([[True], loud, [True]]).astype(np.int8)))
    found = []
    for first, after in zip(edges[::2], edges[1::2], strict=True):
        begin = float(starts[first]) / sample_rate
        end = float(starts[after - 1] + window) / sample_rate
        if first == 0 or after == len(loud) or end - begin >= shortest_seconds:
            found.append((begin, end))
    return found


def shorten_silences(
    wav: NDArray[np.float32], sample_rate: int, *, longest_seconds: float = 0.3
) -> NDArray[np.float32]:
    """Return the waveform with at most ``longest_seconds`` of each silence, (S',).

    What is left of a silence are its ends; of one at the beginning or the end of the waveform,
    half as much, beside the speech.

    Args:
        wav: Waveform, (S,).
        sample_rate: Samples a second.
        longest_seconds: What stays of a silence, in seconds, above 0.

    Raises:
        AudioError: There are no samples, or no sample passes -60 dB of full scale.
    """
    if longest_seconds <= 0:
        raise ValueError(f"{longest_seconds} s of silence are none")
    kept = np.ones(len(wav), dtype=np.bool_)
    side = round(longest_seconds / 2 * sample_rate)
    for begin, end in silences(wav, sample_rate, shortest_seconds=longest_seconds):
        first, last = round(begin * sample_rate), round(end * sample_rate)
        first += side if first > 0 else 0
        last -= side if last < len(wav) else 0
        kept[first : max(first, last)] = False
    return wav[kept]


def _loud_windows(
    wav: NDArray[np.float32], sample_rate: int, threshold_db: float
) -> tuple[NDArray[np.int64], int, NDArray[np.bool_]]:
    """Return where each window starts, its samples, and whether it is loud, (windows,)."""
    centred = np.asarray(wav, dtype=np.float64)
    if len(centred):
        centred = centred - centred.mean()
    if not len(centred) or np.abs(centred).max() < 10 ** (SILENT_PEAK_DB / 20):
        raise AudioError("", f"silent: no sample passes {SILENT_PEAK_DB:g} dB of full scale")
    window = min(max(round(WINDOW_SECONDS * sample_rate), 1), len(centred))
    hop = max(round(HOP_SECONDS * sample_rate), 1)
    starts = np.arange(0, len(centred) - window + hop, hop).clip(max=len(centred) - window)
    summed = np.concatenate([[0.0], np.cumsum(centred**2)])
    power = summed[starts + window] - summed[starts]
    return starts, window, power >= power.max() * 10 ** (-threshold_db / 10)
