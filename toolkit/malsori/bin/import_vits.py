"""Turn a checkpoint of the original VITS into a pack."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "turn a voice of the original VITS (G_*.pth and config.json) into a pack"
EPILOG = (
    "example: malsori import-vits --checkpoint G_100000.pth --config config.json "
    "--symbols builtin --out voice.malsori.zip"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--checkpoint", type=Path, required=True, help="its weights, G_*.pth")
    parser.add_argument("--config", type=Path, required=True, help="its settings, config.json")
    parser.add_argument(
        "--symbols",
        metavar="FILE|builtin",
        help="file with one symbol a line in the order of text/symbols.py; builtin: those of the "
        "published English voices; by default what the settings have as 'symbols'",
    )
    parser.add_argument("--out", type=Path, required=True, help="zip file to write")
    parser.add_argument("--licence", default="unknown", help="of the weights")
    parser.add_argument("--data-licence", default="unknown", help="of the training data")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> None:
    """Import, then open the result in an empty folder and let it speak."""
    from malsori.infer.licences import Licences
    from malsori.infer.pack import speak_from_pack, write_voice
    from malsori.packs.vits import read_vits

    voice = read_vits(args.checkpoint, args.config, args.symbols)
    write_voice(voice, args.out, Licences(weights=args.licence, data=args.data_licence))
    sample = args.out.with_suffix("").with_suffix(".wav")
    said = speak_from_pack(args.out, None, sample, tokens_will_do=True)
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB; it said {said!r}: {sample}")
    print(f"{args.out}: its text front end is not here: speak with --tokens")
