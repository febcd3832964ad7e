"""Texts with markup, spoken."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from malsori.core.errors import MalsoriError
from malsori.infer.request import controls_of
from malsori.infer.spoken import BREAK, silence
from malsori.infer.synthesizer import Synthesizer
from malsori.models.voice import Controls
from malsori.text.frontend import TextError
from malsori.text.markup import Manner

ONE, OTHER = "나무가 있다.", "비가 와요."
FRAME = 256 / 8000  # seconds


def test_plain_text_is_the_same_with_and_without_a_root(speak: Any) -> None:
    plain = speak(f"{ONE} {OTHER}")
    for marked in (f"<speak>{ONE}\n{OTHER}</speak>", f"<speak><s>{ONE}</s><s>{OTHER}</s></speak>"):
        said = speak(marked)
        assert said.tokens == plain.tokens and said.words == plain.words
        np.testing.assert_array_equal(said.audio, plain.audio)
    fragment = speak(f"{ONE} {OTHER}", ssml=True)
    np.testing.assert_array_equal(fragment.audio, plain.audio)


@pytest.mark.parametrize("milliseconds", [320, 300, 1000, 1])
def test_a_break_is_silence_of_its_length_between_what_it_parts(
    speak: Any, milliseconds: int
) -> None:
    parts = [speak(ONE), speak(OTHER)]
    said = speak(f'{ONE}<break time="{milliseconds}ms"/>{OTHER}', ssml=True, pause=3.0)
    first, silent = len(parts[0].audio), len(said.audio) - sum(len(each.audio) for each in parts)
    assert abs(silent / 8000 - milliseconds / 1000) <= FRAME / 2
    np.testing.assert_allclose(said.audio[:first], parts[0].audio, atol=1e-5)
    assert not said.audio[first : first + silent].any()
    np.testing.assert_allclose(said.audio[first + silent :], parts[1].audio, atol=1e-5)
    assert said.tokens == (*parts[0].tokens, BREAK, *parts[1].tokens)
    assert said.durations.sum() * 256 == len(said.audio)
    assert len(said.durations) == len(said.tokens)


def test_times_of_words_around_breaks(speak: Any) -> None:
    plain = speak(ONE).timestamps()["words"]
    said = speak(f'<speak><break time="1s"/>{ONE}<break time="2s"/></speak>')
    assert said.seconds == pytest.approx(speak(ONE).seconds + 3.0, abs=FRAME)
    times = said.timestamps()
    assert [word["text"] for word in times["words"]] == ["나무가", "있다"]
    for word, before in zip(times["words"], plain, strict=True):
        assert word["start"] == pytest.approx(before["start"] + 1.0, abs=FRAME)
        assert word["end"] == pytest.approx(before["end"] + 1.0, abs=FRAME)
    assert times["tokens"][0] == {"text": BREAK, "start": 0.0, "end": pytest.approx(1, abs=FRAME)}


def test_break_within_a_sentence_and_breaks_that_add_up(speak: Any) -> None:
    said = speak('나무가 <break time="320ms"/><break time="320ms"/> 있다.', ssml=True)
    assert said.tokens.count(BREAK) == 2
    assert said.durations[np.array(said.tokens) == BREAK].tolist() == [10, 10]
    assert [word for word, count in said.words if count and word] == ["나무가", "있다", "."]


def test_only_what_is_asked_for_is_changed(speak: Any) -> None:
    whole = f'<prosody pitch="+6st" volume="+6dB">{ONE}</prosody>'
    alike = speak(whole, ssml=True), speak(ONE, pitch=6.0, energy=6.0)
    np.testing.assert_array_equal(alike[0].durations, alike[1].durations)
    np.testing.assert_allclose(alike[0].audio, alike[1].audio, atol=1e-5)
    plain = speak(ONE)
    slow = speak('나무가 <prosody rate="50%">있다.</prosody>', ssml=True)
    assert slow.tokens == plain.tokens
    before = sum(count for word, count in plain.words[:1])
    np.testing.assert_array_equal(slow.durations[:before], plain.durations[:before])
    assert (slow.durations[before:] > plain.durations[before:]).any()
    assert slow.durations[before:].sum() > 1.3 * plain.durations[before:].sum()


def test_controls_reach_the_model_token_by_token(
    speak: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Controls] = []
    model = speak.voice.model
    plain = model.synthesize

    def synthesize(tokens: Any, lengths: Any, conditions: Any, controls: Controls) -> Any:
        heard.append(controls)
        return plain(tokens, lengths, conditions, controls)

    monkeypatch.setattr(model, "synthesize", synthesize)
    text = f'<prosody rate="200%">나무가</prosody> <prosody pitch="+12st">있다.</prosody> {OTHER}'
    said = speak(text, ssml=True, speed=0.5, pitch=-1.0)
    first, second = heard  # a sentence each
    octave, plain_shift = (
        controls_of(Manner(pitch=pitch), speak.voice.statistics).pitch_shift
        for pitch in (11.0, -1.0)
    )
    fast = sum(count for _, count in said.words[:1])
    pace, shift = torch.as_tensor(first.speed), torch.as_tensor(first.pitch_shift)
    assert pace.shape == shift.shape and len(pace) == 1
    assert pace[0, :fast].tolist() == [1.0] * fast and pace[0, fast].item() == 0.5
    assert shift[0, 0].item() == pytest.approx(plain_shift, abs=1e-6)
    assert shift[0, fast].item() == pytest.approx(octave, abs=1e-6)
    later = torch.as_tensor(second.pitch_shift)
    assert later.flatten()[0].item() == pytest.approx(plain_shift, abs=1e-6)
    assert torch.as_tensor(second.speed).flatten()[0].item() == 0.5
    assert not first.are_neutral and not second.are_neutral and Controls().are_neutral
    heard.clear()
    speak(ONE)
    assert heard[0].are_neutral


def test_pronunciations_and_substitutions(speak: Any) -> None:
    tokens = speak(ONE).tokens
    for text in (
        '<phoneme ph="ᄂ ᅡ ᄆ ᅮ ᄀ ᅡ">樹</phoneme> 있다.',
        '<sub alias="나무">樹</sub>가 있다.',
        "{ᄂ ᅡ ᄆ ᅮ}가 있다.",
    ):
        assert speak(text, ssml=True).tokens == tokens
    assert speak("[[ᄂ ᅡ ᄆ ᅮ]]가 있다.").tokens == tokens
    with pytest.raises(TextError, match="'x' is not a token of this front end"):
        speak("[[x]]가 있다.")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<speak><b>나무</b></speak>", "line 1, column 8: <b> is not known"),
        ('나무 <break time="1s"/>', "not read as SSML"),
        ("<speak><break/></speak>", "nothing to speak in '<speak>"),
        ("<speak/>", "nothing to speak"),
        (
            '<speak><prosody rate="500%">나무</prosody></speak>',
            "speed: 5 is not between",
        ),
        ('<speak xml:lang="en">나무</speak>', 'xml:lang="en">: .* speaks ko'),
    ],
)
def test_mistakes_are_told(speak: Any, text: str, told: str) -> None:
    with pytest.raises(MalsoriError, match=told):
        speak(text)


def test_language_of_the_root(speak: Any) -> None:
    said = speak(f'<speak xml:lang="ko-KR">{ONE}</speak>')
    np.testing.assert_array_equal(said.audio, speak(ONE).audio)


def test_language_of_the_root_in_a_voice_with_several() -> None:
    from malsori.text.markup import read_ssml

    readers = {"kor": SimpleNamespace(language="ko"), "eng": SimpleNamespace(language="en")}
    tokenizer = SimpleNamespace(reader=readers.__getitem__, language="ko, en")
    voice = SimpleNamespace(languages=("kor", "eng"), tokenizer=tokenizer, origin="here")
    two: Any = SimpleNamespace(voice=voice)

    def language(tag: str) -> str | None:
        return Synthesizer._language_of(two, read_ssml(f'<speak xml:lang="{tag}">a</speak>'))

    assert [language(tag) for tag in ("en-GB", "EN", "ko", "eng")] == ["eng", "eng", "kor", "eng"]
    with pytest.raises(TextError, match='xml:lang="fr">: here speaks ko, en'):
        language("fr")


def test_abbreviations_and_initials_end_no_sentence() -> None:
    from malsori.text.sentences import sentence_gaps

    def sentences(text: str) -> list[str]:
        starts = [0, *(end for _, end in sentence_gaps(text))]
        ends = [*(start for start, _ in sentence_gaps(text)), len(text)]
        return [text[start:end] for start, end in zip(starts, ends, strict=True)]

    assert sentences("Mr. Lee met J. Kim. So am I. Is it? 네. 아니오!\n끝") == [
        *("Mr. Lee met J. Kim.", "So am I.", "Is it?", "네.", "아니오!", "끝")
    ]
    assert sentences("a.\nb") == ["a.", "b"] and sentences("Dr.\nNo") == ["Dr.", "No"]


@pytest.fixture(scope="module")
def drawing(speak: Any) -> Synthesizer:
    """Return the voice with a network of VITS in it, which is not trained."""
    from malsori.core.config import from_dict
    from malsori.models.vits import Vits, VitsConfig
    from malsori.models.voice import VoiceContext

    network = {"layers": 1, "channels": 8, "kernel": 3}
    small = {
        "width": 8,
        "encoder": {"layers": 1, "hidden": 8},
        "posterior": network,
        "flow": {"couplings": 2, "network": network},
        "duration": "plain",
        "duration_predictor": {"channels": 8},
        "generator": {"name": "hifigan_v3", "channels": 16},
    }
    voice = speak.voice
    torch.manual_seed(4)
    net = Vits(
        from_dict(VitsConfig, small), VoiceContext(audio=voice.audio, tokens=len(voice.tokens))
    )
    torch.nn.init.constant_(net.duration_predictor.out.bias, 2.3)
    return Synthesizer(replace(voice, model=net.eval()))


@pytest.mark.parametrize(
    ("attribute", "told"),
    [
        ('pitch="high"', "pitch: this voice draws it itself; leave it at 0, and pitch out of"),
        ('volume="loud"', "energy: this voice draws it itself; leave it at 0, and volume out of"),
    ],
)
def test_a_voice_that_draws_its_pitch_says_so(
    drawing: Synthesizer, attribute: str, told: str
) -> None:
    with pytest.raises(MalsoriError, match=told):
        drawing(f"<speak>나무가 <prosody {attribute}>있다.</prosody></speak>")


def test_a_voice_that_draws_its_pitch_can_be_slow(drawing: Synthesizer) -> None:
    plain = drawing(ONE)
    said = drawing('<speak>나무가 <prosody rate="50%">있다.</prosody></speak>')
    first = sum(count for _, count in said.words[:1])
    np.testing.assert_array_equal(said.durations[:first], plain.durations[:first])
    assert said.durations[first:].sum() >= 1.8 * plain.durations[first:].sum()
    assert len(said.audio) == said.durations.sum() * 256


def test_silence_is_whole_frames() -> None:
    assert silence(0.3, 22050, 256).durations.tolist() == [26]
    assert len(silence(0.3, 22050, 256).audio) == 26 * 256
    assert silence(0.0, 8000, 256).durations.tolist() == [0]


def test_style_and_ssml_together(styled_run: Path) -> None:
    styled = Synthesizer.from_pretrained(styled_run)
    said = styled(f"<speak>{ONE}<break time='1s'/></speak>", style_wav=np.full(4000, 0.1))
    assert said.tokens[-1] == BREAK
