"""The console script: a table of commands, each imported when it is called."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from malsori.core.errors import MalsoriError, UsageError
from malsori.core.version import VERSION

COMMANDS = {
    "doctor": "malsori.bin.doctor",
    "list": "malsori.bin.list",
    "data": "malsori.bin.data",
    "g2p": "malsori.bin.g2p",
    "normalize": "malsori.bin.normalize",
    "tokens": "malsori.bin.tokens",
    "stats": "malsori.bin.stats",
    "embed-speakers": "malsori.bin.embed_speakers",
    "train": "malsori.bin.train",
    "decode": "malsori.bin.decode",
    "score": "malsori.bin.score",
    "pack": "malsori.bin.pack",
    "export": "malsori.bin.export",
    "import-espnet": "malsori.bin.import_espnet",
    "import-hifigan": "malsori.bin.import_hifigan",
    "import-vits": "malsori.bin.import_vits",
    "synthesize": "malsori.bin.synthesize",
    "align": "malsori.bin.align",
    "convert": "malsori.bin.convert",
    "inspect": "malsori.bin.inspect",
    "new-recipe": "malsori.bin.new_recipe",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 (the work failed) or 2 (wrong usage)."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    if not words or words[0] in ("-h", "--help"):
        print(_overview())
        return 0
    if words[0] == "--version":
        print(f"malsori {VERSION}")
        return 0
    try:
        return _call(words[0], words[1:])
    except MalsoriError as error:
        if debug:
            raise
        line = " ".join(str(error).split())
        print(f"malsori {words[0]}: error: {line}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except BrokenPipeError:  # the reader of our output left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        if debug:
            raise
        print(f"malsori {words[0]}: interrupted", file=sys.stderr)
        return 130


def _call(name: str, words: list[str]) -> int:
    from malsori.core import log

    if name not in COMMANDS:
        import difflib

        close = difflib.get_close_matches(name, COMMANDS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(COMMANDS)}"
        raise UsageError(f"no such command; {hint}")
    command = importlib.import_module(COMMANDS[name])
    parser = argparse.ArgumentParser(prog=f"malsori {name}", description=command.SUMMARY)
    command.configure(parser)
    args = parser.parse_intermixed_args(words) if _has_rest(parser) else parser.parse_args(words)
    log.setup()
    return int(command.run(args) or 0)


def _has_rest(parser: argparse.ArgumentParser) -> bool:
    """Return whether the command takes ``key.path=value`` words between its options."""
    return any(
        action.dest == "overrides" and not action.option_strings for action in parser._actions
    )


def _overview() -> str:
    lines = [
        "usage: malsori <command> [options]",
        "",
        "Train, judge and use text-to-speech voices.",
        "",
    ]
    for name, module in COMMANDS.items():
        lines.append(f"  {name:13} {importlib.import_module(module).SUMMARY}")
    lines += ["", "'malsori <command> --help' shows a command's options and an example;"]
    lines += ["--debug before or after a command shows where an error comes from."]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
