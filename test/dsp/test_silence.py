"""Speech bounds against signals whose bounds are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.dsp.audio import AudioError
from malsori.dsp.silence import shorten_silences, silences, speech_bounds

RATE = 16000


def padded(head: float, body: float, tail: float, noise_db: float = -60.0) -> np.ndarray:
    rng = np.random.default_rng(0)
    sizes = [round(each * RATE) for each in (head, body, tail)]
    wav = rng.normal(0, 10 ** (noise_db / 20), sum(sizes))
    wav[sizes[0] : sizes[0] + sizes[1]] += 0.3 * np.sin(np.arange(sizes[1]) * 0.1)
    return wav.astype(np.float32)


@given(head=st.floats(0.1, 1), body=st.floats(0.1, 2), tail=st.floats(0.1, 1))
@settings(max_examples=40, deadline=None)
def test_bounds_are_the_speech_and_the_pad(head: float, body: float, tail: float) -> None:
    begin, end = speech_bounds(padded(head, body, tail), RATE, pad_seconds=0.05)
    # a window that holds a part of the speech is loud: up to a window and a hop more at each end
    assert head - 0.05 - 0.03 <= begin <= head - 0.05 + 0.005
    assert head + body + 0.05 - 0.005 <= end <= head + body + 0.05 + 0.03


@given(scale=st.floats(0.02, 3.0))
@settings(max_examples=20, deadline=None)
def test_bounds_do_not_depend_on_the_level(scale: float) -> None:
    wav = padded(0.3, 0.5, 0.2)
    assert speech_bounds(wav * np.float32(scale), RATE) == speech_bounds(wav, RATE)


def test_bounds_stay_inside_of_the_waveform() -> None:
    wav = padded(0.0, 0.7, 0.0)
    assert speech_bounds(wav, RATE) == (0.0, len(wav) / RATE)


def test_pauses_inside_are_kept() -> None:
    wav = np.concatenate([padded(0.3, 0.4, 0.5), padded(0.5, 0.4, 0.3)])
    begin, end = speech_bounds(wav, RATE)
    assert begin == pytest.approx(0.25, abs=0.03) and end == pytest.approx(2.15, abs=0.03)


def test_the_threshold_decides_what_is_speech() -> None:
    wav = padded(0.5, 0.5, 0.5)
    wav[: RATE // 2] += 0.3 * 10 ** (-20 / 20) * np.sin(np.arange(RATE // 2) * 0.1)  # 20 dB below
    assert speech_bounds(wav, RATE, threshold_db=30)[0] == 0.0
    assert speech_bounds(wav, RATE, threshold_db=15)[0] == pytest.approx(0.45, abs=0.03)


def test_a_constant_offset_is_no_sound() -> None:
    begin, _ = speech_bounds(padded(0.3, 0.5, 0.2) + np.float32(0.2), RATE)
    assert begin == pytest.approx(0.25, abs=0.03)
    with pytest.raises(AudioError, match="silent"):
        speech_bounds(np.full(RATE, 0.5, np.float32), RATE)


@pytest.mark.parametrize("samples", [0, 1, 5, 16000])
def test_silence_is_an_error(samples: int) -> None:
    with pytest.raises(AudioError, match="silent: no sample passes -60 dB"):
        speech_bounds(np.zeros(samples, np.float32), RATE)


def test_a_waveform_shorter_than_a_window() -> None:
    wav = np.array([0.5, -0.5, 0.5], np.float32)
    assert speech_bounds(wav, RATE) == (0.0, 3 / RATE)


@given(head=st.floats(0.1, 1), pause=st.floats(0.16, 1), tail=st.floats(0.1, 1))
@settings(max_examples=40, deadline=None)
def test_silences_are_what_lies_around_the_speech(head: float, pause: float, tail: float) -> None:
    wav = np.concatenate([padded(head, 0.4, pause / 2), padded(pause / 2, 0.3, tail)])
    found = silences(wav, RATE, shortest_seconds=0.1)
    truth = [(0.0, head), (head + 0.4, head + 0.4 + pause), (head + 0.7 + pause, len(wav) / RATE)]
    np.testing.assert_allclose(found, truth, atol=0.007)
    longer = silences(wav, RATE, shortest_seconds=pause + 0.02)
    assert longer == [found[0], found[2]], "at the ends it counts however short it is"


def test_speech_without_silence_has_none() -> None:
    assert silences(padded(0.0, 0.5, 0.0), RATE) == []
    with pytest.raises(AudioError, match="silent"):
        silences(np.zeros(800, np.float32), RATE)


@given(head=st.floats(0.0, 1), pause=st.floats(0.0, 1), tail=st.floats(0.0, 1))
@settings(max_examples=40, deadline=None)
def test_shortened_silences_leave_the_speech_whole(head: float, pause: float, tail: float) -> None:
    longest = 0.3
    wav = np.concatenate([padded(head, 0.4, pause / 2), padded(pause / 2, 0.4, tail)])
    short = shorten_silences(wav, RATE, longest_seconds=longest)
    kept = 0.8 + min(pause, longest) + min(head, longest / 2) + min(tail, longest / 2)
    assert len(short) / RATE == pytest.approx(kept, abs=0.03)
    assert np.square(short).sum() == pytest.approx(np.square(wav).sum(), rel=1e-3)
    np.testing.assert_array_equal(shorten_silences(short, RATE, longest_seconds=longest), short)


def test_only_silence_cannot_be_shortened() -> None:
    with pytest.raises(AudioError, match="silent"):
        shorten_silences(np.zeros(800, np.float32), RATE)
    with pytest.raises(ValueError, match="0 s of silence"):
        shorten_silences(padded(0.1, 0.1, 0.1), RATE, longest_seconds=0)
