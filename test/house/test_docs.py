"""The documentation holds: generated pages are fresh, links lead somewhere, commands exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from malsori.bin.main import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *ROOT.glob("doc/*.md"), *ROOT.glob("egs/*/README.md")])


def test_the_settings_page_is_fresh() -> None:
    command = [sys.executable, "tools/config_reference.py", "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_commands_exist(page: Path) -> None:
    parts = page.read_text(encoding="utf-8").split("```")
    prose, code = " ".join(parts[::2]), "\n".join(parts[1::2])
    found = re.findall(r"`(?:[^`]*bin/)?malsori ([a-z][a-z0-9-]*)", prose)
    for name in found + re.findall(r"^malsori ([a-z][a-z0-9-]*)", code, re.MULTILINE):
        assert name in COMMANDS, name


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    command = [sys.executable, "-m", "malsori", name, "--help"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "example" in done.stdout.lower() or name == "data", done.stdout
