"""`make bench`: what counts as worse, what as reached, and what the page says."""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[2] / "tools" / "bench"


@pytest.fixture(scope="module")
def driver() -> Any:
    return loaded("run")


@pytest.fixture(scope="module")
def measures() -> Any:
    return loaded("measures")


def loaded(name: str) -> Any:
    """Return a script of the benches as a module."""
    spec = importlib.util.spec_from_file_location(f"bench_{name}", BENCH / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[f"bench_{name}"] = module
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
    assert "; linear (power 1.00 at the end). **Nobody has explained it.**" in straight
    square = driver.growth(measure(axis="T", sizes=sizes, runs=[1.0, 100.0, 10000.0], note="So."))
    assert "; **worse than linear** (power 2.00 at the end). So." in square
    twice = driver.growth(measure(axis="T", sizes=[1.0, 1.0, 2.0, 2.0], runs=[1.0, 3.0, 4.0, 4.0]))
    assert "2, 4 s at 1, 2 T" in twice and "power 1.00" in twice
    root = driver.growth(measure(axis="T", sizes=sizes, runs=[1.0, 3.2, 10.0]))
    assert "; less than linear (power 0.49 at the end)" in root
    down = driver.growth(measure(axis="T", sizes=sizes, runs=[10.0, 3.0, 1.0]))
    assert "; not growing (power -0.48 at the end)" in down
    late = driver.growth(measure(axis="T", sizes=sizes, runs=[9.9, 10.0, 100.0]))
    assert "; linear (power 1.00 at the end)" in late  # what is there from the start hides it
    below = driver.growth(measure(axis="T", sizes=sizes, runs=[-1.0, 0.0, 1.0]))
    assert "; from -1 to 1, to which no power can be fitted" in below


def test_growth_of_nothing_is_called_constant_and_is_short(driver: Any) -> None:
    sizes = [20.0 * number for number in range(1, 16)]
    runs = [34.0 + number % 3 for number in range(15)]  # the last two alone would be a growth
    told = driver.growth(measure(axis="batches", sizes=sizes, runs=runs, unit="MB"))
    assert "34, 35, 36, 35, 36 MB at 20, 40, 60, 160, 300 batches; constant." in told
    assert "constant" in driver.growth(measure(axis="T", sizes=[1.0], runs=[1.0]))
    many = driver.growth(measure(axis="rows", sizes=[1e3, 1e6], runs=[1.0, 1.0]))
    assert "1, 1 s at 1,000, 1,000,000 rows" in many


def test_a_curve_needs_its_sentence(measures: Any) -> None:
    points: tuple[Any, ...] = ("time against T", "frames", [1.0, 2.0], "s", [3.0, 6.0])
    assert measures.Measure.curve(*points, "All frames are read.").note == "All frames are read."
    for why in ("", " ", "no sentence"):
        with pytest.raises(ValueError, match="time against T: a curve needs a sentence"):
            measures.Measure.curve(*points, why)


def test_every_curve_of_a_bench_is_given_a_sentence() -> None:
    found = 0
    for path in BENCH.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Measure.curve":
                words = [keyword.arg for keyword in node.keywords]
                assert len(node.args) == 6 or "why" in words, f"{path.name}:{node.lineno}"
                found += 1
    assert found >= 5


def test_the_summary_has_a_line_for_each_goal(driver: Any) -> None:
    fast = measure(what="step, B=4: time", target="ratio <= 0.75", ratio=0.5, peer="ESPnet")
    large = measure(what="step, B=4: memory", target="ratio <= 0.6", ratio=0.66, peer="ESPnet")
    alone = measure(what="step, B=8: time", target="ratio <= 0.75")
    found = {
        "training": {"measures": [fast, large, alone]},
        "text_speed": {"measures": [measure(what="ko", target=">= 1", unit="/s"), measure()]},
    }
    _, _, *lines, end = driver.summary(found)
    assert len(lines) == len(driver.GOALS) and end == ""
    by_goal = dict(zip(driver.GOALS, lines, strict=True))
    four, eight = (line for goal, line in by_goal.items() if goal.bench == "training")
    assert "| **1 of 2** | step, B=4: memory: ratio 0.66 to ESPnet, aimed at <= 0.6 |" in four
    assert eight.endswith("| not measured | |")
    (text,) = (line for goal, line in by_goal.items() if goal.bench == "text_speed")
    assert "| yes | ko: 2 /s, aimed at >= 1 |" in text
    rest = {goal.bench for goal, line in by_goal.items() if "not measured" not in line}
    assert rest == {"training", "text_speed"}


def test_every_goal_belongs_to_a_bench_and_every_bench_to_a_goal(driver: Any) -> None:
    assert {goal.bench for goal in driver.GOALS} == set(driver.BENCHES)


def test_page_and_picture(driver: Any, tmp_path: Path) -> None:
    points = made(peer="ESPnet", peer_runs=[4.0], ratio=0.5, target="ratio <= 0.75", note="Quiet.")
    curve = measure(what="time against T", axis="frames", sizes=[1.0, 2.0], runs=[3.0, 6.0])
    found = {"training": {**points, "measures": [*points["measures"], curve]}}
    page = driver.page(found)
    row = "| a step | 2 s (1 to 4) | ESPnet: 4 s | 0.50 | ratio <= 0.75 | yes |"
    assert row in page and "*time against T*: 3, 6 s at 1, 2 frames" in page and "Quiet." in page
    assert page.index("| aimed at | met |") < page.index("## Training")
    driver.draw(found, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes()[1:4] == b"PNG"
