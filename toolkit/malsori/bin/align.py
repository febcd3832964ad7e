"""Forced alignment of a data dir."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "find when each word of a data dir is said: TextGrid, CTM, and what looks wrong"
EPILOG = "example: malsori align --model exp/align_phn_ko --data data/train --out alignments"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--model", required=True, help="voice.malsori.zip, or a run folder")
    parser.add_argument("--data", type=Path, required=True, help="data dir")
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    parser.add_argument(
        "--checkpoint",
        default="best",
        help="of a run folder: best (default), last, average, step-N",
    )
    parser.add_argument(
        "--pause",
        default="0.1 s",
        help="silences of that length belong to no word (default 0.1 s; 0: what the network says)",
    )
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all cores)")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> None:
    """Align, and print what became of it."""
    import humanfriendly
    import torch

    from malsori.core.errors import UsageError
    from malsori.data.datadir import DataDir
    from malsori.infer.alignment import align
    from malsori.infer.pack import open_voice

    try:
        pause = humanfriendly.parse_timespan(args.pause)
    except humanfriendly.InvalidTimespan:
        raise UsageError(f"--pause: expected a time such as '0.1 s', got {args.pause!r}") from None
    if args.threads < 0:
        raise UsageError(f"--threads: {args.threads} is below 0")
    if args.threads:
        torch.set_num_threads(args.threads)
    voice = open_voice(args.model, args.device, args.checkpoint)
    print(align(voice, DataDir(args.data), args.out, pause).told(args.out))
