"""Chunks in a row are what a call returns; the first comes before the rest is made."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch

from malsori.core.errors import MalsoriError
from malsori.infer.spoken import joined_timing
from malsori.infer.streaming import Chunk
from malsori.infer.synthesizer import Synthesizer
from malsori.infer.utterances import Utterance, clauses
from malsori.text.frontend import TextError, Word
from malsori.text.markup import PLAIN

TEXT = "나무가 있다. 비가 와요! 바다로 가요."


def together(chunks: list[Chunk]) -> tuple[np.ndarray, dict[str, Any]]:
    timings = [chunk.timing for chunk in chunks if chunk.timing is not None]
    audio = np.concatenate([chunk.audio for chunk in chunks])
    return audio, joined_timing(timings).timestamps()


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"speed": 0.6, "pitch": 3.0, "energy": -4.0, "pause": 0.5},
        {"ssml": True},
    ],
)
def test_chunks_in_a_row_are_what_a_call_returns(speak: Any, how: dict[str, Any]) -> None:
    text = TEXT
    if "ssml" in how:
        text = '<speak>나무가 <prosody rate="slow">있다.</prosody> 비가 와요.'
        text += '<break time="0.3s"/>네.</speak>'
    said = speak(text, **how)
    chunks = list(speak.stream(text, first=0.1, **how))
    audio, times = together(chunks)
    assert {chunk.sample_rate for chunk in chunks} == {8000}
    assert audio.dtype == np.float32 and len(audio) == len(said.audio)
    np.testing.assert_allclose(audio, said.audio, atol=1e-5)
    assert times == said.timestamps()


def test_chunks_grow(speak: Any) -> None:
    sizes = [len(chunk.audio) for chunk in speak.stream("하늘이 높다.", first=0.064, speed=0.25)]
    assert sizes[:3] == [2 * 256, 3 * 256, 4 * 256]  # 0.064 s, then half as much again


def test_nothing_is_made_before_it_is_due(speak: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    sounded: list[int] = []
    plain = speak.voice.model.sound
    monkeypatch.setattr(
        speak.voice.model, "sound", lambda plan: (sounded.append(1), plain(plan))[1]
    )
    read: list[str] = []
    reading = type(speak.voice).read
    monkeypatch.setattr(
        type(speak.voice),
        "read",
        lambda self, parts, lang: (read.extend(parts), reading(self, parts, lang))[1],
    )
    chunks = speak.stream(TEXT, first=0.1, speed=0.3)
    assert not sounded and not read
    first = next(chunks)
    assert len(sounded) == 1 and read == ["나무가 있다."]
    assert 0 < len(first.audio) <= 0.15 * 8000
    assert not torch.is_inference_mode_enabled()  # the caller may train between two chunks
    assert len(list(chunks)) > len(sounded) / 2 and len(read) == 3


def test_model_that_makes_all_at_once_gives_whole_sentences(
    speak: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class AtOnce:
        uses_style = False
        synthesize = speak.voice.model.synthesize

    said = speak(TEXT)
    monkeypatch.setattr(Synthesizer, "inputs", Synthesizer.inputs)
    voice = speak.voice
    inner = AtOnce()
    monkeypatch.setitem(voice.__dict__, "model", inner)
    monkeypatch.setattr(type(voice), "device", torch.device("cpu"))
    chunks = list(speak.stream(TEXT))
    assert len(chunks) == 6  # each sentence and the pause behind it
    np.testing.assert_allclose(together(chunks)[0], said.audio, atol=1e-5)


def test_late_mistake_comes_late(speak: Any) -> None:
    chunks = speak.stream("나무가 있다. 하늘 かな 높다.", first=60.0)
    assert len(next(chunks).audio)
    with pytest.raises(TextError, match="'かな'"):
        list(chunks)


@pytest.mark.parametrize("text", ["", " ... "])
def test_nothing_to_speak(speak: Any, text: str) -> None:
    with pytest.raises(TextError, match="nothing to speak"):
        list(speak.stream(text))


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"first": 0.0}, "first: 0 is not above 0 and at most 60 seconds"),
        ({"first": 61.0}, "first: 61"),
        ({"pause": -1.0}, "pause: -1"),
        ({"speed": 9.0}, "speed: 9"),
        ({"speaker": "eve"}, "no speaker 'eve'"),
    ],
)
def test_mistakes_come_before_any_sound(speak: Any, how: dict[str, Any], told: str) -> None:
    with pytest.raises(MalsoriError, match=told):
        speak.stream(TEXT, **how)


def words(*counts: int) -> Utterance:
    """Return an utterance of words of some tokens each, a comma behind each of them."""
    found: list[Word] = []
    for i, count in enumerate(counts):
        found += [Word(f"w{i}", ("a",) * count), Word(",", (",",))]
    return Utterance(words=tuple(found), manners=(PLAIN,) * len(found))


def test_clauses_grow_and_the_last_is_not_short() -> None:
    whole = words(3, 5, 12, 8, 30, 2)
    parts = list(clauses(whole, fewest=10))
    assert [sum(len(word.tokens) for word in part.words) for part in parts] == [10, 22, 34]
    assert tuple(word for part in parts for word in part.words) == whole.words
    korean = dataclasses.replace(whole, language="ko")
    assert {part.language for part in clauses(korean, fewest=10)} == {"ko"}
    assert list(clauses(words(3, 3), fewest=10)) == [words(3, 3)]
    assert list(clauses(words(12, 5), fewest=10)) == [words(12, 5)]  # what is left is too short


def test_clauses_are_spoken_one_by_one(speak: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from malsori.infer import utterances

    text = "나무가 있고, 바다로 가요."
    monkeypatch.setattr(utterances.clauses, "__defaults__", (5,))
    audio, times = together(list(speak.stream(text, clauses=True)))
    parts = [speak(part, pause=0.0) for part in ("나무가 있고,", "바다로 가요.")]
    np.testing.assert_allclose(audio, np.concatenate([part.audio for part in parts]), atol=1e-5)
    assert [token["text"] for token in times["tokens"]] == list(speak(text).tokens)
