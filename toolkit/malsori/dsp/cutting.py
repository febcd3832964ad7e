"""Long recordings in pieces, cut where they are quiet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

WINDOW_SECONDS = 0.025


def pieces(
    wav: NDArray[np.float32],
    sample_rate: int,
    *,
    shortest_seconds: float = 20.0,
    longest_seconds: float = 30.0,
) -> list[tuple[int, int]]:
    """Return first sample and end of pieces that follow each other and are the whole waveform.

    Each is cut off in the middle of the quietest window of 25 ms between ``shortest_seconds`` and
    ``longest_seconds`` after its beginning; what is left in the end may be shorter, but not shorter
    than a tenth of the longest, and a waveform of at most ``longest_seconds`` is one piece.

    Args:
        wav: Waveform, (S,), at least one sample.
        sample_rate: Samples a second.
        shortest_seconds: Of a piece, at most 0.8 times the longest, above 0.
        longest_seconds: Of a piece.
    """
    if not 0 < shortest_seconds <= 0.8 * longest_seconds:
        raise ValueError(f"no pieces between {shortest_seconds} s and {longest_seconds} s")
    longest = round(longest_seconds * sample_rate)
    window = max(round(WINDOW_SECONDS * sample_rate), 1)
    cuts = [0]
    while len(wav) - cuts[-1] > longest:
        low = cuts[-1] + round(shortest_seconds * sample_rate)
        high = min(cuts[-1] + longest, len(wav) - longest // 10)
        summed = np.concatenate([[0.0], np.cumsum(wav[low:high].astype(np.float64) ** 2)])
        width = min(window, high - low)
        cuts.append(low + int(np.argmin(summed[width:] - summed[:-width])) + width // 2)
    return list(zip(cuts, [*cuts[1:], len(wav)], strict=True))
