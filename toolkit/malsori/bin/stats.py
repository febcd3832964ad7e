"""Stage 3: F0 and statistics."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "extract F0 and compute mean and spread of the features (stage 3)"
EPILOG = (
    "example: malsori stats --config conf/train_jets.yaml --data data/train data/dev data/test "
    "--tokens data/tokens/phn_ko --out data/stats"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--config", type=Path, help="training config; only its audio part is read")
    parser.add_argument(
        "--data", type=Path, nargs="+", required=True, help="data dirs, the training set first"
    )
    parser.add_argument("--tokens", type=Path, required=True, help="output folder of stage 2")
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    parser.add_argument(
        "--max-rejected",
        type=float,
        default=0.1,
        help="largest share rejected of a set (default 0.1)",
    )
    parser.add_argument(
        "--set", dest="overrides", nargs="*", default=[], metavar="key.path=value", help="settings"
    )
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> None:
    """Write statistics and F0."""
    from malsori.core.config import load, load_section
    from malsori.core.log import get_logger
    from malsori.data.stats import collect, collected
    from malsori.dsp.audio_config import AudioConfig

    audio = load_section(AudioConfig, "audio", args.config, args.overrides)
    if collected(args.data, args.tokens, audio, args.out):
        return  # before PyTorch is imported, which takes longer than all of this
    from malsori.tasks.task import TaskConfig
    from malsori.train.config import TrainConfig

    config = load(TrainConfig, args.config, args.overrides)
    task: TaskConfig = config.task.config
    if task.material == "recordings":
        get_logger(__name__).info(
            "nothing to do: the task %s is trained on recordings alone", config.task.name
        )
        return
    collect(args.data, args.tokens, config.audio, args.out, args.jobs, args.max_rejected)
