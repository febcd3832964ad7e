"""What every ``egs/*/local/prepare.py`` shares: its options, its log and its exit codes."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from malsori.core.errors import MalsoriError, UsageError
from malsori.core.log import get_logger, setup
from malsori.data.prepare import Limits, Utterance, prepare
from malsori.data.splits import Split

log = get_logger(__name__)


def options(description: str) -> argparse.ArgumentParser:
    """Return a parser with the options of stage 1; a recipe may add its own.

    Args:
        description: What the script does, for ``--help``.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--corpus", required=True, type=Path, help="where the corpus is")
    parser.add_argument("--out", type=Path, default=Path("data"), help="folder of the data dirs")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="files at a time")
    parser.add_argument("--keep-silence", action="store_true", help="do not trim silence")
    parser.add_argument(
        "--split",
        choices=("corpus", "anew"),
        default="corpus",
        help="keep the sets that the corpus comes with, if it has such, or split it anew",
    )
    for name, default, text in (
        ("--min-seconds", Limits().min_seconds, "shortest speech that is used"),
        ("--max-seconds", Limits().max_seconds, "longest speech that is used"),
        ("--max-rejected", Limits().max_rejected, "share of utterances that may be rejected"),
    ):
        parser.add_argument(name, type=float, default=default, help=text)
    return parser


def run(
    parser: argparse.ArgumentParser,
    list_corpus: Callable[[argparse.Namespace], Iterable[Utterance]],
    *,
    split: Split | None = None,
    sample: int = 0,
) -> None:
    """Prepare a corpus as the command line says, and end the process with 0, 1 or 2.

    Args:
        parser: What ``options`` returned.
        list_corpus: Returns the corpus's utterances, given the parsed options.
        split: What goes to dev and test, where the corpus has no sets or ``--split anew`` is given.
        sample: How many training utterances ``train_sample`` holds; 0 for none.
    """
    args = parser.parse_args()
    setup()
    limits = Limits(
        min_seconds=args.min_seconds, max_seconds=args.max_seconds, max_rejected=args.max_rejected
    )
    try:
        prepare(
            list_corpus(args),
            args.out,
            split=replace(split or Split(), keep=args.split == "corpus"),
            trim=not args.keep_silence,
            limits=limits,
            sample=sample,
            jobs=args.jobs,
        )
    except MalsoriError as error:
        log.error("%s", error)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except KeyboardInterrupt:
        sys.exit(130)
