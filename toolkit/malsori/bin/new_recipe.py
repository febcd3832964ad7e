"""``malsori new-recipe``: the three files of a new recipe."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "make the three files of a new recipe from an existing one"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.epilog = "example: malsori new-recipe my_voice --from kss --corpus ~/recordings"
    parser.add_argument("name", metavar="NAME", help="name of the recipe, as my_voice")
    parser.add_argument("--from", dest="source", default="kss", help="recipe to copy (kss)")
    parser.add_argument("--out", type=Path, help="folder to make (egs/NAME of the source tree)")
    parser.add_argument("--corpus", help="where the corpus is (downloads/NAME)")


def run(args: argparse.Namespace) -> None:
    """Make the recipe and say what comes next."""
    from malsori.data.recipe import FILES, new_recipe

    folder = new_recipe(args.name, args.source, out=args.out, corpus=args.corpus)
    for file in FILES:
        print(folder / file)
    print(f"next: say in {folder / 'local/prepare.py'} how to read the corpus, then")
    print(f"      {folder / 'run.sh'} --stop-stage 1")
