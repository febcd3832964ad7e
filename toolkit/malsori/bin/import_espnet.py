"""Turn an ESPnet pack into one of ours."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "turn a JETS or VITS voice of ESPnet (model-zoo zip or exp folder) into a pack"
EPILOG = "example: malsori import-espnet jets.zip --out voice.malsori.zip --data-licence CC-BY-4.0"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("pack", type=Path, help="zip, or folder with config.yaml and *.pth")
    parser.add_argument("--out", type=Path, required=True, help="zip file to write")
    parser.add_argument("--weights", metavar="NAME", help="file of weights to take (the average)")
    parser.add_argument(
        "--with-training", action="store_true", help="add the discriminators, for fine-tuning"
    )
    parser.add_argument("--frontend", help="text front end to use instead of the one that fits")
    parser.add_argument("--licence", default="unknown", help="of the weights")
    parser.add_argument("--data-licence", default="unknown", help="of the training data")
    parser.add_argument("--sentence", help="what the finished pack is made to say")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> None:
    """Import, then open the result in an empty folder and let it speak."""
    from malsori.espnet.pack_reader import read_espnet
    from malsori.infer.licences import Licences
    from malsori.infer.pack import speak_from_pack, write_voice

    voice = read_espnet(args.pack, args.weights, args.with_training, args.frontend)
    write_voice(voice, args.out, Licences(weights=args.licence, data=args.data_licence))
    sample = args.out.with_suffix("").with_suffix(".wav")
    sentence = speak_from_pack(args.out, args.sentence, sample, tokens_will_do=True)
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB; it said {sentence!r}: {sample}")
    missing = voice.description["tokenizer"]["missing"]
    if missing is not None:
        print(f"{args.out}: its front end, {missing}, is not here: speak with --tokens")
