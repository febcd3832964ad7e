"""Measure one training step of the full KSS model beside ESPnet's: seconds, memory, growth.

    python tools/bench/training.py [--shapes 4x300x50 8x300x50] [--steps 5] [--quick]
        [--no-growth] [--profile 15] [--out training.json]

Random waveforms stand in for speech: the cost does not depend on what is said. Both sides have the
same weights, batch, threads and torch, are stepped as their own trainers step them, and take steps
by turns in one process, so that whatever else the machine does hits both; the ratio is the median
of the ratios of neighbouring steps. Mel and energy are computed inside the step on both sides; F0
is given to both, as our stage 3 caches it. (ESPnet computes it in every step unless told otherwise,
which is not counted here.) Memory is the peak of a process of its own. Without ESPnet (``make
espnet``) ours is measured alone.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from measures import Measure, write
from sides import Side, our_side, same_weights, their_side

from malsori.core.config import load
from malsori.data.batch import Batch
from malsori.data.dataset import Names
from malsori.dsp.statistics import Statistics
from malsori.text.tokens import TokenList
from malsori.train.config import TrainConfig

ESPNET = Path(__file__).parents[2] / ".espnet" / "bin" / "python"
TIME_TARGET = 0.75
MEMORY_TARGET = {4: 0.6, 8: 0.55}
WHY = {
    ("time", "frames"): "The decoder, mel and alignment grow with T, generator and discriminators "
    "work on segments of a fixed length; only the decoder's attention grows with the square of T, "
    "and data.batch bounds it: twice as long utterances are half as many.",
    ("memory", "frames"): "What is kept for the way back grows with T, that of the segments does "
    "not; of T by T numbers there are the attention's weights alone, one matrix for each head and "
    "layer, bounded by data.batch.",
    ("time", "tokens"): "The encoder and the scores of the alignment, T by N, grow with N; most of "
    "a step works on frames and on segments and does not.",
}
"""What makes the curves grow."""
FRAMES = (100, 200, 400, 800)
TOKENS = (25, 50, 100, 200)


class Shape(NamedTuple):
    """Size of a batch."""

    batch: int
    frames: int
    tokens: int

    @classmethod
    def parse(cls, text: str) -> Shape:
        """Read ``4x300x50``."""
        return cls(*map(int, text.split("x")))

    def __str__(self) -> str:
        return "x".join(map(str, self))


class Training:
    """What is needed to build either side, and batches of noise for it."""

    def __init__(self, compat: bool, overrides: Sequence[str] = ()) -> None:
        compatible = ["compat=espnet"] if compat else []
        self.config = load(TrainConfig, None, [*compatible, *overrides])
        self.tokens = TokenList.of(f"t{i}" for i in range(78))
        bands = self.config.audio.mel_bands
        self.statistics = Statistics(
            **{"mel_mean": (-2.0,) * bands, "mel_std": (1.0,) * bands},
            **{"pitch_mean": 5.4, "pitch_std": 0.2, "energy_mean": 10.0, "energy_std": 10.0},
        )
        self.names = Names(speakers=("kss",), languages=("ko",))

    def side(self, name: str, device: str = "cpu") -> Side:
        """Return ``ours`` or ``theirs``, on a device."""
        build = {"ours": our_side, "theirs": their_side}[name]
        return build(self.config, self.tokens, self.statistics, self.names, device)

    def batch(self, shape: Shape) -> Batch:
        """Return a full batch of noise."""
        size, frames, tokens = shape
        samples = (frames - 1) * self.config.audio.hop
        return Batch(
            ids=tuple(map(str, range(size))),
            tokens=torch.randint(2, len(self.tokens), (size, tokens)),
            token_lengths=torch.full((size,), tokens),
            wav=0.1 * torch.randn(size, samples),
            wav_lengths=torch.full((size,), samples),
            log_f0=5.4 + 0.2 * torch.randn(size, frames),
            speaker=torch.zeros(size, dtype=torch.long),
            language=torch.zeros(size, dtype=torch.long),
        )


def main() -> None:
    """Measure, print and write."""
    args = parse()
    torch.set_num_threads(args.threads)
    if args.child:
        print(json.dumps(CHILDREN[args.child](args)))
        return
    if args.profile:
        print(profile(args))
        return
    measures = [measure for shape in args.shapes for measure in step_measures(args, shape)]
    if args.growth and not args.quick:
        measures += growth_measures(args)
    write(measures, args.out)


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shapes = [Shape(4, 300, 50), Shape(8, 300, 50)]
    parser.add_argument("--shapes", type=Shape.parse, nargs="+", default=shapes)
    parser.add_argument("--steps", type=int, default=5, help="measured, after one to warm up")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="2 steps, no growth")
    parser.add_argument("--growth", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--profile", type=int, metavar="ROWS", help="where a step's time goes")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--child", choices=sorted(CHILDREN), help=argparse.SUPPRESS)
    parser.add_argument("--side", choices=("ours", "theirs"), default="ours")
    args = parser.parse_args()
    args.steps = 2 if args.quick else args.steps
    return args


def step_measures(args: argparse.Namespace, shape: Shape) -> list[Measure]:
    """Return time and memory of one shape, beside ESPnet's where it is installed."""
    what = f"training step, KSS model, B={shape.batch}, T={shape.frames}, N={shape.tokens}, fp32"
    names = ["ours", "theirs"] if ESPNET.exists() else ["ours"]
    times = in_child(args, "times" if len(names) > 1 else "seconds", shape)
    peaks = {name: in_child(args, "memory", shape, name) for name in names}
    ratio = None
    if len(names) > 1:
        pairs = zip(times["ours"], times["theirs"], strict=True)
        ratio = statistics.median(ours / theirs for ours, theirs in pairs)
    return [
        Measure(
            what=f"{what}: time",
            unit="s",
            runs=times["ours"],
            peer="ESPnet 202511",
            peer_runs=times.get("theirs", []),
            ratio=ratio,
            target=f"ratio <= {TIME_TARGET}",
        ),
        Measure(
            what=f"{what}: peak memory",
            unit="MB",
            runs=[peaks["ours"]],
            peer="ESPnet 202511",
            peer_runs=[peaks["theirs"]] if "theirs" in peaks else [],
            target=f"ratio <= {MEMORY_TARGET.get(shape.batch, 0.6)}",
        ),
    ]


def growth_measures(args: argparse.Namespace) -> list[Measure]:
    """Return how time and memory of a step grow with frames and with tokens, ours alone."""
    by_frames = [Shape(2, frames, 50) for frames in FRAMES]
    by_tokens = [Shape(2, 400, tokens) for tokens in TOKENS]
    found = []
    for axis, unit, shapes in (("frames", "T", by_frames), ("tokens", "N", by_tokens)):
        sizes = [getattr(shape, axis) for shape in shapes]
        seconds = [min(in_child(args, "seconds", shape)["ours"]) for shape in shapes]
        why = WHY["time", axis]
        found.append(Measure.curve(f"step time against {unit}", axis, sizes, "s", seconds, why))
        if axis == "frames":
            peaks = [in_child(args, "memory", shape, "ours") for shape in shapes]
            why = WHY["memory", axis]
            found.append(Measure.curve("step memory against T", axis, sizes, "MB", peaks, why))
    return found


def in_child(args: argparse.Namespace, what: str, shape: Shape, side: str = "ours") -> Any:
    """Measure one thing in a process of its own."""
    python = str(ESPNET) if what == "times" or side == "theirs" else sys.executable
    command = [python, "-W", "ignore", __file__, "--child", what, "--side", side]
    command += ["--shapes", str(shape), "--steps", str(args.steps)]
    command += ["--threads", str(args.threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}:\n{done.stderr.strip()}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def by_turns(args: argparse.Namespace) -> dict[str, list[float]]:
    """Return the seconds of each step of both sides, taken by turns from the same weights."""
    training = Training(compat=True)
    sides = {name: training.side(name) for name in ("ours", "theirs")}
    same_weights(training.config, sides["ours"], sides["theirs"])
    batch = training.batch(args.shapes[0])
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(args.steps + 1):
        for name in sorted(sides, reverse=bool(number % 2)):
            seconds[name].append(timed(sides[name], batch))
    return {name: found[1:] for name, found in seconds.items()}


def alone(args: argparse.Namespace) -> dict[str, list[float]]:
    """Return the seconds of each of our steps."""
    training = Training(compat=False)
    side, batch = training.side("ours"), training.batch(args.shapes[0])
    return {"ours": [timed(side, batch) for _ in range(args.steps + 1)][1:]}


def memory(args: argparse.Namespace) -> float:
    """Return the peak of this process in megabytes after three steps of one side."""
    training = Training(compat=importlib.util.find_spec("espnet2") is not None)
    side, batch = training.side(args.side), training.batch(args.shapes[0])
    for _ in range(3):
        side.step(batch)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, 1)


def timed(side: Side, batch: Batch) -> float:
    """Return the seconds of one step."""
    began = time.perf_counter()
    side.step(batch)
    return round(time.perf_counter() - began, 4)


def profile(args: argparse.Namespace) -> str:
    """Return a table of where the time of one step goes."""
    training = Training(compat=False)
    side, batch = training.side(args.side), training.batch(args.shapes[0])
    side.step(batch)
    with torch.profiler.profile(with_flops=True) as recorded:
        side.step(batch)
    averages = recorded.key_averages()
    return str(averages.table(sort_by="self_cpu_time_total", row_limit=args.profile))


CHILDREN = {"times": by_turns, "seconds": alone, "memory": memory}


if __name__ == "__main__":
    main()
