"""DIO, WORLD's rough estimate of the fundamental frequency, from the distances of zero crossings.

A voice that is filtered down to its fundamental is nearly a sine: the distances between its zeros
that fall, its zeros that rise, its peaks and its dips are then four estimates of one period, and
how far they are apart says how much to trust them. Filters of half an octave each are tried; in
every frame the one whose estimates agree best wins, and what jumps from frame to frame is dropped.

The filters are applied to overlapping blocks that fit into a processor's cache, all of them to one
transform of a block, and zeros are looked for where the block still is there: the estimates are
those of pyworld.dio, to rounding, in about a third of its time.

Axes: S samples, T frames, F filters, L samples of a block.

Source: Morise, Kawahara, Katayose, "Fast and reliable F0 estimation method based on the period
extraction of vocal fold vibration of singing voice and speech", AES 35th International Conference,
2009; Morise, Yokomori, Ozawa, "WORLD", IEICE Transactions E99-D, 2016.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

FILTERS_PER_OCTAVE = 2
CUTOFF_HZ = 50.0
"""What is lower (hum, breath) is filtered out."""
LARGEST_JUMP = 0.1
"""Share of the fundamental by which it may change between frames."""
NUTTALL = (0.355768, -0.487396, 0.144232, -0.012604)
"""Weights of cosines in the window that the filters are (Nuttall 1981)."""
UNTRUSTED = 1e5
"""Spread of estimates that are outside of their filter."""

Floats = NDArray[np.float64]


def dio(wav: Floats, sample_rate: int, hop: int, low_hz: float, high_hz: float) -> Floats:
    """Return the rough fundamental frequency in Hz, (T,) with T = S // hop + 1; 0 where unvoiced.

    Args:
        wav: Samples, (S,).
        sample_rate: Hz.
        hop: Samples between frames.
        low_hz: Lowest frequency looked for.
        high_hz: Highest frequency looked for.
    """
    count = 1 + int(math.log2(high_hz / low_hz) * FILTERS_PER_OCTAVE)
    tops = low_hz * 2.0 ** (np.arange(1, count + 1) / FILTERS_PER_OCTAVE)
    times = np.arange(len(wav) // hop + 1, dtype=np.float64) * (hop / sample_rate)
    candidates = np.zeros((count, len(times)))
    spreads = np.full((count, len(times)), UNTRUSTED)
    for i, zeros in enumerate(_zeros(wav, sample_rate, tuple(tops.tolist()))):
        if min(map(len, zeros)) < 4:
            continue
        estimates = np.stack([_frequency(found, times) for found in zeros])
        mean = estimates.mean(0)
        inside = (mean >= max(tops[i] / 2, low_hz)) & (mean <= min(tops[i], high_hz))
        candidates[i] = np.where(inside, mean, 0.0)
        spreads[i] = np.where(inside, np.sqrt(np.square(estimates - mean).sum(0) / 3), UNTRUSTED)
    best = (spreads / (candidates + 1e-12)).argmin(0)
    longest = int(0.5 + sample_rate / hop / low_hz) * 2 + 1  # frames in two periods of the lowest
    return _without_jumps(candidates[best, np.arange(len(times))], candidates, longest)


def _zeros(
    wav: Floats, sample_rate: int, tops: tuple[float, ...]
) -> Iterator[tuple[Floats, Floats, Floats, Floats]]:
    """Yield for each filter when its output falls, rises, peaks and dips, in seconds."""
    found: list[tuple[list[NDArray[np.intp]], list[Floats]]] = [([], []) for _ in range(4)]
    for first, *signals in _filtered(wav, sample_rate, tops):
        for place, signal in enumerate(signals):
            below, above = signal < 0, signal > 0
            crossings = (above[:, :-1] & ~above[:, 1:], below[:, :-1] & ~below[:, 1:])
            for way, crossing in enumerate(crossings):
                row, at = np.divmod(np.flatnonzero(crossing), crossing.shape[1])
                here, there = signal[row, at], signal[row, at + 1]
                rows, places = found[2 * place + way]
                rows.append(row)
                places.append(first + at + 1 - here / (there - here))
    sorted_places = []
    for rows, places in found:
        row = np.concatenate(rows)
        order = np.argsort(row, kind="stable")  # by filter; within it they are in order of time
        ends = np.searchsorted(row[order], np.arange(1, len(tops)))
        sorted_places.append(np.split(np.concatenate(places)[order] / sample_rate, ends))
    yield from zip(*sorted_places, strict=True)


def _filtered(
    wav: Floats, sample_rate: int, tops: tuple[float, ...]
) -> Iterator[tuple[int, Floats, Floats]]:
    """Yield the first sample, the filtered signals and their slopes, (F, L), of every block.

    Of both the last value of a block is the first of the next.
    """
    filters, reach, size = _filters(sample_rate, tops)
    step = size - 2 * reach - 2
    length = len(wav) + 1  # WORLD looks at one more
    padded = np.zeros(-(-length // step) * step + 2 + 2 * reach)
    padded[reach : reach + len(wav)] = wav
    padded[reach : reach + length] -= wav.sum() / length
    for first in range(0, max(length - 1, 1), step):
        spectrum = np.fft.rfft(padded[first : first + size])
        signals = np.fft.irfft(spectrum * filters, size)[:, reach : reach + step + 2]
        slopes = np.diff(signals)
        left = length - first
        yield first, signals[:, : min(step + 1, left)], slopes[:, : min(step + 1, left - 1)]


@functools.lru_cache(maxsize=4)
def _filters(sample_rate: int, tops: tuple[float, ...]) -> tuple[NDArray[np.complex128], int, int]:
    """Return the filters' spectra, (F, L / 2 + 1), their reach to each side, and L."""
    quarters = [_round(sample_rate / top / 2) for top in tops]  # quarters of the windows
    cut = _round(sample_rate / CUTOFF_HZ)
    reach = cut + 2 * max(quarters)
    size = 1 << math.ceil(math.log2(8 * reach))
    low = 1 - np.cos(2 * np.pi * np.arange(1, 2 * cut + 2) / (2 * cut + 2))
    without_hum = -low / low.sum()
    without_hum[cut] += 1
    filters = np.zeros((len(tops), size))
    for row, quarter in zip(filters, quarters, strict=True):
        turns = 2 * np.pi * np.arange(4 * quarter) / (4 * quarter - 1)
        window = np.array(NUTTALL) @ np.cos(np.outer(np.arange(len(NUTTALL)), turns))
        whole = np.convolve(window, without_hum)
        row[: len(whole)] = whole
        row[:] = np.roll(row, -(cut + 2 * quarter))  # its centre to sample 0
    return np.fft.rfft(filters), reach, size


def _frequency(zeros: Floats, times: Floats) -> Floats:
    """Return the inverse distance of neighbouring zeros at the times, (T,), on straight lines."""
    at, value = (zeros[:-1] + zeros[1:]) / 2, 1 / np.diff(zeros)
    found = np.interp(times, at, value)
    first, last = np.searchsorted(times, [at[0], at[-1]])
    found[:first] = value[0] + (times[:first] - at[0]) * (value[1] - value[0]) / (at[1] - at[0])
    slope = (value[-1] - value[-2]) / (at[-1] - at[-2])
    found[last:] = value[-1] + (times[last:] - at[-1]) * slope
    return found


def _without_jumps(best: Floats, candidates: Floats, longest: int) -> Floats:
    """Return the contour without what is too short or jumps, then drawn out along candidates."""
    count = len(best)
    if count <= longest:
        return np.zeros(count)
    inner = np.zeros(count)
    inner[longest:-longest] = best[longest:-longest]
    change = np.abs(np.diff(inner)) / (inner[1:] + 1e-12)
    steady = np.zeros(count)
    steady[longest:] = np.where(change[longest - 1 :] < LARGEST_JUMP, inner[longest:], 0.0)
    gaps = np.concatenate([[0], np.cumsum(steady == 0)])
    half = (longest - 1) // 2
    kept = steady.copy()
    kept[half : count - half][gaps[longest:] > gaps[: count + 1 - longest]] = 0.0
    voiced = kept > 0
    ends = np.flatnonzero(voiced[:-1] & ~voiced[1:]).tolist()
    starts = (np.flatnonzero(~voiced[:-1] & voiced[1:]) + 1).tolist()
    contour, columns = kept.tolist(), candidates.T.tolist()
    for end, limit in zip(ends, [*ends, count - 1][1:], strict=True):
        _draw_out(contour, columns, range(end, limit), 1)
    for start, limit in zip(starts[::-1], [1, *starts][:-1][::-1], strict=True):
        _draw_out(contour, columns, range(start, limit, -1), -1)
    return np.array(contour)


def _draw_out(
    contour: list[float], columns: Sequence[list[float]], frames: range, step: int
) -> None:
    """Go on from a stretch's end by the candidates next to where it leads, while there are any."""
    for frame in frames:
        expected = (3 * contour[frame] - contour[frame - step]) / 2
        nearest = min(columns[frame + step], key=lambda value: abs(value - expected))
        near = expected != 0 and abs(1 - nearest / expected) <= LARGEST_JUMP
        contour[frame + step] = nearest if near else 0.0
        if not near:
            return


def _round(value: float) -> int:
    """Return the nearest whole number, halves up."""
    return int(value + 0.5)
