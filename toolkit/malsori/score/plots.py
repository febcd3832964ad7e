"""Pictures of one recording: mel spectrogram with token boundaries, and the F0 contour below.

No text of the utterance is drawn, so no font for its script is needed: the report's page sets the
tokens under the picture. ``AXES_LEFT`` and ``AXES_RIGHT`` tell it where the time axis lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from malsori.core.files import atomic_write

AXES_LEFT, AXES_RIGHT = 0.075, 0.982
_WIDTH_INCHES, _HEIGHT_INCHES, _DOTS_PER_INCH = 7.0, 3.1, 130
_COLOURS = 128
_MEL_BANDS = 128
_FRAMES_A_SECOND = 200
_RANGE_DB = 75.0
_TICKS_HZ = (0, 250, 500, 1000, 2000, 4000, 8000, 16000)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """What is drawn of a recording."""

    wav: NDArray[np.float32]
    """Samples, (S,)."""
    sample_rate: int
    """Hz."""
    axis_seconds: float
    """Where the time axis ends; the same for pictures that stand side by side."""
    f0: NDArray[np.float32]
    """Hz, 0 where unvoiced, (T,)."""
    f0_hop_seconds: float
    """Time between its frames."""
    f0_range_hz: tuple[float, float]
    """Of the F0 axis."""
    boundaries: Sequence[float] = field(default=())
    """Where tokens end, in seconds."""
    other_f0: NDArray[np.float32] | None = None
    """A contour drawn in grey to compare with, on the same frames, (T,)."""


def draw(picture: Picture, path: Path) -> None:
    """Write the picture of a recording as a PNG of 910 by 403 pixels and 128 colours."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    with matplotlib.rc_context({"font.size": 7.5, "axes.linewidth": 0.6, "axes.edgecolor": "#555"}):
        figure = Figure(figsize=(_WIDTH_INCHES, _HEIGHT_INCHES), dpi=_DOTS_PER_INCH)
        width = AXES_RIGHT - AXES_LEFT
        spectrum_axes = figure.add_axes((AXES_LEFT, 0.385, width, 0.6))
        pitch_axes = figure.add_axes((AXES_LEFT, 0.095, width, 0.265))
        _draw_spectrogram(spectrum_axes, picture)
        _draw_pitch(pitch_axes, picture)
        for axes in (spectrum_axes, pitch_axes):
            axes.set_xlim(0, picture.axis_seconds)
            axes.tick_params(length=2.5, width=0.6, pad=2, colors="#444")
        canvas: Any = FigureCanvasAgg(figure)
        canvas.draw()
    pixels = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    few = pixels.quantize(_COLOURS, dither=Image.Dither.NONE)  # a third of the size, looks the same
    with atomic_write(path, "wb") as file:
        few.save(file, "PNG", optimize=True)


def pitch_range(*contours: NDArray[np.float32]) -> tuple[float, float]:
    """Return an axis that shows the voiced frames of all contours, in Hz; 80 to 400 if none is."""
    voiced = np.concatenate([contour[contour > 0] for contour in contours])
    if len(voiced) == 0:
        return 80.0, 400.0
    low, high = np.quantile(voiced, [0.005, 0.995])
    return float(low) * 0.85, float(high) * 1.15


def log_mel(wav: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    """Return a mel power spectrogram in dB below its loudest point, (T, bands), to look at."""
    hop = round(sample_rate / _FRAMES_A_SECOND)
    window = 1 << round(np.log2(0.03 * sample_rate))
    size = 2 * window
    padded = np.pad(np.asarray(wav, np.float64), window // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(window), size)) ** 2
    mel = power @ _mel_filters(size, sample_rate).T
    decibels: NDArray[np.float64] = 10 * np.log10(np.maximum(mel, 1e-12))
    return np.asarray(decibels - decibels.max())


def _mel(hz: Any) -> Any:
    return 2595.0 * np.log10(1.0 + np.asarray(hz) / 700.0)


def _mel_filters(size: int, sample_rate: int) -> NDArray[np.float64]:
    """Return triangles of equal height from 0 Hz to half the sample rate, (bands, K)."""
    bins = _mel(np.arange(size // 2 + 1) * sample_rate / size)
    edges = np.linspace(0.0, _mel(sample_rate / 2), _MEL_BANDS + 2)
    step = edges[1]
    # Where bands are narrower than a bin a triangle would miss every bin: it is then widened.
    reach = np.maximum(step, 0.75 * np.interp(edges[1:-1], bins[:-1], np.diff(bins)))
    triangles = 1.0 - np.abs(bins[None, :] - edges[1:-1, None]) / reach[:, None]
    filters: NDArray[np.float64] = np.maximum(triangles, 0.0)
    return filters


def _draw_spectrogram(axes: Any, picture: Picture) -> None:
    top = float(_mel(picture.sample_rate / 2))
    axes.imshow(
        log_mel(picture.wav, picture.sample_rate).T,
        origin="lower",
        aspect="auto",
        interpolation="bilinear",
        cmap="magma",
        vmin=-_RANGE_DB,
        vmax=0.0,
        extent=(0.0, len(picture.wav) / picture.sample_rate, 0.0, top),
    )
    axes.set_facecolor("#f3f3f1")
    for boundary in picture.boundaries:
        axes.axvline(boundary, color="white", linewidth=0.6, alpha=0.75)
    ticks = [hz for hz in _TICKS_HZ if hz <= picture.sample_rate / 2]
    axes.set_yticks([float(_mel(hz)) for hz in ticks])
    axes.set_yticklabels([f"{hz / 1000:g}k" if hz >= 1000 else str(hz) for hz in ticks])
    axes.set_ylim(0.0, top)
    axes.set_ylabel("Hz", labelpad=1, color="#444")
    axes.set_xticklabels([])


def _draw_pitch(axes: Any, picture: Picture) -> None:
    times = np.arange(len(picture.f0)) * picture.f0_hop_seconds
    for boundary in picture.boundaries:
        axes.axvline(boundary, color="#dcdcd8", linewidth=0.5)
    if picture.other_f0 is not None:
        axes.plot(times, _gaps(picture.other_f0), color="#9a9a96", linewidth=2.2, alpha=0.7)
    axes.plot(times, _gaps(picture.f0), color="#1f5fa8", linewidth=1.3)
    axes.set_yscale("log")
    low, high = picture.f0_range_hz
    axes.set_ylim(low, high)
    ticks = [hz for hz in (50, 75, 100, 150, 200, 300, 400, 500) if low <= hz <= high]
    axes.set_yticks(ticks, labels=[str(hz) for hz in ticks])
    axes.set_yticks([], minor=True)
    axes.set_ylabel("F0 (Hz)", labelpad=1, color="#444")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _gaps(f0: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the contour with holes where it is unvoiced."""
    return np.where(f0 > 0, f0, np.nan).astype(np.float32)
