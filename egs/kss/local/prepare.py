"""Stage 1 of the KSS recipe: data dirs from the corpus as it is downloaded."""

from argparse import Namespace

from malsori.data import kss, script
from malsori.data.prepare import Split, Utterance


def list_corpus(args: Namespace) -> list[Utterance]:
    """Return the utterances of KSS."""
    return kss.read_corpus(args.corpus, field=args.field, extract_to=args.out / "kss_audio")


if __name__ == "__main__":
    parser = script.options(__doc__)
    parser.add_argument("--field", type=int, default=3, help="3 expanded script, 2 original one")
    script.run(parser, list_corpus, split=Split(dev=250, test=250, rule="even"))
