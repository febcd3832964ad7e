"""Train ESPnet's JETS and ours side by side, and compare time, memory and losses.

    .espnet/bin/python tools/bench/espnet_compare.py --recipe egs/mini_kss [--steps 200]
        [--out espnet_compare] [--full] [--dropout] [--control] [--threads 1]

Both start from the same weights and see the same batches of a recipe's training set (stages 1 to 3
have to be done) and the same segments, in one process by turns, so that whatever else the machine
does hits both. They take turns in being first, and the time that counts is that of the first: a
batch of a new shape makes PyTorch prepare kernels, which the others find made.

Dropout is off unless asked for: the two draw their masks in different orders, so that with it the
curves differ by chance. Without it they do so after some dozens of steps: training against a
discriminator multiplies rounding errors. --control shows how fast: a second one of ESPnet's, with
weights changed by one part in ten million, beside the first.

Theirs is ``espnet.jets`` in our trainer's step, ours is ``jets`` with ``compat: espnet``. Memory is
measured in a process for each.

Writes ``compare.json`` and ``compare.png`` into --out and prints the JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import itertools
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sides import Side, our_side, same_weights, their_side

OURS_AS_THEIRS = {
    "generator/total": "generator/total",
    "generator/reconstruction": "generator/generator_g_mel_loss",
    "generator/adversarial": "generator/generator_g_adv_loss",
    "generator/feature_matching": "generator/generator_g_feat_match_loss",
    "generator/forward_sum": "generator/generator_align_forwardsum_loss",
    "generator/binarisation": "generator/generator_align_bin_loss",
    "generator/duration": "generator/generator_var_dur_loss",
    "generator/pitch": "generator/generator_var_pitch_loss",
    "generator/energy": "generator/generator_var_energy_loss",
    "discriminator/total": "discriminator/total",
}
SHOWN_AS = {"theirs": "ESPnet", "ours": "malsori", "control": "ESPnet, one rounding off"}
MOMENTS = (1, 10, 50, 200)
Timing = tuple[int, float]
"""Place in the turn, 0 for the first, and seconds."""
WARM = 3
"""Steps that are not timed: ESPnet compiles its search in the first."""
MEMORY_STEPS = 12


def main() -> None:
    """Measure, draw and print."""
    args = parse()
    os.environ.setdefault("OMP_NUM_THREADS", str(args.threads))
    if args.only:
        print(json.dumps(memory(args)))
        return
    # before this process grows: a child's peak starts at what its parent had
    peaks = {name: measured_alone(name) for name in ("theirs", "ours")}
    curves, seconds, made = compare(args)
    args.out.mkdir(parents=True, exist_ok=True)
    result = {
        "steps": args.steps,
        "model": "full (KSS recipe)" if args.full else "small (the recipe's conf)",
        "dropout": "on" if args.dropout else "off",
        "median_step_seconds": {kind: median(seconds, kind, True) for kind in seconds},
        "median_step_seconds_when_not_first": {
            kind: median(seconds, kind, False) for kind in seconds
        },
        "peak_memory": peaks,
        "largest_relative_difference": {
            kind: differences(curves, kind) for kind in seconds if kind != "theirs"
        },
        "threads": args.threads,
        "machine": platform.platform(),
        **made,
    }
    everything = json.dumps({**result, "curves": curves, "step_seconds": seconds})
    (args.out / "compare.json").write_text(everything, encoding="utf-8")
    draw(curves, args.out / "compare.png")
    print(json.dumps(result, indent=2))


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipe", type=Path, default=Path("egs/mini_kss"))
    parser.add_argument("--config", default="conf/train_jets.yaml", help="inside of the recipe")
    parser.add_argument("--inputs", default="jets_phn_ko", help="data/stats/INPUTS of the recipe")
    parser.add_argument("--tokens", default="phn_ko", help="data/tokens/TOKENS of the recipe")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--full", action="store_true", help="the KSS model, not the conf's")
    parser.add_argument("--dropout", action="store_true", help="leave it on")
    parser.add_argument(
        "--control", action="store_true", help="train ESPnet's once more, one rounding off"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, default=Path("espnet_compare"))
    parser.add_argument("--only", choices=["theirs", "ours"], help="measure the memory of one")
    return parser.parse_args()


def settings(args: argparse.Namespace) -> Any:
    """Return our side's settings; theirs are derived from them."""
    from malsori.core.config import load, read_tree
    from malsori.train.config import TrainConfig

    path, data = args.recipe / args.config, args.recipe / "data"
    overrides = [
        "compat=espnet",
        *(f"data.{name}={data / name}" for name in ("train", "dev")),
        f"data.tokens={data / 'tokens' / args.tokens}",
        f"data.stats={data / 'stats' / args.inputs}",
        "data.workers=0",
    ]
    if args.full:
        tree = read_tree(path, TrainConfig)
        own = [f"{name}={json.dumps(tree[name])}" for name in ("audio", "data") if name in tree]
        overrides = [*own, *overrides]
    if not args.dropout:
        parts = ("encoder", "decoder", "duration", "pitch", "energy")
        overrides += [f"model.{name}.dropout=0" for name in parts]
    return load(TrainConfig, None if args.full else path, overrides)


class Recipe:
    """The training set of a recipe, and both sides on it."""

    def __init__(self, args: argparse.Namespace) -> None:
        import torch

        from malsori.data.datadir import DataDir
        from malsori.data.dataset import Names, SpeechDataset
        from malsori.dsp.statistics import Statistics
        from malsori.text.tokens import TokenList
        from malsori.train.batches import Batches

        torch.set_num_threads(args.threads)
        self.config = config = settings(args)
        self.tokens = TokenList.load(Path(config.data.tokens) / "tokens.txt")
        self.statistics = Statistics.load(Path(config.data.stats) / "stats.json")
        self.names = Names.of(DataDir(config.data.train))
        data = SpeechDataset(
            *(config.data.train, config.data, config.audio),
            *(self.tokens, self.names, self.statistics.pitch_mean),
        )
        self._stream = Batches(data, config.data, config.seed)

    def batches(self, steps: int) -> Iterator[Any]:
        """Yield the first ``steps`` batches of the run."""
        return itertools.islice(self._stream.stream(), steps)

    def ours(self) -> Side:
        """Return our side."""
        return our_side(self.config, self.tokens, self.statistics, self.names)

    def theirs(self) -> Side:
        """Return ESPnet's side."""
        return their_side(self.config, self.tokens, self.statistics, self.names)


def nearly_same_weights(theirs: Side, control: Side) -> None:
    """Give ``control`` the weights of ``theirs``, each changed by about one rounding."""
    import torch

    noise = torch.Generator().manual_seed(0)
    for player, module in theirs.task.players.items():
        control.task.players[player].load_state_dict(module.state_dict())
    with torch.no_grad():
        for parameter in itertools.chain(*control.parameters.values()):
            parameter.mul_(1 + 1e-7 * torch.randn(parameter.shape, generator=noise))


class SameSegments:
    """Both sides' windows, drawn once a step: by ESPnet's formula, inside of the utterances."""

    def __init__(self, seed: int) -> None:
        self.seed, self.step = seed, 0

    def starts(self, lengths: Any, size: int) -> Any:
        """Return the first frame of each window of ``size`` frames, (B,)."""
        import torch

        drawn = torch.rand(
            len(lengths), generator=torch.Generator().manual_seed(self.seed + self.step)
        )
        return (drawn * (lengths - size).clamp_min(0)).long()

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """Let both draw from here inside the block."""
        from unittest import mock

        from espnet2.gan_tts.jets import generator
        from espnet2.gan_tts.utils import get_segments

        import malsori.models.jets as ours

        def random_segments(x: Any, x_lengths: Any, segment_size: int) -> tuple[Any, Any]:
            starts = self.starts(x_lengths, segment_size)
            return get_segments(x, starts, segment_size), starts

        with (
            mock.patch.object(generator, "get_random_segments", random_segments),
            mock.patch.object(ours, "random_starts", self.starts),
        ):
            yield


def compare(args: argparse.Namespace) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Train both by turns; return loss curves, seconds of each step, and what they are made of."""
    from malsori.core.record import versions

    recipe = Recipe(args)
    sides = {"theirs": recipe.theirs(), "ours": recipe.ours()}
    same_weights(recipe.config, sides["ours"], sides["theirs"])
    if args.control:
        sides["control"] = recipe.theirs()
        nearly_same_weights(sides["theirs"], sides["control"])
    segments = SameSegments(recipe.config.seed)
    curves: dict[str, dict[str, list[float]]] = {
        name: {kind: [] for kind in sides} for name in OURS_AS_THEIRS
    }
    seconds: dict[str, list[Timing]] = {kind: [] for kind in sides}
    kinds = list(sides)
    with segments.used():
        for segments.step, batch in enumerate(recipe.batches(args.steps), 1):
            kinds = [*kinds[1:], kinds[0]]
            for place, kind in enumerate(kinds):
                began = time.perf_counter()
                losses = sides[kind].step(batch)
                seconds[kind].append((place, time.perf_counter() - began))
                for name, their_name in OURS_AS_THEIRS.items():
                    loss = losses[name if kind == "ours" else their_name]
                    curves[name][kind].append(float(loss))
            print(f"{segments.step}", end="\r", file=sys.stderr)
    counts = {
        player: sum(p.numel() for p in parameters)
        for player, parameters in sides["ours"].parameters.items()
    }
    installed = {**versions(), "espnet": importlib.metadata.version("espnet")}
    return curves, seconds, {"parameters": counts, "versions": installed}


def median(seconds: dict[str, list[Timing]], kind: str, first: bool) -> float | None:
    """Return the median seconds of a side's step when it was first, or when it was not."""
    wanted = range(len(seconds))[slice(1) if first else slice(1, None)]
    found = [length for place, length in seconds[kind][WARM:] if place in wanted]
    return round(statistics.median(found), 4) if found else None


def memory(args: argparse.Namespace) -> dict[str, float]:
    """Return the peak of this process in megabytes: before the first step, and after some."""
    recipe = Recipe(args)
    side = recipe.ours() if args.only == "ours" else recipe.theirs()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for batch in recipe.batches(min(args.steps, MEMORY_STEPS)):
        side.step(batch)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"before_training_mb": round(before / 1e3), "peak_mb": round(after / 1e3)}


def measured_alone(name: str) -> dict[str, float]:
    """Return ``memory`` of one side in a process of its own, with this one's options."""
    command = [sys.executable, "-W", "ignore", __file__, *sys.argv[1:], "--only", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip().splitlines()[-1]}")
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def differences(curves: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    """Return at each moment the largest |kind − theirs| / |theirs| of all losses, and whose."""
    found = {}
    for moment in MOMENTS:
        each = {
            name: abs(both[kind][moment - 1] - both["theirs"][moment - 1])
            / max(abs(both["theirs"][moment - 1]), 1e-12)
            for name, both in curves.items()
            if len(both[kind]) >= moment
        }
        if each:
            worst = max(each, key=lambda name: each[name])
            found[f"step {moment}"] = {"loss": worst, "difference": each[worst]}
    return found


def draw(curves: dict[str, Any], path: Path) -> None:
    """Draw every loss of the sides, the first of them with a broad line, into one picture."""
    from matplotlib.figure import Figure

    columns = 4
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(4 * columns, 2.6 * rows), dpi=100, layout="constrained")
    panels = figure.subplots(rows, columns).flatten()
    styles = (
        {"color": "tab:orange", "linewidth": 2.2},
        {"color": "tab:blue", "linewidth": 0.9},
        {"color": "0.3", "linewidth": 0.7, "linestyle": "--"},
    )
    for axes, (name, sides) in zip(panels, curves.items(), strict=False):
        for style, (side, values) in zip(styles, sides.items(), strict=False):
            axes.plot(range(1, len(values) + 1), values, label=SHOWN_AS.get(side, side), **style)
        axes.set_title(name, fontsize=10)
        axes.grid(alpha=0.3)
    for axes in panels[len(curves) :]:
        axes.set_axis_off()
    panels[0].legend()
    figure.savefig(path)


if __name__ == "__main__":
    main()
