"""``malsori data``: look at data dirs, combine them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

SUMMARY = "look at data dirs, combine them: check, combine"


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
    combine = commands.add_parser(
        "combine",
        help="several corpora as one, their ids kept apart",
        description="Join data dirs, or folders of them (train, dev, …). Every utterance and "
        "speaker is called NAME-ID afterwards, NAME being the corpus's; of folders, OUT/SET has "
        "all corpora, and OUT/SET_NAME one of them (but for train).",
        epilog="example: malsori data combine --out data kss=../kss/data lj=../ljspeech/data:en",
    )
    combine.add_argument(
        "dirs",
        nargs="+",
        metavar="[NAME=]DIR[:LANGUAGE]",
        help="data dir or folder of them; its name (that of the folder); its language, if it has "
        "no utt2lang",
    )
    combine.add_argument("--out", type=Path, required=True, help="data dir or folder to write")
    combine.add_argument(
        "--config", type=Path, help="training config, to warn of what its sample rate upsamples"
    )
    combine.add_argument(
        "--set", dest="overrides", nargs="*", default=[], metavar="key.path=value", help="settings"
    )


def run(args: argparse.Namespace) -> int:
    """Run the subcommand; return its exit code."""
    actions: dict[str, Callable[[argparse.Namespace], int]] = {"check": _check, "combine": _combine}
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


def _combine(args: argparse.Namespace) -> int:
    from malsori.data.combine import Part, combine

    parts = [Part.read(word) for word in args.dirs]
    sample_rate = None
    if args.config is not None:
        from malsori.core.config import load
        from malsori.train.config import TrainConfig

        sample_rate = load(TrainConfig, args.config, args.overrides).audio.sample_rate
    for made in combine(parts, args.out, sample_rate):
        spoken = f", {' '.join(made.languages)}" if made.languages else ""
        print(f"{made.path}: {made.utterances} utterances, {made.speakers} speakers{spoken}")
    return 0
