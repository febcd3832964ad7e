"""``malsori data``: look at data dirs, mend them, combine them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

SUMMARY = "look at data dirs, mend and combine them: check, report, combine"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands and their options."""
    parser.epilog = "example: malsori data check data/train"
    commands = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    _configure_check(commands)
    _configure_report(commands)
    _configure_combine(commands)


def _configure_check(commands: Any) -> None:
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
    check.add_argument(
        "--fix",
        action="store_true",
        help="sort, compose characters (NFC), leave out what cannot be used; nothing is lost: what "
        "is left out is listed in dropped.tsv, the files as they were are kept in before_fix/",
    )
    check.add_argument(
        "--out", type=Path, help="with --fix and one DIR: write here, leave DIR as it is"
    )


def _configure_report(commands: Any) -> None:
    report = commands.add_parser(
        "report",
        help="the dataset doctor: a page with numbers, plots, and what to listen to",
        description="Write OUT/report.html (numbers, plots, duplicates, the most suspicious "
        "utterances with players), OUT/report.json and OUT/suspicious.tsv. What was measured is "
        "kept in OUT: a second run reads only audio that is new or changed.",
        epilog="example: malsori data report --data data/train data/dev data/test "
        "--tokens data/tokens/phn_ko --out data/report",
    )
    report.add_argument(
        "--data", nargs="+", type=Path, required=True, metavar="DIR", help="data dirs"
    )
    report.add_argument("--out", type=Path, required=True, help="folder of the report")
    report.add_argument(
        "--tokens", type=Path, metavar="FOLDER", help="output of stage 2, to count tokens"
    )
    report.add_argument(
        "--frontend",
        metavar="NAME",
        help="text front end that reads the texts now, as ko; of several languages ko,en (without "
        "both options letters are counted)",
    )
    report.add_argument(
        "--sample", type=int, default=0, metavar="N", help="measure N utterances of a set (all)"
    )
    report.add_argument("--jobs", type=int, default=2, help="processes (2)")
    report.add_argument("--examples", type=int, default=40, help="players in the page (40)")


def _configure_combine(commands: Any) -> None:
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
    actions: dict[str, Callable[[argparse.Namespace], int]] = {
        "check": _check,
        "report": _report,
        "combine": _combine,
    }
    return actions[args.action](args)


def _check(args: argparse.Namespace) -> int:
    from malsori.core.errors import UsageError
    from malsori.core.log import get_logger
    from malsori.data.check import check
    from malsori.data.mending import mend

    if args.out is not None and (not args.fix or len(args.dirs) > 1):
        raise UsageError("--out: goes with --fix and one data dir")
    total = 0
    for path in args.dirs:
        if args.fix:
            mended = mend(path, args.out, allow_pipes=args.allow_pipes, jobs=args.jobs)
            for line in mended.told():
                print(line)
            path = mended.path
        problems = check(path, allow_pipes=args.allow_pipes, jobs=args.jobs)
        for problem in problems:
            print(problem)
        total += len(problems)
        told = f"{len(problems)} problems" if problems else "nothing wrong"
        if problems and not args.fix:
            told += "; --fix mends what can be mended, and lists what it leaves out"
        get_logger(__name__).info("%s: %s", path, told)
    return 1 if total else 0


def _report(args: argparse.Namespace) -> int:
    from malsori.core.errors import UsageError
    from malsori.doctor.report import diagnose
    from malsori.doctor.summary import findings

    for name in ("sample", "jobs", "examples"):
        if getattr(args, name) < (name == "jobs"):
            raise UsageError(f"--{name}: must be at least {int(name == 'jobs')}")
    judgement = diagnose(
        args.data,
        args.out,
        tokens=args.tokens,
        frontend=args.frontend,
        sample=args.sample,
        jobs=args.jobs,
        examples=args.examples,
    )
    for finding in findings(judgement):
        print(f"{finding.count:7d}  {finding.kind.label}")
    print(args.out / "report.html")
    return 0


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
