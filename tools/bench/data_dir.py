"""Open the data of a million utterances and form the first epoch's batches, beside ESPnet.

    python tools/bench/data_dir.py [--rows 1000000] [--rounds 3] [--folder DIR] [--out FILE.json]

Makes data dirs of 1,000 to --rows utterances with what stages 1 to 3 write beside them, and what
ESPnet's recipe writes, in --folder (default: a temporary one that is removed). One utterance of a
thousand was rejected by stage 3. A few clips of noise stand for all recordings, so that batches can
be read too.

Every measurement is a process of its own. Time counts from the end of the imports: everything that
the trainer does before the first batch is read. ESPnet opens text, audio and pitch, as in its JETS
recipe, and forms batches by the elements of text and audio (``numel``). Of memory there is told
what opening added, the process's peak with everything that it imports (PyTorch mostly), and what
is its own: pages of libraries are every process's. Reading goes on for some hundred batches with
two readers beside, whose own memory is counted too.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from measures import Measure, write
from processes import ESPNET, child, memory, options

RATE, HOP = 24000, 256
CLIPS, SPEAKERS, TOKENS = 50, 200, 40
REJECTED_EVERY = 1000
SENTENCE = "이 문장은 길이만 그럴듯하면 되는 보통의 한국어 문장입니다"
BATCH_SECONDS = 60.0
READ_BATCHES = 300
READERS = 2
FIGURES = {
    "seconds": ("s", "<= 2"),
    "added": ("MB", ""),
    "private": ("MB", "<= 250"),
    "peak": ("MB", "<= 250"),
}
"""What is measured of opening, its unit, its target."""
WHY = {
    "seconds": "Every file is read once for its line ends and the durations are parsed: start-up "
    "is linear in the corpus with a small constant; what was rejected is found by bisection.",
    "added": "Four bytes for an utterance's duration, four for its place in the epoch, an eighth "
    "of a byte for each file; the rest, some 2 MB, is there for any corpus.",
}
"""What makes the curves of opening grow."""
WHY_ESPNET = "ESPnet keeps every row of every file as objects in dictionaries."
WHY_CONSTANT = (
    "Nothing is kept of a batch that was handed out; what varies is how many of them wait between "
    "the processes."
)


def main() -> None:
    """Measure and write."""
    parser = options(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="keep the data dirs here and use them again")
    parser.add_argument("--child", choices=[*CHILDREN], help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(CHILDREN[args.child](args.folder)))
        return
    if args.quick:
        args.rows, args.rounds = min(args.rows, 20_000), 1
    with tempfile.TemporaryDirectory() as made:
        write(measured(args, args.folder or Path(made)), args.out)


def measured(args: argparse.Namespace, root: Path) -> list[Measure]:
    """Return what opening takes at all sizes, and what reading does."""
    sizes = [size for size in (1_000, 10_000, 100_000) if size < args.rows] + [args.rows]
    sides = ["ours", "theirs"] if ESPNET.exists() else ["ours"]
    runs: dict[tuple[str, int], list[dict[str, float]]] = {}
    for size in sizes:
        make_data(root / str(size), size)
        for _, side in itertools.product(range(args.rounds), sides):
            words = ("--child", side, "--folder", str(root / str(size)))
            found = child(__file__, *words, espnet=side == "theirs")
            runs.setdefault((side, size), []).append(found)
    what = f"opening {args.rows:,} utterances and forming an epoch's batches"
    measures = [
        Measure(
            what=f"{what}: {name}",
            unit=unit,
            target=target,
            runs=[run[name] for run in runs["ours", args.rows]],
            peer="ESPnet" if len(sides) > 1 else "",
            peer_runs=[run[name] for run in runs.get(("theirs", args.rows), [])],
        )
        for name, (unit, target) in FIGURES.items()
    ]
    for side, name in itertools.product(sides, ("seconds", "added")):
        axis = [float(size) for size in sizes for _ in range(args.rounds)]
        values = [run[name] for size in sizes for run in runs[side, size]]
        of = "opening a data dir" + (", ESPnet" if side == "theirs" else "")
        unit, why = FIGURES[name][0], WHY[name] if side == "ours" else WHY_ESPNET
        measures.append(Measure.curve(f"{of}: {name}", "utterances", axis, unit, values, why))
    return measures + reading_measures(root / str(args.rows))


def reading_measures(folder: Path) -> list[Measure]:
    """Return what memory does while batches are read."""
    read = child(__file__, "--child", "reading", "--folder", str(folder))["curve"]
    batches = [float(batch) for batch, _, _ in read]
    third = len(read) // 3
    early, late = read[third : 2 * third], read[2 * third :]  # buffers have their size by then
    trainer, reader = (
        statistics.median(row[place] for row in late)
        - statistics.median(row[place] for row in early)
        for place in (1, 2)
    )
    note = (
        f"Reading: trainer and {READERS} readers; the last third of {READ_BATCHES} batches less "
        "the third before it."
    )
    curves = [
        Measure.curve(
            f"reading batches: {who}",
            "batches",
            batches,
            "MB",
            [row[place] for row in read],
            WHY_CONSTANT,
        )
        for place, who in ((1, "trainer"), (2, "each reader"))
    ]
    added = Measure(
        what="reading batches: memory added",
        unit="MB",
        runs=[trainer + READERS * reader],
        target="<= 5",
        note=note,
    )
    return [added, *curves]


def make_data(folder: Path, rows: int) -> None:
    """Write a data dir, what stages 2 and 3 make of it, and ESPnet's files; once."""
    if (folder / "made").exists():
        return
    from malsori.core.files import write_json
    from malsori.dsp.audio_config import AudioConfig
    from malsori.dsp.statistics import Statistics
    from malsori.text.tokens import TokenList

    data, stats = folder / "train", folder / "stats"
    for each in (data, stats, folder / "tokens"):
        each.mkdir(parents=True, exist_ok=True)
    lengths, offsets = make_clips(folder)
    clip = np.arange(rows) % CLIPS
    seconds = lengths[clip] / RATE + np.random.default_rng(0).random(rows) * 0.01
    keys = [f"speaker{i * SPEAKERS // rows:03}_utterance{i:07}" for i in range(rows)]
    letters = " ".join("abcdefghijklmnop")
    columns: dict[str, Callable[[int], str]] = {
        "train/text": lambda i: f"{SENTENCE} {i}.",
        "train/wav.scp": lambda i: f"{folder}/clips/{clip[i]}.wav",
        "train/utt2spk": lambda i: keys[i].partition("_")[0],
        "train/utt2dur": lambda i: f"{seconds[i]:.4f}",
        "tokens/train.tokens": lambda i: f"{letters} {letters} {letters}",
        "stats/train.f0.scp": lambda i: f"train.f0.ark:{offsets[clip[i]]}",
        "espnet/pitch.scp": lambda i: f"{folder}/clips/{clip[i]}.npy",
        "espnet/text_shape": lambda i: f"48,{TOKENS}",
        "espnet/speech_shape": lambda i: str(lengths[clip[i]]),
    }
    for name, value in columns.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(f"{key} {value(i)}\n" for i, key in enumerate(keys))
    rejected = stats / "train.f0.scp"
    lines = rejected.read_text(encoding="utf-8").splitlines(keepends=True)
    del lines[REJECTED_EVERY // 2 :: REJECTED_EVERY]
    rejected.write_text("".join(lines), encoding="utf-8")
    with open(data / "spk2utt", "w", encoding="utf-8") as file:
        for speaker, own in itertools.groupby(keys, lambda key: key.partition("_")[0]):
            file.write(f"{speaker} {' '.join(own)}\n")
    TokenList.of("abcdefghijklmnop").save(folder / "tokens/tokens.txt")
    Statistics.neutral(AudioConfig().mel_bands).save(stats / "stats.json")
    write_json(stats / "audio.json", dataclasses.asdict(AudioConfig()))
    (folder / "made").touch()


def make_clips(folder: Path) -> tuple[Any, list[int]]:
    """Write the recordings and their F0; return their samples, (CLIPS,), and places in the ark."""
    import kaldiio
    import soundfile

    random = np.random.default_rng(1)
    lengths = random.integers(RATE, 6 * RATE, CLIPS)
    (folder / "clips").mkdir(exist_ok=True)
    offsets = []
    with open(folder / "stats/train.f0.ark", "wb") as ark:
        for number, length in enumerate(lengths.tolist()):
            wav = random.normal(0, 0.1, length)
            soundfile.write(folder / f"clips/{number}.wav", wav, RATE, subtype="PCM_16")
            f0 = random.uniform(100, 200, length // HOP + 1).astype(np.float32)
            np.save(folder / f"clips/{number}.npy", f0)
            offsets.append(ark.tell() + len(f"{number} "))
            kaldiio.save_ark(ark, {str(number): f0})
    return lengths, offsets


def settings(folder: Path) -> Any:
    """Return our settings for a made folder."""
    from malsori.core.config import load
    from malsori.train.config import TrainConfig

    words = [f"data.{name}={folder / name}" for name in ("train", "tokens", "stats")]
    return load(
        TrainConfig, None, [*words, f"data.batch={BATCH_SECONDS}", f"data.workers={READERS}"]
    )


def opened(config: Any) -> Any:
    """Return the training set as the trainer opens it."""
    from malsori.train.corpus import open_corpus

    return open_corpus(config).dataset(config.data.train)


def ours(folder: Path) -> dict[str, float]:
    """Open and form batches with malsori; what it took."""
    import malsori.train.trainer  # noqa: F401
    from malsori.data.batching import plan_epoch

    config = settings(folder)
    before, started = memory(), time.perf_counter()
    data = opened(config)
    batches = plan_epoch(data.seconds, config.data.batch, config.seed, 0)
    return told(before, started, len(batches))


def espnet(folder: Path) -> dict[str, float]:
    """Open and form batches with ESPnet; what it took."""
    from espnet2.iterators.sequence_iter_factory import SequenceIterFactory
    from espnet2.samplers.build_batch_sampler import build_batch_sampler
    from espnet2.tasks.gan_tts import GANTTSTask  # noqa: F401
    from espnet2.train.dataset import ESPnetDataset

    before, started = memory(), time.perf_counter()
    sampler = build_batch_sampler(
        type="numel",
        batch_size=20,
        batch_bins=int(BATCH_SECONDS * RATE),
        shape_files=[str(folder / f"espnet/{name}_shape") for name in ("text", "speech")],
    )
    batches = list(sampler)
    data = ESPnetDataset(
        [
            (str(folder / "train/text"), "text", "text"),
            (str(folder / "train/wav.scp"), "speech", "sound"),
            (str(folder / "espnet/pitch.scp"), "pitch", "npy"),
        ],
        keys_to_load=set(itertools.chain(*batches)),
    )
    factory = SequenceIterFactory(data, batches, shuffle=True, seed=0)
    factory.build_iter(1)
    return told(before, started, len(batches))


def told(before: dict[str, float], started: float, batches: int) -> dict[str, float]:
    """Return time and memory since ``before``."""
    seconds, now = time.perf_counter() - started, memory()
    added = now["resident"] - before["resident"]
    return {"seconds": seconds, "added": added, "batches": batches, **now}


def reading(folder: Path) -> dict[str, Any]:
    """Read batches with readers beside; tell the memory of all on the way."""
    from malsori.train.batches import Batches

    config = settings(folder)
    stream = Batches(opened(config), config.data, config.seed).stream()
    curve = list(memory_on_the_way(stream))
    stream.close()  # type: ignore[attr-defined]
    return {"curve": curve}


def memory_on_the_way(stream: Iterator[Any]) -> Iterator[tuple[int, float, float]]:
    """Yield batches read, our megabytes, and those that a reader does not share with us."""
    for number in range(1, READ_BATCHES + 1):
        next(stream)
        if number % (READ_BATCHES // 15) == 0:
            readers = [
                memory(reader.pid)["private"] for reader in multiprocessing.active_children()
            ]
            yield number, memory()["resident"], sum(readers) / len(readers)


CHILDREN: dict[str, Callable[[Path], dict[str, Any]]] = {
    "ours": ours,
    "theirs": espnet,
    "reading": reading,
}

if __name__ == "__main__":
    main()
