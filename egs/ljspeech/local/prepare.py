"""Stage 1 of the LJSpeech recipe: data dirs from the corpus as it is downloaded."""

from argparse import Namespace

from malsori.data import ljspeech, script
from malsori.data.prepare import Split, Utterance


def list_corpus(args: Namespace) -> list[Utterance]:
    """Return the utterances of LJSpeech."""
    return ljspeech.read_corpus(args.corpus, speaker=args.speaker, language=args.language)


if __name__ == "__main__":
    parser = script.options(__doc__)
    parser.add_argument("--speaker", default="LJ", help="id of the one speaker")
    parser.add_argument("--language", default="en", help="language code")
    script.run(parser, list_corpus, split=Split(dev=250, test=250, rule="last"))
