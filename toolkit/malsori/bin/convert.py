"""Voice conversion."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "say recordings again in the voice of another speaker of a model"
EPILOG = (
    "example: malsori convert --model voice.malsori.zip --from mina --to june --wav mina.wav "
    "--out june.wav; malsori convert --model exp/vits_phn_ko --to june --data data/test --out june"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--model", required=True, help="voice.malsori.zip, or a run folder: VITS or VAEJETS"
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--data", type=Path, help="data dir, or folder of audio files")
    what.add_argument("--wav", type=Path, help="one audio file")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder to write into; with --wav the file"
    )
    parser.add_argument("--to", metavar="SPEAKER", help="who shall speak")
    parser.add_argument(
        "--from",
        dest="source",
        metavar="SPEAKER",
        help="who speaks in the recordings (default: what utt2spk of the data dir says)",
    )
    parser.add_argument(
        "--to-embedding",
        type=Path,
        metavar="FILE.npy",
        help="vector of who shall speak (voices that were trained with x-vectors)",
    )
    parser.add_argument(
        "--from-embedding",
        type=Path,
        metavar="FILE.npy",
        help="vector of who speaks (default: those of the data dir)",
    )
    parser.add_argument(
        "--language", help="of the recordings (default: utt2lang, or the voice's first)"
    )
    parser.add_argument(
        "--pitch",
        type=float,
        default=0.0,
        help="semitones up or down (-24 to 24), for a generator with harmonics",
    )
    parser.add_argument("--batch", default="60 s", help="audio converted at a time (60 s)")
    parser.add_argument(
        "--checkpoint",
        default="best",
        help="of a run folder: best (default), last, average, step-N",
    )
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all cores)")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> None:
    """Convert, and print what was written."""
    import humanfriendly
    import torch

    from malsori.core.errors import UsageError
    from malsori.data.recordings import open_recordings
    from malsori.infer.conversion import Converter, Request, convert_all, convert_file
    from malsori.infer.pack import open_voice

    try:
        seconds = humanfriendly.parse_timespan(args.batch)
    except humanfriendly.InvalidTimespan:
        raise UsageError(f"--batch: expected a time such as '60 s', got {args.batch!r}") from None
    if args.threads < 0:
        raise UsageError(f"--threads: {args.threads} is below 0")
    if args.threads:
        torch.set_num_threads(args.threads)
    request = Request(
        to=args.to,
        source=args.source,
        to_vector=args.to_embedding,
        source_vector=args.from_embedding,
        language=args.language,
    )
    converter = Converter(open_voice(args.model, args.device, args.checkpoint), args.pitch, seconds)
    if args.wav is not None:
        length = convert_file(converter, args.wav, args.out, request)
        print(f"{args.out}: {length:.2f} s")
        return
    recordings = open_recordings(args.data)
    length = convert_all(converter, recordings, args.out, request)
    print(f"{args.out}: {len(recordings)} recordings, {length / 60:.1f} min")
