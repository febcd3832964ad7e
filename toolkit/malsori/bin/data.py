"""``malsori data``: look at data dirs."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

SUMMARY = "look at data dirs: check"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands and their options."""
    parser.epilog = "example: malsori data check data/train"
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    check = commands.add_parser(
        "check",
        help="everything wrong with a data dir, by file:line, with the fix",
        description="Print everything wrong with a data dir, by file:line, with the fix.",
        epilog="example: malsori data check data/train   (exit code 1 if anything is wrong)",
    )
    check.add_argument("dirs", nargs="+", type=Path, metavar="DIR", help="data dir")
    check.add_argument(
        "--allow-pipes", action="store_true", help="accept shell commands in wav.scp, unread"
    )
    check.add_argument("--jobs", type=int, default=2, help="audio files read at a time (2)")


def run(args: argparse.Namespace) -> int:
    """Run the subcommand; return its exit code."""
    actions: dict[str, Callable[[argparse.Namespace], int]] = {"check": _check}
    return actions[args.action](args)


def _check(args: argparse.Namespace) -> int:
    from malsori.core.log import get_logger
    from malsori.data.check import check

    total = 0
    for path in args.dirs:
        problems = check(path, allow_pipes=args.allow_pipes, jobs=args.jobs)
        for problem in problems:
            print(problem)
        total += len(problems)
        told = f"{len(problems)} problems" if problems else "nothing wrong"
        get_logger(__name__).info("%s: %s", path, told)
    return 1 if total else 0
