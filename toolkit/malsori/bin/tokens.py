"""Stage 2: token lists and token sequences."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "turn the texts of data dirs into tokens (stage 2)"
EPILOG = (
    "example: malsori tokens --data data/train data/dev data/test --out data/tokens/phn_ko "
    "--type phn --frontend ko"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--data", type=Path, nargs="+", required=True, help="data dirs, the training set first"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write into")
    parser.add_argument(
        "--type", choices=("phn", "char", "bpe"), default="phn", help="kind of tokens (default phn)"
    )
    parser.add_argument(
        "--frontend",
        default="ko",
        help="text front end, see 'malsori list frontends' (default ko); of data dirs with several "
        "languages one of each: ko,en, or kor=ko,eng=en if utt2lang calls them so",
    )
    parser.add_argument("--lexicon", help="file of lines word<TAB>pronunciation, for type phn")
    parser.add_argument("--lexicon-language", help="which of several languages the lexicon is of")
    parser.add_argument(
        "--phrases",
        choices=("word", "short", "all"),
        default="short",
        help="over which spaces Korean sounds meet (default short; doc/korean.md)",
    )
    parser.add_argument(
        "--vocabulary", type=int, default=500, help="pieces wanted with type bpe (default 500)"
    )
    parser.add_argument("--spaces", action="store_true", help="<space> between words with type phn")
    parser.add_argument(
        "--blanks", action="store_true", help="<blank> around every token, as the original VITS has"
    )
    parser.add_argument(
        "--max-rejected",
        type=float,
        default=0.05,
        help="largest share of a set whose text cannot be read (default 0.05)",
    )
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> None:
    """Write the token folder."""
    from malsori.core.errors import UsageError
    from malsori.data.tokens import make_tokens
    from malsori.text.tokenizer import TokenizerConfig

    if not 0 <= args.max_rejected <= 1:
        raise UsageError(f"--max-rejected {args.max_rejected}: a share is between 0 and 1")
    if args.vocabulary < 1:
        raise UsageError(f"--vocabulary {args.vocabulary}: at least 1 piece")
    config = TokenizerConfig(
        type=args.type,
        frontend=args.frontend,
        lexicon=args.lexicon,
        lexicon_language=args.lexicon_language,
        phrases=args.phrases,
        vocabulary=args.vocabulary,
        blanks=args.blanks,
        spaces=args.spaces,
    )
    make_tokens(args.data, args.out, config, args.max_rejected)
