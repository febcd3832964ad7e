"""A voice of two corpora: who speaks and what is read comes from the data, through to the pack."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import yaml

from malsori.core.config import load
from malsori.core.errors import MalsoriError
from malsori.data.combine import Part, combine
from malsori.data.datadir import DataDir
from malsori.data.stats import collect
from malsori.data.tokens import make_tokens
from malsori.infer.alignment import UtteranceAligner
from malsori.infer.decode import decode
from malsori.infer.pack import load_pack, speak_from_pack, write_pack
from malsori.infer.synthesizer import Synthesizer
from malsori.infer.voice import Voice, load_run
from malsori.packs.format import read_meta
from malsori.text import TextError
from malsori.text.tokenizer import TokenizerConfig
from malsori.train.config import TrainConfig
from malsori.train.run import train

SPOKEN, SPELT = ["ᄀ", "ᅡ", "ᆸ"], ["ᄀ", "ᅡ", "ᆹ"]
"""값 as it is said, the language ``said``, and as it is written, the language ``spelt``."""


class Made(NamedTuple):
    """The data and the run."""

    data: Path
    run: Path


@pytest.fixture(scope="module")
def made(tiny_corpus: Any, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The tiny corpus twice, as two corpora of different languages, after stages 1 to 4."""
    root = tmp_path_factory.mktemp("two")
    data = root / "data"
    parts = [
        Part(name=name, path=tiny_corpus.data, language=language)
        for name, language in (("one", "said"), ("two", "spelt"))
    ]
    combine(parts, data)
    sets = [data / name for name in ("train", "dev", "test")]
    make_tokens(sets, root / "tokens", TokenizerConfig(frontend="spelt=jamo,said=ko"))
    tree = yaml.safe_load(tiny_corpus.conf.read_text(encoding="utf-8"))
    tree["data"] |= {"train": f"{data}/train", "dev": f"{data}/dev"}
    tree["data"] |= {"tokens": f"{root}/tokens", "stats": f"{root}/stats"}
    tree["training"] |= {"steps": 3, "validate_every": 3}
    conf = root / "train.yaml"
    conf.write_text(yaml.safe_dump(tree), encoding="utf-8")
    config = load(TrainConfig, conf)
    collect(sets, root / "tokens", config.audio, root / "stats")
    train(config, root / "exp")
    return Made(data, root / "exp")


@pytest.fixture(scope="module")
def voice(made: Made) -> Voice:
    return load_run(made.run)


def test_speakers_and_languages_are_counted_in_the_data(voice: Any) -> None:
    assert voice.speakers == ("one-tone", "two-tone") and voice.languages == ("said", "spelt")
    conditioning = voice.model.conditioning
    assert conditioning.speaker.num_embeddings == conditioning.language.num_embeddings == 2
    assert voice.language == "said" and voice.tokenizer.language == "ko"


def test_the_generator_is_told_who_speaks(voice: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the tokens are not, what differs is what the generator makes of the speaker."""
    monkeypatch.setattr(voice.model.conditioning, "tell", lambda hidden, told: hidden)
    louder = 1000 * voice.model.generator.condition.weight
    monkeypatch.setattr(voice.model.generator.condition.weight, "data", louder)
    first, again, other = (
        Synthesizer(voice)("나무가 있다.", speaker=f"{name}-tone").audio
        for name in ("one", "one", "two")
    )
    np.testing.assert_array_equal(first, again)
    assert first.shape == other.shape and np.abs(first - other).max() > 1e-6


@pytest.mark.parametrize(
    ("language", "tokens"), [(None, SPOKEN), ("said", SPOKEN), ("spelt", SPELT)]
)
def test_text_is_read_as_its_language(
    voice: Voice, language: str | None, tokens: list[str]
) -> None:
    spoken = Synthesizer(voice)("값", language=language, speaker="two-tone")
    assert list(spoken.tokens) == tokens


def test_a_language_that_is_not_there_or_not_meant_is_told(voice: Voice) -> None:
    speak = Synthesizer(voice)
    with pytest.raises(MalsoriError, match="no language 'fr'; known: said, spelt"):
        speak("값", language="fr")
    with pytest.raises(
        TextError, match=r"か.*read as 'said': say the language, one of said, spelt"
    ):
        speak("かな")
    with pytest.raises(TextError, match="か") as caught:
        speak("かな", language="said")
    assert "say the language" not in str(caught.value)


def test_any_set_of_any_corpus_is_decoded_with_its_own_readings(
    voice: Voice, made: Made, tmp_path: Path
) -> None:
    words = {}
    for name in ("test", "test_two"):
        data = DataDir(made.data / name)
        decode(voice, data, tmp_path / name)
        lines = (tmp_path / name / "tokens").read_text(encoding="utf-8").splitlines()
        words[name] = {line.split()[0]: line.split()[1:] for line in lines}
        assert list(words[name]) == [data.key(i) for i in range(len(data))]
        for i in range(len(data)):
            read = voice.tokenizer.tokens(data.text(i), data.language(i))
            assert words[name][data.key(i)] == read
    assert words["test_two"].items() <= words["test"].items()
    assert len(words["test"]) == 2 * len(words["test_two"])
    said = {key: words["test"][key.replace("two-", "one-")] for key in words["test_two"]}
    assert said != words["test_two"]


def test_recordings_are_aligned_with_their_own_readings(voice: Voice, made: Made) -> None:
    data = DataDir(made.data / "train")
    aligner = UtteranceAligner(voice, 0.0)
    for key in ("one-u02", "two-u02"):  # 하늘이 높다.
        row = data.find(key)
        assert row is not None
        read = voice.tokenizer.tokens(data.text(row), data.language(row))
        assert [label.text for label in aligner.align(data, row).tokens] == read
        assert ("ᇁ" in read) == key.startswith("two")


def test_the_pack_knows_both(made: Made, tmp_path: Path) -> None:
    out = tmp_path / "two.malsori.zip"
    write_pack(made.run, out)
    meta = read_meta(out)
    assert meta["speakers"] == ["one-tone", "two-tone"] and meta["language"] == "ko"
    assert meta["languages"] == ["said", "spelt"]
    speak = Synthesizer(load_pack(out))
    assert list(speak("값", language="spelt", speaker="two-tone").tokens) == SPELT
    assert list(speak("값", language="said", speaker="one-tone").tokens) == SPOKEN
    assert speak_from_pack(out, "값", tmp_path / "said.wav") == "값"
