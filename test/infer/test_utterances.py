"""From a text to what is said in one breath: languages by script, any markup, many sentences."""

from __future__ import annotations

import logging
import time
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.core.errors import MalsoriError
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.statistics import Statistics
from malsori.infer.reading import ReadingVoice
from malsori.infer.request import Request
from malsori.infer.synthesizer import Synthesizer
from malsori.infer.utterances import Utterance, clauses, utterances
from malsori.models.voice import Conditions
from malsori.text.markup import PLAIN, Passage, Script, read_plain, read_ssml
from malsori.text.tokenizer import Tokenizer, TokenizerConfig
from malsori.text.tokens import TokenList

pytest.importorskip("gruut_lang_en", reason="the extra [en] is not installed")
TEXT = "안녕하세요. Hello there, you. 3! KBS 뉴스."


@pytest.fixture(scope="module")
def voice() -> ReadingVoice:
    tokenizer = Tokenizer(TokenizerConfig(frontend="eng=en,kor=ko"))
    return ReadingVoice(
        tokenizer=tokenizer,
        tokens=TokenList.of(tokenizer.inventory or ()),
        audio=AudioConfig(),
        statistics=Statistics.neutral(80),
        speakers=("",),
        languages=("eng", "kor"),
        origin="here",
    )


def said(voice: ReadingVoice, text: str, language: str | None = None) -> list[Utterance]:
    script = read_ssml(text) if text.startswith("<") else read_plain(text)
    return [each for each in utterances(voice, script, language) if isinstance(each, Utterance)]


def test_each_sentence_is_in_the_language_of_its_script(
    voice: ReadingVoice, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("malsori"), "propagate", True)
    with caplog.at_level(logging.INFO, "malsori"):
        found = said(voice, TEXT)
    assert [each.language for each in found] == ["kor", "eng", "eng", "kor"]
    assert found[2].words[0].text == "three"  # no letters: as the sentence before
    told = list(dict.fromkeys(record.getMessage() for record in caplog.records))
    assert len(told) == 2 and "'안녕하세요.' is read as 'kor'" in told[0] and "'eng'" in told[1]


def test_a_language_that_is_named_wins(voice: ReadingVoice) -> None:
    (only,) = said(voice, "Hello.", "kor")
    assert only.language is None and only.words[0].tokens[0] == "ᄒ"


def test_numbers_alone_are_in_the_first_language(voice: ReadingVoice) -> None:
    (only,) = said(voice, "3!")
    assert only.language is None and only.words[0].text == "three"


def test_clauses_keep_the_language(voice: ReadingVoice) -> None:
    (sentence,) = said(voice, "I said that it is so, and it is so.")
    parts = list(clauses(sentence, fewest=5))
    assert len(parts) > 1 and {part.language for part in parts} == {"eng"}


def test_the_model_is_told_the_language_of_each_sentence(voice: ReadingVoice) -> None:
    speaking: Any = SimpleNamespace(**vars(voice), device="cpu", index=voice.index)
    synthesizer: Any = Synthesizer.__new__(Synthesizer)
    synthesizer.voice = speaking
    request = Request(whole=PLAIN, conditions=Conditions(), speaker=0, language=0)
    _, lengths, conditions, _ = synthesizer.inputs(said(voice, TEXT), request)
    assert conditions.language is not None and conditions.language.dtype == lengths.dtype
    torch.testing.assert_close(conditions.language, torch.tensor([1, 0, 0, 1]))


TAGS = (
    *("<p>", "</p>", "<s>", "</s>", "<speak>", "</speak>", "<break/>", "<break time='99999s'/>"),
    *("<prosody rate='x'>", "<prosody rate='80%' pitch='+2st'>", "</prosody>", "<b>", "&amp;"),
    *("<phoneme ph='ᄆ ᅡ'>", "</phoneme>", "<sub alias='둘'>", "</sub>", "<!-- 셋 -->", "&nbsp;"),
    *(
        "<![CDATA[<넷>]]>",
        "[[",
        "]]",
        "{",
        "}",
        "[[ᄆ ᅡ]]",
        "{ᄆ ᅡ}",
        "[[x]]",
        "a. ",
        "말. ",
        "3 ",
        "\n",
    ),
)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(st.sampled_from(TAGS), st.text(max_size=4)), max_size=12).map("".join),
    st.booleans(),
)
def test_any_text_becomes_tokens_or_one_clear_error(
    voice: ReadingVoice, text: str, is_marked: bool
) -> None:
    try:
        script = read_ssml(text) if is_marked else read_plain(text)
        spoken = [each for each in utterances(voice, script, None) if isinstance(each, Utterance)]
    except MalsoriError as raised:
        told = str(raised)
    else:
        told = ""
        for each in spoken:
            voice.tokens.encode([token for word in each.words for token in word.tokens])
            assert len(each.words) == len(each.manners)
    assert len(told) < 500


def test_time_is_linear_in_the_sentences_and_their_manners(voice: ReadingVoice) -> None:
    from malsori.infer.utterances import _sentences

    slow = read_ssml("<prosody rate='slow'>a</prosody>").parts[0]
    assert isinstance(slow, Passage)

    def seconds(count: int) -> float:
        pair = (Passage(text="Yes. "), Passage(text="No way. ", manner=slow.manner))
        start = time.process_time()
        found = list(_sentences(pair * count))
        assert len(found) == 2 * count and found[1][0].manner == slow.manner
        return time.process_time() - start

    seconds(10)
    assert min(seconds(8000) for _ in range(2)) < 10 * seconds(2000) + 0.1


def test_passages_of_a_sentence_keep_their_text(voice: ReadingVoice) -> None:
    from malsori.infer.utterances import _sentences

    script: Script = read_ssml("One <prosody rate='slow'>two. Three</prosody> four.\nFive")
    passages = [part for part in script.parts if isinstance(part, Passage)]
    told = [[part.text for part in sentence] for sentence in _sentences(passages)]
    assert told == [["One ", "two."], ["Three", " four."], ["Five"]]
