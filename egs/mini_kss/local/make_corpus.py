"""Make egs/mini_kss/corpus again: Korean sentences of Tatoeba, spoken by espeak-ng.

    python local/make_corpus.py --sentences tatoeba_kor_eng.tsv --out corpus

The sentences come as lines "English<TAB>Korean<TAB>attribution". Needs espeak-ng on the PATH; the
same version of it gives the same bytes. The corpus is in the repository, so nobody has to run this.
"""

from __future__ import annotations

import argparse
import io
import re
import subprocess
import unicodedata
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import soxr

SAMPLE_RATE = 16000
FOLDERS = 4
SYLLABLES = (5, 25)
SPEAKABLE = re.compile(r"[가-힣]+[,]?( [가-힣]+[,]?)*[.?!]")
UNFIT = re.compile(
    "죽|살인|자살|담배|술|마약|바보|멍청|섹스|전쟁|총|무슬림|유대|이스라엘|우울|뽀뽀|노예|샴폐인|슈류탄|폭탄|범죄|아스퍼거|키스|장례|허튼|미쳤|유죄|헷빛|거짓말|샤워|여자가|톰"
)
VOICE = "ko+Annie"  # a woman's voice as in KSS, with the widest intonation of the variants
WORDS_A_MINUTE = 185
NOISE_DB = -72.0  # of full scale: pauses of exact zeros are unlike any recording


class Sentence(NamedTuple):
    """One sentence with its translation and its authors."""

    korean: str
    english: str
    attribution: str


def main() -> None:
    """Select sentences, have them spoken, write the corpus."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sentences", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("corpus"))
    parser.add_argument("--seconds", type=float, default=181.0, help="of audio at most, in all")
    args = parser.parse_args()
    spoken = select(read_sentences(args.sentences), args.seconds)
    spoken.sort(key=lambda pair: pair[0].attribution)
    write_corpus(args.out, spoken)
    total = sum(len(wav) for _, wav in spoken) / SAMPLE_RATE
    print(f"{args.out}: {len(spoken)} sentences, {total:.1f} s")


def read_sentences(path: Path) -> list[Sentence]:
    """Return the sentences that can be read out as they stand: Hangul and a few marks only."""
    found: dict[str, Sentence] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        english, korean, attribution = (unicodedata.normalize("NFC", f) for f in line.split("\t"))
        short, long = SYLLABLES
        fits = SPEAKABLE.fullmatch(korean) and short <= len(syllables(korean)) <= long
        if fits and not UNFIT.search(korean):
            found.setdefault(korean, Sentence(korean, english, attribution))
    return list(found.values())


def syllables(text: str) -> list[str]:
    """Return the Hangul syllables of a text."""
    return re.findall("[가-힣]", text)


def features(text: str) -> set[str]:
    """Return what a sentence has to teach: its jamo, and its pairs of jamo across syllables."""
    jamo = unicodedata.normalize("NFD", " ".join(text.split()))
    pairs = {jamo[i : i + 2] for i in range(len(jamo) - 1)}
    return set(jamo) | pairs


def select(
    sentences: list[Sentence], seconds: float
) -> list[tuple[Sentence, np.ndarray[tuple[int], np.dtype[np.int16]]]]:
    """Return sentences that together have many different sounds, with their audio.

    Greedy: the next sentence is the one with the most that is still rare, for its length.
    """
    left = {sentence: features(sentence.korean) for sentence in sentences}
    seen: Counter[str] = Counter()
    chosen = []
    while left:

        def worth(sentence: Sentence) -> tuple[float, str]:
            gain = sum(1 / (1 + seen[each]) ** 2 for each in left[sentence])
            return gain / (4 + len(syllables(sentence.korean))), sentence.korean

        best = max(left, key=worth)
        wav = speak(best.korean)
        seconds -= len(wav) / SAMPLE_RATE
        if seconds < 0:
            break
        seen.update(left.pop(best))
        chosen.append((best, wav))
    return chosen


def speak(text: str) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    """Return the sentence as espeak-ng says it with faint noise, 16-bit at 16 kHz."""
    command = ["espeak-ng", "-v", VOICE, "-s", str(WORDS_A_MINUTE), "--stdin", "--stdout"]
    spoken = subprocess.run(command, input=text.encode(), capture_output=True, check=True)
    samples, rate = soundfile.read(io.BytesIO(spoken.stdout), dtype="float32")
    samples = soxr.resample(samples, rate, SAMPLE_RATE)
    noise = np.random.default_rng(len(samples)).normal(0, 10 ** (NOISE_DB / 20), len(samples))
    return np.round((samples + noise).clip(-1, 1) * 32767).astype(np.int16)


def write_corpus(
    out: Path, spoken: list[tuple[Sentence, np.ndarray[tuple[int], np.dtype[np.int16]]]]
) -> None:
    """Write audio, transcript and attribution in the layout of KSS."""
    in_folder = -(-len(spoken) // FOLDERS)
    transcript, attribution = [], ["file\tKorean\tEnglish\tattribution"]
    for i, (sentence, wav) in enumerate(spoken):
        folder, number = i // in_folder + 1, i % in_folder
        name = f"{folder}/{folder}_{number:04d}.wav"
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(out / name, wav, SAMPLE_RATE, subtype="PCM_16")
        decomposed = unicodedata.normalize("NFD", sentence.korean)
        fields = (name, sentence.korean, sentence.korean, decomposed)
        transcript.append("|".join([*fields, f"{len(wav) / SAMPLE_RATE:.1f}", sentence.english]))
        attribution.append("\t".join([name, *sentence]))
    for name, lines in (
        ("transcript.v.1.4.txt", transcript),
        ("ATTRIBUTION.tsv", attribution),
    ):
        (out / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
