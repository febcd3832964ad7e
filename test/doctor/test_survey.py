"""The survey finds what is there, keeps it, and survives what kills a decoder."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from malsori.core.errors import MalsoriError, UsageError
from malsori.doctor import survey as module
from malsori.doctor.cache import HEADER
from malsori.doctor.columns import Columns, fit_line
from malsori.doctor.measurement import MEASUREMENT
from malsori.doctor.processes import Processes
from malsori.doctor.survey import CACHE_FILE, set_names, survey
from malsori.doctor.texts import spoken_tokens, text_hash

Make = Callable[..., Path]


def test_what_was_measured_is_not_read_again(
    make_set: Make, plain_texts: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_set("train", plain_texts)
    first = survey([folder], tmp_path / "out")
    assert first.sets[0].measured.all()
    read: list[str] = []
    monkeypatch.setattr(module, "measure_source", lambda source: read.append(source.path))
    again = survey([folder], tmp_path / "out")
    assert read == [] and (again.sets[0].sound == first.sets[0].sound).all()
    monkeypatch.undo()
    os.utime(tmp_path / "wav" / "train_u03.wav", (1, 1))
    before = module.measure_source
    monkeypatch.setattr(
        module, "measure_source", lambda source: read.append(source.path) or before(source)
    )
    survey([folder], tmp_path / "out")
    assert read == [str(tmp_path / "wav" / "train_u03.wav")]


@pytest.mark.parametrize("damage", ["half a row", "another version"])
def test_a_damaged_cache_is_mended(
    make_set: Make, plain_texts: dict[str, str], tmp_path: Path, damage: str
) -> None:
    folder = make_set("train", plain_texts)
    first = survey([folder], tmp_path / "out")
    path = tmp_path / "out" / CACHE_FILE
    content = path.read_bytes()
    assert len(content) == len(HEADER) + 20 * MEASUREMENT.itemsize
    path.write_bytes(content[:-30] if damage == "half a row" else b"malsori measurements 0 x\n" * 9)
    again = survey([folder], tmp_path / "out")
    assert (again.sets[0].sound == first.sets[0].sound).all()
    assert len(path.read_bytes()) == len(content)


def test_processes_find_the_same(
    make_set: Make, plain_texts: dict[str, str], tmp_path: Path
) -> None:
    folder = make_set("train", plain_texts)
    one = survey([folder], tmp_path / "one", frontend="ko")
    two = survey([folder], tmp_path / "two", frontend="ko", jobs=2)
    assert (one.sets[0].sound == two.sets[0].sound).all()
    assert (one.sets[0].amounts.counts == two.sets[0].amounts.counts).all()


def _fragile(things: Sequence[int]) -> list[int]:
    if 13 in things:
        os._exit(1)
    return [thing * 2 for thing in things]


def test_what_kills_a_process_is_given_up_and_the_rest_goes_on() -> None:
    chunks = [list(range(first, first + 5)) for first in range(0, 40, 5)]
    processes: Processes[int, int] = Processes(_fragile, 2, lambda thing: -thing)
    done = [each for results in processes.run(chunks) for each in results]
    assert done == [2 * i if i != 13 else -13 for i in range(40)]


def test_a_sample_is_the_same_every_time(
    make_set: Make, plain_texts: dict[str, str], tmp_path: Path
) -> None:
    folder = make_set("train", plain_texts)
    found = [survey([folder], tmp_path / name, sample=5).sets[0] for name in ("a", "b")]
    assert found[0].measured.sum() == 5
    assert (found[0].measured == found[1].measured).all()
    assert np.allclose(found[0].seconds, found[0].data.seconds, atol=1e-3)


def test_tokens_of_stage_2(make_set: Make, plain_texts: dict[str, str], tmp_path: Path) -> None:
    folder = make_set("train", plain_texts)
    tokens = tmp_path / "tokens"
    tokens.mkdir()
    rows = [f"{key} <blank> ᄀ ᅡ . <space>\n" for key in plain_texts if key != "u07"]
    (tokens / "train.tokens").write_text("".join(rows))
    (tokens / "rejected.tsv").write_text("u07\tcannot read 'x'\n")
    found = survey([folder], tmp_path / "out", tokens=tokens).sets[0].amounts
    assert found.unread == {7: "cannot read 'x'"} and found.unit == "tokens"
    assert np.nanmax(found.counts) == np.nanmin(found.counts) == 2
    assert spoken_tokens(["<blank>", "a", "!", "<space>"]) == 1
    with open(tokens / "train.tokens", "a") as file:
        file.write("u99 a\n")
    with pytest.raises(MalsoriError, match=r"train.tokens:20: not of these texts"):
        survey([folder], tmp_path / "out", tokens=tokens)
    with pytest.raises(MalsoriError, match=r"train.tokens: not there; run stage 2"):
        survey([folder], tmp_path / "out", tokens=tmp_path)


def test_what_contradicts_itself(
    make_set: Make, plain_texts: dict[str, str], tmp_path: Path
) -> None:
    folder = make_set("train", plain_texts)
    with pytest.raises(UsageError, match="--tokens and --frontend"):
        survey([folder], tmp_path, tokens=tmp_path, frontend="ko")
    with pytest.raises(UsageError, match="there twice"):
        survey([folder, folder], tmp_path)


def test_names_of_sets(tmp_path: Path) -> None:
    assert set_names([tmp_path / "a" / "train", tmp_path / "a" / "dev"]) == ["train", "dev"]
    assert set_names([tmp_path / "a" / "train", tmp_path / "b" / "train"]) == ["a/train", "b/train"]


def test_texts_that_differ_in_signs_are_the_same() -> None:
    assert text_hash("Hello, you!") == text_hash("hello  YOU") != text_hash("hello me")
    assert text_hash("...") != text_hash("!")


def test_the_usual_line_is_not_drawn_away_by_outliers() -> None:
    rng = np.random.default_rng(0)
    amounts = rng.integers(5, 100, 300).astype(float)
    seconds = (0.3 + 0.08 * amounts) * np.exp(0.05 * rng.standard_normal(300))
    seconds[:30] *= 5
    base, slope = fit_line(amounts, seconds)
    assert base == pytest.approx(0.3, abs=0.1) and slope == pytest.approx(0.08, rel=0.03)


def test_rate_outliers_are_of_each_speaker(
    make_set: Make, plain_texts: dict[str, str], tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    slow = {
        key: np.repeat(0.3 * rng.standard_normal(1600 * (len(text) - 1)), 2)
        for key, text in plain_texts.items()
    }
    folders = [make_set("quick", plain_texts), make_set("slow", plain_texts, slow, "june")]
    columns = Columns(survey(folders, tmp_path / "out"))
    assert np.abs(columns.log_excess).max() < 0.15
    lines = columns.usual
    assert lines[1][1] == pytest.approx(2 * lines[0][1], rel=0.1)
