"""Noise is PyTorch's, number for number."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from malsori.dsp.noise import normal


@given(count=st.integers(0, 400), seed=st.integers(0, 2**32 - 1))
def test_it_is_what_pytorch_draws(count: int, seed: int) -> None:
    expected = torch.randn(count, generator=torch.Generator().manual_seed(seed)).numpy()
    np.testing.assert_allclose(normal(count, seed), expected, atol=2e-6)


def test_it_is_normal() -> None:
    drawn = normal(100_000, 3)
    assert abs(drawn.mean()) < 0.02 and abs(drawn.std() - 1) < 0.02 and drawn.dtype == np.float32
