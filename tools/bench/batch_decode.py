"""Many texts through ``malsori decode``'s function, beside one at a time on all threads.

    python tools/bench/batch_decode.py [--voice "small istft" istft] [--count 500]
        [--threads 2] [--rounds 3] [--quick] [--out batch_decode.json]

Both read the texts, speak them and write WAV files; they take turns, so that whatever else the
machine does hits both. Voices have drawn weights (tools/bench/drawn_voice.py). The largest
difference between a sample of one and of the other is measured, too; so is that of one at a time
on one thread, as ``decode`` speaks each text: how many threads share a sum changes how it rounds.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from drawn_voice import SENTENCE, VOICES, drawn_voice
from measures import Measure, write

from malsori.core.log import progress
from malsori.data.datadir import DataDir
from malsori.dsp import audio
from malsori.infer.decode import decode
from malsori.infer.synthesizer import Synthesizer


def main() -> None:
    """Measure and write."""
    args = parse()
    torch.set_num_threads(args.threads)
    measures = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = data_dir(folder / "data", args.count)
        for voice in args.voice:
            measures += compare(drawn_voice(voice), data, folder, args.rounds)
    write(measures, args.out)


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--voice", nargs="+", choices=VOICES, default=["small istft"])
    parser.add_argument("--count", type=int, default=500, help="texts")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--out", type=Path, help="JSON file; standard output otherwise")
    args = parser.parse_args()
    if args.quick:
        args.voice, args.count, args.rounds = ["small istft"], 8, 1
    return args


def data_dir(path: Path, count: int) -> DataDir:
    """Return a data dir of texts of 2 to 14 words, one to nine seconds."""
    path.mkdir(parents=True)
    drawn, words = random.Random(0), SENTENCE.rstrip(".").split()
    rows = [" ".join(drawn.choices(words, k=drawn.randint(2, 14))) + "." for _ in range(count)]
    keys = [f"u{i:05}" for i in range(count)]
    tables = {
        "text": rows,
        "utt2spk": ["drawn"] * count,
        "wav.scp": ["none.wav"] * count,
        "utt2dur": ["1.0"] * count,
    }
    for name, values in tables.items():
        lines = [f"{key} {value}\n" for key, value in zip(keys, values, strict=True)]
        (path / name).write_text("".join(lines), encoding="utf-8")
    (path / "spk2utt").write_text(f"drawn {' '.join(keys)}\n", encoding="utf-8")
    return DataDir(path)


def compare(speak: Synthesizer, data: DataDir, folder: Path, rounds: int) -> list[Measure]:
    """Return the times of both, and how far their samples are apart."""
    together, alone = folder / "together", folder / "alone"
    speak(data.text(0))
    found: dict[str, list[float]] = {"together": [], "alone": []}
    for _ in progress(range(rounds), rounds, speak.voice.origin):
        for name, out in (("alone", alone), ("together", together)):
            shutil.rmtree(out, ignore_errors=True)
            start = time.perf_counter()
            if name == "together":
                decode(speak.voice, data, out)
            else:
                one_by_one(speak, data, out)
            found[name].append(time.perf_counter() - start)
    threads, name = torch.get_num_threads(), speak.voice.origin
    apart, seconds = difference(together / "wav", alone / "wav", speak.voice.audio.sample_rate)
    torch.set_num_threads(1)
    one_by_one(speak, data, alone)
    torch.set_num_threads(threads)
    apart_alike, _ = difference(together / "wav", alone / "wav", speak.voice.audio.sample_rate)
    ratios = [a / t for a, t in zip(found["alone"], found["together"], strict=True)]
    return [
        Measure(
            what=f"{len(data)} texts ({seconds:.0f} s) decoded, {name}",
            unit="s",
            runs=found["together"],
            peer="one at a time",
            peer_runs=found["alone"],
            target="ratio <= 0.67",
            ratio=1 / statistics.median(ratios),
            note=f"{threads} workers with a thread each, against {threads} threads; reading the "
            "texts and writing the files take 2% of the time.",
        ),
        Measure(
            what=f"largest difference of a sample, {name}, from one at a time on one thread",
            unit="full scale",
            runs=[apart_alike],
            target="<= 1e-5",
        ),
        Measure(
            what=f"largest difference of a sample, {name}, from one at a time on {threads} threads",
            unit="full scale",
            runs=[apart],
            target="<= 1e-5",
            note="A step of the files' 16 bits is 3.05e-5: samples that differ by rounding fall "
            "on either side of one now and then.",
        ),
    ]


def one_by_one(speak: Synthesizer, data: DataDir, out: Path) -> None:
    """Speak each text as a call does, and write it."""
    for row in range(len(data)):
        said = speak(data.text(row))
        audio.write(out / "wav" / f"{data.key(row)}.wav", said.audio, said.sample_rate)


def difference(one: Path, other: Path, sample_rate: int) -> tuple[float, float]:
    """Return the largest difference between two folders' samples, and their seconds."""
    largest, samples = 0.0, 0
    for path in sorted(one.iterdir()):
        ours, theirs = audio.read(path)[0], audio.read(other / path.name)[0]
        assert len(ours) == len(theirs), f"{path.name}: lengths differ"
        largest = max(largest, float(np.abs(ours - theirs).max()))
        samples += len(ours)
    return largest, samples / sample_rate


if __name__ == "__main__":
    main()
