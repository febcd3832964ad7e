"""Stage 4: train."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "train a voice, or go on from its last checkpoint (stage 4)"
EPILOG = "example: malsori train --config conf/train_jets.yaml --exp exp/jets training.steps=1000"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--config", type=Path, help="YAML file with what differs from the defaults")
    parser.add_argument("--exp", type=Path, help="folder of the run; made if it is not there")
    parser.add_argument(
        "--print-config", action="store_true", help="show every setting with its meaning and stop"
    )
    parser.add_argument("overrides", nargs="*", metavar="key.path=value", help="settings")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    """Train; 143 after SIGTERM, 130 after SIGINT, each with a checkpoint written."""
    from malsori.core.config import load, to_yaml
    from malsori.core.errors import UsageError
    from malsori.train.config import TrainConfig

    config = load(TrainConfig, args.config, args.overrides)
    if args.print_config:
        print(to_yaml(config, comments=True), end="")
        return 0
    if args.exp is None:
        raise UsageError("--exp: name the folder of the run, such as --exp exp/jets")
    from malsori.core.log import get_logger
    from malsori.train.run import train
    from malsori.train.trainer import Terminated

    try:
        train(config, args.exp)
    except Terminated as stopped:
        get_logger(__name__).warning("%s: %s after a checkpoint", args.exp, stopped)
        return stopped.exit_code
    return 0
