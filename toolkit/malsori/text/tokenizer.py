"""From a text to tokens of one of three types: phonemes, characters, or pieces (bpe).

Whatever the type, ``tokens`` is the concatenation of the tokens of ``words``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from malsori.core.config import load
from malsori.core.errors import ConfigError
from malsori.text import FRONTENDS
from malsori.text.frontend import FrontEnd, FrontEndConfig, Word
from malsori.text.pieces import PieceModel
from malsori.text.tokens import SPACE
from malsori.text.tokens_only import TokensOnly

TOKENS_FILE, TOKENIZER_FILE = "tokens.txt", "tokenizer.yaml"
BPE_FILE, LEXICON_FILE = "bpe.model", "lexicon.tsv"
"""Names in the output folder of stage 2, in run folders and in packs."""

_SPACE_WORD = Word(" ", (SPACE,))


@dataclass(frozen=True, kw_only=True)
class TokenizerConfig:
    """How text becomes tokens; stage 2 writes it to ``tokenizer.yaml``."""

    type: Literal["phn", "char", "bpe"] = "phn"
    """Phonemes of the front end, characters, or sentencepiece pieces of the normalised text."""
    frontend: str = "ko"
    """Name in the table of text front ends, or ``my_package.module:ENTRY``."""
    lexicon: str | None = None
    """User's pronunciations, lines ``word<TAB>pronunciation``; for type ``phn``."""
    bpe_model: str | None = None
    """Sentencepiece model of type ``bpe``; stage 2 trains it."""
    vocabulary: int = 500
    """Pieces that stage 2 asks for with type ``bpe``; a small corpus gives fewer."""
    spaces: bool = False
    """Put ``<space>`` between words of type ``phn``; ``char`` always has it."""
    missing: str | None = None
    """Front end that an imported voice was trained with, if malsori does not have it: the voice
    then speaks given tokens only, whatever ``frontend`` says."""


class Tokenizer:
    """Text to tokens. Picklable; holds no open file.

    Args:
        config: What to make.
        folder: Where relative paths in ``config`` start; the current folder by default.

    Raises:
        ConfigError: The settings contradict each other, or no front end has the name.
        TextError: The lexicon or the piece model cannot be read.
    """

    def __init__(self, config: TokenizerConfig, folder: str | Path | None = None) -> None:
        if config.type == "bpe" and config.bpe_model is None and config.missing is None:
            raise ConfigError("bpe_model: type 'bpe' needs a trained model: run 'malsori tokens'")
        if config.type != "phn" and config.lexicon is not None:
            raise ConfigError(
                f"lexicon: a lexicon gives phonemes, type {config.type!r} has none: use type 'phn'"
            )
        self.config = config
        self.folder = None if folder is None else str(folder)
        self._pieces: PieceModel | None = None
        if config.missing is not None:
            self.frontend: FrontEnd = TokensOnly(config.missing)
            return
        entry = FRONTENDS.entry(config.frontend)
        self.frontend = entry.build(
            replace(_frontend_defaults(entry.config, config), lexicon=self._path(config.lexicon))
        )
        model = self._path(config.bpe_model) if config.type == "bpe" else None
        if model is not None:
            self._pieces = PieceModel(model)

    @classmethod
    def open(cls, folder: str | Path) -> Tokenizer:
        """Return the tokenizer that stage 2 wrote into ``folder``, or that was copied with it.

        Raises:
            ConfigError: ``tokenizer.yaml`` is missing or wrong.
            TextError: The lexicon or the piece model beside it cannot be read.
        """
        return cls(load(TokenizerConfig, Path(folder) / TOKENIZER_FILE), folder)

    def __reduce__(
        self,
    ) -> tuple[type[Tokenizer], tuple[TokenizerConfig, str | None]]:
        return (Tokenizer, (self.config, self.folder))

    @property
    def inventory(self) -> tuple[str, ...] | None:
        """All tokens that can come out, in fixed order; None for ``char``, where text decides."""
        if self._pieces is not None:
            return self._pieces.inventory
        if self.config.type == "char":
            return None
        return self.frontend.inventory + ((SPACE,) if self.config.spaces else ())

    def normalize(self, text: str) -> str:
        """Return the words that would be spoken.

        Raises:
            TextError: A part of the text has no reading.
        """
        return self.frontend.normalize(text)

    def words(self, text: str) -> list[Word]:
        """Return the words of ``text`` with their tokens; spaces are words where they are tokens.

        Raises:
            TextError: A part of the text has no reading.
        """
        if self.config.type == "phn":
            words = self.frontend(text)
            return _spaced(words) if self.config.spaces else words
        normalized = self.normalize(text)
        if self._pieces is not None:
            return self._pieces.words(normalized)
        return _with_spaces([Word(word, tuple(word)) for word in normalized.split()])

    def tokens(self, text: str) -> list[str]:
        """Return the tokens of ``text``, those of ``words`` one after the other.

        Raises:
            TextError: A part of the text has no reading.
        """
        return [token for word in self.words(text) for token in word.tokens]

    def _path(self, path: str | None) -> str | None:
        if path is None or self.folder is None:
            return path
        return str(Path(self.folder) / path)


def _frontend_defaults(config_type: type, config: TokenizerConfig) -> FrontEndConfig:
    settings = config_type()
    if not isinstance(settings, FrontEndConfig):
        raise ConfigError(
            f"frontend: the settings of {config.frontend!r} must derive from FrontEndConfig"
        )
    return settings


def _with_spaces(words: list[Word]) -> list[Word]:
    spaced: list[Word] = []
    for word in words:
        if spaced:
            spaced.append(_SPACE_WORD)
        spaced.append(word)
    return spaced


def _spaced(words: list[Word]) -> list[Word]:
    """Put a space before every word but the first; punctuation stays with the word before it."""
    spaced: list[Word] = []
    for word in words:
        if spaced and any(character.isalnum() for character in word.text):
            spaced.append(_SPACE_WORD)
        spaced.append(word)
    return spaced
