"""Stage 5, a data dir through a model: texts are spoken, recordings made again or aligned."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "put a data dir through a model: speak its texts, vocode or align its sound (stage 5)"
EPILOG = (
    "example: malsori decode --exp exp/jets --data data/test; "
    "malsori decode --model vocoder.malsori.zip --data wavs --out again"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument("--exp", type=Path, help="run folder")
    model.add_argument("--model", type=Path, help="pack (voice.malsori.zip)")
    parser.add_argument(
        "--data",
        type=Path,
        required=True,
        help="data dir; for a vocoder also a folder of audio files",
    )
    parser.add_argument(
        "--out", type=Path, help="default with --exp: EXP/decode/NAME of the data dir"
    )
    parser.add_argument(
        "--checkpoint", default="best", help="of a run: best (default), last, average or step-N"
    )
    parser.add_argument(
        "--batch",
        help="audio spoken together (default 60 s; on a CPU every text is spoken alone, as many at "
        "a time as there are threads)",
    )
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.add_argument("--threads", type=int, default=0, help="CPU threads (default: all cores)")
    parser.add_argument(
        "--teacher-forcing",
        action="store_true",
        help="take durations, pitch and energy from the recordings, and the style of a voice with "
        "style tokens (else it is neutral)",
    )
    parser.add_argument(
        "--vocoder",
        type=Path,
        help="pack or run folder of a vocoder, for a model that makes mels (default: Griffin-Lim)",
    )
    parser.add_argument(
        "--save-mel",
        action="store_true",
        help="keep the mels that a vocoder makes audible, in OUT/mels; with --teacher-forcing it "
        "is a folder to fine-tune a vocoder on",
    )
    parser.add_argument(
        "--durations",
        type=Path,
        help="folder of TextGrids, for --teacher-forcing with a model that was trained on such",
    )
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> None:
    """Decode."""
    import humanfriendly
    import torch

    from malsori.core.errors import UsageError
    from malsori.data.datadir import DataDir
    from malsori.data.durations import DurationFolder
    from malsori.data.recordings import open_recordings
    from malsori.infer.alignment import align
    from malsori.infer.decode import BATCH_SECONDS, decode
    from malsori.infer.pack import open_model, open_run, with_vocoder
    from malsori.infer.vocoder import MelVoice, copy_synthesis

    try:
        seconds = None if args.batch is None else humanfriendly.parse_timespan(args.batch)
    except humanfriendly.InvalidTimespan:
        raise UsageError(f"--batch: expected a time such as '60 s', got {args.batch!r}") from None
    if args.threads < 0:
        raise UsageError(f"--threads: {args.threads} is below 0")
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.exp is None and args.out is None:
        raise UsageError("--out: say which folder to write into")
    out = args.out or args.exp / "decode" / args.data.name
    if args.exp is not None:
        voice = open_run(args.exp, args.checkpoint, args.device)
    else:
        voice = open_model(args.model, args.device, args.checkpoint)
    if isinstance(voice, MelVoice) or not voice.speaks:
        what = "a vocoder" if isinstance(voice, MelVoice) else "an aligner"
        for option in ("teacher_forcing", "vocoder", "save_mel", "durations"):
            if vars(args)[option]:
                name = option.replace("_", "-")
                raise UsageError(f"--{name}: {what} predicts nothing; leave it out")
    if isinstance(voice, MelVoice):
        recordings = open_recordings(args.data)
        copy_synthesis(voice, recordings, out, BATCH_SECONDS if seconds is None else seconds)
        return
    if not voice.speaks:
        print(align(voice, DataDir(args.data), out).told(out))
        return
    if args.durations and not args.teacher_forcing:
        raise UsageError("--durations: those of recordings, for --teacher-forcing; add that")
    if args.vocoder is not None:
        voice = with_vocoder(voice, args.vocoder, device=args.device)
    decode(
        voice,
        DataDir(args.data),
        out,
        seconds,
        args.teacher_forcing,
        args.save_mel,
        DurationFolder(args.durations) if args.durations else None,
    )
