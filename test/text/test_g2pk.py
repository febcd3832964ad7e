import pickle
import sys
from pathlib import Path

import pytest
from spelling import hangul

from malsori.text import FRONTENDS, FrontEndConfig, TextError
from malsori.text.jamo import INVENTORY


def installed() -> bool:
    from malsori.text.g2pk import _converter

    try:
        _converter("g2pk")
        _converter("g2pkk")
    except TextError:
        return False
    return True


needs_g2pk = pytest.mark.skipif(
    not installed(), reason="g2pk or g2pkk is not installed: tools/installers/install_g2pk.sh"
)


@needs_g2pk
@pytest.mark.parametrize("name", ["g2pk", "g2pkk"])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("국물이 좋아요.", "궁무리조아요"),
        ("3시에, AI!", "세시에에이아이"),
        ("같이 가요", "가치가요"),
    ],
)
def test_reading(name: str, text: str, said: str) -> None:
    g2pk = FRONTENDS.entry(name).build(FrontEndConfig())
    words = g2pk(text)
    assert hangul(words) == said
    assert {token for word in words for token in word.tokens} <= set(INVENTORY)
    assert "".join(word.text for word in words) == g2pk.normalize(text).replace(" ", "")
    assert pickle.loads(pickle.dumps(g2pk))(text) == words  # noqa: S301


@needs_g2pk
def test_lexicon_wins(tmp_path: Path) -> None:
    path = tmp_path / "lexicon.tsv"
    path.write_text("물\tᄆ ᅮ\n", encoding="utf-8")
    words = FRONTENDS.entry("g2pk").build(FrontEndConfig(lexicon=str(path)))("물 물")
    assert [word.tokens for word in words] == [("ᄆ", "ᅮ")] * 2


def test_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from malsori.text.g2pk import _converter

    _converter.cache_clear()
    monkeypatch.setitem(sys.modules, "nltk", None)
    monkeypatch.delitem(sys.modules, "nltk.data", raising=False)
    with pytest.raises(TextError, match=r"install_g2pk\.sh"):
        FRONTENDS.entry("g2pk").build(FrontEndConfig())("물")
    _converter.cache_clear()
