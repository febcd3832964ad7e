"""Rows that a later stage kept, against a plain list of them."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.core.errors import MalsoriError
from malsori.data import kept_rows
from malsori.data.kept_rows import KeptRows
from malsori.data.table import Table


def table(path: Path, rows: list[int]) -> Table:
    path.write_text("".join(f"u{row:06} {row}\n" for row in rows))
    return Table(path)


def is_kept(found: KeptRows, count: int, left: list[int]) -> bool:
    values = np.arange(count, dtype=np.float32)
    there = [found[i] for i in range(len(left))]
    return len(found) == len(left) and there == left == found.compacted(values).tolist()


@given(count=st.integers(1, 400), seed=st.integers(0, 999), share=st.sampled_from([0.01, 0.3, 0.9]))
@settings(max_examples=60, deadline=None)
@pytest.mark.parametrize("span", [1, 16, 64])
def test_every_kept_row_is_found(
    tmp_path_factory: pytest.TempPathFactory, span: int, count: int, seed: int, share: float
) -> None:
    folder, drawn = tmp_path_factory.mktemp("rows"), random.Random(seed)
    left = [row for row in range(count) if drawn.random() >= share] or [count - 1]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kept_rows, "SPAN", span)
        patch.setattr(kept_rows, "ROWS_AT_ONCE", 50)
        found = KeptRows(table(folder / "few", left), table(folder / "all", list(range(count))))
        assert is_kept(found, count, left)


@pytest.mark.parametrize("gone", [range(0, 500), range(4500, 5000), range(100, 4900), range(0)])
def test_a_whole_stretch_may_be_missing(tmp_path: Path, gone: range) -> None:
    left = [row for row in range(5000) if row not in gone]
    found = KeptRows(table(tmp_path / "few", left), table(tmp_path / "all", list(range(5000))))
    assert is_kept(found, 5000, left)


@pytest.mark.parametrize("strange", [0, 1234, 4000])
def test_a_row_that_was_never_there_is_named(tmp_path: Path, strange: int) -> None:
    rows = [*range(strange), *range(strange + 1, 4001)]
    kept, among = table(tmp_path / "f0.scp", list(range(4001))), table(tmp_path / "tokens", rows)
    with pytest.raises(
        MalsoriError, match=rf"f0.scp:{strange + 1}: 'u{strange:06}' is not in .*to"
    ):
        KeptRows(kept, among)


def test_other_data_of_any_length_is_refused(tmp_path: Path) -> None:
    kept = table(tmp_path / "f0.scp", list(range(1000, 2000)))
    for name, rows in {"same": range(2000, 3000), "more": range(5000), "fewer": range(10)}.items():
        among = table(tmp_path / name, [row for row in rows if not 1000 <= row < 2000] or [7])
        with pytest.raises(MalsoriError, match="run stages 2 and 3 again"):
            KeptRows(kept, among)


def test_few_keys_are_read_where_few_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [row for row in range(50_000) if row not in (17, 30_000)]
    kept, among = table(tmp_path / "few", left), table(tmp_path / "all", list(range(50_000)))
    asked = 0

    def count(self: Table, i: int, plain=Table._row) -> tuple[bytes, bytes]:  # type: ignore[no-untyped-def]
        nonlocal asked
        asked += 1
        return plain(self, i)

    monkeypatch.setattr(Table, "_row", count)
    found = KeptRows(kept, among)
    assert [found[i] for i in (16, 17, 29_998, 29_999)] == [16, 18, 29_999, 30_001]
    assert asked < 300
