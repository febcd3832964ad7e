"""Show what is in a packed voice."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "show what is in a packed voice: licences, settings, sizes, hashes"
EPILOG = "example: malsori inspect voice.malsori.zip"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("pack", type=Path, help="voice.malsori.zip")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> None:
    """Print meta data and sizes; every hash is verified on the way."""
    import yaml

    from malsori.packs.format import read_meta, read_sizes, read_tokens

    meta = read_meta(args.pack)
    print(yaml.safe_dump(meta, sort_keys=False, allow_unicode=True), end="")
    print("sizes:")
    for name, size in read_sizes(args.pack).items():
        print(f"  {name}: {size}")
    tokens = read_tokens(args.pack)
    if tokens:
        print("tokens: " + " ".join(tokens))
