from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile

Run = Callable[..., Any]


@pytest.fixture
def packed(malsori: Run, lively_run: Path, tmp_path: Path) -> Path:
    """Return a pack that the command made."""
    out = tmp_path / "voice.malsori.zip"
    words = ("--licence", "CC-BY-4.0", "--sentence", "나무가 있다.", "--with-training")
    done = malsori("pack", "--exp", lively_run, "--out", out, *words)
    assert done.code == 0, done.err
    assert f"{out}: " in done.out and "'나무가 있다.'" in done.out
    assert f"{tmp_path / 'voice.wav'}" in done.out
    return out


def test_packs_and_speaks(packed: Path) -> None:
    wav, rate = soundfile.read(packed.with_name("voice.wav"))
    assert rate == 8000 and abs(wav).max() > 0.01
    assert {path.name for path in packed.parent.iterdir()} == {packed.name, "voice.wav"}


def test_inspect_shows_what_is_in_it(malsori: Run, packed: Path) -> None:
    shown = malsori("inspect", packed)
    assert shown.code == 0
    for part in ("weights: CC-BY-4.0", "sample_rate: 8000", "sha256:", "training.safetensors: "):
        assert part in shown.out
    assert "tokens: <blank> <unk>" in shown.out


def test_inspect_refuses_a_changed_pack(malsori: Run, packed: Path) -> None:
    content = bytearray(packed.read_bytes())
    content[len(content) // 2] ^= 1  # in the weights, which are most of it
    packed.write_bytes(content)
    done = malsori("inspect", packed)
    assert done.code == 1 and str(packed) in done.line and "safetensors" in done.line


def test_default_sentence_is_the_language_s(malsori: Run, lively_run: Path, tmp_path: Path) -> None:
    done = malsori("pack", "--exp", lively_run, "--out", tmp_path / "v.malsori.zip")
    assert done.code == 0 and "안녕하세요" in done.out


def test_checkpoint_that_is_not_there(malsori: Run, lively_run: Path, tmp_path: Path) -> None:
    words = ("--exp", lively_run, "--out", tmp_path / "v.zip", "--checkpoint", "step-9")
    done = malsori("pack", *words)
    assert done.code == 1 and "no checkpoint 'step-9'; there: step-3, step-6" in done.line
    assert not list(tmp_path.iterdir())


def test_full_disk(malsori: Run, lively_run: Path, small_disk: Callable[[str], Path]) -> None:
    disk = small_disk("64k")
    done = malsori("pack", "--exp", lively_run, "--out", disk / "v.zip")
    assert done.code == 1 and "v.zip: cannot be written: No space left" in done.line
    assert not list(disk.iterdir())
