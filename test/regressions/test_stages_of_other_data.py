"""Text and audio are never paired wrongly when stage 1 was run again and 2 and 3 were not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from malsori.core.errors import MalsoriError
from malsori.data.datadir import DataDir
from malsori.data.dataset import Names, SpeechDataset
from malsori.text.tokens import TokenList

FILES = ("text", "wav.scp", "segments", "utt2spk", "utt2dur", "utt2lang")


def dataset(corpus: Any) -> SpeechDataset:
    config = corpus.settings()
    folder = str(corpus.data / "train")
    tokens = TokenList.load(corpus.tokens / "tokens.txt")
    return SpeechDataset(folder, config.data, config.audio, tokens, Names.of(DataDir(folder)), 5.0)


def replace_line(path: Path, number: int, old: str, new: str) -> None:
    lines = path.read_text("utf-8").splitlines()
    lines[number] = lines[number].replace(old, new)
    path.write_text("\n".join(sorted(lines)) + "\n", "utf-8")


def test_another_utterance_with_the_same_count(copy_corpus: Callable[[], Any]) -> None:
    corpus = copy_corpus()
    folder = corpus.data / "train"
    data = DataDir(folder)
    key, other = data.key(1), data.key(3) + "x"
    for name in FILES:
        if (folder / name).exists():
            replace_line(folder / name, 1, key, other)
    found = dataset(corpus)
    wrong = [i for i in range(len(found)) if found.key(i) != found.f0.key(i)]
    assert wrong
    for i in wrong:
        with pytest.raises(MalsoriError, match="run them again"):
            found[i]


def test_bounds_that_were_trimmed_anew(copy_corpus: Callable[[], Any]) -> None:
    corpus = copy_corpus()
    segments = corpus.data / "train" / "segments"
    first, *rest = segments.read_text("utf-8").splitlines()
    key, recording, start, end = first.split()
    shorter = f"{key} {recording} {float(start) + 0.2:.4f} {end}"
    segments.write_text("\n".join([shorter, *rest]) + "\n", "utf-8")
    with pytest.raises(MalsoriError, match="frames of audio, but stage 3 saw"):
        dataset(corpus)[0]
