"""Measure every waveform generator in the registry: size, work, and speed on a few CPU threads.

    python tools/bench/generators.py [--seconds 100] [--audio 2] [--threads 1 2] [--harmonics 16]
        [--only NAME …] [--out generators.json]

Each speaks the same random frames at 24 kHz, one utterance, weight norm folded as in a pack. They
take turns until the time is up, three rounds at least, so that whatever else the machine does hits
all of them. Work is what PyTorch's counter finds in convolutions and matrix products: two
operations for a multiplication and an addition. Generators that can be given harmonics are measured
without them and with --harmonics.

The real-time factor is seconds of waiting for a second of audio: below 1 is faster than speech.
Processor time for a second of audio is what it comes to with one thread on an idle machine; on a
busy one it grows little, and a real-time factor by as much as the others take.
Prints a table of medians, in brackets the least and the most, and writes all into --out.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import platform
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from malsori.core.record import versions
from malsori.dsp.audio_config import AudioConfig
from malsori.modules import GENERATORS
from malsori.modules.excitation import Melody
from malsori.modules.weight_norm import fold_weight_norm

WIDTH = 256
"""Of the frames: the width of JETS."""
ROUNDS = 3
"""Measured at least, whatever the time."""


def main() -> None:
    """Measure, print, write."""
    args = parse()
    audio = AudioConfig()
    frames = round(args.audio * audio.sample_rate / audio.hop)
    voices = {name: Voice(name, *chosen, frames, audio) for name, chosen in choices(args).items()}
    measure(voices, args.threads, args.seconds)
    rows = [voice.row() for voice in voices.values()]
    print(table(rows, args.threads))
    result = {
        "audio_seconds": voices[next(iter(voices))].seconds,
        "sample_rate": audio.sample_rate,
        "hop": audio.hop,
        "width": WIDTH,
        "generators": rows,
        "machine": platform.platform(),
        "processor": processor(),
        "versions": versions(),
    }
    args.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=100.0, help="to measure in, about")
    parser.add_argument("--audio", type=float, default=2.0, help="seconds that each speaks")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--harmonics", type=int, default=16, help="0 leaves that out")
    parser.add_argument("--only", nargs="+", choices=GENERATORS.names(), metavar="NAME")
    parser.add_argument("--out", type=Path, default=Path("generators.json"))
    return parser.parse_args()


def choices(args: argparse.Namespace) -> dict[str, tuple[str, Any]]:
    """Return name in the registry and settings of all that is measured, by label."""
    found: dict[str, tuple[str, Any]] = {}
    for name in args.only or GENERATORS.names():
        config = GENERATORS.entry(name).config()
        found[name] = (name, config)
        if args.harmonics and "harmonics" in {field.name for field in dataclasses.fields(config)}:
            sung = dataclasses.replace(config, harmonics=args.harmonics)
            found[f"{name}, {args.harmonics} harmonics"] = (name, sung)
    return found


class Voice:
    """A generator, what it is given, and how long it took."""

    def __init__(self, label: str, name: str, config: Any, frames: int, audio: AudioConfig) -> None:
        torch.manual_seed(0)
        self.label = label
        self.net = GENERATORS.entry(name).build(config, width=WIDTH, sample_rate=audio.sample_rate)
        fold_weight_norm(self.net).eval().requires_grad_(False)
        self.frames = torch.randn(1, frames, WIDTH)
        self.melody = (
            Melody(torch.full((1, frames), 150.0), torch.ones(1, frames))
            if config.harmonics
            else None
        )
        self.seconds = frames * audio.hop / audio.sample_rate
        self.parameters = sum(parameter.numel() for parameter in self.net.parameters())
        with FlopCounterMode(display=False) as counter:
            self.speak()
        self.work = counter.get_total_flops() / self.seconds
        self.factors: dict[int, list[float]] = {}
        self.processor: dict[int, list[float]] = {}

    @torch.inference_mode()
    def speak(self) -> None:
        """Make the waveform."""
        self.net(self.frames, melody=self.melody)

    def time(self, threads: int) -> None:
        """Measure once."""
        began, used = time.perf_counter(), time.process_time()
        self.speak()
        used, waited = time.process_time() - used, time.perf_counter() - began
        self.factors.setdefault(threads, []).append(waited / self.seconds)
        self.processor.setdefault(threads, []).append(used / self.seconds)

    def row(self) -> dict[str, Any]:
        """Return all that was found."""
        return {
            "generator": self.label,
            "parameters": self.parameters,
            "gflop_per_second_of_audio": round(self.work / 1e9, 3),
            "real_time_factor": summary(self.factors),
            "processor_time": summary(self.processor),
        }


def summary(measured: dict[int, list[float]]) -> dict[int, dict[str, Any]]:
    """Return median and all that was measured, by threads."""
    return {n: {"median": statistics.median(found), "all": found} for n, found in measured.items()}


def measure(voices: dict[str, Voice], threads: list[int], seconds: float) -> None:
    """Let the voices take turns until the time is up; counting has warmed them up."""
    ends = time.monotonic() + seconds
    rounds = 0
    while rounds < ROUNDS or time.monotonic() < ends:
        for count in threads:
            torch.set_num_threads(count)
            for voice in voices.values():
                voice.time(count)
        rounds += 1
        print(f"round {rounds}", end="\r", file=sys.stderr)


def table(rows: list[dict[str, Any]], threads: list[int]) -> str:
    """Return rows as Markdown."""
    heads = ["generator", "parameters (M)", "GFLOP per second"]
    heads += [f"processor time, {threads[0]} thread{'s' if threads[0] > 1 else ''}"]
    heads += [f"RTF, {count} thread{'s' if count > 1 else ''}" for count in threads]
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)]]
    for row in rows:
        cells = [row["generator"], f"{row['parameters'] / 1e6:.2f}"]
        cells.append(f"{row['gflop_per_second_of_audio']:.2f}")
        cells.append(spread(row["processor_time"][threads[0]]))
        cells += [spread(row["real_time_factor"][count]) for count in threads]
        lines.append(cells)
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def spread(found: dict[str, Any]) -> str:
    """Return the median, in brackets the least and the most."""
    return f"{found['median']:.3f} [{min(found['all']):.3f}, {max(found['all']):.3f}]"


def processor() -> str:
    """Return the processor's name as Linux tells it, or what Python knows."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


if __name__ == "__main__":
    main()
