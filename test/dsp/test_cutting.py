from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.dsp.cutting import pieces

RATE = 100


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 2000), st.integers(0, 5), st.sampled_from([0.5, 2.0, 8.0]))
def test_pieces_are_the_whole_and_none_is_too_long(
    samples: int, seed: int, shortest: float
) -> None:
    wav = np.random.default_rng(seed).normal(0, 0.1, samples).astype(np.float32)
    found = pieces(wav, RATE, shortest_seconds=shortest, longest_seconds=10.0)
    assert found[0][0] == 0 and found[-1][1] == samples
    assert all(one[1] == other[0] for one, other in itertools.pairwise(found))
    lengths = [end - begin for begin, end in found]
    assert max(lengths) <= 10 * RATE
    assert all(length >= shortest * RATE for length in lengths[:-1])
    assert len(found) == 1 or lengths[-1] >= RATE
    assert (len(found) == 1) == (samples <= 10 * RATE)


def test_the_cut_is_in_the_pause() -> None:
    wav = np.random.default_rng(0).normal(0, 0.1, 25 * RATE).astype(np.float32)
    for middle in (850, 1700):
        wav[middle - 20 : middle + 20] *= 0.01
    found = pieces(wav, RATE, shortest_seconds=7.0, longest_seconds=10.0)
    assert len(found) == 3
    for (_, end), middle in zip(found[:-1], (850, 1700), strict=True):
        assert abs(end - middle) < 20


def test_silence_is_cut_too() -> None:
    assert len(pieces(np.zeros(6000, dtype=np.float32), RATE)) == 3  # of at least 20 s


@pytest.mark.parametrize(("shortest", "longest"), [(0.0, 1.0), (9.0, 10.0), (1.0, -1.0)])
def test_lengths_that_fit_no_cut(shortest: float, longest: float) -> None:
    with pytest.raises(ValueError, match="no pieces between"):
        pieces(np.zeros(9, np.float32), RATE, shortest_seconds=shortest, longest_seconds=longest)
