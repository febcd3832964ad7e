"""``g2pk`` and ``g2pkk``: Korean pronunciation by those packages, with the common inventory.

Text is normalised by our own rules first, so that the package sees Hangul only; it is then given
one breath group at a time, between punctuation marks. Both (Apache-2.0) need MeCab's Korean
analyser and the CMU dictionary; ``tools/installers/install_g2pk.sh`` puts them into the
environment.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from pathlib import Path

from malsori.core.registry import Entry
from malsori.text import jamo
from malsori.text.frontend import FrontEndConfig, TextError, Word
from malsori.text.korean_lexicon import KoreanLexicon
from malsori.text.korean_normalizer import normalize

_INSTALL = "the front end {!r} is not installed: run tools/installers/install_g2pk.sh"


class G2pk:
    """Korean front end around a package. Picklable: the package is opened on first use.

    Args:
        config: The user's lexicon, if any; see ``ko``.
        name: ``g2pk`` or ``g2pkk``.

    Raises:
        TextError: The lexicon cannot be read.
    """

    language = "ko"
    inventory = jamo.INVENTORY

    def __init__(self, config: FrontEndConfig, name: str = "g2pk") -> None:
        self.config = config
        self.name = name
        self._lexicon = KoreanLexicon(config.lexicon) if config.lexicon is not None else None

    def normalize(self, text: str) -> str:
        """Return the words that would be spoken, in Hangul, with single spaces.

        Raises:
            TextError: A part of the text has no Korean reading.
        """
        if self._lexicon is not None:
            text = self._lexicon.replace_foreign(text)
        return normalize(text)

    def pronounce(self, normalized: str) -> list[Word]:
        """Return the words of a normalised text with their jamo.

        Raises:
            TextError: The text is not normalised, the package is missing, or gave no Hangul.
        """
        words: list[Word] = []
        group: list[str] = []
        for piece in jamo.PIECE.findall(normalized):
            if jamo.is_hangul(piece):
                group.append(piece)
                continue
            if piece not in jamo.PUNCTUATION:
                raise TextError.unreadable(
                    piece, normalized, "only Hangul and punctuation can be pronounced"
                )
            words += self._group(group)
            words.append(Word(piece, (piece,)))
            group = []
        return words + self._group(group)

    def __call__(self, text: str) -> list[Word]:
        """Return the words of a text with their jamo."""
        return self.pronounce(self.normalize(text))

    def _group(self, pieces: list[str]) -> list[Word]:
        """Return the words of one breath group."""
        if not pieces:
            return []
        spelt = pieces
        given: list[tuple[str, ...] | None] = [None] * len(pieces)
        if self._lexicon is not None:
            found = [self._lexicon.find(piece) for piece in pieces]
            spelt, given = [spelling for spelling, _ in found], [tokens for _, tokens in found]
        spoken = _converter(self.name)(" ".join(spelt)).split()
        if len(spoken) != len(pieces) or not all(map(jamo.is_hangul, spoken)):
            raise TextError.unreadable(
                " ".join(spoken),
                " ".join(pieces),
                f"{self.name} did not give one Hangul word for each",
            )
        return [
            Word(piece, tokens if tokens is not None else _tokens(word))
            for piece, word, tokens in zip(pieces, spoken, given, strict=True)
        ]


def _tokens(word: str) -> tuple[str, ...]:
    return tuple(token for c in word for token in jamo.syllable_tokens(jamo.split(c)))


@lru_cache(maxsize=2)
def _converter(name: str) -> Callable[[str], str]:
    """Return the converter of a package, made once; it takes half a second.

    Raises:
        TextError: The package, MeCab or the dictionary is missing. They are looked for first:
            importing the packages without them would start a download.
    """
    try:
        import mecab  # type: ignore[import]  # noqa: F401
        import nltk.data  # type: ignore[import]
    except ModuleNotFoundError:
        raise TextError(_INSTALL.format(name)) from None
    folder = str(Path(sys.prefix) / "share" / "nltk_data")
    if folder not in nltk.data.path:
        nltk.data.path.append(folder)
    try:
        nltk.data.find("corpora/cmudict.zip")
        package = import_module(name)
    except (LookupError, ModuleNotFoundError):
        raise TextError(_INSTALL.format(name)) from None
    converter: Callable[[str], str] = package.G2p()
    return converter


def _g2pkk(config: FrontEndConfig) -> G2pk:
    return G2pk(config, "g2pkk")


ENTRY = Entry(
    config=FrontEndConfig,
    build=G2pk,
    summary="Korean by the package g2pk (MeCab); tools/installers/install_g2pk.sh",
    source="g2pK 0.9.4, Kyubyong Park, Apache-2.0",
)
G2PKK = Entry(
    config=FrontEndConfig,
    build=_g2pkk,
    summary="Korean by the package g2pkk (MeCab); tools/installers/install_g2pk.sh",
    source="g2pkk 0.1.2, harmlessman, Apache-2.0, after g2pK",
)
