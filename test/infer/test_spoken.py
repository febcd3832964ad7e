"""Silences that a text asks for."""

from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.infer.spoken import silence


@settings(deadline=None)
@given(st.floats(0, 60), st.sampled_from([(8000, 256), (22050, 256), (24000, 300)]))
def test_a_break_is_at_most_half_a_frame_too_long_or_short(
    seconds: float, shape: tuple[int, int]
) -> None:
    rate, hop = shape
    said = silence(seconds, rate, hop)
    assert len(said.audio) == said.durations[0] * hop and not said.audio.any()
    assert abs(len(said.audio) / rate - seconds) <= hop / rate / 2 + 1e-9
