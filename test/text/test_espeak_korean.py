import shutil
from pathlib import Path

import pytest
from spelling import hangul

from malsori.text import FRONTENDS, FrontEndConfig, TextError
from malsori.text.espeak_korean import _syllables
from malsori.text.jamo import INVENTORY, join

needs_espeak = pytest.mark.skipif(
    shutil.which("espeak-ng") is None, reason="the program espeak-ng is not installed"
)


@pytest.mark.parametrize(
    ("phonemes", "said"),
    [
        ("g'u_q_m_u_*_,i", "국무리"),
        ("thoq-i", "토끼"),
        ("d'a_l_a", "달라"),
        ("'u-_j_s_a", "의사"),
        ("q-'ot_S;hip", "꼬칩"),
        ("s-'aL", "쌀"),
        ("", ""),
    ],
)
def test_phonemes_become_syllables(phonemes: str, said: str) -> None:
    assert "".join(map(join, _syllables(phonemes))) == said


@needs_espeak
def test_reading() -> None:
    espeak = FRONTENDS.entry("espeak").build(FrontEndConfig())
    words = espeak("국물이, 3개!")
    assert [word.text for word in words] == ["국물이", ",", "세개", "!"]
    assert hangul(words) == "궁무리세개" or hangul(words) == "국무리세개"
    assert {token for word in words for token in word.tokens} <= set(INVENTORY)
    assert espeak("") == []


@needs_espeak
def test_lexicon_wins(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.tsv"
    path.write_text("물\tᄆ ᅮ\n", encoding="utf-8")
    words = FRONTENDS.entry("espeak").build(FrontEndConfig(lexicon=str(path)))("물 물")
    assert [word.tokens for word in words] == [("ᄆ", "ᅮ")] * 2


def test_missing_program_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(TextError, match="espeak-ng: install it"):
        FRONTENDS.entry("espeak").build(FrontEndConfig())("물")
