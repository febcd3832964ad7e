"""Made-up corpora: tones with Korean text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 16000
TEXT = "안녕하세요."


def tone(seconds: float = 0.8, rate: int = RATE, hz: float = 220.0) -> np.ndarray:
    """Return a tone with a tenth of a second of silence at both ends, float64 (S,)."""
    wav = 0.4 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)
    edge = round(0.1 * rate)
    wav[:edge] = wav[-edge:] = 0.0
    return wav


@pytest.fixture
def make_data_dir(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a right data dir with a few utterances."""

    def make(count: int = 3, segments: bool = True) -> Path:
        folder = tmp_path / "set"
        folder.mkdir()
        ids = [f"utt_{i}" for i in range(count)]
        for key in ids:
            soundfile.write(tmp_path / f"{key}.wav", tone(), RATE)
        columns = {
            "wav.scp": lambda key: str(tmp_path / f"{key}.wav"),
            "text": lambda key: f"{TEXT} {key}",
            "utt2spk": lambda key: "spk_a" if key == "utt_0" else "spk_b",
            "utt2dur": lambda key: "0.6" if segments else "0.8",
        }
        if segments:
            columns["segments"] = lambda key: f"{key} 0.1 0.7"
        for name, column in columns.items():
            (folder / name).write_text("".join(f"{key} {column(key)}\n" for key in ids))
        rest = " ".join(ids[1:])
        (folder / "spk2utt").write_text("spk_a utt_0\n" + (f"spk_b {rest}\n" if rest else ""))
        return folder

    return make
