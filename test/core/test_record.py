"""The run record says what a result comes from, with and without git."""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from malsori.core import record


def test_the_record_holds_command_versions_machine_and_extras() -> None:
    found = record.run_record(hashes={"data": "abc"})
    assert found["command"] == sys.argv
    assert found["python"] == platform.python_version()
    assert found["packages"]["torch"] and found["packages"]["numpy"]
    assert found["machine"]["cores"] >= 1
    assert found["hashes"] == {"data": "abc"}
    assert datetime.fromisoformat(found["time"]).utcoffset() is not None
    assert json.loads(json.dumps(found)) == found


def test_a_package_that_is_not_there_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "PACKAGES", ("numpy", "surely-not-there"))
    assert list(record.versions()) == ["numpy"]


def make_repository(folder: Path) -> Path:
    """Make a repository with one committed file, and return it."""
    file = folder / "file.py"
    file.write_text("1\n")
    for words in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=x", "-c", "user.email=x@x", "commit", "-q", "-m", "x"],
    ):
        subprocess.run(["git", *words], cwd=folder, check=True, capture_output=True)
    return file


def test_the_commit_has_a_plus_when_the_tree_was_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = make_repository(tmp_path)
    monkeypatch.setattr(record, "__file__", str(file))
    clean = record.commit()
    assert clean is not None and re.fullmatch("[0-9a-f]{40}", clean)
    (tmp_path / "untracked").write_text("x")
    assert record.commit() == clean
    file.write_text("2\n")
    assert record.commit() == clean + "+"


def test_outside_of_git_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "__file__", str(tmp_path / "file.py"))
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert record.commit() is None


def test_without_git_there_is_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert record.commit() is None
