"""Windows: every frame once, and the samples of the whole."""

from __future__ import annotations

from itertools import islice, repeat

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from malsori.dsp.windowing import by_windows, frame_windows, growing, usual_size

SIZES = st.lists(st.integers(1, 40), max_size=6)


@given(st.integers(0, 300), st.integers(0, 20), SIZES)
def test_every_frame_is_kept_once_with_its_context(
    frames: int, context: int, sizes: list[int]
) -> None:
    found = list(frame_windows(frames, context, sizes))
    assert [i for w in found for i in range(w.first, w.last)] == list(range(frames))
    for window in found:
        assert window.start == max(0, window.first - context)
        assert window.end == min(frames, window.last + context)
    assert [w.last - w.first for w in found[:-1]] == sizes[: max(0, len(found) - 1)]


@given(st.integers(1, 300), st.integers(1, 50))
def test_windows_are_bounded(frames: int, size: int) -> None:
    assert all(w.last - w.first <= 1.5 * size for w in frame_windows(frames, 7, repeat(size)))


@given(st.integers(1, 120), st.integers(0, 6), SIZES, st.integers(1, 5))
def test_what_hangs_on_its_context_is_the_same_in_windows(
    frames: int, context: int, sizes: list[int], hop: int
) -> None:
    values = np.random.default_rng(frames).normal(size=frames)

    def generate(start: int, end: int) -> np.ndarray:
        around = np.pad(values[start:end], context)  # what is not read counts as nothing
        sums = np.lib.stride_tricks.sliding_window_view(around, 2 * context + 1).sum(1)
        return np.repeat(sums, hop)

    pieces = list(by_windows(generate, frames, hop, context, sizes))
    np.testing.assert_allclose(np.concatenate(pieces), generate(0, frames))
    cut = [window.first for window in frame_windows(frames, context, sizes)][1:]
    if context and any(context <= max(i, frames - i) for i in cut):  # less would not do
        fewer = np.concatenate(list(by_windows(generate, frames, hop, context - 1, sizes)))
        assert abs(fewer - generate(0, frames)).max() > 1e-9


def test_sizes_in_closed_form() -> None:
    assert list(islice(growing(28, 100), 6)) == [28, 42, 63, 94, 100, 100]
    assert list(islice(growing(1, 9, 2.0), 5)) == [1, 2, 4, 8, 9]
    assert (usual_size(13), usual_size(29)) == (256, 464)


def test_axes_before_samples_stay() -> None:
    whole = np.arange(24.0).reshape(2, 12)
    pieces = by_windows(lambda a, b: whole[:, 3 * a : 3 * b], 4, 3, 1, [1, 1])
    assert [piece.shape for piece in pieces] == [(2, 3), (2, 3), (2, 6)]


@pytest.mark.parametrize("context", [0, 5])
def test_nothing_has_no_window(context: int) -> None:
    assert list(frame_windows(0, context, [4])) == []
