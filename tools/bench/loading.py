"""How long the trainer waits for data while it trains the small model of egs/mini_kss.

    python tools/bench/loading.py [--steps 120] [--workers 1] [--out FILE.json]

Stages 1 to 3 are done in a temporary folder, then the real trainer runs with the recipe's conf. The
clock is stopped around every request for the next batch, those at the start of an epoch included;
only the first batch of all, for which everything is started, does not count.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from measures import Measure, write
from processes import child, options

RECIPE = Path(__file__).parents[2] / "egs/mini_kss"
CONF = RECIPE / "conf/train_jets.yaml"
STATS = ("--config", str(CONF), "--jobs", "2")


def main() -> None:
    """Measure and write."""
    parser = options(__doc__)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--workers", type=int, default=1, help="readers beside (the recipe's: 1)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(train(args, args.child)))
        return
    if args.quick:
        args.steps = 4
    with tempfile.TemporaryDirectory() as made:
        prepare(Path(made))
        numbers = {"steps": args.steps, "workers": args.workers, "threads": args.threads}
        words = [f"--{name}={value}" for name, value in numbers.items()]
        found = child(__file__, "--child", made, *words)
    waited, took = found["waited"][1:], found["took"][1:]
    share = 100 * sum(waited) / sum(took)
    note = f"{args.steps} steps of {statistics.median(took):.2f} s, {args.workers} reader(s) beside"
    figures = [
        Measure(what="waiting for data in training", unit="%", runs=[share], target="<= 2"),
        Measure(what="waiting for one batch", unit="s", runs=waited, note=note),
        Measure(what="a step of the small model with loading", unit="s", runs=took, note=note),
    ]
    write(figures, args.out)


def prepare(folder: Path) -> None:
    """Do stages 1 to 3 of the recipe."""
    sets = [str(folder / name) for name in ("train", "dev")]
    corpus = ["--corpus", str(RECIPE / "corpus"), "--field", "3"]
    tokens, stats = str(folder / "tokens"), str(folder / "stats")
    stages = [
        [str(RECIPE / "local/prepare.py"), *corpus, "--out", str(folder)],
        ["-m", "malsori", "tokens", "--data", *sets, "--out", tokens],
        ["-m", "malsori", "stats", "--data", *sets, "--tokens", tokens, *STATS, "--out", stats],
    ]
    for stage in stages:
        subprocess.run([sys.executable, "-W", "ignore", *stage], check=True, capture_output=True)


def train(args: argparse.Namespace, folder: Path) -> dict[str, list[float]]:
    """Train some steps; return for each how long it waited and how long it took, in seconds."""
    from malsori.core.config import load
    from malsori.train import trainer
    from malsori.train.batches import Batches
    from malsori.train.config import TrainConfig
    from malsori.train.run import train as run

    waited: list[float] = []
    asked: list[float] = []

    class Watched(Batches):
        """Batches that note when they were asked for and how long they took."""

        def stream(self, epochs: int | None = None) -> Iterator[object]:  # type: ignore[override]
            source = super().stream(epochs)
            try:
                while True:
                    asked.append(time.perf_counter())
                    batch = next(source, None)
                    if batch is None:
                        return
                    waited.append(time.perf_counter() - asked[-1])
                    yield batch
            finally:
                source.close()  # type: ignore[attr-defined]

    numbers = {"steps": args.steps + 2, "threads": args.threads, "validate_every": 10**6}
    numbers |= {"demonstrate_train": 0, "demonstrate": 1, "validate_batches": 1}
    words = [f"training.{name}={value}" for name, value in numbers.items()]
    words += [f"data.{name}={folder / name}" for name in ("train", "dev", "tokens", "stats")]
    words += [f"data.workers={args.workers}"]
    with mock.patch.object(trainer, "Batches", Watched):
        run(load(TrainConfig, CONF, words), folder / "exp")
    count = args.steps + 1  # the last step is followed by a validation, which asks for batches too
    took = [after - before for before, after in itertools.pairwise(asked[: count + 1])]
    return {"waited": waited[:count], "took": took}


if __name__ == "__main__":
    main()
