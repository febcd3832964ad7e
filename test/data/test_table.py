"""Tables of "key value" rows against plain dictionaries, and their size."""

from __future__ import annotations

import gc
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.core.errors import MalsoriError
from malsori.data import table as table_module
from malsori.data.table import BLOCK, Table, first_words

KEYS = st.text(st.characters(categories=("L", "N")) | st.sampled_from("_-."), min_size=1)
VALUES = st.lists(KEYS, max_size=4).map(" ".join)


def written(path: Path, rows: dict[str, str], end: str = "\n") -> Path:
    lines = [f"{key} {rows[key]}".rstrip(" ") for key in sorted(rows, key=str.encode)]
    path.write_bytes(("\n".join(lines) + end).encode())
    return path


@given(rows=st.dictionaries(KEYS, VALUES, min_size=1, max_size=30), end=st.sampled_from(["\n", ""]))
@settings(max_examples=100, deadline=None)
def test_a_table_is_the_dictionary_it_was_written_from(
    tmp_path_factory: pytest.TempPathFactory, rows: dict[str, str], end: str
) -> None:
    table = Table(written(tmp_path_factory.mktemp("table") / "text", rows, end))
    assert dict(table.items()) == rows
    assert len(table) == len(rows)
    assert list(table.keys()) == list(dict(table.items()))
    assert table.distinct() == sorted(set(rows.values()))
    for i in range(len(table)):
        assert table.find(table.key(i)) == i
        assert table.has_key(i, table.key(i))
        assert table.value(i) == rows[table.key(i)]
    assert table.find("absent, for keys have no commas") is None
    assert table.find("") is None


def test_a_pickled_table_opens_again(tmp_path: Path) -> None:
    table = pickle.loads(pickle.dumps(Table(written(tmp_path / "t", {"a": "1", "b": "2"}))))  # noqa: S301
    assert table.value(1) == "2"


@pytest.mark.parametrize("count", [BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK])
@pytest.mark.parametrize("end", ["\n", ""])
def test_rows_around_the_ends_of_blocks(tmp_path: Path, count: int, end: str) -> None:
    rows = {f"{i:03}": f"value\r{i}" for i in range(count)}
    table = Table(written(tmp_path / "t", rows, end))
    assert len(table) == count and list(table.keys()) == sorted(rows)
    for i in reversed(range(count)):
        assert (table.key(i), table.value(i)) == (f"{i:03}", f"value\r{i}")
        assert table.find(f"{i:03}") == i and not table.has_key(i, "zzz")


def test_tabs_and_spaces_around_the_value(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("a\t  x y \nb  z\n")
    assert dict(Table(tmp_path / "t").items()) == {"a": "x y", "b": "z"}


@pytest.mark.parametrize("index", [-1, 2, 99])
def test_a_row_that_is_not_there(tmp_path: Path, index: int) -> None:
    table = Table(written(tmp_path / "t", {"a": "1", "b": "2"}))
    with pytest.raises(IndexError):
        table.key(index)
    assert not table.has_key(index, "a")


@given(numbers=st.lists(st.floats(allow_nan=False, width=32), min_size=1, max_size=50))
@settings(max_examples=50, deadline=None)
def test_floats_are_the_numbers(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[float]
) -> None:
    rows = {f"{i:04d}": repr(number) for i, number in enumerate(numbers)}
    path = written(tmp_path_factory.mktemp("table") / "utt2dur", rows)
    np.testing.assert_array_equal(Table(path).floats(), numbers)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a 1\nb x\n", r":2: expected one number after the key, got 'x'"),
        ("a 1\nb\n", r":2: expected one number after the key, got ''"),
        ("a 1\nb 1 2\n", r":2: expected one number after the key, got '1 2'"),
    ],
)
def test_floats_name_the_line_that_is_none(tmp_path: Path, content: str, told: str) -> None:
    (tmp_path / "utt2dur").write_text(content)
    with pytest.raises(MalsoriError, match=told):
        Table(tmp_path / "utt2dur").floats()


@given(
    count=st.integers(1, 200),
    first=st.integers(0, 200),
    length=st.integers(0, 200),
    at_once=st.sampled_from([BLOCK, 3 * BLOCK]),
)
@settings(max_examples=60, deadline=None)
def test_keys_of_some_rows(
    tmp_path_factory: pytest.TempPathFactory, count: int, first: int, length: int, at_once: int
) -> None:
    keys = [f"{i:03}" for i in range(count)]
    path = written(tmp_path_factory.mktemp("table") / "t", dict.fromkeys(keys, "x"))
    first, last = min(first, count), min(first + length, count)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_module, "PARSED_ROWS", at_once)
        assert list(Table(path).keys(first, last)) == keys[first:last]
        assert list(Table(path).keys(first)) == keys[first:]


def test_first_words_of_lines_of_any_length(tmp_path: Path) -> None:
    path = tmp_path / "spk2utt"
    long = " ".join(f"u{i:07}" for i in range(100_000))
    path.write_text(f"anna {long}\n가영\tu1\nben {long}\n\nzoe u2", encoding="utf-8")
    tracemalloc.start()
    assert list(first_words(path)) == ["anna", "가영", "ben", "", "zoe"]
    assert tracemalloc.get_traced_memory()[1] < len(long)
    tracemalloc.stop()
    path.write_bytes(b"anna u1\n" + "나".encode("cp949") + b" u2\n")
    with pytest.raises(MalsoriError, match=r"spk2utt:2: not UTF-8"):
        list(first_words(path))


def test_a_missing_or_empty_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MalsoriError, match=r"nothing: no such file"):
        Table(tmp_path / "nothing")
    (tmp_path / "empty").touch()
    with pytest.raises(MalsoriError, match=r"empty: empty file"):
        Table(tmp_path / "empty")


def test_text_that_is_not_utf8_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes("a 가\nb ".encode() + "나".encode("cp949") + b"\n")
    table = Table(tmp_path / "text")
    assert table.value(0) == "가"
    with pytest.raises(MalsoriError, match=r"text:2: not UTF-8"):
        table.value(1)


def test_many_rows_are_no_objects(tmp_path: Path) -> None:
    rows = 200_000
    (tmp_path / "text").write_text("".join(f"utt_{i:08d} 무슨 말이든 {i}\n" for i in range(rows)))
    gc.collect()
    objects = len(gc.get_objects())
    tracemalloc.start()
    table = Table(tmp_path / "text")
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    gc.collect()
    assert len(table) == rows
    assert len(gc.get_objects()) - objects < 50
    assert held < rows  # four bytes for each block of 32
    assert peak < 50 * rows
    assert table.value(table.find("utt_00123456") or 0) == "무슨 말이든 123456"
