"""Curves of a short run have one point after the only validation; its panels were empty."""

from __future__ import annotations

import numpy as np

from malsori.tasks.plots import curves_picture


def test_a_single_value_is_drawn() -> None:
    picture = curves_picture({"dev/mcd": ([60], [13.9])}, "run").astype(np.int64)
    is_blue = picture[..., 2] - picture[..., 0] > 50
    assert is_blue.sum() > 5
