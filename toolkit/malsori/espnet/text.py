"""ESPnet's ways from text to tokens, and ours: token lists, tokenizers, both ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from malsori.core.errors import MalsoriError
from malsori.core.log import get_logger
from malsori.espnet.section import Section
from malsori.text import FRONTENDS, jamo
from malsori.text.frontend import TextError
from malsori.text.tokenizer import TokenizerConfig
from malsori.text.tokens import SPACE, TokenList, visible

log = get_logger(__name__)

KOREAN = {
    "g2pk": ("ko", True),
    "g2pk_explicit_space": ("ko", True),
    "g2pk_no_space": ("ko", False),
    "korean_jaso": ("jamo", True),
    "korean_jaso_no_space": ("jamo", False),
}
"""ESPnet's g2p to our front end, and whether spaces are tokens."""
SPOKEN_FINALS = ("ᆨ", "ᆫ", "ᆮ", "ᆯ", "ᆷ", "ᆸ", "ᆼ")
"""The finals of standard pronunciation; the others stand in spelling only."""
SHARE = 0.9
"""Least share of a front end's letters that a token list must have: rare ones may be missing in a
list that was made from a corpus."""
OURS = {"ko": "g2pk", "g2pk": "g2pk", "jamo": "korean_jaso"}
"""Our front ends to ESPnet's g2p, before ``_no_space`` and the like."""


def read_tokens(value: Any) -> list[str]:
    """Return the symbols of a config's token list, in its order, as a token list of ours has them.

    A symbol that is white space cannot stand in ``tokens.txt``: a space becomes ``<space>``,
    others their code point, such as ``<U+3000>``.

    Raises:
        MalsoriError: It is no list of texts, or does not begin with blank and unknown.
    """
    if not isinstance(value, list) or not all(isinstance(symbol, str) for symbol in value):
        raise MalsoriError("token_list is no list of texts")
    symbols = [visible(symbol) for symbol in value]
    renamed = [(old, new) for old, new in zip(value, symbols, strict=True) if old != new]
    if renamed:
        log.info("tokens renamed: %s", ", ".join(f"{o!r} is {n}" for o, n in renamed))
    try:
        return list(TokenList(symbols).symbols)
    except TextError as error:
        raise MalsoriError(f"token_list: {error}") from error


def tokenizer_settings(
    top: Section, symbols: Sequence[str], pieces: bool, frontend: str | None = None
) -> TokenizerConfig:
    """Return our tokenizer for a config's, or one that names the front end that is missing.

    Args:
        top: The config.
        symbols: Its token list.
        pieces: Whether the pack holds the sentencepiece model.
        frontend: Our front end to use instead of the one that fits best.

    Raises:
        MalsoriError: ``frontend`` does not make the tokens of the list.
    """
    kind, g2p, cleaner = top.raw("token_type"), top.raw("g2p"), top.raw("cleaner")
    top.ignore(("bpemodel", "non_linguistic_symbols"))
    if not top.raw("use_preprocessor"):
        kind = "given"
    theirs = str(g2p or "g2p null (texts are tokens)") if kind == "phn" else f"token type {kind}"
    if cleaner:
        theirs += f" and cleaner {cleaner}"
    found = _tokenizer(kind, g2p, symbols, pieces, frontend)
    if found is not None and fits(found, symbols):
        log.info("ESPnet's %s: read by our front end %r", theirs, found.frontend)
        return found
    if frontend is not None:
        raise MalsoriError(
            f"--frontend {frontend}: it does not make the tokens of this voice, which reads with "
            f"{theirs}; leave it out"
        )
    return TokenizerConfig(missing=f"ESPnet's {theirs}".replace(":", " "))


def fits(tokenizer: TokenizerConfig, symbols: Sequence[str]) -> bool:
    """Return whether a token list has what a tokenizer makes."""
    if tokenizer.spaces and SPACE not in symbols:
        return False
    if tokenizer.type != "phn":
        return True
    if tokenizer.frontend in ("ko", "g2pk"):
        letters: Sequence[str] = (*jamo.INITIALS, *jamo.VOWELS, *SPOKEN_FINALS)
    else:
        entry = FRONTENDS.entry(tokenizer.frontend)
        inventory: Sequence[str] = entry.build(entry.config()).inventory
        letters = [s for s in inventory if any(c.isalpha() for c in s)]
    return sum(letter in symbols for letter in letters) >= SHARE * len(letters)


def espnet_tokenizer(tokenizer: TokenizerConfig) -> dict[str, Any]:
    """Return ESPnet's settings for a tokenizer of ours; tokens are to be given where it has none.

    Raises:
        MalsoriError: The front end cannot be named in ESPnet.
    """
    tree: dict[str, Any] = {"token_type": "phn", "g2p": None, "cleaner": None}
    if tokenizer.missing is not None:
        return tree
    if tokenizer.type != "phn":
        return tree | {"token_type": tokenizer.type}
    name = OURS.get(tokenizer.frontend)
    if name is None:
        return tree
    with_spaces = "g2pk_explicit_space" if name == "g2pk" else name
    return tree | {"g2p": with_spaces if tokenizer.spaces else f"{name}_no_space"}


def _tokenizer(
    kind: Any, g2p: Any, symbols: Sequence[str], pieces: bool, frontend: str | None
) -> TokenizerConfig | None:
    """Return the tokenizer that should do what ESPnet's does, None if there is none."""
    if kind == "phn":
        ours, spaces = KOREAN.get(str(g2p), (frontend, SPACE in symbols))
        name = frontend or ours
        return None if name is None else TokenizerConfig(frontend=name, spaces=spaces)
    if kind == "char" or (kind == "bpe" and pieces):
        name = frontend or _language(symbols)
        if name is None or (kind == "char" and SPACE not in symbols):
            return None
        bpe_model = "bpe.model" if kind == "bpe" else None
        return TokenizerConfig(type=kind, frontend=name, bpe_model=bpe_model)
    return None


def _language(symbols: Sequence[str]) -> str | None:
    """Return the front end whose normalised texts consist of these characters or pieces."""
    characters = "".join(s for s in symbols if not (s.startswith("<") and s.endswith(">")))
    if any(map(jamo.is_syllable, characters)):
        return "ko"
    needed = "abcdefghijklmnopqrstuvwxyz"
    both = needed + needed.upper()
    return "en" if sum(c in characters for c in both) >= SHARE * len(both) else None
