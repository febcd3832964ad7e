from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from malsori.core.errors import MalsoriError
from malsori.dsp import audio
from malsori.infer import synthesizer, utterances
from malsori.infer.request import controls_of, style_of
from malsori.infer.spoken import Spoken, joined, lengthened
from malsori.infer.synthesizer import Synthesizer
from malsori.infer.utterances import batches
from malsori.text.frontend import TextError
from malsori.text.markup import Manner

TEXT = "나무가 있다."


def test_audio_durations_and_timestamps_agree(speak: Any) -> None:
    said = speak(TEXT)
    assert said.audio.dtype == np.float32 and said.sample_rate == 8000
    assert len(said.audio) == said.durations.sum() * 256
    assert said.seconds == len(said.audio) / 8000
    assert said.tokens == tuple(speak.voice.tokenizer.tokens(TEXT))
    assert len(said.durations) == len(said.tokens)
    times = said.timestamps()
    assert [word["text"] for word in times["words"]] == ["나무가", "있다"]
    assert [token["text"] for token in times["tokens"]] == list(said.tokens)
    starts = [token["start"] for token in times["tokens"]]
    ends = [token["end"] for token in times["tokens"]]
    assert starts[0] == 0.0 and ends[:-1] == starts[1:]
    assert ends[-1] == pytest.approx(times["seconds"], abs=1e-3)
    wanted = np.cumsum(said.durations) * 256 / 8000
    np.testing.assert_allclose(ends, wanted, atol=1e-4)
    first, second = times["words"]
    assert first["end"] <= second["start"] and second["end"] <= times["seconds"]


def test_timestamps_in_closed_form() -> None:
    said = Spoken(
        audio=np.zeros(100 * 10, np.float32),
        sample_rate=1000,
        tokens=("a", "b", " ", "c", "."),
        durations=np.array([2, 3, 1, 0, 4]),
        hop=100,
        words=(("ab", 2), (" ", 1), ("", 0), ("c", 1), (".", 1)),
    )
    assert said.timestamps() == {
        "seconds": 1.0,
        "words": [
            {"text": "ab", "start": 0.0, "end": 0.5},
            {"text": "c", "start": 0.6, "end": 0.6},
        ],
        "tokens": [
            {"text": "a", "start": 0.0, "end": 0.2},
            {"text": "b", "start": 0.2, "end": 0.5},
            {"text": " ", "start": 0.5, "end": 0.6},
            {"text": "c", "start": 0.6, "end": 0.6},
            {"text": ".", "start": 0.6, "end": 1.0},
        ],
    }


def test_batch_equals_one_by_one(speak: Any) -> None:
    texts = [TEXT, "비가 와요.", "바다로 가요. 하늘이 높다."]
    words = [speak.voice.tokenizer.words(text) for text in texts]
    together = speak.speak(words)
    for one, other in zip(together, (speak.speak([each])[0] for each in words), strict=True):
        np.testing.assert_array_equal(one.durations, other.durations)
        np.testing.assert_allclose(one.audio, other.audio, atol=1e-5)


@given(st.lists(st.integers(1, 50), max_size=40), st.floats(0, 200))
def test_batches_hold_everything_once_and_stay_below_the_bound(
    lengths: list[int], most: float
) -> None:
    found = list(batches(lengths, most))
    assert sorted(i for batch in found for i in batch) == list(range(len(lengths)))
    for batch in found:
        longest = max(lengths[i] for i in batch)
        assert lengths[batch[0]] == longest
        assert len(batch) == 1 or longest * len(batch) <= most


@pytest.mark.parametrize(("speed", "most"), [(1.0, 40), (0.5, 20), (2.0, 40)])
def test_long_text_is_spoken_in_bounded_pieces(
    speak: Any, monkeypatch: pytest.MonkeyPatch, speed: float, most: int
) -> None:
    text = " ".join([TEXT, "비가 와요.", "바다로 가요.", "밥을 먹자."] * 8)
    whole = speak(text, speed=speed)
    sizes: list[int] = []
    model = speak.voice.model
    plain = model.synthesize

    def synthesize(tokens: torch.Tensor, *rest: Any, **named: Any) -> Any:
        sizes.append(tokens.numel())
        return plain(tokens, *rest, **named)

    monkeypatch.setattr(model, "synthesize", synthesize)
    monkeypatch.setattr(synthesizer, "BATCH_TOKENS", 40)
    pieces = speak(text, speed=speed)
    assert len(sizes) > 4 and max(sizes) <= most
    assert pieces.tokens == whole.tokens and pieces.words == whole.words
    np.testing.assert_array_equal(pieces.durations, whole.durations)
    np.testing.assert_allclose(pieces.audio, whole.audio, atol=1e-5)


def test_endless_sentence_is_refused(speak: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    count = len(speak(TEXT).tokens)
    monkeypatch.setattr(utterances, "LONGEST_SENTENCE", count)
    speak(f"{TEXT} {TEXT}")
    monkeypatch.setattr(utterances, "LONGEST_SENTENCE", count - 1)
    told = f"'나무가.*has {count} tokens, and {count - 1} is the most: end sentences with"
    with pytest.raises(TextError, match=told):
        speak(TEXT)


def test_sentence_without_a_token(speak: Any) -> None:
    with pytest.raises(TextError, match="no token to speak in ''"):
        speak.speak([speak.voice.tokenizer.words(TEXT), []])


@pytest.fixture(scope="module")
def styled(styled_run: Path) -> Synthesizer:
    return Synthesizer.from_pretrained(styled_run)


def reference(hz: float, seconds: float = 1.0, rate: int = 8000) -> np.ndarray:
    times = np.arange(round(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * hz * times)).astype(np.float32)


def test_style_of_a_recording_is_heard(styled: Any, tmp_path: Path) -> None:
    neutral, low = styled(TEXT), styled(TEXT, style_wav=reference(100))
    high = styled(TEXT, style_wav=reference(1500))
    one, other = (min(len(low.audio), len(x.audio)) for x in (neutral, high))
    assert np.abs(low.audio[:one] - neutral.audio[:one]).max() > 1e-3
    assert np.abs(low.audio[:other] - high.audio[:other]).max() > 1e-3
    audio.write(tmp_path / "low.wav", reference(100, rate=16000), 16000)
    resampled, _ = audio.read(tmp_path / "low.wav", 8000)
    filed = styled(TEXT, style_wav=str(tmp_path / "low.wav"))
    np.testing.assert_array_equal(filed.audio, styled(TEXT, style_wav=resampled).audio)


def test_style_is_the_recordings_normalised_mel(styled: Any) -> None:
    found = style_of(styled.voice, reference(300))
    assert found.style_mel.shape == (1, 8000 // 256 + 1, 20)
    assert found.style_mel_lengths.tolist() == [32]
    band = int(found.style_mel[0, 16].argmax())
    assert band == int(style_of(styled.voice, reference(300) / 2).style_mel[0, 16].argmax())
    assert band < int(style_of(styled.voice, reference(3000)).style_mel[0, 16].argmax())
    assert style_of(styled.voice, None).style_mel is None


@pytest.mark.parametrize(
    ("recording", "told"),
    [
        (np.zeros(0), r"style_wav: needs finite samples of one channel, got \[0\]"),
        (np.zeros((2, 100)), r"style_wav: needs finite samples of one channel, got \[2, 100\]"),
        (np.array([0.0, np.nan]), "style_wav: needs finite samples"),
        (np.zeros(8000 * 61), "style_wav: 61.0 s; give at most 60 s"),
        ("none.wav", "none.wav: "),
    ],
)
def test_style_that_cannot_be_used(styled: Any, recording: Any, told: str) -> None:
    with pytest.raises(MalsoriError, match=told):
        styled(TEXT, style_wav=recording)


@pytest.mark.parametrize("samples", [1, 100])
def test_style_of_a_very_short_recording(styled: Any, samples: int) -> None:
    assert np.isfinite(styled(TEXT, style_wav=np.full(samples, 0.1)).audio).all()


def test_style_for_a_voice_without_style_tokens(speak: Any) -> None:
    with pytest.raises(MalsoriError, match=r"style_wav: .* has no style tokens .*leave it out"):
        speak(TEXT, style_wav=reference(100))


def test_sentences_are_joined_with_a_pause(speak: Any) -> None:
    parts = [speak(text) for text in ("비가 와요.", "하늘이 높다.")]
    said = speak("비가 와요. 하늘이 높다.", pause=0.32)
    silence = 10 * 256  # 0.32 s at 8 kHz, in whole frames
    first = len(parts[0].audio)
    np.testing.assert_allclose(said.audio[:first], parts[0].audio, atol=1e-5)
    assert not said.audio[first : first + silence].any()
    np.testing.assert_allclose(said.audio[first + silence :], parts[1].audio, atol=1e-5)
    assert said.tokens == parts[0].tokens + parts[1].tokens
    assert said.durations.sum() * 256 == len(said.audio)
    start = said.timestamps()["words"][2]["start"]
    wanted = (first + silence) / 8000 + parts[1].timestamps()["words"][0]["start"]
    assert start == pytest.approx(wanted, abs=2e-4)
    assert len(speak("비가 와요. 하늘이 높다.", pause=0.0).audio) == len(said.audio) - silence


def test_join_leaves_its_parts_alone(speak: Any) -> None:
    part = speak(TEXT)
    before = part.durations.copy()
    joined([lengthened(part, 1.0), part])
    np.testing.assert_array_equal(part.durations, before)


def test_speed_changes_the_length(speak: Any) -> None:
    slow, fast = (speak(TEXT, speed=speed).durations.sum() for speed in (0.25, 4.0))
    assert fast < speak(TEXT).durations.sum() < slow


def test_controls_in_closed_form(speak: Any) -> None:
    numbers = speak.voice.statistics
    controls = controls_of(Manner(speed=1.5, pitch=12.0, energy=20.0), speak.voice.statistics)
    assert controls.speed == 1.5
    octave = numbers.pitch_mean + controls.pitch_shift * numbers.pitch_std
    assert octave == pytest.approx(numbers.pitch_mean + math.log(2))
    loud = 1.7 * controls.energy_scale + controls.energy_shift  # a normalised energy of 1.7
    plain = 1.7 * numbers.energy_std + numbers.energy_mean
    assert loud * numbers.energy_std + numbers.energy_mean == pytest.approx(10 * plain)
    neutral = controls_of(Manner(), speak.voice.statistics)
    assert (neutral.pitch_shift, neutral.energy_scale, neutral.energy_shift) == (0.0, 1.0, 0.0)


@pytest.mark.parametrize("control", ["pitch", "energy"])
def test_control_is_heard(speak: Any, control: str) -> None:
    one, other = speak(TEXT), speak(TEXT, **{control: 6.0})
    np.testing.assert_array_equal(one.durations, other.durations)
    assert np.abs(one.audio - other.audio).max() > 0.01


@pytest.mark.parametrize(
    ("control", "value", "message"),
    [
        ("speed", 0.0, "speed: 0 is not between 0.25 and 4"),
        ("speed", 4.01, "speed: 4.01 is not between"),
        ("speed", math.nan, "speed: nan is not between"),
        ("pitch", 25.0, "pitch: 25 is not between -24 and 24"),
        ("energy", -math.inf, "energy: -inf is not between -20 and 20"),
        ("pause", -0.1, "pause: -0.1 is not between 0 and 60"),
        ("pause", math.nan, "pause: nan is not between"),
    ],
)
def test_control_out_of_range(speak: Any, control: str, value: float, message: str) -> None:
    with pytest.raises(MalsoriError, match=message):
        speak(TEXT, **{control: value})


@pytest.mark.parametrize("text", ["", "  \n ", "...", "?!", "\n\n"])
def test_text_without_a_word(speak: Any, text: str) -> None:
    with pytest.raises(TextError, match=r"nothing to speak in .*give at least one word"):
        speak(text)


def test_line_without_a_word_among_others_is_passed_over(speak: Any) -> None:
    assert (
        speak("비가 와요.\n\n...\n하늘이 높다.").tokens == speak("비가 와요. 하늘이 높다.").tokens
    )


def test_word_without_a_reading_is_named(speak: Any) -> None:
    with pytest.raises(TextError, match=r"'かな'.*'하늘 かな 높다\.'"):
        speak("하늘 かな 높다.")


def test_speaker_that_is_not_there(speak: Any) -> None:
    assert len(speak(TEXT, speaker="tone").audio) == len(speak(TEXT).audio)
    with pytest.raises(MalsoriError, match="no speaker 'eve'; known: tone"):
        speak(TEXT, speaker="eve")
    with pytest.raises(MalsoriError, match="no language 'xx'"):
        speak(TEXT, language="xx")


def test_speaking_is_repeatable_and_draws_no_random_numbers(speak: Any) -> None:
    state = torch.get_rng_state()
    one, other = speak(TEXT), speak(TEXT)
    np.testing.assert_array_equal(one.audio, other.audio)
    assert torch.equal(torch.get_rng_state(), state)
