"""Stage 3 (F0 and statistics) beside ESPnet's collect-stats on the same recordings.

    python tools/bench/stage3.py --audio FOLDER [--hours 1] [--jobs 2] [--rounds 1] [--no-growth]
        [--out FILE.json]

The recordings in --audio are resampled to 44.1 kHz and repeated until there are --hours of them.
Ours is ``malsori stats`` on these, with --jobs processes: it resamples to 24 kHz while it reads.
ESPnet's collect-stats needs recordings at 24 kHz; they are made beforehand, which is not counted.
It runs as its recipe does: the settings of JETS, the list of utterances cut into as many parts as
there are jobs, one process each, their results then aggregated; texts are tokens already. Both
write F0 and the statistics of mel, pitch and energy. ESPnet writes mel and energy, too: it stores
what ours computes again while training.

Also measured: running ours again with nothing changed, and time and memory at a tenth, a third and
all of the hours.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import soundfile
from measures import Measure, write
from processes import ESPNET, child, options

from malsori.dsp.audio_config import AudioConfig

RATE = 44100
AUDIO = AudioConfig()
SYMBOLS = "abcdefghijklmnop"
COLLECT = "espnet2.bin.gan_tts_train"
AGGREGATE = "espnet2.bin.aggregate_stats_dirs"
EXAMPLES = Path(__file__).parents[2] / "egs/mini_kss/corpus"
"""Recordings that come with the project, if no others are named."""
WHY = {
    "seconds": "Each recording is read, its F0 found and its mel summed once, after a start of a "
    "few seconds for all processes.",
    "megabytes": "A process holds one recording with its features; F0 is written as it comes, and "
    "of every 16 utterances only sums stay.",
}
"""What makes the curves grow, or not."""


def main() -> None:
    """Measure and write."""
    parser = options(__doc__)
    parser.add_argument("--audio", type=Path, default=EXAMPLES, help="folder of recordings")
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--jobs", type=int, default=2, help="processes of each side")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--growth", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(run_ours(args.child, args.jobs)))
        return
    if args.quick:
        args.hours, args.growth = min(args.hours, 1 / 60), False
    with tempfile.TemporaryDirectory() as made:
        write(measured(args, Path(made)), args.out)


def measured(args: argparse.Namespace, root: Path) -> list[Measure]:
    """Return what both take for all hours, what a rerun takes, and how ours grows."""
    seconds = 3600 * args.hours
    make_recordings(args.audio, root)
    whole = root / "whole"
    make_data(root, whole, seconds)
    ours, again, theirs, peaks = [], [], [], []
    for _ in range(args.rounds):
        found = first, _ = ours_twice(whole, args.jobs)
        ours.append(first["seconds"])
        peaks.append(first["megabytes"])
        again.append(found[1]["seconds"])
        if ESPNET.exists():
            theirs.append(run_theirs(whole, args.jobs))
    what = f"stage 3, {60 * args.hours:g} minutes of 44.1 kHz audio, {args.jobs} processes"
    peer = "ESPnet" if theirs else ""
    measures = [
        Measure(
            **{"what": what, "unit": "s", "runs": ours, "target": "ratio <= 0.333"},
            **{"peer": peer, "peer_runs": theirs},
            note="ESPnet reads audio that was resampled beforehand",
        ),
        Measure(what="stage 3 again, nothing changed", unit="s", runs=again, target="<= 2"),
        Measure(what=f"{what}: largest process", unit="MB", runs=peaks),
    ]
    if args.growth:
        sizes = [round(seconds * share) for share in (0.1, 0.3)]
        runs = []
        for size in sizes:
            make_data(root, root / str(size), size)
            runs.append(ours_twice(root / str(size), args.jobs)[0])
        minutes = [size / 60 for size in [*sizes, seconds]]
        for name, unit, last in (("seconds", "s", ours[-1]), ("megabytes", "MB", peaks[-1])):
            values = [*(run[name] for run in runs), last]
            what, why = f"stage 3: {name}", WHY[name]
            measures.append(Measure.curve(what, "minutes", minutes, unit, values, why))
    return measures


def make_recordings(source: Path, root: Path) -> None:
    """Write the recordings once at 44.1 kHz and once at 24 kHz, 16 bit."""
    from malsori.data.recordings import open_recordings
    from malsori.dsp import audio

    found = open_recordings(source)
    for i in range(len(found)):
        for rate in (RATE, AUDIO.sample_rate):
            audio.write(root / f"audio{rate}/{found.key(i)}.wav", found.wav(i, rate), rate)


def make_data(root: Path, folder: Path, seconds: float) -> None:
    """Write a data dir, its tokens, and the same for ESPnet; recordings repeat until it is full."""
    files = sorted((root / f"audio{RATE}").iterdir())
    rows: list[tuple[str, str, float]] = []
    total = 0.0
    for number, file in enumerate(itertools.cycle(files)):
        if total >= seconds:
            break
        length = soundfile.info(file).duration
        rows.append((f"u{number:06}", file.name, length))
        total += length
    tokens = " ".join(SYMBOLS)
    columns = {
        "train/text": [tokens] * len(rows),
        "train/wav.scp": [f"{root}/audio{RATE}/{name}" for _, name, _ in rows],
        "train/utt2spk": ["speaker"] * len(rows),
        "train/utt2dur": [f"{length:.4f}" for _, _, length in rows],
        "tokens/train.tokens": [tokens] * len(rows),
        "espnet/wav.scp": [f"{root}/audio{AUDIO.sample_rate}/{name}" for _, name, _ in rows],
    }
    for name, values in columns.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = [f"{key} {value}\n" for (key, _, _), value in zip(rows, values, strict=True)]
        path.write_text("".join(lines), encoding="utf-8")
    keys = " ".join(key for key, _, _ in rows)
    (folder / "train/spk2utt").write_text(f"speaker {keys}\n", encoding="utf-8")


def ours_twice(folder: Path, jobs: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what stage 3 takes from nothing, and with nothing to do."""
    shutil.rmtree(folder / "stats", ignore_errors=True)
    words = ("--child", str(folder), "--jobs", str(jobs))
    return child(__file__, *words), child(__file__, *words)


def run_ours(folder: Path, jobs: int) -> dict[str, float]:
    """Run ``malsori stats`` as users do; return its time and the largest process's memory."""
    command = [sys.executable, "-W", "ignore", "-m", "malsori", "stats", "--jobs", str(jobs)]
    options = {"--data": "train", "--tokens": "tokens", "--out": "stats"}
    command += itertools.chain(*((key, str(folder / name)) for key, name in options.items()))
    started = time.perf_counter()
    subprocess.run(command, check=True)
    seconds = time.perf_counter() - started
    kilobytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {"seconds": seconds, "megabytes": kilobytes * 1024 / 1e6}


def run_theirs(folder: Path, jobs: int) -> float:
    """Run collect-stats on as many parts as there are jobs, and aggregate; return the seconds."""
    out = folder / "espnet/stats"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    lines = (folder / "espnet/wav.scp").read_text(encoding="utf-8").splitlines(keepends=True)
    (out / "valid.scp").write_text(lines[0], encoding="utf-8")
    (out / "tokens.txt").write_text("\n".join(["<blank>", "<unk>", *SYMBOLS, "<sos/eos>"]))
    for job in range(jobs):
        first, last = (len(lines) * place // jobs for place in (job, job + 1))
        (out / f"{job}.scp").write_text("".join(lines[first:last]), encoding="utf-8")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    started = time.perf_counter()
    running = [
        subprocess.Popen(
            collect_command(folder, out, job),
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=(out / f"{job}.log").open("w"),
        )
        for job in range(jobs)
    ]
    for job, process in enumerate(running):
        if process.wait():
            sys.exit((out / f"{job}.log").read_text(encoding="utf-8"))
    parts = itertools.chain(*(("--input_dir", str(out / str(job))) for job in range(jobs)))
    command = [str(ESPNET), "-W", "ignore", "-m", AGGREGATE, *parts, "--output_dir", str(out)]
    subprocess.run(command, check=True, env=environment, capture_output=True)
    return time.perf_counter() - started


def collect_command(folder: Path, out: Path, job: int) -> list[str]:
    """Return the command of one part, as ESPnet's recipe calls it."""
    frames = {"n_fft": AUDIO.n_fft, "hop_length": AUDIO.hop}
    mel = {"fmin": int(AUDIO.mel_low_hz), "fmax": int(AUDIO.mel_high_hz), "n_mels": AUDIO.mel_bands}
    f0 = {"f0min": int(AUDIO.f0_low_hz), "f0max": int(AUDIO.f0_high_hz)}
    rate, plain = {"fs": AUDIO.sample_rate}, {"reduction_factor": 1, "use_token_averaged_f0": False}
    energy = {"reduction_factor": 1, "use_token_averaged_energy": False}
    values = {
        **{"collect_stats": "true", "write_collected_feats": "true", "ngpu": "0"},
        **{"token_type": "phn", "token_list": out / "tokens.txt", "g2p": "none", "tts": "jets"},
        **{"feats_extract": "fbank", "pitch_extract": "dio", "energy_extract": "energy"},
        **{"normalize": "none", "pitch_normalize": "none", "energy_normalize": "none"},
        "feats_extract_conf": {**rate, **frames, **mel, "win_length": AUDIO.window},
        "pitch_extract_conf": {**rate, **frames, **f0, **plain},
        "energy_extract_conf": {**rate, **frames, **energy, "win_length": AUDIO.window},
        **{"train_shape_file": out / f"{job}.scp", "valid_shape_file": out / "valid.scp"},
        "output_dir": out / str(job),
    }
    command = [str(ESPNET), "-W", "ignore", "-m", COLLECT]
    for name, value in values.items():
        command += [f"--{name}", json.dumps(value) if isinstance(value, dict) else str(value)]
    for part in ("train", "valid"):
        command += [f"--{part}_data_path_and_name_and_type", f"{folder}/train/text,text,text"]
        wavs = f"{folder}/espnet/wav.scp,speech,sound"
        command += [f"--{part}_data_path_and_name_and_type", wavs]
    return command


if __name__ == "__main__":
    main()
