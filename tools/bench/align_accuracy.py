"""Measure alignments against what is known of the speech by other means.

    python tools/bench/align_accuracy.py --work DIR --sentences FILE [--language en] [key=value …]
    python tools/bench/align_accuracy.py --work DIR --recordings CORPUS --pause 0 [key=value …]

Stages 1 to 3, the task ``align`` (or --model, a trained voice) and ``malsori align`` do the work.

With --sentences (one a line) espeak-ng's library speaks them, silence around, and tells when it
begins each word; compared are the starts of words. --swap gives some utterances another's text, to
see whether they head the list of what is suspicious.

With --recordings (in the layout of LJSpeech) compared are the ends of words before a comma and the
starts of words behind it with the silence that energy shows there, in utterances with as many
silences as commas; set --pause 0, or the same energy is used twice.
"""

from __future__ import annotations

import argparse
import ctypes
import ctypes.util
import json
import re
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from malsori.core import log
from malsori.core.config import load
from malsori.core.errors import MalsoriError
from malsori.core.files import read_json, write_json
from malsori.data.datadir import DataDir
from malsori.data.ljspeech import read_corpus
from malsori.data.prepare import Split, Utterance, prepare
from malsori.data.stats import collect
from malsori.data.tokens import make_tokens
from malsori.dsp import audio
from malsori.dsp.silence import silences
from malsori.infer.alignment import align
from malsori.infer.pack import open_voice
from malsori.infer.voice import Voice
from malsori.text.tokenizer import TokenizerConfig
from malsori.train.config import TrainConfig
from malsori.train.run import train

VOICES = {"en": b"en-us", "ko": b"ko"}
WORDS_A_MINUTE = 165
NOISE_DB = -66.0
SILENCE = (0.15, 0.6)
"""Seconds before and after the speech."""
CLEAR_PAUSE = 0.2
"""Seconds of a silence that no plosive makes."""
SILENT_DB = (30.0, 40.0)
"""Below the loudest 25 ms: where a word fades out or breathes in, its end is between the two."""
SYNCHRONOUS, UTF8, BY_CHARACTER, RATE_PARAMETER = 2, 1, 1, 1
LAST_EVENT, WORD_EVENT = 0, 1
PLAIN = re.compile(r"[A-Za-z가-힣']+(,? [A-Za-z가-힣']+)+[.?!]")
"""Sentences without anything that two programs might read differently."""
WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
SETTINGS: dict[str, Any] = {
    "task": "align",
    "model": {"name": "aligner"},
    "audio": {"sample_rate": 16000, "n_fft": 512, "window": 512, "hop": 160},
    "data": {"batch": "20 s", "workers": 0},
    "optimizer": {"lr": 1e-3},
    "training": {
        **{"steps": 400, "best": "diagonality", "average_decay": 0.98, "log_every": 50},
        **{"validate_every": 200, "demonstrate": 8, "device": "cpu", "threads": 1},
    },
}


class Event(ctypes.Structure):
    """espeak-ng's ``espeak_EVENT`` (speak_lib.h)."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", ctypes.c_char * 8),
    )


CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(Event)
)


class Spoken(NamedTuple):
    """What was said."""

    samples: np.ndarray
    """(S,) float32."""
    starts: dict[int, float]
    """Second at which the word that begins at a character of the text begins."""


class Speaker:
    """espeak-ng's library.

    Raises:
        MalsoriError: It is not installed.
    """

    def __init__(self, language: str) -> None:
        found = ctypes.util.find_library("espeak-ng")
        if found is None:
            raise MalsoriError("espeak-ng's library is not there: apt-get install libespeak-ng1")
        self.library = ctypes.CDLL(found)
        self.rate = int(self.library.espeak_Initialize(SYNCHRONOUS, 0, None, 0))
        self.library.espeak_SetVoiceByName(VOICES[language])
        self.library.espeak_SetParameter(RATE_PARAMETER, WORDS_A_MINUTE, 0)
        self._samples: list[np.ndarray] = []
        self._words: dict[int, int] = {}
        self._callback = CALLBACK(self._hear)  # kept: the library does not
        self.library.espeak_SetSynthCallback(self._callback)

    def __call__(self, text: str) -> Spoken:
        """Return the spoken text."""
        self._samples, self._words = [], {}
        raw = text.encode()
        self.library.espeak_Synth(
            raw, ctypes.c_size_t(len(raw) + 1), 0, BY_CHARACTER, 0, UTF8, None, None
        )
        self.library.espeak_Synchronize()
        samples = np.concatenate(self._samples).astype(np.float32) / 32768
        return Spoken(samples, {at - 1: ms / 1000 for at, ms in self._words.items()})

    def _hear(self, samples, count: int, events) -> int:  # noqa: ANN001
        if samples and count:
            self._samples.append(np.ctypeslib.as_array(samples, (count,)).copy())
        for event in iter_events(events):
            if event.type == WORD_EVENT:
                self._words.setdefault(event.text_position, event.audio_position)
        return 0


def iter_events(events):  # noqa: ANN001, ANN201
    """Yield the events of a list that ends with one of type 0."""
    i = 0
    while events[i].type != LAST_EVENT:
        yield events[i]
        i += 1


def main() -> None:
    """Make the corpus, train, align, measure and print."""
    args = parse()
    log.setup()
    known, swapped = {}, set()
    if args.recordings:
        listed = drawn(args.recordings, args.seconds)
        prepare(listed, args.work / "data", split=Split(dev=8, test=len(listed) // 10))
        data = args.work / "data"
    else:
        if not (args.work / "known.json").exists():
            make_corpus(args.work, args.sentences, args.language, args.seconds)
        known = read_json(args.work / "known.json")
        data, swapped = make_data(args.work, known, args.language, args.swap)
    measured: dict[str, object] = {}
    model = args.model
    if model is None:
        model, began = args.work / "exp" / args.name, time.perf_counter()
        train_on(model, data, args.language, args.overrides)
        measured["train_seconds"] = round(time.perf_counter() - began)
    voice = open_voice(model, checkpoint=args.checkpoint)
    for name in ("train", "test"):
        folder, began = args.work / "alignments" / name, time.perf_counter()
        rows = DataDir(data / name)
        summary = align(voice, rows, folder, args.pause)
        spent = time.perf_counter() - began
        measured[name] = {
            "utterances": len(summary.judged),
            "minutes": round(summary.seconds / 60, 1),
            "times_real_time": round(summary.seconds / spent, 1),
        }
        words = read_words(folder / "words.ctm")
        if args.recordings:
            measured[name] |= {
                f"pauses_at_-{db:g}_db": compare_pauses(voice, rows, words, db) for db in SILENT_DB
            }
        else:
            measured[name] |= compare_starts(voice, rows, words, known)
        keys = [judged.health.key for judged in summary.judged]
        there = sum(key in swapped for key in keys)
        if there:
            head = sum(key in swapped for key in keys[:there])
            measured[name] |= {"swapped": there, "of_them_at_the_head_of_the_list": head}
    print(json.dumps(measured, indent=2))


def drawn(corpus: Path, seconds: float) -> list[Utterance]:
    """Return utterances of a corpus, drawn at random, of so many seconds together."""
    listed = [each for each in read_corpus(corpus) if not each.problem]
    chosen = []
    for i in np.random.default_rng(1).permutation(len(listed)):
        if seconds <= 0:
            break
        chosen.append(listed[i])
        seconds -= audio.info(listed[i].wav).seconds
    return chosen


def make_corpus(work: Path, sentences: Path, language: str, seconds: float) -> None:
    """Speak sentences in random order, and write audio, texts and word times."""
    speaker, chance = Speaker(language), np.random.default_rng(1)
    lines = sorted({line.strip() for line in sentences.read_text("utf-8").splitlines()})
    known: dict[str, dict[str, object]] = {}
    for i in chance.permutation(len(lines)):
        if seconds <= 0 or not PLAIN.fullmatch(lines[i]):
            continue
        spoken = speaker(lines[i])
        before, after = (round(float(x) * speaker.rate) for x in chance.uniform(*SILENCE, 2))
        wav = np.pad(spoken.samples, (before, after))
        wav += chance.normal(0, 10 ** (NOISE_DB / 20), len(wav)).astype(np.float32)
        key = f"u{len(known):04d}"
        audio.write(work / "wav" / f"{key}.wav", wav, speaker.rate)
        starts = {at: start + before / speaker.rate for at, start in spoken.starts.items()}
        known[key] = {"text": lines[i], "starts": starts}
        seconds -= len(wav) / speaker.rate
    write_json(work / "known.json", known)


def make_data(
    work: Path, known: dict[str, Any], language: str, swap: float
) -> tuple[Path, set[str]]:
    """Run stage 1, and return its folder and the utterances whose texts are exchanged."""
    keys, texts = list(known), [entry["text"] for entry in known.values()]
    count = round(swap * len(keys))
    texts = texts[1:count] + texts[: min(count, 1)] + texts[count:]
    listed = [
        Utterance(id=key, wav=work / "wav" / f"{key}.wav", text=text, speaker=language)
        for key, text in zip(keys, texts, strict=True)
    ]
    folder = work / (f"data_{count}_swapped" if count else "data")
    prepare(listed, folder, split=Split(dev=8, test=len(keys) // 10))
    return folder, set(keys[:count])


def train_on(folder: Path, data: Path, language: str, overrides: list[str]) -> None:
    """Run stages 2 to 4."""
    tree = SETTINGS | {
        "data": {
            **SETTINGS["data"],
            **{"train": f"{data}/train", "dev": f"{data}/dev"},
            **{"tokens": f"{data}/tokens", "stats": f"{data}/stats"},
        }
    }
    folder.parent.mkdir(parents=True, exist_ok=True)
    path = folder.parent / f"{folder.name}.yaml"
    path.write_text(yaml.safe_dump(tree), "utf-8")
    config = load(TrainConfig, path, overrides)
    sets = [data / name for name in ("train", "dev", "test")]
    make_tokens(sets, data / "tokens", TokenizerConfig(frontend=language), max_rejected=0.2)
    collect(sets, data / "tokens", config.audio, data / "stats")
    train(config, folder)


def read_words(ctm: Path) -> dict[str, list[tuple[str, float, float]]]:
    """Return word, start and end of each line, by utterance."""
    found: dict[str, list[tuple[str, float, float]]] = {}
    for line in ctm.read_text("utf-8").splitlines():
        key, _, start, duration, word, _ = line.split()
        found.setdefault(key, []).append((word, float(start), float(start) + float(duration)))
    return found


def compare_starts(
    voice: Voice, data: DataDir, found: dict[str, Any], known: dict[str, Any]
) -> dict[str, object]:
    """Return how far the starts of words are from the truth, those of first words by themselves.

    ``evenly`` is what one gets who gives every token the same time.
    """
    errors, evenly, firsts = [], [], []
    for row in range(len(data)):
        key, text = data.key(row), data.text(row)
        if key not in found or text != known[key]["text"]:
            continue
        written = list(WORD.finditer(text))
        if [match[0].lower() for match in written] != [each[0].lower() for each in found[key]]:
            continue
        shift = data.source(row).start
        even = even_starts(voice, text, float(data.seconds[row]))
        for i, match in enumerate(written):
            truth = known[key]["starts"].get(str(match.start()))
            if truth is None:
                continue
            (errors if i else firsts).append(found[key][i][1] - (truth - shift))
            if i:
                evenly.append(even[i] - (truth - shift))
    return {
        "word_starts": describe(errors),
        "first_words": describe(firsts),
        "evenly": describe(evenly),
    }


def compare_pauses(
    voice: Voice, data: DataDir, found: dict[str, Any], threshold_db: float
) -> dict[str, object]:
    """Return how far words end before and start behind the silences that commas make."""
    ends, starts, rate = [], [], voice.audio.sample_rate
    for row in range(len(data)):
        key, wav = data.key(row), data.wav(row, rate)
        if key not in found:
            continue
        texts = [word.text for word in voice.tokenizer.words(data.text(row))]
        places, count = [], 0
        for text in texts[:-1]:
            if text[0].isalnum():
                count += 1
            else:
                places.append(count)  # words before the comma
        last = len(wav) / rate
        silent = [
            (begin, end)
            for begin, end in silences(
                wav, rate, threshold_db=threshold_db, shortest_seconds=CLEAR_PAUSE
            )
            if begin > 0 and end < last
        ]
        if len(silent) != len(places):
            continue
        for place, (begin, end) in zip(places, silent, strict=True):
            ends.append(found[key][place - 1][2] - begin)
            starts.append(found[key][place][1] - end)
    return {"ends": describe(ends), "starts": describe(starts)}


def even_starts(voice: Voice, text: str, seconds: float) -> list[float]:
    """Return when each word starts if all tokens are equally long."""
    words = voice.tokenizer.words(text)
    counts = np.cumsum([0, *(len(word.tokens) for word in words)])
    return [
        float(at / counts[-1]) * seconds
        for at, word in zip(counts, words, strict=False)
        if any(map(str.isalnum, word.text))
    ]


def describe(errors: list[float]) -> dict[str, float]:
    """Return the usual numbers of signed errors, in milliseconds."""
    ms = np.array(errors) * 1000
    return {
        "count": len(ms),
        "median_ms": round(float(np.median(np.abs(ms))), 1),
        "p90_ms": round(float(np.percentile(np.abs(ms), 90)), 1),
        "within_50_ms": round(float(np.mean(np.abs(ms) <= 50)), 3),
        "median_signed_ms": round(float(np.median(ms)), 1),
    }


def parse() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--sentences", type=Path, help="text file, one a line")
    source.add_argument("--recordings", type=Path, help="folder with metadata.csv and wavs/")
    parser.add_argument("--work", type=Path, required=True, help="folder to work in")
    parser.add_argument("--language", choices=list(VOICES), default="en")
    parser.add_argument("--seconds", type=float, default=300.0, help="of speech (300)")
    parser.add_argument("--pause", type=float, default=0.1, help="as of 'malsori align'")
    parser.add_argument("--swap", type=float, default=0.0, help="share of texts given to others")
    parser.add_argument("--model", help="a voice that aligns, in place of training one")
    parser.add_argument("--checkpoint", default="best")
    parser.add_argument("--name", default="align", help="of the run below WORK/exp")
    parser.add_argument("overrides", nargs="*", metavar="key.path=value", help="settings")
    return parser.parse_intermixed_args()


if __name__ == "__main__":
    main()
