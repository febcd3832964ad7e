"""Normalisation as a filter: text lines in, the words that would be spoken out."""

from __future__ import annotations

import argparse

from malsori.bin.g2p import add_options, build, filter_lines

SUMMARY = "read lines of text on stdin, write the words that would be spoken"
EPILOG = "example: echo '3시 30분' | malsori normalize --lang ko"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_options(parser)
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    """Write one line of words for each line of text."""
    from malsori.text.pronunciation import read_normalized

    front_end = build(args, args.lexicon)
    return filter_lines(lambda line: read_normalized(front_end, line), args.keep_going)
