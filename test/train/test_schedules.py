from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from malsori.core.config import build, read_choice
from malsori.core.errors import ConfigError
from malsori.train import SCHEDULES


def schedule(steps: int, **settings: Any) -> Any:
    return build(SCHEDULES, read_choice(SCHEDULES, settings, "schedule"), steps=steps)


def test_exponential_ends_at_its_share() -> None:
    factor = schedule(1000, name="exponential", final=0.1)
    assert factor(0) == 1.0
    assert factor(500) == pytest.approx(math.sqrt(0.1))
    assert factor(1000) == pytest.approx(0.1)
    ratios = {round(factor(step + 1) / factor(step), 12) for step in range(1000)}
    assert ratios == {round(0.1 ** (1 / 1000), 12)}


def test_exponential_rises_first() -> None:
    factor = schedule(100, name="exponential", final=1.0, warmup=4)
    assert [factor(step) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_published_decays_every_thousand_steps_whatever_the_length() -> None:
    for steps in (10, 10**6):
        factor = schedule(steps, name="published")
        assert factor(0) == factor(999) == 1.0
        assert factor(1000) == 0.999875
        assert factor(250_500) == pytest.approx(0.999875**250)


def test_cosine_in_closed_form() -> None:
    factor = schedule(1100, name="cosine", warmup=100, final=0.05)
    assert factor(0) == 0.01 and factor(99) == 1.0
    for done in (0.0, 0.25, 0.5, 1.0):
        wanted = 0.05 + 0.95 * (1 + math.cos(math.pi * done)) / 2
        assert factor(100 + round(1000 * done)) == pytest.approx(wanted)
    assert factor(5000) == pytest.approx(0.05)


def test_constant() -> None:
    factor = schedule(10, name="constant", warmup=2)
    assert [factor(step) for step in (0, 1, 2, 99)] == [0.5, 1.0, 1.0, 1.0]


@given(st.sampled_from(SCHEDULES.names()), st.integers(1, 5000), st.data())
def test_every_schedule_stays_between_0_and_1(name: str, steps: int, data: st.DataObject) -> None:
    factor = schedule(steps, name=name)
    step = data.draw(st.integers(0, steps))
    assert 0 < factor(step) <= 1
    assert factor(step) == factor(step)  # a pure function: nothing to resume


@pytest.mark.parametrize(
    "settings",
    [
        {"name": "exponential", "final": 0.0},
        {"name": "exponential", "final": 1.5},
        {"name": "published", "every": 0},
    ],
)
def test_out_of_range(settings: dict[str, Any]) -> None:
    key = next(key for key in settings if key != "name")
    with pytest.raises(ConfigError, match=rf"schedule\.{key}: must be"):
        schedule(10, **settings)
