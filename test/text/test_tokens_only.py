"""A voice without its front end: it says which one is missing, and reads nothing."""

from __future__ import annotations

import pytest

from malsori.text.frontend import TextError
from malsori.text.tokenizer import Tokenizer, TokenizerConfig
from malsori.text.tokens_only import TokensOnly


def test_text_is_refused_with_the_name_of_what_is_missing() -> None:
    tokenizer = Tokenizer(TokenizerConfig(missing="ESPnet's g2p_en"))
    assert isinstance(tokenizer.frontend, TokensOnly)
    for read in (tokenizer.words, tokenizer.tokens, tokenizer.normalize, tokenizer.frontend):
        with pytest.raises(TextError, match=r"read with ESPnet's g2p_en, which .* --tokens"):
            read("hello")
    with pytest.raises(TextError, match="g2p_en"):
        tokenizer.frontend.pronounce("hello")


@pytest.mark.parametrize("kind", ["phn", "char", "bpe"])
def test_every_type_can_be_missing(kind: str) -> None:
    tokenizer = Tokenizer(TokenizerConfig(type=kind, missing="that"))  # type: ignore[arg-type]
    assert tokenizer.frontend.language == "und" and tokenizer.frontend.inventory == ()
    with pytest.raises(TextError, match="that"):
        tokenizer.tokens("나무")
