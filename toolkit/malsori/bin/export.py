"""Stage 8: other formats."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "export a voice to other formats (stage 8): ONNX Runtime, ESPnet"
EPILOG = "example: malsori export --to onnx --model voice.malsori.zip --out voice.onnx.zip"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    voice = parser.add_mutually_exclusive_group(required=True)
    voice.add_argument("--exp", type=Path, help="run folder")
    voice.add_argument("--model", type=Path, help="voice.malsori.zip")
    parser.add_argument(
        "--to",
        choices=["onnx", "espnet"],
        required=True,
        help="onnx: speaks without PyTorch ('malsori synthesize'); espnet: for its Text2Speech",
    )
    parser.add_argument("--out", type=Path, required=True, help="zip file to write")
    parser.add_argument(
        "--vocoder",
        type=Path,
        help="pack or run folder of a vocoder, for a model that makes mels (onnx)",
    )
    parser.add_argument(
        "--int8",
        action="store_true",
        help="calculate with whole numbers where it is safe: about twice as fast with an istft "
        "generator, a little less exact (onnx)",
    )
    parser.add_argument(
        "--if-possible",
        action="store_true",
        help="only tell why a voice cannot be exported, and end well, as recipes want (onnx)",
    )
    parser.add_argument(
        "--checkpoint",
        default="best",
        help="of a run folder: best (default), last, average, step-N",
    )
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> None:
    """Export."""
    from malsori.core.errors import UsageError
    from malsori.packs.format import read_pack
    from malsori.packs.run_folder import read_run

    to_espnet = args.to == "espnet"
    if to_espnet and (args.vocoder is not None or args.int8):
        name = "--int8" if args.vocoder is None else "--vocoder"
        raise UsageError(f"{name}: goes with --to onnx only")
    if args.exp is not None:
        voice = read_run(args.exp, args.checkpoint, training=to_espnet)
    else:
        voice = read_pack(args.model, training=to_espnet)
    if to_espnet:
        from malsori.espnet.pack_writer import write_espnet

        write_espnet(voice, args.out)
        told = "for ESPnet's Text2Speech"
    else:
        from malsori.infer.onnx_export import write_onnx
        from malsori.infer.onnx_graphs import ExportError

        try:
            apart = write_onnx(voice, args.out, args.vocoder, args.int8)
        except ExportError as error:
            if not args.if_possible:
                raise
            print(f"nothing is exported: {error}")
            return
        told = f"for ONNX Runtime; its samples are PyTorch's up to {apart:.0e}"
        told += ", before rounding to whole numbers" if args.int8 else ""
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB {told}")
