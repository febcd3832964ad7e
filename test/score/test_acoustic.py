"""The acoustic scorer: what it says of copies, of noise and of known changes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from malsori.dsp.cepstrum import CepstrumConfig
from malsori.score import SCORERS
from malsori.score.acoustic import AcousticScorer
from malsori.score.scorer import Clip, distance_from_best, written

RATE = 16000


def tone(hz: float, seconds: float = 0.5) -> np.ndarray:
    times = np.arange(round(seconds * RATE)) / RATE
    wav = sum(np.sin(2 * np.pi * hz * k * times) / k for k in range(1, int(RATE / 2 / hz)))
    return (0.2 * wav).astype(np.float32)


def compare(reference: np.ndarray, decoded: np.ndarray) -> dict[str, float]:
    scorer = AcousticScorer(CepstrumConfig())
    clips: list[Any] = [scorer.prepare(Clip(wav, RATE, "", None)) for wav in (reference, decoded)]
    return scorer.compare(*clips)


def test_a_copy_is_perfect() -> None:
    scores = compare(tone(150), tone(150))
    for metric in AcousticScorer.metrics:
        assert scores[metric.name] == pytest.approx(metric.best, abs=1e-5), metric.name


def test_log_f0_error_of_a_transposed_tone_is_the_interval() -> None:
    assert compare(tone(150), tone(165))["log_f0_rmse"] == pytest.approx(math.log(1.1), rel=0.04)


def test_duration_ratio_is_decoded_over_reference() -> None:
    assert compare(tone(150, 0.5), tone(150, 0.6))["duration_ratio"] == pytest.approx(1.2)


def test_silence_has_no_f0_error_and_every_voiced_step_is_wrong() -> None:
    scores = compare(tone(150), np.zeros(RATE // 2, np.float32))
    assert math.isnan(scores["log_f0_rmse"])
    assert scores["voicing_error"] > 0.8
    assert scores["mcd_db"] > 5.0


def test_half_voiced_is_half_an_error() -> None:
    half = tone(150, 0.5)
    half[len(half) // 2 :] = 0.0
    whole = tone(150, 0.5)
    # Both are equally long and differ in the second half only, where no warping helps.
    assert 0.3 < compare(whole, half)["voicing_error"] < 0.7


def test_it_is_registered_under_its_name() -> None:
    entry = SCORERS.entry("acoustic")
    assert isinstance(entry.build(entry.config()), AcousticScorer)


def test_values_are_written_with_their_digits_and_dashes() -> None:
    metric = AcousticScorer.metrics[0]
    assert written(metric, 5.456) == "5.46"
    assert written(metric, float("nan")) == "–"
    assert distance_from_best(metric, float("nan")) > distance_from_best(metric, 99.0)
