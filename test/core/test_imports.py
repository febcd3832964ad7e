"""Asking for help is fast: no command's help brings torch or numpy."""

from __future__ import annotations

import subprocess
import sys

import pytest

from malsori.bin.main import COMMANDS

HEAVY = ("torch", "numpy", "matplotlib", "soundfile", "pyworld", "tensorboard")
CHECK = f"""
import sys
from malsori.bin.main import main
try:
    code = main(sys.argv[1:])
except SystemExit as end:
    code = end.code
found = [name for name in {HEAVY!r} if name in sys.modules]
sys.exit(f"imported {{found}}" if found else code)
"""


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", CHECK, *words], capture_output=True, text=True, check=False
    )


def test_the_overview_names_every_command_and_imports_nothing_heavy() -> None:
    done = run("--help")
    assert done.returncode == 0, done.stderr
    assert all(f"  {name} " in done.stdout for name in COMMANDS)


@pytest.mark.parametrize("command", ["train", "synthesize", "score"])
def test_the_help_of_a_command_imports_nothing_heavy(command: str) -> None:
    done = run(command, "--help")
    assert done.returncode == 0, done.stderr
    assert f"malsori {command}" in done.stdout


def test_a_mistyped_command_is_answered_without_heavy_imports() -> None:
    done = run("trian")
    assert done.returncode == 2
    assert "did you mean 'train'?" in done.stderr
