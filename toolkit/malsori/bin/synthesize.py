"""Speak a text with a voice."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from malsori.infer.spoken import Timing
    from malsori.infer.streaming import Chunk

SUMMARY = "speak a text with a packed voice or a run"
EPILOG = (
    'example: malsori synthesize --model voice.malsori.zip --text "안녕하세요." --out hello.wav; '
    "malsori synthesize --model voice.malsori.zip --text-file book.txt --stream --out - | aplay"
)


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "--model", required=True, help="voice.malsori.zip, voice.onnx.zip, or a run folder"
    )
    text = parser.add_mutually_exclusive_group(required=True)
    text.add_argument("--text", help="what to say; '-' reads it from standard input")
    text.add_argument("--text-file", type=Path, help="UTF-8 file with what to say")
    text.add_argument("--tokens", help="tokens to say instead, with spaces between")
    parser.add_argument(
        "--ssml",
        action="store_true",
        help="the text has SSML's tags (doc/text.md); one that begins with <speak> need not say so",
    )
    parser.add_argument(
        "--lexicon", type=Path, help="file of lines word<TAB>pronunciation; they win"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="wav file to write; '-' writes to standard output"
    )
    parser.add_argument(
        "--stream",
        action="store_true",
        help="write sound as soon as it is there: the first of it long before the last",
    )
    parser.add_argument(
        "--clauses",
        action="store_true",
        help="with --stream: speak long sentences clause by clause, to begin sooner; clauses then "
        "know nothing of each other",
    )
    parser.add_argument(
        "--raw", action="store_true", help="write 16-bit samples, little endian, without a header"
    )
    parser.add_argument("--speed", type=float, default=1.0, help="2 is twice as fast (0.25 to 4)")
    parser.add_argument("--pitch", type=float, default=0.0, help="semitones up or down (-24 to 24)")
    parser.add_argument("--energy", type=float, default=0.0, help="decibels (-20 to 20)")
    parser.add_argument("--speaker", help="of a voice with several")
    parser.add_argument("--language", help="of the text, for a voice with several (by its script)")
    parser.add_argument(
        "--style-wav", type=Path, help="recording to take the style from (voices with style tokens)"
    )
    parser.add_argument(
        "--speaker-embedding",
        type=Path,
        metavar="FILE.npy",
        help="vector of the speaker (voices that were trained with x-vectors)",
    )
    parser.add_argument(
        "--speaker-wav",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="recordings of one person to make that vector of ('malsori embed-speakers')",
    )
    parser.add_argument("--pause", type=float, default=0.2, help="seconds between sentences (0.2)")
    parser.add_argument("--seed", type=int, default=1, help="for voices that draw random numbers")
    parser.add_argument("--timestamps", type=Path, help="JSON with times of words and tokens")
    parser.add_argument(
        "--vocoder",
        help="pack or run folder of a vocoder, for a model that makes mels (default: Griffin-Lim)",
    )
    parser.add_argument("--checkpoint", default="best", help="of a run folder (best)")
    parser.add_argument("--device", default="cpu", help="cpu (default) or cuda")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> None:
    """Speak."""
    from malsori.core.errors import MalsoriError, UsageError

    if args.tokens is not None and (args.ssml or args.lexicon is not None):
        name = "--ssml" if args.ssml else "--lexicon"
        raise UsageError(f"{name}: tokens are spoken as they are; give --text or --text-file")
    if args.tokens is not None and args.stream:
        raise UsageError("--stream: tokens are one sentence; give --text or --text-file")
    if args.clauses and not args.stream:
        raise UsageError("--clauses: only with --stream")
    is_pipe = str(args.out) == "-"
    if args.text_file is not None:
        try:
            text = args.text_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise MalsoriError(
                f"{args.text_file}: cannot be read as UTF-8 text: {error}"
            ) from error
    else:
        text = sys.stdin.read() if args.text == "-" else args.text
    from malsori.core.files import write_json
    from malsori.dsp import audio
    from malsori.infer.streaming import Chunk
    from malsori.infer.synthesizer import Synthesizer
    from malsori.packs.format import is_onnx

    if not is_onnx(args.model):  # its seed is in the file
        import torch

        torch.manual_seed(args.seed)
    voice = Synthesizer.from_pretrained(
        args.model, args.device, args.checkpoint, args.vocoder, args.lexicon, args.language
    )
    how = {
        "speed": args.speed,
        "pitch": args.pitch,
        "energy": args.energy,
        "speaker": args.speaker,
        "language": args.language,
        "style_wav": args.style_wav,
        "embedding": args.speaker_embedding,
        "speaker_wav": args.speaker_wav,
    }
    if args.stream:
        chunks = voice.stream(
            text, clauses=args.clauses, ssml=args.ssml or None, pause=args.pause, **how
        )
        timing = _written(chunks, args.out, voice.voice.audio.sample_rate, args.raw)
    else:
        if args.tokens is not None:
            spoken = voice.speak_tokens(args.tokens.split(), **how)
        else:
            spoken = voice(text, ssml=args.ssml or None, pause=args.pause, **how)
        timing = spoken.timing()
        if args.raw or is_pipe:
            _written([Chunk.whole(spoken)], args.out, spoken.sample_rate, args.raw)
        else:
            audio.write(args.out, spoken.audio, spoken.sample_rate)
    if args.timestamps is not None:
        write_json(args.timestamps, timing.timestamps())
    if not is_pipe:
        print(f"{args.out}: {timing.seconds:.2f} s")


def _written(chunks: Iterable[Chunk], out: Path, sample_rate: int, raw: bool) -> Timing:
    """Write chunks as they come, and return when everything was said."""
    from malsori.dsp.audio_stream import audio_stream
    from malsori.infer.spoken import joined_timing

    timings = []
    chunks = iter(chunks)
    chunk = next(chunks, None)  # what cannot be spoken leaves no file
    with audio_stream(out, sample_rate, raw) as stream:
        while chunk is not None:
            stream.write(chunk.audio)
            if chunk.timing is not None:
                timings.append(chunk.timing)
            chunk = next(chunks, None)
    return joined_timing(timings)
