"""A set of made-up vowels: a data dir and what a voice made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import soundfile

RATE = 16000
FORMANTS = ((700, 1200, 2600), (300, 2300, 3000), (350, 800, 2300), (500, 1800, 2500))


class Utterance(NamedTuple):
    """One made-up utterance."""

    vowel: int
    speaker: str = "anna"
    text: str | None = None
    seconds: float = 0.4


class SpokenSet(NamedTuple):
    """Where the set lies."""

    data: Path
    decoded: Path


def vowel(number: int, seconds: float = 0.4, hz: float = 140.0, rate: int = RATE) -> np.ndarray:
    """Return harmonics of a falling pitch under the vowel's formants."""
    times = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * np.cumsum(hz * (1.0 - 0.2 * times / seconds)) / rate
    wav = np.zeros_like(times)
    for harmonic in range(1, int(rate / 2 / hz)):
        offsets = [(harmonic * hz - formant) / 120.0 for formant in FORMANTS[number]]
        wav += sum(1.0 / (1.0 + offset**2) for offset in offsets) * np.sin(harmonic * phase)
    return (0.3 * wav / np.abs(wav).max()).astype(np.float32)


@pytest.fixture
def make_set(tmp_path: Path) -> Callable[..., SpokenSet]:
    """Return a function that writes a data dir and a decode folder with slower, higher copies."""

    def make(wanted: Mapping[str, Mapping[str, Any]], rate: int = RATE) -> SpokenSet:
        utterances = {name: Utterance(**fields) for name, fields in wanted.items()}
        data, decoded = tmp_path / "data", tmp_path / "exp" / "decode" / "test"
        (tmp_path / "recordings").mkdir()
        (decoded / "wav").mkdir(parents=True)
        data.mkdir()
        files: dict[str, list[str]] = {
            name: [] for name in ("wav.scp", "text", "utt2spk", "utt2dur")
        }
        for name, utterance in sorted(utterances.items()):
            recording = tmp_path / "recordings" / f"{name}.wav"
            soundfile.write(recording, vowel(utterance.vowel, utterance.seconds), RATE)
            judged = vowel(utterance.vowel, utterance.seconds * 1.25, 150.0, rate)
            soundfile.write(decoded / "wav" / f"{name}.wav", judged, rate)
            files["wav.scp"].append(f"{name} {recording}")
            files["text"].append(f"{name} {utterance.text or f'vowel {utterance.vowel}'}")
            files["utt2spk"].append(f"{name} {utterance.speaker}")
            files["utt2dur"].append(f"{name} {utterance.seconds:.3f}")
        speakers = sorted({utterance.speaker for utterance in utterances.values()})
        files["spk2utt"] = [
            " ".join([who, *sorted(n for n, u in utterances.items() if u.speaker == who)])
            for who in speakers
        ]
        for name, lines in files.items():
            (data / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        return SpokenSet(data, decoded)

    return make


@pytest.fixture
def four_vowels(make_set: Callable[..., SpokenSet]) -> SpokenSet:
    """Return four utterances of one speaker."""
    return make_set({f"u{number}": {"vowel": number} for number in range(4)})
