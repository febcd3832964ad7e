"""Durations from TextGrids: frames per token that add up, and every mismatch by name."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.core.errors import MalsoriError
from malsori.data.batch import collate
from malsori.data.datadir import DataDir
from malsori.data.dataset import Names, SpeechDataset
from malsori.data.durations import DurationFolder, Span, frames_of, token_spans
from malsori.data.textgrid import Interval
from malsori.dsp.audio_config import AudioConfig
from malsori.infer.alignment import Times
from malsori.infer.labels import Label, textgrid
from malsori.text.tokens import TokenList

AUDIO = AudioConfig(sample_rate=8000, n_fft=256, window=256, hop=80, mel_high_hz=4000)


def tier(*labels: tuple[str, float, float]) -> list[Interval]:
    return [Interval(text=text, start=start, end=end) for text, start, end in labels]


def write(folder: Path, key: str, labels: list[Interval], name: str = "tokens") -> Path:
    said = [Label(text=p.text, start=p.start, end=p.end, confidence=1.0) for p in labels]
    path = folder / f"{key}.TextGrid"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textgrid({name: said}, labels[-1].end), encoding="utf-8")
    return path


@given(st.lists(st.integers(1, 30), min_size=1, max_size=20), st.integers(0, 79))
@settings(max_examples=50, deadline=None)
def test_what_the_aligner_wrote_gives_its_frames_back(frames: list[int], more: int) -> None:
    durations = np.array(frames)
    samples = (sum(frames) - 1) * 80 + more
    if samples < 1:
        return
    times = Times.of(durations, 80, samples, 8000)
    spans = [Span(round(a, 6), round(b, 6)) for a, b in zip(times.starts, times.ends)]
    np.testing.assert_array_equal(frames_of(spans, samples, AUDIO), durations)


@given(
    st.lists(st.tuples(st.floats(0, 0.3), st.floats(0, 0.3)), min_size=1, max_size=8),
    st.integers(400, 9000),
)
@settings(max_examples=50, deadline=None)
def test_frames_add_up_whatever_the_times_are(pairs: list[tuple[float, float]], n: int) -> None:
    at, spans = 0.0, []
    for gap, length in pairs:
        spans.append(Span(at + gap, at + gap + length))
        at += gap + length
    found = frames_of(spans, n, AUDIO)
    assert found.shape == (len(pairs),) and found.sum() == n // 80 + 1 and found.min() >= 0


def test_what_has_no_label_gets_the_silence_between() -> None:
    labels = tier(("", 0, 0.1), ("a", 0.1, 0.3), ("", 0.3, 0.5), ("b", 0.5, 0.6), ("sil", 0.6, 1))
    spans = token_spans(["a", ",", "<space>", "b", "."], labels)
    expected = [(0.1, 0.3), (0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (0.6, 1.0)]
    np.testing.assert_allclose(spans, expected)
    # the silence before the first token is its own; 1 s is 101 frames of 10 ms
    assert frames_of(spans, 8000, AUDIO).tolist() == [30, 10, 10, 10, 41]


def test_a_silence_without_a_token_belongs_to_the_token_before_it() -> None:
    spans = token_spans(["a", "b"], tier(("a", 0, 0.2), ("", 0.2, 0.6), ("b", 0.6, 1)))
    assert frames_of(spans, 8000, AUDIO).tolist() == [60, 41]


def test_punctuation_may_be_labelled_and_spaces_between_words_may_have_no_time() -> None:
    spans = token_spans(
        ["a", "<space>", "!", "b"], tier(("a", 0, 0.5), ("!", 0.5, 0.7), ("b", 0.7, 1))
    )
    np.testing.assert_allclose(spans, [(0, 0.5), (0.5, 0.5), (0.5, 0.7), (0.7, 1)])
    assert frames_of(spans, 8000, AUDIO).sum() == 101


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (["a", "c"], "token 2 is 'c', but the label at 0.500 s is 'b'; align again"),
        (["a", "b", "c"], "token 3 is 'c', but there is no label any more; align again"),
        (["a"], "the label 'b' at 0.500 s comes after the last of 1 tokens; align again"),
    ],
)
def test_labels_of_other_tokens_are_named(tokens: list[str], said: str) -> None:
    with pytest.raises(MalsoriError) as caught:
        token_spans(tokens, tier(("a", 0, 0.5), ("b", 0.5, 1)))
    assert str(caught.value).startswith(said) and "\n" not in str(caught.value)


def test_files_that_do_not_fit_are_named(tmp_path: Path) -> None:
    with pytest.raises(MalsoriError, match=r"no TextGrid below it; data\.durations is the folder"):
        DurationFolder(tmp_path)
    labels = tier(("a", 0, 0.5), ("b", 0.5, 1))
    path = write(tmp_path / "speaker", "u1", labels)
    folder = DurationFolder(tmp_path)
    assert folder.read("u1", ["a", "b"], 8000, AUDIO).tolist() == [50, 51]
    with pytest.raises(MalsoriError, match=r"no u2\.TextGrid \(1 of 2 utterances of data/train"):
        folder.check(["u1", "u2"], Path("data/train"))
    with pytest.raises(MalsoriError, match=f"{path}: ends at 1.000 s, but .* u1 has 2.000 s"):
        folder.read("u1", ["a", "b"], 16000, AUDIO)
    with pytest.raises(MalsoriError, match=f"{path}: token 2 is 'c'"):
        folder.read("u1", ["a", "c"], 8000, AUDIO)
    write(tmp_path / "speaker", "u1", labels, "words")
    with pytest.raises(MalsoriError, match="needs a tier called 'tokens' or 'phones', has words"):
        folder.read("u1", ["a", "b"], 8000, AUDIO)
    write(tmp_path, "u1", labels)
    with pytest.raises(MalsoriError, match=r"u1\.TextGrid: the same utterance as .*; remove one"):
        DurationFolder(tmp_path)


def dataset(corpus: Any, durations: Path | None) -> SpeechDataset:
    config = corpus.settings()
    return SpeechDataset(
        str(corpus.data / "train"),
        replace(config.data, durations=None if durations is None else str(durations)),
        config.audio,
        TokenList.load(corpus.tokens / "tokens.txt"),
        Names.of(DataDir(corpus.data / "train")),
        5.0,
    )


def test_the_dataset_gives_them_beside_the_tokens(tiny_corpus: Any, tmp_path: Path) -> None:
    plain = dataset(tiny_corpus, None)
    for i in range(len(plain)):
        tokens, seconds = plain.token_text(i).split(), len(plain[i].wav) / 8000
        edges = np.linspace(0, seconds, len(tokens) + 1).tolist()
        labels = tier(*zip(tokens, edges[:-1], edges[1:]))
        write(tmp_path / "train" / "textgrid", plain.key(i), labels)
    data = copy.deepcopy(dataset(tiny_corpus, tmp_path))  # as it goes to workers
    for utterance in (data[0], data[9]):
        assert utterance.durations is not None
        assert utterance.durations.shape == utterance.tokens.shape
        assert utterance.durations.sum() == len(utterance.log_f0)
        assert np.ptp(utterance.durations) <= 1
    batch = collate([data[0], data[9]])
    assert batch.durations is not None and batch.durations.shape == batch.tokens.shape
    assert plain[0].durations is None and collate([data[0], plain[1]]).durations is None


def test_durations_of_other_tokens_are_seen_at_once(tiny_corpus: Any, tmp_path: Path) -> None:
    plain = dataset(tiny_corpus, None)
    for i in range(len(plain)):
        seconds = len(plain[i].wav) / 8000
        write(tmp_path, plain.key(i), tier(("AH0", 0, seconds)), "phones")
    with pytest.raises(MalsoriError, match=r"TextGrid: token 1 is '.', but the label at 0\.000 s"):
        dataset(tiny_corpus, tmp_path)
    (tmp_path / f"{plain.key(3)}.TextGrid").unlink()
    with pytest.raises(MalsoriError, match=rf"no {plain.key(3)}\.TextGrid \(1 of 16 utterances"):
        dataset(tiny_corpus, tmp_path)
