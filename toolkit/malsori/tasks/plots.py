"""Pictures of alignments and spectrograms."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def alignment_picture(
    probabilities: NDArray[np.float32], durations: NDArray[np.int64], title: str
) -> Picture:
    """Return token probabilities over frames with the best path, (height, width, 3).

    Args:
        probabilities: (T, N).
        durations: Frames per token, (N,).
        title: Above the picture.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), dpi=100, layout="constrained")
    axes = figure.subplots()
    axes.imshow(probabilities.T, origin="lower", aspect="auto", interpolation="none", vmin=0)
    ends = np.cumsum(durations)
    path = np.repeat(np.arange(len(durations)), durations)
    axes.plot(np.arange(ends[-1]), path, color="white", linewidth=0.8, alpha=0.7)
    axes.set(title=title, xlabel="frame", ylabel="token")
    return _draw(figure)


def mel_picture(mels: Mapping[str, NDArray[np.float32]], title: str) -> Picture:
    """Return log-mel spectrograms, (T, M) each, below each other on one scale."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 2.2 * len(mels)), dpi=100, layout="constrained")
    rows = figure.subplots(len(mels), squeeze=False)[:, 0]
    high = max(float(mel.max()) for mel in mels.values())
    for axes, (name, mel) in zip(rows, mels.items(), strict=True):
        axes.imshow(mel.T, origin="lower", aspect="auto", vmin=high - 5, vmax=high)
        axes.set(title=f"{title}: {name}", xlabel="frame", ylabel="mel band")
    return _draw(figure)


def curves_picture(curves: Mapping[str, tuple[list[int], list[float]]], title: str) -> Picture:
    """Return one small plot for each named curve of (steps, values)."""
    from matplotlib.figure import Figure

    columns = 3
    rows = -(-max(1, len(curves)) // columns)
    figure = Figure(figsize=(4 * columns, 2.4 * rows), dpi=90, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, (steps, values)) in zip(grid, curves.items(), strict=False):
        alone = len(steps) == 1  # a line through one point cannot be seen
        axes.plot(steps, values, linewidth=1, marker="o" if alone else "", color="tab:blue")
        axes.set_title(name, fontsize=9)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3)
    for axes in grid[len(curves) :]:
        axes.set_axis_off()
    figure.suptitle(title, fontsize=10)
    return _draw(figure)


def _draw(figure: object) -> Picture:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)  # type: ignore[arg-type]
    canvas.draw()
    return np.array(canvas.buffer_rgba(), dtype=np.uint8)[..., :3]
