"""The KSS training step on a GPU: ours in several precisions beside ESPnet's.

    python tools/bench/gpu.py [--batches 16 32 64] [--frames 300] [--steps 20] [--out gpu.json]
    python tools/bench/gpu.py --curves RUN_FOLDER --steps 2000 [--out curves.json]
    python tools/bench/gpu.py --device cpu --tiny --steps 2

The first measures, for each number of utterances and each way, steps a second, peak memory, how
busy the GPU was, and how often a step made the host wait for the GPU. Every way is a process of its
own, all from the same weights and on the same noise; mel and energy are computed in the step, F0 is
given. ESPnet's side needs ``make espnet`` on that machine.

The second trains the model of RUN_FOLDER's config.yaml twice on its data, in fp32 and in bf16, from
the same weights and on the same batches, and draws the losses of both into curves.png: bf16 must
not change quality.

--tiny is a model small enough for a CPU, to see that the script runs.
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
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from measures import Measure, write
from processes import ESPNET
from sides import Side, our_side, same_weights
from training import Shape, Training

WAYS = ("espnet", "fp32", "tf32", "bf16")
"""ESPnet's in PyTorch's own settings, and ours in three precisions."""
PUBLISHED_STEPS = 0.83
"""Steps a second of ESPnet's published KSS run on four V100 (its pull request 5288)."""
TINY = [
    "model.width=32",
    "model.encoder.layers=1",
    "model.decoder.layers=1",
    "model.generator.channels=32",
    "model.segment=16",
    "task.discriminator.scale_max_channels=128",
    "task.discriminator.period_max_channels=32",
]
WARM = 3
"""Steps that are not timed."""


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
        measures += compared(found, size, args.frames)
    write(measures, args.out)


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--tokens", type=int, default=50)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=[*WAYS])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="a model for a CPU")
    parser.add_argument("--curves", type=Path, metavar="RUN_FOLDER")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", choices=WAYS, help=argparse.SUPPRESS)
    args = parser.parse_args()
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


def step_figures(args: argparse.Namespace, way: str) -> dict[str, Any]:
    """Return what some steps of one way take."""
    device = torch.device(args.device)
    torch.set_float32_matmul_precision("high" if way == "tf32" else "highest")
    training = Training(compat=ESPNET.exists(), overrides=TINY if args.tiny else [])
    ours = training.side("ours")
    side = ours
    if way == "espnet":
        side = training.side("theirs")
        same_weights(training.config, ours, side)
    side = moved(side, training, device)
    shape = Shape(args.batches[0], args.frames, args.tokens)
    batch = training.batch(shape).to(device)
    precision = torch.autocast(device.type, torch.bfloat16, enabled=way == "bf16")
    for _ in range(WARM):
        side.step(batch, precision)
    seconds = []
    with busy(device) as shares:
        for _ in range(args.steps):
            began = time.perf_counter()
            side.step(batch, precision)
            finish(device)
            seconds.append(time.perf_counter() - began)
    peak = torch.cuda.max_memory_allocated() / 1e6 if device.type == "cuda" else 0.0
    return {
        "seconds": seconds,
        "peak_mb": round(peak, 1),
        "busy_percent": statistics.fmean(shares) if shares else 0.0,
        "waits": waits(side, batch, precision, device),
    }


def moved(side: Side, training: Training, device: torch.device) -> Side:
    """Return a side on the device, with new optimisers for its moved weights."""
    return Side(training.config, side.task.to(device))


def finish(device: torch.device) -> None:
    """Wait for the GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize()


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


def waits(side: Side, batch: Any, precision: Any, device: torch.device) -> int:
    """Return how often one step makes the host wait for the GPU."""
    if device.type != "cuda":
        return 0
    torch.cuda.set_sync_debug_mode("warn")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        side.step(batch, precision)
    torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(warning.message) for warning in caught)


def compared(found: dict[str, dict[str, Any]], size: int, frames: int) -> list[Measure]:
    """Return the measures of one size of batch."""
    theirs = found.get("espnet", {}).get("seconds", [])
    measures = []
    for way, figures in found.items():
        what = f"GPU step, KSS model, B={size}, T={frames}, {way}"
        if "failed" in figures:
            print(f"{what}: {figures['failed']}", file=sys.stderr)
            continue
        peer = {} if way == "espnet" else {"peer": "ESPnet", "peer_runs": theirs}
        rate = 1 / statistics.median(figures["seconds"])
        note = (
            f"{rate:.2f} steps/s, {rate / PUBLISHED_STEPS:.1f} times the published "
            f"{PUBLISHED_STEPS}; GPU {figures['busy_percent']:.0f}% busy; the host waits "
            f"{figures['waits']} times a step"
        )
        measures.append(
            Measure(
                **{"what": f"{what}: time", "unit": "s", "runs": figures["seconds"]},
                **{"target": "" if way == "espnet" else "ratio <= 0.4", "note": note, **peer},
            )
        )
        peak = [figures["peak_mb"]]
        measures.append(Measure(what=f"{what}: peak memory", unit="MB", runs=peak))
    return measures


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
        side = our_side(config, corpus.tokens, corpus.statistics, corpus.names)
        side = Side(config, side.task.to(device))
        stream = Batches(corpus.dataset(config.data.train), config.data, config.seed).stream()
        precision = torch.autocast(device.type, torch.bfloat16, enabled=way == "bf16")
        for step, batch in enumerate(itertools.islice(stream, args.steps)):
            torch.manual_seed(step)  # the same segments and dropout for both
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
