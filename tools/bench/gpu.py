"""The KSS training step on a GPU: ours in several ways beside ESPnet's.

    python tools/bench/gpu.py [--batches 16 20 32 64] [--frames 300] [--steps 20] [--out gpu.json]
    python tools/bench/gpu.py --curves RUN_FOLDER --steps 2000 [--out curves.json]
    python tools/bench/gpu.py --device cpu --tiny --steps 2 --batches 2 --frames 40 --tokens 8

The first measures, for each number of utterances and each way, steps a second, peak memory, how
busy the GPU was, and where a step makes the host wait for the GPU. Every way is a process of its
own, all from the same weights and on the same noise; mel and energy are computed in the step, F0 is
given. ESPnet's side needs ``make espnet`` on that machine. ``compiled`` is torch.compile on the
part whose shapes never change, the generator and the discriminators on their segments, ``graphed``
the same as CUDA graphs, both in bf16. A compiled discriminator goes back to weights and input
whoever asks, and loses what sharing its pass has saved: ``generator`` compiles the generator alone.
The hours of a full run are computed from the steps a second, not run.

The second trains the model of RUN_FOLDER's config.yaml twice on its data, in fp32 and in bf16, from
the same weights and on the same batches, and draws the losses of both into curves.png: bf16 must
not change quality.

--tiny is a model small enough for a CPU, to see that the script runs; CUDA graphs do not.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import statistics
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from measures import Measure, write
from processes import ESPNET
from sides import Side, our_side, same_weights
from training import Shape, Training


class Way(NamedTuple):
    """How a step is done."""

    precision: Literal["fp32", "tf32", "bf16"]
    compiled: Literal["", "generator", "both"] = ""
    """What is compiled: the generator alone, or the discriminators too."""
    graphs: bool = False
    """What is compiled is replayed as CUDA graphs."""


WAYS = {
    "espnet": Way("fp32"),
    "fp32": Way("fp32"),
    "tf32": Way("tf32"),
    "bf16": Way("bf16"),
    "generator": Way("bf16", "generator"),
    "compiled": Way("bf16", "both"),
    "graphed": Way("bf16", "both", graphs=True),
}
"""ESPnet's in PyTorch's own settings, and ours."""
PUBLISHED_STEPS = 0.83
"""Steps a second of ESPnet's published KSS run on four V100 (its pull request 5288)."""
RECIPE_BATCH = 20
"""Utterances in a batch of that run."""
RECIPE_STEPS = 1_000_000
"""Steps of that run."""
TINY = [
    "model.width=32",
    "model.encoder.layers=1",
    "model.decoder.layers=1",
    "model.generator.channels=32",
    "model.generator.upsampling=[16, 16]",
    "model.generator.upsampling_kernels=[32, 32]",
    "model.generator.residual_kernels=[3]",
    "model.generator.residual_dilations=[[1]]",
    "model.segment=16",
    "task.discriminator.scale_max_channels=128",
    "task.discriminator.periods=[2]",
    "task.discriminator.period_max_channels=32",
]
WARM = 5
"""Steps that are not timed: the first compile, the next are recorded into graphs."""


def main() -> None:
    """Measure, print and write."""
    args = parse()
    if args.child:
        print(json.dumps(step_figures(args, args.child)))
        return
    if args.curves:
        curves(args)
        return
    measures = []
    for size in args.batches:
        ways = [way for way in args.ways if way != "espnet" or ESPNET.exists()]
        found = {way: in_child(args, way, size) for way in ways}
        measures += compared(found, size, args)
    write(measures, args.out)


def parse(words: list[str] | None = None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[16, RECIPE_BATCH, 32, 64])
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--tokens", type=int, default=50)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=[*WAYS])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="a model for a CPU")
    parser.add_argument("--curves", type=Path, metavar="RUN_FOLDER")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", choices=WAYS, help=argparse.SUPPRESS)
    args = parser.parse_args(words)
    if args.device.startswith("cuda") and not torch.cuda.is_available():
        sys.exit("gpu: no GPU that PyTorch can use here; --device cpu --tiny shows that it runs")
    return args


def in_child(args: argparse.Namespace, way: str, size: int) -> dict[str, Any]:
    """Measure one way with one size of batch in a process of its own."""
    python = str(ESPNET) if ESPNET.exists() else sys.executable  # the same PyTorch for all
    command = [python, "-W", "ignore", __file__, "--child", way, "--batches", str(size)]
    for name in ("frames", "tokens", "steps", "device"):
        command += [f"--{name}", str(getattr(args, name))]
    done = subprocess.run(
        [*command, *(["--tiny"] if args.tiny else [])], capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return {"failed": last}
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def step_figures(args: argparse.Namespace, name: str) -> dict[str, Any]:
    """Return what some steps of one way take."""
    way, device = WAYS[name], torch.device(args.device)
    if way.graphs and device.type != "cuda":
        return {"failed": "left out: CUDA graphs need a GPU"}
    torch.set_float32_matmul_precision("high" if way.precision == "tf32" else "highest")
    training = Training(compat=ESPNET.exists(), overrides=TINY if args.tiny else [])
    if name == "espnet":
        side = training.side("theirs", args.device)
        same_weights(training.config, training.side("ours"), side)
    else:
        side = training.side("ours", args.device)
    compile_parts(side, way)
    batch = training.batch(Shape(args.batches[0], args.frames, args.tokens)).to(device)
    precision = torch.autocast(device.type, torch.bfloat16, enabled=way.precision == "bf16")
    for _ in range(WARM):
        step(side, batch, precision, way)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    with busy(device) as shares:
        seconds = timed(lambda: step(side, batch, precision, way), args.steps, device)
    peak = torch.cuda.max_memory_allocated() / 1e6 if device.type == "cuda" else 0.0
    return {
        "seconds": seconds,
        "peak_mb": round(peak, 1),
        "busy_percent": statistics.fmean(shares) if shares else 0.0,
        "waits": waits(lambda: step(side, batch, precision, way), device),
    }


def compile_parts(side: Side, way: Way) -> None:
    """Compile the parts of a side that see segments only, in place."""
    if not way.compiled:
        return
    import torch._functorch.config

    torch._functorch.config.donated_buffer = False  # a discriminator's graph is gone back twice
    parts = [side.task.model.generator]
    if way.compiled == "both":
        judges = side.task.discriminator
        parts += [*judges.scales, *judges.periods]
    torch._dynamo.config.recompile_limit = 4 * len(parts)  # one forward, for all periods
    for part in parts:
        part.compile(dynamic=False, mode="reduce-overhead" if way.graphs else None)


def step(side: Side, batch: Any, precision: Any, way: Way) -> None:
    """Do one step."""
    if way.graphs:
        torch.compiler.cudagraph_mark_step_begin()
    side.step(batch, precision)


def timed(step: Any, steps: int, device: torch.device) -> list[float]:
    """Return the seconds of each of some steps; a GPU notes them itself, and nobody waits."""
    if device.type != "cuda":
        marks = [time.perf_counter()]
        for _ in range(steps):
            step()
            marks.append(time.perf_counter())
        return [after - before for before, after in itertools.pairwise(marks)]
    events = [torch.cuda.Event(enable_timing=True) for _ in range(steps + 1)]
    torch.cuda.synchronize()
    events[0].record()
    for event in events[1:]:
        step()
        event.record()
    torch.cuda.synchronize()
    return [before.elapsed_time(after) / 1e3 for before, after in itertools.pairwise(events)]


@contextlib.contextmanager
def busy(device: torch.device) -> Iterator[list[float]]:
    """Give a list that fills with how busy the GPU is, in percent, ten times a second."""
    found: list[float] = []
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            with contextlib.suppress(Exception):  # the driver's Python package may be missing
                found.append(float(torch.cuda.utilization(device)))

    watcher = threading.Thread(target=watch, daemon=True)
    if device.type == "cuda":
        watcher.start()
    try:
        yield found
    finally:
        done.set()


def waits(step: Any, device: torch.device) -> dict[str, int]:
    """Return where one step makes the host wait for the GPU, and how often at each place."""
    with asked() as found:
        if device.type == "cuda":
            torch.cuda.set_sync_debug_mode("warn")
        step()
        if device.type == "cuda":
            torch.cuda.set_sync_debug_mode("default")
    return dict(Counter(found))


@contextlib.contextmanager
def asked() -> Iterator[list[str]]:
    """Give a list that fills with the places at which PyTorch warns of a wait.

    A place is the line of the package or of a bench that led to it, and the line that waited.
    """
    found: list[str] = []

    def note(message: Any, *_: Any, **__: Any) -> None:
        if "synchroniz" not in str(message):
            return
        stack = traceback.extract_stack()[:-1]
        stack = [frame for frame in stack if Path(frame.filename).name != "warnings.py"]
        own = [f for f in stack if "malsori" in f.filename or f.filename == __file__]
        places = [f"{Path(f.filename).name}:{f.lineno} {f.line}" for f in (*own[-1:], stack[-1])]
        found.append(", by ".join(dict.fromkeys(places)))

    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = note
        yield found


def compared(
    found: dict[str, dict[str, Any]], size: int, args: argparse.Namespace
) -> list[Measure]:
    """Return the measures of one size of batch."""
    theirs = found.get("espnet", {}).get("seconds", [])
    measures = []
    model = "tiny model" if args.tiny else "KSS model"
    for way, figures in found.items():
        what = f"GPU step, {model}, B={size}, T={args.frames}, {way}"
        if "failed" in figures:
            print(f"{what}: {figures['failed']}", file=sys.stderr)
            continue
        peer = {} if way == "espnet" else {"peer": "ESPnet", "peer_runs": theirs}
        rate = 1 / statistics.median(figures["seconds"])
        note = (
            f"{rate:.2f} steps/s, {rate / PUBLISHED_STEPS:.1f} times the published "
            f"{PUBLISHED_STEPS}; GPU {figures['busy_percent']:.0f}% busy; the host waits "
            f"{sum(figures['waits'].values())} times a step"
        )
        if size == RECIPE_BATCH and not args.tiny:
            note += f"; {full_run(rate)}"
            print(f"{what}: {full_run(rate)}", file=sys.stderr)
        for place, times in figures["waits"].items():
            print(f"{what}: waits {times} times at {place}", file=sys.stderr)
        measures.append(
            Measure(
                **{"what": f"{what}: time", "unit": "s", "runs": figures["seconds"]},
                **{"target": "" if way == "espnet" else "ratio <= 0.4", "note": note, **peer},
            )
        )
        peak = [figures["peak_mb"]]
        measures.append(Measure(what=f"{what}: peak memory", unit="MB", runs=peak))
    return measures


def full_run(rate: float) -> str:
    """Return how long a full KSS run takes at some steps a second."""
    hours = RECIPE_STEPS / rate / 3600
    return (
        f"{hours:.1f} hours for a full KSS run of {RECIPE_STEPS:,} steps, computed from "
        f"{rate:.2f} steps/s measured here"
    )


def curves(args: argparse.Namespace) -> None:
    """Train in fp32 and bf16 on the same batches, and draw the losses of both."""
    from espnet_compare import draw

    from malsori.core.config import load
    from malsori.train.batches import Batches
    from malsori.train.config import TrainConfig
    from malsori.train.corpus import open_corpus

    device = torch.device(args.device)
    config = load(TrainConfig, args.curves / "config.yaml", ["data.workers=0"])
    corpus = open_corpus(config)
    losses: dict[str, dict[str, list[float]]] = {}
    for way in ("fp32", "bf16"):
        side = our_side(config, corpus.tokens, corpus.statistics, corpus.names, device)
        stream = Batches(corpus.dataset(config.data.train), config.data, config.seed).stream()
        precision = torch.autocast(device.type, torch.bfloat16, enabled=way == "bf16")
        for number, batch in enumerate(itertools.islice(stream, args.steps)):
            torch.manual_seed(number)  # the same segments and dropout for both
            for name, value in side.step(batch.to(device), precision).items():
                losses.setdefault(name, {}).setdefault(way, []).append(float(value))
    out = args.out or Path("curves.json")
    out.write_text(json.dumps(losses), encoding="utf-8")
    draw(losses, out.with_suffix(".png"))
    tail = max(1, args.steps // 10)
    for name, both in losses.items():
        last = {way: statistics.fmean(values[-tail:]) for way, values in both.items()}
        print(f"{name}: " + ", ".join(f"{way} {value:.4f}" for way, value in last.items()))


if __name__ == "__main__":
    main()
