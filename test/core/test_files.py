"""Files are whole or not there, whatever happens while they are written."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.core.errors import MalsoriError
from malsori.core.files import (
    atomic_folder,
    atomic_write,
    read_json,
    sha256,
    write_json,
    write_text,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    with atomic_write(path) as file:
        file.write("가\n")
        assert not path.exists()
    assert path.read_bytes() == "가\n".encode()
    assert names(path.parent) == ["file.txt"]


def test_bytes_are_written_as_they_are(tmp_path: Path) -> None:
    with atomic_write(tmp_path / "file", "wb") as file:
        file.write(b"\r\n\xff")
    assert (tmp_path / "file").read_bytes() == b"\r\n\xff"


@pytest.mark.parametrize("error", [ValueError("wrong"), KeyboardInterrupt(), SystemExit(1)])
def test_an_exception_leaves_the_file_before_and_nothing_else(
    tmp_path: Path, error: BaseException
) -> None:
    path = tmp_path / "file"
    write_text(path, "before")

    def fail() -> None:
        with atomic_write(path) as file:
            file.write("half")
            file.flush()
            raise error

    with pytest.raises(type(error)):
        fail()
    assert path.read_text() == "before"
    assert names(tmp_path) == ["file"]


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "file", "x")
        with atomic_folder(tmp_path / "folder"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o750


def test_only_two_modes_are_known(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'a'"), atomic_write(tmp_path / "file", "a"):
        pass


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    write_text(tmp_path / "file", "x")
    with pytest.raises(MalsoriError, match="file/below: cannot be written"):
        write_text(tmp_path / "file" / "below", "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(MalsoriError, match="folder: cannot be written"):
        write_text(tmp_path / "folder", "x")
    assert names(tmp_path) == ["file", "folder"]


def test_a_file_that_could_not_be_read_meanwhile_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(MalsoriError, match=r"new: cannot be written: No such file.*gone$"),
        atomic_write(tmp_path / "new") as file,
    ):
        file.write((tmp_path / "gone").read_text())
    assert names(tmp_path) == []


def test_a_full_disk_keeps_the_old_file(small_disk: Callable[[str], Path]) -> None:
    disk = small_disk("64k")
    path = disk / "file"
    write_text(path, "before")
    with pytest.raises(MalsoriError, match="file: cannot be written: No space left"):
        write_text(path, "x" * 200_000)
    assert path.read_text() == "before"
    assert names(disk) == ["file"]


def test_a_full_disk_keeps_the_old_folder(small_disk: Callable[[str], Path]) -> None:
    disk = small_disk("64k")
    folder = disk / "folder"
    with atomic_folder(folder) as new:
        (new / "a").write_text("before")
    with pytest.raises(MalsoriError, match="folder: cannot be written: No space left"):
        fill(folder)
    assert names(disk) == ["folder"]
    assert (folder / "a").read_text() == "before"


def fill(folder: Path) -> None:
    with atomic_folder(folder) as new:
        (new / "a").write_bytes(b"x" * 200_000)


def test_a_folder_replaces_the_one_before_as_a_whole(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "folder"
    with atomic_folder(folder) as new:
        (new / "old").write_text("old")
    with atomic_folder(folder) as new:
        (new / "new").mkdir()
        (new / "new" / "file").write_text("new")
        assert names(folder) == ["old"]
    assert names(folder) == ["new"]
    assert names(folder.parent) == ["folder"]


def test_an_exception_leaves_the_folder_before(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    with atomic_folder(folder) as new:
        (new / "old").write_text("old")

    def fail() -> None:
        with atomic_folder(folder) as new:
            (new / "half").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert names(folder) == ["old"]
    assert names(tmp_path) == ["folder"]


def test_a_folder_comes_back_if_its_successor_cannot_be_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    with atomic_folder(folder) as new:
        (new / "old").write_text("old")
    replace = os.replace

    def refuse_new(source: Path, target: Path) -> None:
        if str(source).endswith(".part"):
            raise OSError(5, "Input/output error")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse_new)
    with (
        pytest.raises(MalsoriError, match="folder: cannot be written: Input/output error"),
        atomic_folder(folder) as new,
    ):
        (new / "new").write_text("new")
    assert names(folder) == ["old"]
    assert names(tmp_path) == ["folder"]


def test_remains_of_a_killed_run_do_not_disturb(tmp_path: Path) -> None:
    (tmp_path / ".folder.old").mkdir()
    (tmp_path / ".folder.old" / "file").write_text("rest")
    for round_number in range(2):
        with atomic_folder(tmp_path / "folder") as new:
            (new / str(round_number)).write_text("")
        assert names(tmp_path / "folder") == [str(round_number)]
    assert names(tmp_path) == ["folder"]


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None)
@given(json_values)
def test_json_comes_back_as_it_went(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "value.json"
    write_json(path, value)
    assert read_json(path) == value


def test_json_is_readable_text(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"이름": [1]})
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n  "이름": [\n    1\n  ]\n}\n'


def test_a_bad_json_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MalsoriError, match=r"gone\.json: no such file"):
        read_json(tmp_path / "gone.json")
    (tmp_path / "bad.json").write_text('{"a": ')
    with pytest.raises(MalsoriError, match=r"bad\.json: not a JSON file"):
        read_json(tmp_path / "bad.json")
    (tmp_path / "bad.json").write_bytes(b"\xff")
    with pytest.raises(MalsoriError, match=r"bad\.json: not a JSON file"):
        read_json(tmp_path / "bad.json")
    with pytest.raises(MalsoriError, match="cannot be read"):
        read_json(tmp_path)


def test_sha256_reads_large_files_in_blocks(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000  # more than one block
    (tmp_path / "file").write_bytes(content)
    assert sha256(tmp_path / "file") == hashlib.sha256(content).hexdigest()
