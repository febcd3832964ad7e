"""Speaker vectors of data dirs."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "write a vector that says who speaks for each utterance of data dirs"
EPILOG = "example: malsori embed-speakers --data data/train data/dev data/test"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--data", type=Path, nargs="+", required=True, help="data dirs, the training set first"
    )
    parser.add_argument(
        "--encoder",
        default="resemblyzer",
        help="one of 'malsori list speaker_encoders' (resemblyzer)",
    )
    parser.add_argument(
        "--average",
        choices=("utterance", "speaker"),
        default="utterance",
        help="of what a vector is the mean: its utterance (default), or all of its speaker in the "
        "first data dir where that speaker occurs",
    )
    parser.add_argument(
        "--max-rejected",
        type=float,
        default=0.1,
        help="largest share rejected of a set (default 0.1)",
    )
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all cores)")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> None:
    """Write the vectors, and print what each data dir has."""
    import torch

    from malsori.core.errors import UsageError
    from malsori.infer.embed_speakers import embed_sets

    if not 0 <= args.max_rejected <= 1:
        raise UsageError(f"--max-rejected: {args.max_rejected:g} is not between 0 and 1")
    if args.threads < 0:
        raise UsageError(f"--threads: {args.threads} is below 0")
    if args.threads:
        torch.set_num_threads(args.threads)
    made = embed_sets(args.data, args.encoder, args.average, args.device, args.max_rejected)
    for each in made:
        print(
            f"{each.path}: {each.utterances} utterances, {each.speakers} speakers, vectors of "
            f"{each.size}, {each.rejected} rejected"
        )
