"""Measure one training step of the full KSS model: time, peak memory, where the time goes.

    python tools/bench/train_step.py [--batch 4] [--frames 300] [--tokens 50] [--device cuda]

Random waveforms stand in for speech: the cost does not depend on what is said. Features (mel,
energy) are computed inside the step, as in training; F0 comes from the cache of stage 3.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import time

import torch

from malsori.core.config import build
from malsori.core.record import versions
from malsori.data.batch import Batch
from malsori.dsp.statistics import Statistics
from malsori.models.voice import VoiceContext
from malsori.tasks import TASKS
from malsori.tasks.task import Task, TaskContext
from malsori.train import OPTIMIZERS
from malsori.train.config import TrainConfig

TOKENS = 80


def main() -> None:
    """Measure and print."""
    args = parse()
    config = TrainConfig()
    device = torch.device(args.device)
    torch.manual_seed(1)
    task = make_task(config).to(device)
    batch = make_batch(config, args.batch, args.frames, args.tokens).to(device)
    step = stepper(config, task, batch, args.bf16)
    times = []
    for _ in range(args.steps + 1):
        began = time.perf_counter()
        step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated() / 1e9
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    measured = {
        "batch": args.batch,
        "frames": args.frames,
        "tokens": args.tokens,
        "median_seconds": round(statistics.median(times[1:]), 3),
        "seconds": [round(seconds, 3) for seconds in times[1:]],
        "peak_gigabytes": round(peak, 2),
        "threads": torch.get_num_threads(),
        "device": str(device),
        "machine": platform.platform(),
        "versions": versions(),
    }
    print(json.dumps(measured, indent=2))
    if args.profile:
        print(profile(step, args.profile))


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--frames", type=int, default=300)
    parser.add_argument("--tokens", type=int, default=50)
    parser.add_argument("--steps", type=int, default=5, help="measured, after one to warm up")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--profile", type=int, default=15, metavar="ROWS", help="0 for none")
    return parser.parse_args()


def make_task(config: TrainConfig) -> Task:
    """Return the KSS recipe's task with a plausible normalisation."""
    bands = config.audio.mel_bands
    statistics_ = Statistics(
        mel_mean=(-2.0,) * bands,
        mel_std=(1.0,) * bands,
        pitch_mean=5.4,
        pitch_std=0.2,
        energy_mean=10.0,
        energy_std=10.0,
    )
    context = TaskContext(
        model=config.model,
        voice=VoiceContext(audio=config.audio, tokens=TOKENS),
        statistics=statistics_,
    )
    task: Task = build(TASKS, config.task, context=context)
    return task


def make_batch(config: TrainConfig, size: int, frames: int, tokens: int) -> Batch:
    """Return a full batch of noise with as many frames and tokens as asked for."""
    samples = (frames - 1) * config.audio.hop
    return Batch(
        ids=tuple(map(str, range(size))),
        tokens=torch.randint(2, TOKENS, (size, tokens)),
        token_lengths=torch.full((size,), tokens),
        wav=0.1 * torch.randn(size, samples),
        wav_lengths=torch.full((size,), samples),
        log_f0=5.4 + 0.2 * torch.randn(size, frames),
        speaker=torch.zeros(size, dtype=torch.long),
        language=torch.zeros(size, dtype=torch.long),
    )


def stepper(config: TrainConfig, task: Task, batch: Batch, bf16: bool):  # noqa: ANN201
    """Return a function that does one step of both players, as the trainer does."""
    parameters = {name: list(player.parameters()) for name, player in task.players.items()}
    optimizers = {
        name: build(OPTIMIZERS, config.optimizer, parameters=p) for name, p in parameters.items()
    }

    def step() -> None:
        turns = task.turns(batch)
        while True:
            with torch.autocast(batch.wav.device.type, torch.bfloat16, enabled=bf16):
                turn = next(turns, None)
            if turn is None:
                return
            weights = task.weights[turn.player]
            total = torch.stack([weights[name] * loss for name, loss in turn.losses.items()]).sum()
            total.backward(inputs=parameters[turn.player], retain_graph=turn.retain_graph)
            optimizers[turn.player].step()
            optimizers[turn.player].zero_grad(set_to_none=True)

    return step


def profile(step, rows: int) -> str:  # noqa: ANN001
    """Return a table of where the time of one step goes."""
    with torch.profiler.profile(with_flops=True) as recorded:
        step()
    averages = recorded.key_averages()
    flops = sum(event.flops for event in averages) / 1e9
    table = averages.table(sort_by="self_cpu_time_total", row_limit=rows, max_name_column_width=40)
    return f"{table}\ncounted by the profiler: {flops:.0f} GFLOP"


if __name__ == "__main__":
    main()
