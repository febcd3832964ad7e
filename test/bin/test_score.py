"""``malsori score`` as it is called: folders by rule or by name, and what it refuses."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from malsori.bin import score
from malsori.core.errors import ConfigError, MalsoriError, UsageError

RATE = 16000


@pytest.fixture
def spoken(tmp_path: Path) -> Path:
    """Return a folder with ``data`` and ``exp/tiny/decode/test``: two hums and their copies."""
    data, wavs = tmp_path / "data", tmp_path / "exp" / "tiny" / "decode" / "test" / "wav"
    data.mkdir()
    wavs.mkdir(parents=True)
    times = np.arange(RATE // 4) / RATE
    rows: dict[str, str] = dict.fromkeys(("wav.scp", "text", "utt2spk", "utt2dur"), "")
    for name, hz in (("low", 120.0), ("mid", 180.0)):
        wav = 0.1 * sum(np.sin(2 * np.pi * hz * k * times) / k for k in range(1, 20))
        soundfile.write(tmp_path / f"{name}.wav", wav, RATE)
        soundfile.write(wavs / f"{name}.wav", wav, RATE)
        rows["wav.scp"] += f"{name} {tmp_path / name}.wav\n"
        rows["text"] += f"{name} a {name} hum\n"
        rows["utt2spk"] += f"{name} me\n"
        rows["utt2dur"] += f"{name} 0.25\n"
    for file, text in (rows | {"spk2utt": "me low mid\n"}).items():
        (data / file).write_text(text, encoding="utf-8")
    return tmp_path


def call(*arguments: object) -> None:
    parser = argparse.ArgumentParser()
    score.configure(parser)
    score.run(parser.parse_args([str(argument) for argument in arguments]))


def by_rule(spoken: Path, *more: object) -> None:
    call("--exp", spoken / "exp" / "tiny", "--set", "test", "--data", spoken / "data", *more)


def test_folders_follow_the_run_folder(spoken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    by_rule(spoken, "--jobs", 1)
    out = spoken / "exp" / "tiny" / "score" / "test"
    assert {path.name for path in out.iterdir()} == {
        "report",
        "report.html",
        "scores.json",
        "scores.md",
    }
    printed = capsys.readouterr().out
    assert printed.startswith("# tiny: test\n")
    assert "| decoded | 0.00 [0.00, 0.00] |" in printed


def test_folders_can_be_given(spoken: Path) -> None:
    decoded = spoken / "exp" / "tiny" / "decode" / "test"
    out = spoken / "elsewhere"
    call("--data", spoken / "data", "--decoded", decoded, "--out", out, "--examples", 0)
    assert json.loads((out / "scores.json").read_text(encoding="utf-8"))["n"] == 2


def test_without_folders_it_is_called_wrongly(spoken: Path) -> None:
    with pytest.raises(UsageError, match="give --exp and --set, or both --decoded and --out"):
        call("--data", spoken / "data", "--exp", spoken / "exp" / "tiny")


@pytest.mark.parametrize(("option", "value"), [("--jobs", 0), ("--examples", -1)])
def test_numbers_out_of_range_are_named(spoken: Path, option: str, value: int) -> None:
    with pytest.raises(UsageError, match=f"{option} {value}: need"):
        by_rule(spoken, option, value)


def test_a_scorer_that_is_none_gets_a_hint(spoken: Path) -> None:
    with pytest.raises(ConfigError, match="acoustic"):
        by_rule(spoken, "--scorer", "accoustic")


def test_missing_recordings_are_named_before_any_work(spoken: Path) -> None:
    (spoken / "low.wav").unlink()
    with pytest.raises(MalsoriError, match=r"low\.wav"):
        by_rule(spoken, "--jobs", 1)
    assert not (spoken / "exp" / "tiny" / "score").exists()
