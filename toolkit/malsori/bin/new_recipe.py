"""``malsori new-recipe``: the three files of a new recipe."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "make the three files of a new recipe from an existing one"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.epilog = (
        "example: malsori new-recipe my_voice --corpus ~/recordings   (how the corpus is laid out "
        "is recognised: KSS, LJSpeech, VCTK, Piper, VITS's lists, CSV or TSV, Kaldi, Lhotse, "
        "Hugging Face, texts beside the audio)"
    )
    parser.add_argument("name", metavar="NAME", help="name of the recipe, as my_voice")
    parser.add_argument(
        "--from",
        dest="source",
        help="recipe to copy, whose settings are taken (by the corpus's language; else kss)",
    )
    parser.add_argument("--out", type=Path, help="folder to make (egs/NAME of the source tree)")
    parser.add_argument("--corpus", type=Path, help="where the corpus is (downloads/NAME)")
    parser.add_argument("--layout", help="how the corpus is laid out, if that is not recognised")


def run(args: argparse.Namespace) -> None:
    """Make the recipe and say what was chosen, why, and what comes next."""
    from malsori.core.errors import UsageError
    from malsori.data.recipe import DEFAULT, FILES, new_recipe, settings_told
    from malsori.data.recognition import look_at

    found, source = None, args.source
    if args.corpus is not None and args.corpus.expanduser().exists():
        found = look_at(args.corpus.expanduser(), args.layout)
        for line in found.told():
            print(line)
        source = source or DEFAULT.get(str(found.language))
    elif args.layout is not None:
        raise UsageError("--layout: goes with the --corpus that has it")
    source = source or "kss"
    corpus = None if args.corpus is None else str(args.corpus)
    folder = new_recipe(args.name, source, out=args.out, corpus=corpus, recognised=found)
    print(settings_told(folder, source, found))
    for file in FILES:
        print(folder / file)
    if found is None:
        print(f"next: say in {folder / 'local/prepare.py'} how to read the corpus, then")
        print(f"      {folder / 'run.sh'} --stop-stage 1")
    else:
        print(f"next: {folder / 'run.sh'} --stop-stage 1")
