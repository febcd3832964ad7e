"""How soon a voice is heard when it streams, and how time and memory grow with the text.

    python tools/bench/streaming.py [--voice "small istft"] [--threads 2] [--rounds 9] [--quick]
        [--only first|growth] [--out streaming.json]

Voices have drawn weights (tools/bench/drawn_voice.py). First audio is the time from the call to the
first chunk of a sentence of about 15 s, its text read from the beginning; the voice is loaded and
has spoken before, through PyTorch or, "onnx", from an exported file. "clause by clause" is
``stream(…, clauses=True)``. Processor time of one thread is what that thread would take on an idle
machine. Growth is measured in a process each, what is loaded before is taken off its peak memory:
of texts of 1 to 64 sentences, and of one sentence that goes on without a stop.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from drawn_voice import SENTENCE, VOICES, drawn_voice
from measures import Measure, write
from synthesis import write_files

from malsori.infer.onnx_synthesizer import OnnxSynthesizer
from malsori.infer.onnx_voice import open_onnx
from malsori.infer.synthesizer import Synthesizer

TARGET = 0.06
NOTES = {
    "istft": "istft takes 26 GFLOP before the first sample of a sentence of 15 s, all but its "
    "decoder's last block: 0.12 s of two cores that do 110 GFLOP a second each.",
    "small istft": "small istft takes 6 GFLOP before it: 0.03 s of the same cores.",
}
"""How soon a voice can be heard at all, by its work in single precision."""
LONG = " ".join([SENTENCE[:-1] + ",", SENTENCE])
"""One sentence of about 15 s."""

WHY = {
    "text": "Sentences are spoken one after another, the audio is held until the last one is.",
    "stream": "One sentence is spoken at a time, and its audio is given away.",
    "sentence": "Attention compares every two frames of a sentence, and that alone grows with the "
    "square: at about 80 s without a stop (small istft) or 120 s (istft) it is as much work as all "
    "the rest; a sentence of more than 2,000 tokens is refused.",
}
"""What makes time grow."""
HELD = {
    "text": "What is returned is held twice while sentences are joined; nothing else stays.",
    "stream": WHY["stream"],
    "sentence": "Attention holds no scores, tokens are spread over 512 frames at a time, the "
    "generator works in windows: what is left are the frames and the waveform.",
}
"""What makes memory grow."""


def main() -> None:
    """Measure and write."""
    args = parse()
    torch.set_num_threads(args.threads)
    if args.child:
        print(json.dumps(child(args.voice[0], args.child, args.size)))
        return
    measures = []
    for name in args.voice:
        if args.only != "growth":
            measures += first_audio(name, args.rounds, args.threads)
        if args.only != "first":
            measures += growth(name, args)
    write(measures, args.out)


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--voice", nargs="+", choices=VOICES, default=["istft", "small istft"])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--only", choices=["first", "growth"])
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--out", type=Path, help="JSON file; standard output otherwise")
    parser.add_argument("--child", choices=["text", "sentence", "stream"], help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, default=1, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.quick:
        args.voice, args.rounds, args.sizes = ["small istft"], 3, [1, 4]
    return args


def first_audio(name: str, rounds: int, threads: int) -> list[Measure]:
    """Return how long the first chunk of a long sentence takes."""
    counts = sorted({1, threads})
    with tempfile.TemporaryDirectory() as folder:
        write_files(name, Path(folder), ["onnx"])
        file = Path(folder) / f"{name}.onnx.zip"
        exported = {count: OnnxSynthesizer(open_onnx(file, count)) for count in counts}
    drawn = drawn_voice(name)
    seconds, measures = drawn(LONG).seconds, []
    for voice, voices in ((name, dict.fromkeys(counts, drawn)), (f"{name}, onnx", exported)):
        for kind, clauses in (("whole", False), ("clause by clause", True)):
            found: dict[str, list[float]] = {}
            for _ in range(rounds):
                for count, speak in voices.items():
                    torch.set_num_threads(count)
                    waited, used = waiting(speak, clauses)
                    found.setdefault(f"{count} threads", []).append(waited)
                    if count == 1:
                        found.setdefault("processor time of one thread", []).append(used)
            what = f"first audio of a sentence of {seconds:.0f} s, {voice}, {kind}"
            for told, runs in found.items():
                aimed = told == f"{threads} threads"
                floor = [NOTES[name]] if aimed and kind == "whole" and name in NOTES else []
                measures.append(
                    Measure(
                        what=f"{what}, {told}",
                        unit="s",
                        runs=runs,
                        target=f"<= {TARGET}" if aimed else "",
                        note=" ".join(["The text front end is included.", *floor]),
                    )
                )
    return measures


def waiting(speak: Synthesizer, clauses: bool) -> tuple[float, float]:
    """Return seconds until the first chunk, and those of the processor."""
    waited, used = time.perf_counter(), time.process_time()
    next(speak.stream(LONG, clauses=clauses))
    return time.perf_counter() - waited, time.process_time() - used


def growth(name: str, args: argparse.Namespace) -> list[Measure]:
    """Return seconds and peak memory against the length of the text."""
    measures = []
    for kind, axis in (
        ("text", "sentences of 7 s, spoken"),
        ("stream", "sentences of 7 s, streamed"),
        ("sentence", "times 7 s without a stop, spoken"),
    ):
        sizes = [size for size in args.sizes if kind != "sentence" or size <= 16]
        runs = [measured(name, kind, size, args.threads) for size in sizes]
        for key, unit in (("seconds", "s"), ("processor time", "s"), ("peak memory", "MB")):
            measures.append(
                Measure.curve(
                    f"{key} of {axis}, {name}",
                    axis,
                    sizes,
                    unit,
                    [run[key] for run in runs],
                    (HELD if key == "peak memory" else WHY)[kind],
                )
            )
    return measures


def measured(name: str, kind: str, size: int, threads: int) -> dict[str, float]:
    """Return what a process of its own measures."""
    words = ["--voice", name, "--child", kind, "--size", str(size), "--threads", str(threads)]
    done = subprocess.run(
        [sys.executable, __file__, *words], check=True, capture_output=True, text=True
    )
    found: dict[str, float] = json.loads(done.stdout)
    print(f"{name}, {kind} x {size}: {found}", file=sys.stderr)
    return found


def child(name: str, kind: str, size: int) -> dict[str, float]:
    """Return seconds, and peak memory in MB above what was there before."""
    speak = drawn_voice(name)
    list(speak.stream("봄."))
    text = " ".join([SENTENCE] * size)
    if kind == "sentence":
        text = " ".join([SENTENCE[:-1]] * size).replace(",", "") + "."
    before, start, used = peak_memory(), time.perf_counter(), time.process_time()
    length = spoken_seconds(speak, text, kind == "stream")
    return {
        "seconds": time.perf_counter() - start,
        "processor time": time.process_time() - used,
        "peak memory": peak_memory() - before,
        "audio": length,
    }


def spoken_seconds(speak: Synthesizer, text: str, streamed: bool) -> float:
    """Speak, and return the seconds that were said; streamed chunks are not kept."""
    if not streamed:
        return speak(text).seconds
    return sum(len(chunk.audio) / chunk.sample_rate for chunk in speak.stream(text))


def peak_memory() -> float:
    """Return the most memory that this process has held, in MB."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("VmHWM is not told here")


if __name__ == "__main__":
    main()
