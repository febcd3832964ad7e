"""The GPU bench, on a CPU and a tiny model: its ways, its notes, and what it computes from them."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

BENCH = Path(__file__).parents[2] / "tools" / "bench"
SMALL = ["--device", "cpu", "--tiny", "--steps", "2", "--frames", "20", "--tokens", "8"]


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCH))
    import gpu as bench

    monkeypatch.setattr(bench, "ESPNET", Path("nowhere"))
    monkeypatch.setattr(bench, "WARM", 1)
    yield bench
    torch.set_float32_matmul_precision("highest")


def test_a_tiny_step_is_measured(gpu: Any) -> None:
    args = gpu.parse([*SMALL, "--batches", "1"])
    figures = gpu.step_figures(args, "bf16")
    assert len(figures["seconds"]) == 2 and min(figures["seconds"]) > 0
    assert figures["waits"] == {} and figures["peak_mb"] == 0
    measures = gpu.compared({"bf16": figures}, 1, args)
    assert [m.what.split(", ")[1] for m in measures] == ["tiny model"] * 2
    assert all("full KSS run" not in m.note for m in measures)


def test_cuda_graphs_are_left_out_without_a_gpu(gpu: Any, capsys: Any) -> None:
    args = gpu.parse([*SMALL, "--batches", "2"])
    assert gpu.compared({"graphed": gpu.step_figures(args, "graphed")}, 2, args) == []
    assert capsys.readouterr().err == (
        "GPU step, tiny model, B=2, T=20, graphed: left out: CUDA graphs need a GPU\n"
    )


def test_the_hours_of_a_full_run_are_computed_at_the_recipes_batch(gpu: Any) -> None:
    args = gpu.parse(["--device", "cpu"])
    figures = {"seconds": [0.19, 0.2, 0.21], "peak_mb": 1.0, "busy_percent": 90.0, "waits": {}}
    notes = {
        size: gpu.compared({"bf16": figures}, size, args)[0].note for size in (16, gpu.RECIPE_BATCH)
    }
    line = (
        "55.6 hours for a full KSS run of 1,000,000 steps, computed from 5.00 steps/s measured here"
    )
    assert notes[gpu.RECIPE_BATCH].endswith(line) and "hours" not in notes[16]


def test_compiled_parts_are_those_that_see_segments(
    gpu: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[tuple[str, Any]] = []

    def note(module: Any, **settings: Any) -> None:
        compiled.append((type(module).__name__, settings["mode"]))

    monkeypatch.setattr(torch.nn.Module, "compile", note)
    side = gpu.Training(compat=False, overrides=gpu.TINY).side("ours")
    generator = type(side.task.model.generator).__name__
    judges = ["ScaleDiscriminator", "PeriodDiscriminator"]
    expected = {
        "bf16": [],
        "generator": [(generator, None)],
        "compiled": [(name, None) for name in (generator, *judges)],
        "graphed": [(name, "reduce-overhead") for name in (generator, *judges)],
    }
    for way, parts in expected.items():
        compiled.clear()
        gpu.compile_parts(side, gpu.WAYS[way])
        assert compiled == parts


def test_a_wait_is_told_by_the_line_that_led_to_it(gpu: Any) -> None:
    def ask() -> None:
        warnings.warn("called a synchronizing CUDA operation", stacklevel=1)
        warnings.warn("something else", stacklevel=1)

    with gpu.asked() as places:
        ask()
    (place,) = places
    assert "test_gpu_bench.py" in place and "synchronizing CUDA operation" in place


@pytest.mark.slow
def test_the_script_runs_on_a_cpu(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    words = [*SMALL, "--batches", "1", "--ways", "bf16", "graphed", "--out", str(out)]
    done = subprocess.run(
        [sys.executable, str(BENCH / "gpu.py"), *words], capture_output=True, text=True, check=True
    )
    measured = [m["what"] for m in json.loads(out.read_text())["measures"] if m["unit"] == "s"]
    assert [what.split(", ")[-1] for what in measured] == ["bf16: time"]
    assert "graphed: left out: CUDA graphs need a GPU" in done.stderr
