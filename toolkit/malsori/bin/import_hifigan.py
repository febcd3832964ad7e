"""Turn a generator of the original HiFi-GAN into a pack."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "turn a generator of the original HiFi-GAN (generator_v1, g_02500000) into a pack"
EPILOG = "example: malsori import-hifigan generator_v1 --config config.json --out v1.malsori.zip"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("weights", type=Path, metavar="FILE", help="the generator's weights")
    parser.add_argument("--config", type=Path, help="its settings (config.json beside FILE)")
    parser.add_argument("--out", type=Path, required=True, help="zip file to write")
    parser.add_argument("--licence", default="unknown", help="of the weights")
    parser.add_argument("--data-licence", default="unknown", help="of the training data")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> None:
    """Import, then open the result and let it make a tone again."""
    from malsori.infer.licences import Licences
    from malsori.infer.pack import try_pack
    from malsori.infer.vocoder import write_vocoder
    from malsori.packs.hifigan import read_hifigan

    read = read_hifigan(args.weights, args.config)
    write_vocoder(read, args.out, Licences(weights=args.licence, data=args.data_licence))
    told = try_pack(args.out, None, args.out.with_suffix("").with_suffix(".wav"))
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB; {told}")
