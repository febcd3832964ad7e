"""Alignments on disk: what the formats say, where silences go, what is suspicious."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from malsori.core.errors import MalsoriError
from malsori.data.datadir import DataDir
from malsori.infer import alignment
from malsori.infer.alignment import Times, align
from malsori.infer.alignment_health import Health, judge, table
from malsori.infer.labels import Label, ctm, textgrid
from malsori.infer.voice import load_run
from malsori.models.voice import Analysis, Conditions, Prosody

INTERVAL = re.compile(r'intervals \[\d+\]:\s+xmin = (\S+)\s+xmax = (\S+)\s+text = "((?:[^"]|"")*)"')


def intervals(grid: str, tier: str) -> list[tuple[float, float, str]]:
    """Return what a reader of TextGrids sees in one tier."""
    part = grid.split(f'name = "{tier}"')[1].split("item [")[0]
    found = [(float(a), float(b), text.replace('""', '"')) for a, b, text in INTERVAL.findall(part)]
    assert f"intervals: size = {len(found)}\n" in part
    return found


@st.composite
def labelled(draw: st.DrawFn) -> tuple[list[Label], float]:
    """Draw labels in order, some with silence before them, some without text."""
    at, labels = 0.0, []
    for text in draw(st.lists(st.text(st.characters(codec="utf-8"), max_size=4), max_size=6)):
        start = at + draw(st.sampled_from([0.0, 0.25]))
        at = start + draw(st.floats(0.01, 3.0))
        labels.append(Label(text=text, start=start, end=at, confidence=0.5))
    return labels, at + draw(st.sampled_from([0.0, 0.5])) + (0.0 if at else 1.0)


@given(labelled())
@settings(max_examples=60, deadline=None)
def test_a_tier_covers_the_audio_and_keeps_every_text(drawn: tuple[list[Label], float]) -> None:
    labels, seconds = drawn
    seen = intervals(textgrid({"words": labels}, seconds), "words")
    assert seen[0][0] == 0 and seen[-1][1] == pytest.approx(seconds, abs=1e-6)
    for (_, end, text), (start, _, after) in itertools.pairwise(seen):
        assert start == end and (text or after), "gaps are single intervals without overlap"
    assert all(start < end for start, end, _ in seen)
    assert [text for *_, text in seen if text] == [label.text for label in labels if label.text]


def test_textgrid_is_praats_long_format() -> None:
    label = Label(text='say "hm"', start=0.5, end=1.25, confidence=1.0)
    assert textgrid({"words": [label], "tokens": []}, 2.0).splitlines() == [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        "xmax = 2",
        "tiers? <exists>",
        "size = 2",
        "item []:",
        "    item [1]:",
        '        class = "IntervalTier"',
        '        name = "words"',
        "        xmin = 0",
        "        xmax = 2",
        "        intervals: size = 3",
        "        intervals [1]:",
        "            xmin = 0",
        "            xmax = 0.5",
        '            text = ""',
        "        intervals [2]:",
        "            xmin = 0.5",
        "            xmax = 1.25",
        '            text = "say ""hm"""',
        "        intervals [3]:",
        "            xmin = 1.25",
        "            xmax = 2",
        '            text = ""',
        "    item [2]:",
        '        class = "IntervalTier"',
        '        name = "tokens"',
        "        xmin = 0",
        "        xmax = 2",
        "        intervals: size = 1",
        "        intervals [1]:",
        "            xmin = 0",
        "            xmax = 2",
        '            text = ""',
    ]


def test_ctm_has_six_fields_a_line_and_no_silence() -> None:
    labels = [
        Label(text="New York", start=0.0, end=0.5, confidence=0.25),
        Label(text="", start=0.5, end=0.75, confidence=1.0),
        Label(text="x", start=0.75, end=1.0, confidence=1.0),
    ]
    assert ctm("u1", labels) == "u1 1 0.0000 0.5000 New_York 0.250\nu1 1 0.7500 0.2500 x 1.000\n"


def test_frames_are_centred_on_their_samples() -> None:
    times = Times.of(np.array([2, 1, 3]), hop=100, samples=550, sample_rate=1000)
    assert times.starts.tolist() == [0.0, 0.15, 0.25] and times.ends.tolist() == [0.15, 0.25, 0.55]


def plain(edges: list[float]) -> Times:
    """Return the times of tokens between ``edges``; a frame has 10 ms."""
    return Times(np.array(edges[:-1]), np.array(edges[1:]), edges[-1], 0.01)


def spans(times: Times, words: list[tuple[int, int]]) -> list[tuple[float, float]]:
    return [
        (round(float(times.starts[first]), 3), round(float(times.ends[last]), 3))
        for first, last in words
    ]


@pytest.mark.parametrize(
    ("silent", "said"),
    [
        ([], [(0.0, 1.0), (1.0, 2.0)]),
        ([(0.0, 0.2)], [(0.2, 1.0), (1.0, 2.0)]),
        ([(1.7, 2.0)], [(0.0, 1.0), (1.0, 1.7)]),
        ([(0.9, 1.1)], [(0.0, 0.9), (1.1, 2.0)]),
        ([(1.05, 1.25)], [(0.0, 1.05), (1.25, 2.0)]),  # the sound before it is the first word's
        ([(0.2, 0.4)], [(0.0, 1.0), (1.0, 2.0)]),  # inside of a word
        ([(0.8, 0.95), (0.97, 1.2)], [(0.0, 0.97), (1.2, 2.0)]),  # the nearest
        ([(0.9, 0.98), (0.99, 1.0)], [(0.0, 0.99), (1.0, 2.0)]),
        ([(0.0, 2.0)], [(0.0, 1.0), (1.0, 2.0)]),  # all of it: there is nothing to go by
    ],
)
def test_silences_between_words_belong_to_none(
    silent: list[tuple[float, float]], said: list[tuple[float, float]]
) -> None:
    words = [(0, 1), (2, 3)]
    times = plain([0.0, 0.6, 1.0, 1.4, 2.0]).without(silent, words)
    if silent == [(0.0, 2.0)]:
        assert all(0 < end - start < 1.01 for start, end in spans(times, words))
        return
    assert spans(times, words) == said


def test_a_comma_is_where_its_silence_is() -> None:
    times = plain([0.0, 1.0, 1.1, 2.0]).without([(0.9, 1.3)], [(0, 0), (2, 2)])
    np.testing.assert_allclose(times.starts, [0.0, 0.9, 1.3])
    np.testing.assert_allclose(times.ends, [0.9, 1.3, 2.0])


@given(
    counts=st.lists(st.integers(1, 20), min_size=1, max_size=12),
    cuts=st.lists(st.floats(0, 1), max_size=8),
    skip=st.integers(2, 5),
)
@settings(max_examples=150, deadline=None)
def test_whatever_is_silent_the_tokens_stay_in_order(
    counts: list[int], cuts: list[float], skip: int
) -> None:
    frames = sum(counts)
    times = Times.of(np.array(counts), hop=10, samples=10 * frames - 5, sample_rate=1000)
    edges = [cut * times.seconds for cut in sorted(cuts)]
    silent = [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=False) if a < b]
    words = [(i, i) for i in range(len(counts)) if i % skip]  # the others are punctuation
    after = times.without(silent, words)
    assert (after.starts < after.ends).all()
    assert (after.ends[:-1] <= after.starts[1:] + 1e-12).all()
    assert after.starts[0] >= 0 and after.ends[-1] <= times.seconds
    assert times.without([], words).starts.tolist() == times.starts.tolist()


def health(i: int, **changes: Any) -> Health:
    """Return a measure of good alignments that differ a little."""
    good = {"diagonality": 0.9, "confidence": 0.95, "one_frame": 0.1, "rate": 12.0 + 0.1 * (i % 5)}
    return Health(key=f"u{i:02}", frames=200, tokens=30, **{**good, **changes})


def test_what_is_odd_heads_the_list_with_its_reason() -> None:
    odd = {
        3: ({"confidence": 0.3}, "low confidence"),
        5: ({"diagonality": 0.6}, "off the diagonal"),
        7: ({"one_frame": 0.6}, "tokens of one frame"),
        9: ({"rate": 25.0}, "too fast"),
        11: ({"rate": 5.0}, "too slow"),
    }
    judged = judge([health(i, **odd.get(i, ({},))[0]) for i in range(20)])
    found = {each.health.key: each.reasons for each in judged if each.reasons}
    assert found == {f"u{i:02}": (reason,) for i, (_, reason) in odd.items()}
    assert {each.health.key for each in judged[:5]} == set(found)
    assert [each.suspicion for each in judged] == sorted(
        (j.suspicion for j in judged), reverse=True
    )
    rows = [row.split("\t") for row in table(judged).splitlines()]
    assert rows[0] == [
        "utterance", "frames", "tokens", "diagonality", "confidence", "one_frame",
        "tokens_per_second", "suspicious",
    ]  # fmt: skip
    assert all(len(row) == 8 for row in rows) and [row[7] for row in rows[6:]] == [""] * 15


def test_a_set_that_is_bad_throughout_is_not_taken_for_good() -> None:
    judged = judge([health(i, confidence=0.2 + 0.001 * i) for i in range(10)])
    assert all("low confidence" in each.reasons for each in judged)
    assert judge([health(0)])[0].reasons == ()


class Fixed(nn.Module):
    """Gives token 0 all frames but one for each of the others, with the probability asked for.

    With ``shared``, the last token gets as many.
    """

    def __init__(self, probability: float, shared: bool = False) -> None:
        super().__init__()
        self.shared = shared
        self.weight = nn.Parameter(torch.zeros(1))
        self.probability = probability
        self.asked: list[Conditions] = []

    def analyse(self, tokens: Any, lengths: Any, features: Any, conditions: Any) -> Analysis:
        self.asked.append(conditions)
        frames, count = features.mel.shape[1], tokens.shape[1]
        durations = torch.ones(1, count, dtype=torch.long)
        durations[0, 0] = frames - count + 1
        if self.shared:
            durations[0, 0] -= frames // 2
            durations[0, -1] += frames // 2
        log_p = torch.full((1, frames, count), (1 - self.probability) / (count - 1))
        path = torch.repeat_interleave(torch.arange(count), durations[0]).tolist()
        log_p[0, range(frames), path] = self.probability
        return Analysis(Prosody.recorded(features, durations), log_p.log())


@pytest.fixture(scope="module")
def voice(tiny_run: Path) -> Any:
    """Return the tiny voice with an alignment that one can work out."""
    return dataclasses.replace(load_run(tiny_run), model=Fixed(0.75))


def rows(path: Path) -> list[list[str]]:
    return [line.split() for line in path.read_text(encoding="utf-8").splitlines()]


def test_files_say_what_the_network_said(voice: Any, tiny_corpus: Any, tmp_path: Path) -> None:
    data = DataDir(tiny_corpus.data / "test")
    done = align(voice, data, tmp_path, pause=0)
    assert {path.name for path in tmp_path.iterdir()} == {
        "textgrid", "words.ctm", "tokens.ctm", "alignment.tsv", "rejected.tsv",
    }  # fmt: skip
    for i in range(len(data)):
        key, wav = data.key(i), data.wav(i, 8000)
        said = voice.tokenizer.words(data.text(i))
        tokens = [token for word in said for token in word.tokens]
        frames = len(wav) // 256 + 1
        first = (frames - len(tokens) + 1 - 0.5) * 256 / 8000  # end of the first token
        grid = (tmp_path / "textgrid" / f"{key}.TextGrid").read_text(encoding="utf-8")
        seen = intervals(grid, "tokens")
        assert [text for *_, text in seen] == tokens
        assert seen[0][1] == pytest.approx(first) and seen[-1][1] == pytest.approx(len(wav) / 8000)
        assert seen[1][1] == pytest.approx(first + 256 / 8000)
        lines = [row for row in rows(tmp_path / "tokens.ctm") if row[0] == key]
        assert [row[4] for row in lines] == tokens and {row[5] for row in lines} == {"0.750"}
        words = [word.text for word in said if word.text[0].isalnum()]
        assert [text for *_, text in intervals(grid, "words") if text] == words
        assert [row[4] for row in rows(tmp_path / "words.ctm") if row[0] == key] == words
        at = 0
        for word, (start, end, _) in zip(said, intervals(grid, "words"), strict=True):
            assert (start, end) == (seen[at][0], seen[at + len(word.tokens) - 1][1])
            at += len(word.tokens)
    assert (tmp_path / "rejected.tsv").read_text() == ""
    assert done.seconds == pytest.approx(sum(len(data.wav(i, 8000)) for i in range(2)) / 8000)
    for each in done.judged:
        count = each.health.tokens - 1  # the full stop is not spoken
        assert each.health.confidence == pytest.approx(0.75)
        assert each.health.one_frame == pytest.approx((count - 1) / count)
        assert "tokens of one frame" in each.reasons


def test_times_count_from_the_segment(voice: Any, tmp_path: Path) -> None:
    """And the silence inside of it belongs to no word."""
    wav = np.zeros(16000)
    wav[6400:12000] = 0.3 * np.sin(np.arange(5600))  # 0.8 to 1.5 s
    soundfile.write(tmp_path / "long.wav", wav, 8000)
    folder = tmp_path / "data"
    folder.mkdir()
    for name, line in {
        "wav.scp": f"long {tmp_path / 'long.wav'}", "segments": "u long 0.5 1.75", "text": "u 나무",
        "utt2spk": "u tone", "spk2utt": "tone u", "utt2dur": "u 1.25",
    }.items():  # fmt: skip
        (folder / name).write_text(line + "\n")
    align(dataclasses.replace(voice, model=Fixed(0.5, True)), DataDir(folder), tmp_path / "out")
    grid = (tmp_path / "out" / "textgrid" / "u.TextGrid").read_text()
    silence, word, end = intervals(grid, "words")
    assert (silence[2], word[2], end[2], end[1]) == ("", "나무", "", 1.25)
    assert word[0] == pytest.approx(0.3, abs=0.03) and word[1] == pytest.approx(1.0, abs=0.03)


def test_who_speaks_is_told_and_a_stranger_is_somebody(
    voice: Any, tiny_corpus: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = DataDir(tiny_corpus.data / "test")
    known = dataclasses.replace(voice, model=Fixed(0.5), speakers=("other", "tone"))
    align(known, data, tmp_path)
    assert [asked.speaker.tolist() for asked in known.model.asked] == [[1], [1]]
    strange = dataclasses.replace(voice, model=Fixed(0.5), speakers=("a", "b"))
    align(strange, data, tmp_path)
    assert [asked.speaker.tolist() for asked in strange.model.asked] == [[0], [0]]
    assert sum("does not know 'tone'; aligned as 'a'" in r.message for r in caplog.records) == 1


def test_what_cannot_be_aligned_is_left_out_with_the_reason(
    voice: Any, copy_corpus: Callable[[], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = copy_corpus()
    folder = corpus.data / "train"
    data = DataDir(folder)
    texts = {data.key(i): data.text(i) for i in range(len(data))}
    keys = list(texts)
    texts[keys[0]], texts[keys[1]] = "かな", "..."
    texts[keys[2]] = "나무가 있다. " * 30
    texts[keys[3]] = ""
    (folder / "text").write_text("".join(f"{k} {t}\n" for k, t in texts.items()), "utf-8")
    scp = (folder / "wav.scp").read_text().splitlines()
    scp[4] = f"{scp[4].split()[0]} {tmp_path / 'gone.wav'}"
    soundfile.write(tmp_path / "silent.wav", np.zeros(12000), 8000)
    scp[5] = f"{scp[5].split()[0]} {tmp_path / 'silent.wav'}"
    (folder / "wav.scp").write_text("\n".join(scp) + "\n")
    out = tmp_path / "out"
    (out / "textgrid").mkdir(parents=True)
    (out / "textgrid" / "stale.TextGrid").write_text("")
    (out / "textgrid" / "notes.txt").write_text("mine")
    done = align(voice, DataDir(folder), out)
    told = dict(line.split("\t") for line in (out / "rejected.tsv").read_text().splitlines())
    assert list(told) == keys[:6] and done.rejected == list(told.items())
    for key, part in zip(keys, (
        "かな", "no word in '...'", "fewer frames", "no word in ''", "gone.wav", "silent",
    ), strict=False):  # fmt: skip
        assert part in told[key]
    names = {path.name for path in (out / "textgrid").iterdir()}
    assert names == {f"{key}.TextGrid" for key in keys[6:]} | {"notes.txt"}
    assert len(rows(out / "alignment.tsv")) == 1 + len(keys) - 6
    monkeypatch.setattr(alignment, "LARGEST", 5)
    with pytest.raises(MalsoriError, match=rf"none of its {len(keys)} utterances can be aligned"):
        align(voice, DataDir(folder), out)
    with pytest.raises(MalsoriError, match=r"the first: .*かな"):
        align(voice, DataDir(folder), out)


def test_a_network_that_diverged_is_not_believed(
    voice: Any, tiny_corpus: Any, tmp_path: Path
) -> None:
    lost = dataclasses.replace(voice, model=Fixed(float("nan")))
    with pytest.raises(MalsoriError, match="the network's answer is not finite"):
        align(lost, DataDir(tiny_corpus.data / "test"), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_model_that_does_not_align_says_so(voice: Any, tiny_corpus: Any, tmp_path: Path) -> None:
    other = dataclasses.replace(voice, model=nn.Linear(1, 1))
    with pytest.raises(MalsoriError, match="this model does not align recordings"):
        align(other, DataDir(tiny_corpus.data / "test"), tmp_path)
