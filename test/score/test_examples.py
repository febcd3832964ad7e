"""Which utterances are shown, and how token times are carried over to the reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from malsori.score.acoustic import METRICS
from malsori.score.decoded import TokenTimes
from malsori.score.evaluation import DECODED, SYSTEMS, Evaluation, UtteranceScores
from malsori.score.examples import select, token_ends, warped


def scored(values: list[float]) -> Evaluation:
    rows = tuple(
        UtteranceScores(
            id=f"u{i}",
            text="",
            speaker="s",
            seconds=1.0,
            decoded_seconds=1.0,
            other=None,
            scores={system: {metric.name: value for metric in METRICS} for system in SYSTEMS},
        )
        for i, value in enumerate(values)
    )
    return Evaluation(metrics=METRICS, sample_rate=16000, utterances=rows)


@given(st.lists(st.floats(0, 20), min_size=1, max_size=40), st.integers(0, 30))
def test_no_more_than_asked_and_worst_first(values: list[float], limit: int) -> None:
    evaluation = scored(values)
    reasons = select(evaluation, limit)
    assert len(reasons) == min(len(values), limit)
    chosen = [evaluation.utterances[i].scores[DECODED]["mcd_db"] for i in reasons]
    assert chosen == sorted(chosen, reverse=True)
    if "worst" in reasons.values():
        assert chosen[0] == max(values)
        assert chosen[-1] == min(values)


def test_a_third_of_each_kind() -> None:
    reasons = select(scored([float(i) for i in range(20)]), 9)
    assert [i for i, reason in reasons.items() if reason == "worst"] == [19, 18, 17]
    assert [i for i, reason in reasons.items() if reason == "best"] == [2, 1, 0]
    assert list(reasons.values()).count("random") == 3


def test_an_undefined_score_counts_as_the_worst() -> None:
    assert next(iter(select(scored([1.0, float("nan"), 2.0]), 3))) == 1


def test_token_ends_fill_the_recording() -> None:
    ends = token_ends(TokenTimes(("a", "b", "c"), (2, 0, 6)), 4.0)
    assert ends == [1.0, 1.0, 4.0]
    assert token_ends(TokenTimes(("a",), (0,)), 4.0) == []
    assert token_ends(None, 4.0) == []


def test_times_follow_the_path() -> None:
    reference = np.arange(40)
    path = np.stack([reference, reference // 2], 1)  # the decoded side is twice as fast
    assert warped(0.05, path, 0.005) == pytest.approx(0.1, abs=0.006)
    assert warped(9.0, path, 0.005) == pytest.approx(0.195, abs=0.006)
