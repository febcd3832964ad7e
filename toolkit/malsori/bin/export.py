"""Stage 8: other formats."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "export a voice to other formats (stage 8; comes with a later version)"
EPILOG = "example: malsori export --exp exp/jets"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("--exp", type=Path, required=True, help="run folder")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> None:
    """Say that there is nothing to export to yet."""
    print(
        f"{args.exp}: export to ONNX and ESPnet comes with a later version; the pack speaks already"
    )
