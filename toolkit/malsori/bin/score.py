"""``malsori score``: stage 6, decoded speech against the recordings of a data dir."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

SUMMARY = "measure decoded speech against recordings: MCD, F0, voicing, durations, with a report"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.description = (
        "Compares exp/NAME/decode/SET/wav with the recordings of a data dir and writes "
        "scores.json, scores.md and report.html to exp/NAME/score/SET."
    )
    parser.epilog = "example: malsori score --exp exp/jets --set test --data data/test --jobs 4"
    parser.add_argument("--exp", type=Path, metavar="DIR", help="run folder, exp/NAME")
    parser.add_argument(
        "--set", dest="set_name", metavar="SET", help="set that was decoded, such as test"
    )
    parser.add_argument(
        "--data", type=Path, metavar="DIR", required=True, help="data dir of the set"
    )
    parser.add_argument(
        "--decoded", type=Path, metavar="DIR", help="in place of exp/NAME/decode/SET"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="in place of exp/NAME/score/SET")
    parser.add_argument(
        "--scorer",
        action="append",
        metavar="NAME",
        help="may be given several times (default: acoustic)",
    )
    parser.add_argument(
        "--examples",
        type=int,
        default=30,
        metavar="N",
        help="with audio and pictures (default: 30)",
    )
    parser.add_argument(
        "--jobs",
        type=int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes (default: all cores)",
    )


def run(args: argparse.Namespace) -> None:
    """Score a set and print the summary as Markdown.

    Raises:
        UsageError: The folders are not told, or a number is out of range.
        MalsoriError: Recordings are missing, unreadable or of another set.
    """
    from malsori.core.config import read_choice
    from malsori.core.errors import UsageError
    from malsori.core.log import get_logger
    from malsori.data.datadir import DataDir
    from malsori.score import SCORERS
    from malsori.score.command import score_set

    if args.jobs < 1:
        raise UsageError(f"--jobs {args.jobs}: need at least 1")
    if args.examples < 0:
        raise UsageError(f"--examples {args.examples}: need 0 or more")
    decoded, out = _folders(args)
    if (decoded / "alignment.tsv").exists() and not (decoded / "wav").exists():
        get_logger(__name__).info(
            "nothing to do: %s is what to think of alignments", decoded / "alignment.tsv"
        )
        return
    scorers = [read_choice(SCORERS, name, "--scorer") for name in args.scorer or ["acoustic"]]
    summary = score_set(
        data=DataDir(args.data),
        decoded_folder=decoded,
        out=out,
        scorers=scorers,
        title=_title(args),
        examples=args.examples,
        jobs=args.jobs,
    )
    print(summary, end="")
    get_logger(__name__).info("wrote %s, scores.json and scores.md", out / "report.html")


def _folders(args: argparse.Namespace) -> tuple[Path, Path]:
    from malsori.core.errors import UsageError

    if args.exp and args.set_name:
        return (
            args.decoded or args.exp / "decode" / args.set_name,
            args.out or args.exp / "score" / args.set_name,
        )
    if args.decoded and args.out:
        return args.decoded, args.out
    raise UsageError("give --exp and --set, or both --decoded and --out")


def _title(args: argparse.Namespace) -> str:
    run_name = (args.exp or args.decoded).resolve().name
    return f"{run_name}: {args.set_name or args.data.resolve().name}"
