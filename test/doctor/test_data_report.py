"""The doctor finds each fault that was put in, ranks it, and its page holds without a network."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import soundfile

from malsori.bin import data as command
from malsori.core.errors import UsageError
from malsori.doctor import charts
from malsori.doctor.clips import select
from malsori.doctor.columns import Columns
from malsori.doctor.judgement import KINDS, Judgement, judge
from malsori.doctor.report import diagnose
from malsori.doctor.survey import survey

Make = Callable[..., Path]
RATE = 16000


def rough(seconds: float, level: float = 0.1, seed: int = 1) -> np.ndarray:
    return np.clip(
        level * np.random.default_rng(seed).standard_normal(round(RATE * seconds)), -1, 1
    )


def around(wav: np.ndarray, before: float, after: float) -> np.ndarray:
    return np.concatenate([rough(before, 1e-4), wav, rough(after, 1e-4)])


FAULTS: dict[str, tuple[str, np.ndarray | tuple[np.ndarray, int]]] = {
    "silent": ("가나다라마바사아", np.zeros(RATE)),
    "rate": ("가나다라마바사아", around(rough(3.0), 0.1, 0.1)),
    "clipped": ("가나다라마바사아", np.clip(8 * rough(0.8), -0.6, 0.6)),
    "noisy": ("가나다라마바사아", around(rough(0.8), 0.1, 0.1) + rough(1.0, 0.03, 2)),
    "level": ("가나다라마바사아", around(rough(0.8, 0.002), 0.1, 0.1)),
    "pause": ("가나다라마바사아차", np.concatenate([rough(0.4), rough(1.2, 1e-4), rough(0.4)])),
    "ends": ("가나다라마바사아", around(rough(0.8), 1.4, 0.2)),
    "length": ("가", around(rough(0.2), 0.05, 0.05)),
    "offset": ("가나다라마바사아", 0.05 + around(rough(0.8), 0.1, 0.1)),
    "unread": ("...", around(rough(0.8), 0.1, 0.1)),
}


@pytest.fixture
def judged(make_set: Make, plain_texts: dict[str, str], tmp_path: Path) -> Judgement:
    """Return the judgement on a training set with faults and a test set with leaks."""
    texts = plain_texts | {f"{name}_fault": text for name, (text, _) in FAULTS.items()}
    sounds = {f"{name}_fault": sound for name, (_, sound) in FAULTS.items()}
    sounds |= {key: around(rough(0.1 * (len(text) - 1), seed=i), 0.1, 0.1)
               for i, (key, text) in enumerate(plain_texts.items())}  # fmt: skip
    texts |= {"band_fault": "가나다라마바사아", "two_a": "가나다라마", "two_b": "바사아자차"}
    import soxr

    sounds["band_fault"] = soxr.resample(around(rough(0.4), 0.05, 0.05), RATE // 2, RATE)
    sounds["two_a"] = sounds["two_b"] = around(rough(0.5, seed=77), 0.1, 0.1)
    train = make_set("train", dict(sorted(texts.items())), sounds)
    test = make_set("test", {"t0": plain_texts["u03"], "t1": "완전히 다른 말이다."},
                    {"t0": sounds["u03"]})  # fmt: skip
    (tmp_path / "wav" / "train_u05.wav").unlink()
    (tmp_path / "wav" / "train_u06.wav").write_bytes(b"no sound")
    return judge(Columns(survey([train, test], tmp_path / "out")))


def names(judged: Judgement, kind: str) -> set[str]:
    found = set()
    for row in np.flatnonzero(judged.severities[kind] > 0).tolist():
        each, at = judged.columns.survey.place(row)
        found.add(each.data.key(at))
    return found


def test_each_fault_is_found_and_nothing_else(judged: Judgement) -> None:
    expected = {name: {f"{name}_fault"} for name in FAULTS}
    expected |= {"unusable": {"u05", "u06"}, "two_texts": {"two_a", "two_b"}}
    expected |= {"band": {"band_fault"}, "leaked_sound": {"t0"}}
    # a pause is part of a duration that does not fit, clipped sound is loud, noise hides nothing
    also = {
        "rate": {"pause_fault", "length_fault"},
        "level": {"clipped_fault"},
        "noisy": {"clipped_fault"},
    }
    also |= {"length": {"rate_fault"}, "offset": set(), "band": {"noisy_fault"}}
    for kind in KINDS:
        found = names(judged, kind.name)
        assert expected[kind.name] <= found, kind.name
        assert found - expected[kind.name] <= also.get(kind.name, set()), kind.name


def test_the_gravest_come_first_and_have_reasons(judged: Judgement) -> None:
    order = judged.order().tolist()
    assert (np.diff(judged.suspicion[order]) <= 0).all()
    first = [{kind.name for kind, _ in judged.reasons(row)} for row in order[: len(order) // 2]]
    assert {"unusable", "silent", "rate"} <= set().union(*first)
    for row in order:
        assert all(told and "nan" not in told for _, told in judged.reasons(row))


def test_repeated_texts_and_sounds(judged: Judgement) -> None:
    assert judged.columns.texts.leaked == 1 and judged.columns.sounds.leaked == 1
    leak = judged.columns.sounds.shown[0]
    assert leak.leak and leak.size == 2
    each, at = judged.columns.survey.place(leak.rows[0])
    assert each.data.key(at) == "t0"


def test_no_kind_hides_the_others(judged: Judgement) -> None:
    judged.severities["ends"][:] = 8
    judged.suspicion[:] += 4
    kinds = {judged.reasons(row)[0][0].name for row in select(judged, 12)}
    assert len(select(judged, 12)) == 12 and len(kinds) > 5
    assert select(judged, 0) == []


class Page(HTMLParser):
    """Collects what a page refers to, and that its tags close."""

    void = ("meta", "br", "link", "img")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.targets: list[str] = []
        self.ids: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.targets += [str(values[name]) for name in ("src", "href") if values.get(name)]
        self.ids += [str(values["id"])] if "id" in values else []
        if tag not in self.void:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_holds_by_itself(
    make_set: Make, plain_texts: dict[str, str], tmp_path: Path
) -> None:
    texts = plain_texts | {"wrong<b>": "가나다<script>alert(1)</script>라마바사아"}
    sounds = {"wrong<b>": rough(6.0)}
    folder = make_set("train", dict(sorted(texts.items())), sounds)
    out = tmp_path / "out"
    diagnose([folder], out, examples=5)
    page = Page()
    content = (out / "report.html").read_text(encoding="utf-8")
    page.feed(content)
    assert page.open == [] and "<script>alert" not in content
    assert "http" not in re.sub(r"xmlns=\S+", "", content)
    for target in page.targets:
        if target.startswith("#"):
            assert target[1:] in page.ids, target
        else:
            about = soundfile.info(out / target)
            assert about.samplerate == RATE and about.subtype == "PCM_16"
    assert sum(target.startswith("report/") for target in page.targets) >= 1
    assert "prefers-color-scheme: dark" in content and "nan" not in " ".join(page.words)
    tree = json.loads((out / "report.json").read_text())
    assert tree["sets"][0]["utterances"] == 21 and tree["unit"] == "characters"
    assert tree["findings"][0]["name"] == "rate"
    assert tree["findings"][0]["ids"] == ["train/wrong<b>"]
    rows = (out / "suspicious.tsv").read_text().splitlines()
    assert rows[0].split("\t") == ["set", "utterance", "suspicion", "kinds", "why"]
    assert rows[1].split("\t")[1] == "wrong<b>" and all(row.count("\t") == 4 for row in rows)


def test_nothing_suspicious_and_nothing_measured(
    make_set: Make, plain_texts: dict[str, str], tmp_path: Path
) -> None:
    sounds = {key: around(rough(0.1 * (len(text) - 1), seed=i), 0.1, 0.1)
              for i, (key, text) in enumerate(plain_texts.items())}  # fmt: skip
    folder = make_set("train", plain_texts, sounds)
    diagnose([folder], tmp_path / "out")
    assert "Nothing suspicious was found" in (tmp_path / "out" / "report.html").read_text()
    for path in (tmp_path / "wav").iterdir():
        path.unlink()
    diagnose([folder], tmp_path / "gone")
    content = (tmp_path / "gone" / "report.html").read_text()
    assert "20 of 20 utterances (100.0%) are suspicious" in content
    assert "no such audio file" in content and "nan" not in content.replace("nance", "")


def test_the_command(
    make_set: Make, plain_texts: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_set("train", plain_texts, {"u02": rough(6.0)})
    parser = argparse.ArgumentParser()
    command.configure(parser)
    words = ["report", "--data", str(folder), "--out", str(tmp_path / "out"), "--jobs", "1"]
    assert command.run(parser.parse_args([*words, "--frontend", "ko", "--sample", "100"])) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].split(None, 1) == ["1", "Duration does not fit the text"]
    assert told[-1] == str(tmp_path / "out" / "report.html")
    with pytest.raises(UsageError, match="--jobs: must be at least 1"):
        command.run(parser.parse_args([*words[:-1], "0"]))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 10, [0, 2, 4, 6, 8, 10]), (-0.5, 0.5, [-0.4, -0.2, 0, 0.2, 0.4]), (3, 3, [3])],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert charts.ticks(low, high, 5) == pytest.approx(expected)


def test_a_histogram_counts_everything() -> None:
    values = np.concatenate([np.random.default_rng(0).standard_normal(500), [np.nan, 900.0]])
    counts = re.findall(r": (\d+)</title>", charts.histogram(values, "s", limits=(-3, 3)))
    assert sum(map(int, counts)) == 501
    assert "nothing" in charts.histogram(np.array([np.nan]), "s")
    assert charts.histogram(np.array([1.0]), "s").count("<rect") == 1


def test_many_points_become_a_density() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(1, 100, 20_000)
    plot = charts.scatter(x, 0.1 * x, ("tokens", "s"), lines=[(0.0, 0.1)], marks=[])
    assert "circle" not in plot and 100 < plot.count('class="cell"') < 1000
