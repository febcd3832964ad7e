"""Statistics come back from their file as they went, and damage is seen."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.core.errors import MalsoriError
from malsori.core.files import write_json
from malsori.dsp.statistics import Statistics

number = st.floats(-1e6, 1e6)
positive = st.floats(1e-6, 1e6)
statistics = st.integers(1, 5).flatmap(
    lambda bands: st.builds(
        Statistics,
        mel_mean=st.lists(number, min_size=bands, max_size=bands).map(tuple),
        mel_std=st.lists(positive, min_size=bands, max_size=bands).map(tuple),
        pitch_mean=number,
        pitch_std=positive,
        energy_mean=number,
        energy_std=positive,
    )
)
GOOD: dict[str, Any] = {
    "mel_mean": [1.0, 2.0],
    "mel_std": [1.0, 2.0],
    "pitch_mean": 5,
    "pitch_std": 0.25,
    "energy_mean": 1.0,
    "energy_std": 1.0,
}


@given(statistics)
@settings(max_examples=20, deadline=None)
def test_they_survive_their_file(
    tmp_path_factory: pytest.TempPathFactory, given_statistics: Statistics
) -> None:
    path = tmp_path_factory.getbasetemp() / "stats.json"
    given_statistics.save(path)
    assert Statistics.load(path) == given_statistics


@pytest.mark.parametrize(
    "changes",
    [
        {"pitch_std": 0.0},
        {"pitch_std": -1.0},
        {"energy_std": float("nan")},
        {"energy_mean": float("nan")},
        {"pitch_mean": float("inf")},
        {"pitch_mean": [1.0]},
        {"pitch_mean": "5"},
        {"pitch_mean": None},
        {"pitch_mean": True},
        {"mel_mean": 1.0},
        {"mel_mean": [1.0, "x"]},
        {"mel_mean": [1.0, float("nan")]},
        {"mel_std": [1.0, 0.0]},
        {"mel_std": {"a": 1}},
    ],
)
def test_damage_is_seen(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = tmp_path / "stats.json"
    write_json(path, {**GOOD, **changes})
    with pytest.raises(MalsoriError, match=r"stats\.json: statistics are damaged; run stage 3"):
        Statistics.load(path)


def test_another_number_of_deviations_is_refused(tmp_path: Path) -> None:
    write_json(tmp_path / "stats.json", {**GOOD, "mel_std": [1.0]})
    with pytest.raises(MalsoriError, match="2 means, but 1 deviations"):
        Statistics.load(tmp_path / "stats.json")


@pytest.mark.parametrize("tree", [[], 3, {}, {**GOOD, "more": 1}])
def test_another_file_is_refused(tmp_path: Path, tree: Any) -> None:
    write_json(tmp_path / "stats.json", tree)
    with pytest.raises(MalsoriError, match="not a statistics file; run stage 3"):
        Statistics.load(tmp_path / "stats.json")


def test_whole_numbers_become_floats() -> None:
    found = Statistics.from_json(GOOD, "here")
    assert isinstance(found.pitch_mean, float)
    assert dataclasses.asdict(found)["mel_mean"] == (1.0, 2.0)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MalsoriError, match=r"gone\.json: no such file"):
        Statistics.load(tmp_path / "gone.json")
