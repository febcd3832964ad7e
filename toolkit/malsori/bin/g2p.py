"""Pronunciations as a filter: text lines in, token lines out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from malsori.text import FrontEnd

SUMMARY = "read lines of text on stdin, write their pronunciation as tokens"
EPILOG = "example: echo '안녕하세요!' | malsori g2p --lang ko"
LANGUAGES = {"ko": "ko", "en": "en"}
"""Language to its default front end."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_options(parser)
    parser.add_argument(
        "--phrases",
        choices=("word", "short", "all"),
        help="over which spaces Korean sounds meet, backend ko (default short; doc/korean.md)",
    )
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> int:
    """Write one line of tokens, with spaces between, for each line of text."""
    from malsori.text.pronunciation import read_words

    front_end = build(args, args.lexicon, args.phrases)
    return filter_lines(
        lambda line: " ".join(
            token for word in read_words(front_end, line) for token in word.tokens
        ),
        args.keep_going,
    )


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that ``g2p`` and ``normalize`` share."""
    parser.add_argument(
        "--lang", choices=tuple(LANGUAGES), default="ko", help="language of the text"
    )
    parser.add_argument(
        "--backend", metavar="NAME", help="text front end (default: the language's)"
    )
    parser.add_argument("--lexicon", help="file of lines word<TAB>pronunciation; they win")
    parser.add_argument(
        "--keep-going",
        action="store_true",
        help="write an empty line for a line that cannot be read and go on (exit code still 1)",
    )


def build(
    args: argparse.Namespace, lexicon: str | None = None, phrases: str | None = None
) -> FrontEnd:
    """Return the front end that the options ask for.

    Raises:
        UsageError: It is one for another language, or has no phrases.
    """
    from dataclasses import fields, replace

    from malsori.core.errors import UsageError
    from malsori.text import FRONTENDS

    name = args.backend or LANGUAGES[args.lang]
    entry = FRONTENDS.entry(name)
    settings = replace(entry.config(), lexicon=lexicon)
    if phrases is not None:
        if all(field.name != "phrases" for field in fields(settings)):
            raise UsageError(f"--phrases {phrases}: --backend {name} has no phrases, ko has")
        settings = replace(settings, phrases=phrases)
    front_end: FrontEnd = entry.build(settings)
    if front_end.language != args.lang:
        raise UsageError(f"--backend {name} reads {front_end.language!r}, not --lang {args.lang}")
    return front_end


def filter_lines(convert: Callable[[str], str], keep_going: bool) -> int:
    """Convert stdin to stdout line by line and return the exit code.

    Raises:
        TextError: A line cannot be read and ``keep_going`` is False; the message has its number.
        MalsoriError: There is no standard input, or the output cannot be written.
    """
    from malsori.core.errors import MalsoriError
    from malsori.core.log import get_logger
    from malsori.text import TextError

    log = get_logger(__name__)
    failed = 0
    if sys.stdin is None:
        raise MalsoriError("standard input is closed: give it lines of text")
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
    for number, raw in enumerate(sys.stdin.buffer, 1):
        try:
            line = convert(_text(raw, is_first=number == 1))
        except TextError as error:
            if not keep_going:
                raise TextError(f"line {number}: {error}") from error
            log.error("line %d: %s", number, error)
            failed += 1
            line = ""
        try:
            print(line, flush=True)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise MalsoriError(
                f"line {number}: standard output cannot be written: {error.strerror}"
            ) from error
    return 1 if failed else 0


def _text(raw: bytes, is_first: bool) -> str:
    """Return a line without its end, and without the mark that some editors begin a file with.

    Raises:
        TextError: It is not UTF-8; the message says where.
    """
    from malsori.text import TextError

    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise TextError(
            f"not UTF-8: byte 0x{raw[error.start]:02X} at place {error.start + 1} of the line; "
            "save the text as UTF-8"
        ) from error
    return (text.removeprefix("\ufeff") if is_first else text).rstrip("\r\n")
