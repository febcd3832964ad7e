"""Archives by rules: what keeps them is read, what breaks one is refused in one line."""

from __future__ import annotations

import hashlib
import io
import random
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from malsori.core.errors import MalsoriError
from malsori.packs.archive import MEGABYTE, Rules, open_archive

ANY = Rules(largest=lambda name: 8 * MEGABYTE, kind="ESPnet pack")
"""Every name may be there: only the archive's own soundness counts."""


def write(path: Path, *members: tuple[Any, bytes], packed: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", packed) as archive:
        for name, content in members:
            archive.writestr(name, content, None if isinstance(name, zipfile.ZipInfo) else packed)
    return path


def told(path: Path, rules: Rules = ANY) -> str:
    """Return the one line that refuses an archive."""
    with pytest.raises(MalsoriError) as caught, open_archive(path, rules):
        pass
    line = str(caught.value)
    assert "\n" not in line and path.name in line
    return line


def test_what_is_in_it(tmp_path: Path) -> None:
    weights = random.Random(1).randbytes(3_000_000)
    path = write(tmp_path / "a.zip", ("exp/model.pth", weights), ("meta.yaml", b"a: 1"))
    with open_archive(path, ANY) as archive:
        assert archive.sizes() == {"exp/model.pth": 3_000_000, "meta.yaml": 4}
        assert archive.read("meta.yaml") == b"a: 1"
        pieces = list(archive.chunks("exp/model.pth"))
        assert len(pieces) == 3 and b"".join(pieces) == weights
        assert archive.sha256("meta.yaml") == hashlib.sha256(b"a: 1").hexdigest()


@pytest.mark.parametrize(
    "name",
    ["../x", "a/../../x", "/etc/x", "..", "a\\..\\x", "C:/x", "C:x", "a/.."],
)
def test_name_that_leaves_the_folder(tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "a.zip", (name, b"x"))
    assert "names a place outside; refused" in told(path)


def test_name_with_a_zero_byte(tmp_path: Path) -> None:
    """zipfile reads ``a`` where other programs read something else."""
    path = write(tmp_path / "a.zip", ("a_b", b"x"))
    path.write_bytes(path.read_bytes().replace(b"a_b", b"a\0b"))
    assert "names a place outside" in told(path)


def test_name_by_a_mapping_or_a_rule(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", ("a.pth", b"x"), ("notes.txt", b"x"))
    weights_only = Rules(largest=lambda name: 9 if name.endswith(".pth") else None)
    assert "holds 'notes.txt', which is no part of a pack" in told(path, weights_only)
    espnet = Rules(largest={"a.pth": 9}.get, kind="ESPnet pack")
    assert "no part of an ESPnet pack" in told(path, espnet)


def test_folders_only_where_they_may_be(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", ("exp/", b""), ("exp/a", b"x"))
    plain = Rules(largest={"exp/a": 9}.get)
    assert "'exp/'" in told(path, plain)
    with open_archive(path, Rules(largest={"exp/a": 9}.get, folders=True)) as archive:
        assert list(archive.infos) == ["exp/a"]
    outside = write(tmp_path / "b.zip", ("../", b""))
    assert "place outside" in told(outside, Rules(largest={}.get, folders=True))


@pytest.mark.parametrize("mode", [0o120777, 0o010644, 0o060644, 0o040755])
def test_link_pipe_device_and_folder_by_its_mode(tmp_path: Path, mode: int) -> None:
    info = zipfile.ZipInfo("a")
    info.external_attr = mode << 16
    assert "is a link or no plain file" in told(write(tmp_path / "a.zip", (info, b"/etc/passwd")))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_name_given_twice(tmp_path: Path) -> None:
    assert "'a' twice" in told(write(tmp_path / "a.zip", ("a", b"x"), ("a", b"y")))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_odd_compression(tmp_path: Path, method: int) -> None:
    path = write(tmp_path / "a.zip", ("a", b"x" * 99), packed=method)
    assert "compressed in a way that no ESPnet pack is" in told(path)


def test_sizes_alone_and_together(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", ("a", bytes(3 << 20)), ("b", bytes(3 << 20)), packed=0)
    small = Rules(largest=lambda name: 2 * MEGABYTE)
    assert "a would be 3 MB, more than 2 MB" in told(path, small)
    together = Rules(largest=lambda name: 4 * MEGABYTE, total=5 * MEGABYTE)
    assert "would be 6 MB together, more than 5 MB" in told(path, together)
    few = Rules(largest=lambda name: 4 * MEGABYTE, members=1)
    assert "holds 2 files, more than 1" in told(path, few)
    with open_archive(path, Rules(largest=lambda name: 3 * MEGABYTE, members=2)):
        pass


def test_bomb_within_the_size_is_told_by_its_ratio(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", ("a", bytes(5 << 20)))
    assert path.stat().st_size < 6000
    line = told(path)
    assert "as large as it is packed, more than 200" in line
    loose = Rules(largest=lambda name: 8 * MEGABYTE, ratio=1100)
    with open_archive(path, loose) as archive:
        assert archive.read("a") == bytes(5 << 20)
    tiny = write(tmp_path / "b.zip", ("a", bytes(MEGABYTE)))  # small ones harm nobody
    with open_archive(tiny, ANY) as archive:
        assert len(archive.read("a")) == MEGABYTE


def test_members_that_share_their_bytes(tmp_path: Path) -> None:
    """A bomb without a ratio: many names for one place."""
    path = write(tmp_path / "a.zip", ("a", b"x" * 5000), packed=zipfile.ZIP_STORED)
    content = path.read_bytes()
    start = content.index(b"PK\x01\x02")
    end = content.index(b"PK\x05\x06")
    entries = b"".join(content[start:end].replace(b"a", bytes([letter])) for letter in b"abcdefgh")
    tail = bytearray(content[end:])
    tail[8:12] = (8).to_bytes(2, "little") * 2
    tail[12:16] = len(entries).to_bytes(4, "little")
    path.write_bytes(content[:start] + entries + bytes(tail))
    assert "lie within each other" in told(path)


def test_required_ones(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", ("a", b"x"))
    rules = Rules(largest=lambda name: 9, required=("a", "meta.yaml"))
    assert told(path, rules).endswith("not a whole pack: meta.yaml is missing")


def test_content_longer_than_its_header(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", ("a", b"x" * 100), packed=zipfile.ZIP_STORED)
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02")
    content[at + 24 : at + 28] = (10).to_bytes(4, "little")  # unpacked, in the directory
    path.write_bytes(content)
    with pytest.raises(MalsoriError), open_archive(path, ANY) as archive:
        archive.read("a")


def test_locked_member(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", ("a", b"x" * 100))
    content = bytearray(path.read_bytes())
    for sign, flag in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(sign) + flag] |= 1
    path.write_bytes(content)
    with (
        pytest.raises(MalsoriError, match=r"not a readable ESPnet pack: .*encrypted"),
        open_archive(path, ANY) as archive,
    ):
        archive.read("a")


def test_an_error_of_the_caller_stays_its_own(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zip", ("a", b"x"))
    with pytest.raises(ValueError, match="mine"), open_archive(path, ANY):
        raise ValueError("mine")


def test_no_zip(tmp_path: Path) -> None:
    assert "no such file" in told(tmp_path / "none.zip")
    (tmp_path / "text.zip").write_text("no zip")
    assert "not a readable ESPnet pack" in told(tmp_path / "text.zip")
    assert "not a readable" in told(tmp_path)


@given(
    names=st.lists(st.text("ab./\\:é", min_size=1, max_size=8), max_size=4, unique=True),
    at=st.integers(0, 400),
    bit=st.integers(0, 7),
)
def test_only_one_line_and_only_inside_names(names: list[str], at: int, bit: int) -> None:
    """Whatever is in it and wherever it is damaged: refused, or no name leads outside."""
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for name in names:
            archive.writestr(name, b"content")
    content = bytearray(memory.getvalue())
    content[at % len(content)] ^= 1 << bit
    with tempfile.NamedTemporaryFile(suffix=".zip") as file:
        file.write(content)
        file.flush()
        line = ""
        try:
            with open_archive(Path(file.name), ANY) as opened:
                for name in opened.infos:
                    opened.read(name)
                    inside = Path("/base", name)
                    assert ".." not in inside.parts and inside.is_relative_to("/base")
        except MalsoriError as error:
            line = str(error)
        assert "\n" not in line
