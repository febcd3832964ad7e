"""Stage 5: speak the texts of a data dir."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "speak the texts of a data dir (stage 5)"
EPILOG = "example: malsori decode --exp exp/jets --data data/test"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--exp", type=Path, required=True, help="run folder")
    parser.add_argument("--data", type=Path, required=True, help="data dir")
    parser.add_argument("--out", type=Path, help="default: EXP/decode/NAME of the data dir")
    parser.add_argument(
        "--checkpoint", default="best", help="best (default), last, average or step-N"
    )
    parser.add_argument("--batch", default="60 s", help="audio spoken at a time (default 60 s)")
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all cores)")
    parser.add_argument(
        "--teacher-forcing",
        action="store_true",
        help="take durations, pitch and energy from the recordings, and the style of a voice with "
        "style tokens (else it is neutral)",
    )
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> None:
    """Decode."""
    import humanfriendly
    import torch

    from malsori.core.errors import UsageError
    from malsori.data.datadir import DataDir
    from malsori.infer.decode import decode
    from malsori.infer.voice import load_run

    try:
        seconds = humanfriendly.parse_timespan(args.batch)
    except humanfriendly.InvalidTimespan:
        raise UsageError(f"--batch: expected a time such as '60 s', got {args.batch!r}") from None
    if args.threads < 0:
        raise UsageError(f"--threads: {args.threads} is below 0")
    if args.threads:
        torch.set_num_threads(args.threads)
    voice = load_run(args.exp, args.checkpoint, args.device)
    out = args.out or args.exp / "decode" / args.data.name
    decode(voice, DataDir(args.data), out, seconds, args.teacher_forcing)
