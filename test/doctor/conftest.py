"""Made-up data dirs: voiced tones whose length goes with the text, and faults on demand."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 16000


def speech(letters: int, seed: int = 0, rate: int = RATE) -> np.ndarray:
    """Return 0.1 s of sound a letter between 0.1 s of faint noise, float64 (S,)."""
    rng = np.random.default_rng(seed)
    count = round(rate * letters * (0.1 + 0.002 * rng.standard_normal()))
    times = np.arange(count) / rate
    wav = sum(0.1 * np.sin(2 * np.pi * k * (120 + seed % 7) * times) for k in range(1, 8))
    wav += 0.01 * rng.standard_normal(count)  # so that the band is as wide as the rate allows
    edge = 1e-4 * rng.standard_normal(round(0.1 * rate))
    return np.concatenate([edge, wav, edge])


Files = Mapping[str, np.ndarray | tuple[np.ndarray, int]]


@pytest.fixture
def make_set(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a data dir of sounds and texts by key."""

    def make(
        name: str, texts: Mapping[str, str], sounds: Files | None = None, speaker: str = "mina"
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True)
        (tmp_path / "wav").mkdir(exist_ok=True)
        columns: dict[str, dict[str, str]] = {"text": dict(texts)}
        for i, (key, text) in enumerate(texts.items()):
            found = (sounds or {}).get(key, speech(sum(map(str.isalnum, text)), i + len(name)))
            wav, rate = found if isinstance(found, tuple) else (found, RATE)
            path = tmp_path / "wav" / f"{name}_{key}.wav"
            soundfile.write(path, wav, rate, subtype="PCM_16")
            columns.setdefault("wav.scp", {})[key] = str(path)
            columns.setdefault("utt2spk", {})[key] = speaker
            columns.setdefault("utt2dur", {})[key] = f"{len(wav) / rate:.4f}"
        for file, rows in columns.items():
            (folder / file).write_text("".join(f"{k} {v}\n" for k, v in rows.items()))
        (folder / "spk2utt").write_text(f"{speaker} {' '.join(texts)}\n")
        return folder

    return make


@pytest.fixture
def plain_texts() -> dict[str, str]:
    """Return 20 texts of 5 to 24 letters."""
    letters = "가나다라마바사아자차카타파하거너더러머버서어저처"
    return {f"u{i:02d}": letters[: 5 + i] + "." for i in range(20)}
