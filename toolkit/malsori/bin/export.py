"""Stage 8: other formats."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "export a voice to other formats (stage 8): ESPnet; ONNX comes with a later version"
EPILOG = "example: malsori export --to espnet --model voice.malsori.zip --out jets_espnet.zip"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    voice = parser.add_mutually_exclusive_group(required=True)
    voice.add_argument("--exp", type=Path, help="run folder")
    voice.add_argument("--model", type=Path, help="voice.malsori.zip")
    parser.add_argument("--to", choices=["espnet"], help="the format; without it: what there is")
    parser.add_argument("--out", type=Path, help="zip file to write")
    parser.add_argument(
        "--checkpoint",
        default="best",
        help="of a run folder: best (default), last, average, step-N",
    )
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> None:
    """Export, or say that ONNX comes later."""
    from malsori.core.errors import UsageError

    if args.to is None:
        print(
            f"{args.exp or args.model}: export to ONNX comes with a later version (--to espnet "
            "writes an ESPnet pack); the pack speaks already"
        )
        return
    if args.out is None:
        raise UsageError("--out: say which file to write")
    from malsori.espnet.pack_writer import write_espnet
    from malsori.packs.format import read_pack
    from malsori.packs.run_folder import read_run

    if args.exp is not None:
        voice = read_run(args.exp, args.checkpoint, training=True)
    else:
        voice = read_pack(args.model, training=True)
    write_espnet(voice, args.out)
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB for ESPnet's Text2Speech")
