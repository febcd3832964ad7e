from __future__ import annotations

import importlib
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from malsori.bin.main import COMMANDS, main
from malsori.core.errors import MalsoriError
from malsori.core.version import VERSION

Run = Callable[..., Any]


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_overview_names_every_command(malsori: Run, words: tuple[str, ...]) -> None:
    answer = malsori(*words)
    assert answer.code == 0 and answer.err == ""
    listed = {line.split()[0] for line in answer.out.splitlines() if line.startswith("  ")}
    assert listed == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(malsori: Run, name: str) -> None:
    answer = malsori(name, "--help")
    assert answer.code == 0 and f"usage: malsori {name}" in answer.out
    assert "example" in answer.out and "malsori " in answer.out.split("example", 1)[1]


def test_every_command_file_is_in_the_table() -> None:
    files = {
        path.stem for path in Path(importlib.import_module("malsori.bin").__path__[0]).glob("*.py")
    }
    assert files - {"__init__", "main"} == {
        target.rsplit(".", 1)[1] for target in COMMANDS.values()
    }


def test_help_imports_nothing_heavy_and_answers_at_once() -> None:
    code = (
        "import sys, time; started = time.perf_counter()\n"
        "from malsori.bin.main import main\n"
        "assert main(['--help']) == 0\n"
        "took = time.perf_counter() - started\n"
        "heavy = {'torch', 'numpy', 'yaml', 'soundfile', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert took < 0.3, took\n"
    )
    for _ in range(3):  # the machine may be busy once
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        if done.returncode == 0:
            return
        time.sleep(0.5)
    pytest.fail(done.stderr)


def test_version(malsori: Run) -> None:
    assert malsori("--version") == (0, f"malsori {VERSION}\n", "")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("trian", "did you mean 'train'?"),
        ("syntesize", "did you mean 'synthesize'?"),
        ("zzz", "known: "),
    ],
)
def test_unknown_command(malsori: Run, name: str, told: str) -> None:
    answer = malsori(name)
    assert answer.code == 2 and answer.out == ""
    assert (
        answer.line.startswith(f"malsori {name}: error: no such command; ") and told in answer.line
    )


@pytest.mark.parametrize(
    "words",
    [
        ("train", "--no-such-option"),
        ("synthesize", "--model", "x"),
        ("synthesize", "--model", "x", "--text", "a", "--text-file", "b", "--out", "c"),
        ("stats", "--jobs", "many"),
        ("list", "modles"),
        ("train", "training.steps=2"),
        ("decode", "--exp", "x", "--data", "y", "--batch", "long"),
        ("decode", "--exp", "x", "--data", "y", "--threads", "-1"),
    ],
)
def test_wrong_usage_is_exit_code_2(malsori: Run, words: tuple[str, ...]) -> None:
    answer = malsori(*words)
    assert answer.code == 2 and "error: " in answer.err and "Traceback" not in answer.err


@pytest.mark.parametrize(
    "words",
    [
        ("decode", "--exp", "none", "--data", "none"),
        ("pack", "--exp", "none", "--out", "x.zip"),
        ("inspect", "none.zip"),
        ("synthesize", "--model", "none.zip", "--text", "a", "--out", "x.wav"),
        ("synthesize", "--model", "x", "--text-file", "none.txt", "--out", "x.wav"),
        ("stats", "--data", "none", "--tokens", "none", "--out", "out"),
        ("train", "--config", "none.yaml", "--exp", "exp"),
    ],
)
def test_missing_things_are_named_in_one_line(
    malsori: Run, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    answer = malsori(*words)
    assert answer.code == 1 and "none" in answer.line


def test_debug_shows_where_it_happened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for words in (["inspect", "none.zip", "--debug"], ["--debug", "inspect", "none.zip"]):
        with pytest.raises(MalsoriError, match=r"none\.zip: no such file"):
            main(words)


@pytest.mark.slow
def test_debug_from_the_shell(tmp_path: Path) -> None:
    for words, traceback in (([], False), (["--debug"], True)):
        done = subprocess.run(
            [sys.executable, "-m", "malsori", "train", "--config", "none.yaml", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert ("Traceback" in done.stderr) == traceback


def test_message_of_several_lines_becomes_one(
    malsori: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(args: object) -> None:
        raise MalsoriError("one\n  two\nthree")

    monkeypatch.setattr("malsori.bin.list.run", fail)
    assert malsori("list").line == "malsori list: error: one two three"


def test_interrupted_is_130(malsori: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("malsori.bin.list.run", interrupt)
    answer = malsori("list")
    assert answer.code == 130 and "Traceback" not in answer.err


def test_reader_that_leaves_early() -> None:
    command = [sys.executable, "-u", "-m", "malsori", "list"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline() == b"tasks:\n"
        process.stdout.close()
        said = process.stderr.read()
    assert process.returncode == 1 and said == b""


def test_listings_come_from_the_registries(malsori: Run) -> None:
    answer = malsori("list")
    assert answer.code == 0
    for kind, name in (("models:", "jets"), ("tasks:", "gan_tts"), ("schedules:", "cosine")):
        assert kind in answer.out and name in answer.out
    assert "arXiv:2203.16852" in malsori("list", "models").out


def test_doctor_and_export_answer(malsori: Run, tmp_path: Path) -> None:
    answer = malsori("doctor")
    assert answer.code == 0 and "torch " in answer.out and "cpu: " in answer.out
    answer = malsori("export", "--exp", tmp_path)
    assert answer.code == 2 and "required: --to, --out" in answer.err
