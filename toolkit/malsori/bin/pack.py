"""Stage 7: pack a voice into one file."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "pack a trained voice into one file that speaks (stage 7)"
EPILOG = "example: malsori pack --exp exp/jets --out jets.malsori.zip --data-licence CC0-1.0"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--exp", type=Path, required=True, help="run folder")
    parser.add_argument("--out", type=Path, required=True, help="zip file to write")
    parser.add_argument(
        "--checkpoint", default="best", help="best (default), last, average or step-N"
    )
    parser.add_argument("--licence", default="unknown", help="of the weights")
    parser.add_argument("--data-licence", default="unknown", help="of the training data")
    parser.add_argument(
        "--with-training", action="store_true", help="add the discriminator, for fine-tuning"
    )
    parser.add_argument("--sentence", help="what the finished pack is made to say")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> None:
    """Pack, then open the result in an empty folder and let it do what it is for."""
    from malsori.infer.licences import Licences
    from malsori.infer.pack import try_pack, write_pack

    licences = Licences(weights=args.licence, data=args.data_licence)
    write_pack(args.exp, args.out, args.checkpoint, licences, args.with_training)
    sample = args.out.with_suffix("").with_suffix(".wav")
    told = try_pack(args.out, args.sentence, sample)
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB; {told}")
