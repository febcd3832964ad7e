"""`make bench`: what counts as worse, what as reached, and what the page says."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[2] / "tools" / "bench"


@pytest.fixture(scope="module")
def driver() -> Any:
    spec = importlib.util.spec_from_file_location("bench_run", BENCH / "run.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_run"] = module
    spec.loader.exec_module(module)
    return module


def measure(**changes: Any) -> dict[str, Any]:
    plain = {"what": "a step", "unit": "s", "runs": [2.0, 1.0, 4.0], "larger_is_better": False}
    beside = {"target": "", "peer": "", "peer_runs": [], "ratio": None, "axis": "", "sizes": []}
    return {**plain, **beside, "note": "", **changes}


def made(product: float = 0.1, **changes: Any) -> dict[str, Any]:
    machine = {"processor": "P", "cores": 2, "load_at_end": 0.1}
    return {
        "measures": [measure(**changes)],
        "product_seconds": product,
        "machine": machine,
        "versions": {"torch": "2"},
        "minutes": 1.0,
    }


@pytest.mark.parametrize(
    ("before", "now", "is_worse"),
    [
        ({}, {}, False),
        ({"runs": [1.0]}, {"runs": [1.14]}, False),
        ({"runs": [1.0]}, {"runs": [1.16]}, True),
        ({"runs": [1.0]}, {"runs": [0.5]}, False),
        ({"runs": [1.0]}, {"runs": [1.9], "product": 0.19}, False),  # the machine was slow
        ({"runs": [1.0]}, {"runs": [1.0], "product": 0.05}, True),  # the machine was fast
        ({"runs": [1.0], "ratio": 0.5}, {"runs": [9.0], "ratio": 0.5}, False),  # so was the peer
        ({"runs": [1.0], "ratio": 0.5}, {"runs": [1.0], "ratio": 0.6}, True),
        ({"runs": [100.0], "unit": "MB"}, {"runs": [130.0], "unit": "MB", "product": 0.2}, True),
        ({"runs": [100.0], "larger_is_better": True}, {"runs": [80.0]}, True),
        ({"runs": [100.0], "larger_is_better": True}, {"runs": [120.0]}, False),
        ({"runs": [100.0], "larger_is_better": True}, {"runs": [50.0], "product": 0.2}, False),
        ({"runs": [1.0], "axis": "T"}, {"runs": [9.0], "axis": "T"}, False),
    ],
)
def test_worse_than_stored(
    driver: Any, before: dict[str, Any], now: dict[str, Any], is_worse: bool
) -> None:
    kind = {key: before[key] for key in ("larger_is_better",) if key in before}
    lines = driver.compared("training", made(**before), made(**{**kind, **now}))
    assert bool(lines) == is_worse, lines
    assert all(line.startswith("training: a step: ") for line in lines)


def test_a_new_figure_is_not_worse(driver: Any) -> None:
    assert driver.compared("training", None, made()) == []
    assert driver.compared("training", made(what="another"), made(runs=[1e9])) == []


@pytest.mark.parametrize(
    ("target", "changes", "told"),
    [
        ("", {}, ""),
        ("<= 2", {}, "yes"),
        ("<= 1.9", {}, "**no**"),
        (">= 2", {}, "yes"),
        (">= 2.1", {}, "**no**"),
        ("ratio <= 0.5", {"ratio": 0.5}, "yes"),
        ("ratio <= 0.5", {"ratio": 0.6}, "**no**"),
        ("ratio <= 0.5", {}, "not measured"),
    ],
)
def test_targets(driver: Any, target: str, changes: dict[str, Any], told: str) -> None:
    assert driver.met(measure(target=target, **changes)) == told


def test_growth_is_named(driver: Any) -> None:
    sizes = [1.0, 10.0, 100.0]
    straight = driver.growth(measure(axis="T", sizes=sizes, runs=[1.0, 10.0, 100.0]))
    assert "power 1.00: no more than linear" in straight
    square = driver.growth(measure(axis="T", sizes=sizes, runs=[1.0, 100.0, 10000.0]))
    assert "power 2.00: **worse than linear**" in square
    twice = driver.growth(measure(axis="T", sizes=[1.0, 1.0, 2.0, 2.0], runs=[1.0, 3.0, 4.0, 4.0]))
    assert "2, 4 s at 1, 2 T" in twice and "power 1.00" in twice
    assert "power 0.00" in driver.growth(measure(axis="T", sizes=[1.0], runs=[1.0]))


def test_page_and_picture(driver: Any, tmp_path: Path) -> None:
    points = made(peer="ESPnet", peer_runs=[4.0], ratio=0.5, target="ratio <= 0.75", note="Quiet.")
    curve = measure(what="time against T", axis="frames", sizes=[1.0, 2.0], runs=[3.0, 6.0])
    found = {"training": {**points, "measures": [*points["measures"], curve]}}
    page = driver.page(found)
    row = "| a step | 2 s (1 to 4) | ESPnet: 4 s | 0.50 | ratio <= 0.75 | yes |"
    assert row in page and "*time against T*: 3, 6 s at 1, 2 frames" in page and "Quiet." in page
    driver.draw(found, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes()[1:4] == b"PNG"
