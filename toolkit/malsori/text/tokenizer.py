"""From a text to tokens of one of three types: phonemes, characters, or pieces (bpe).

Whatever the type, ``tokens`` is the concatenation of the tokens of ``words``. A tokenizer of
several languages reads each text with the front end of its language; its token list has the
symbols of all.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Literal

from malsori.core.config import load
from malsori.core.errors import ConfigError
from malsori.text import FRONTENDS
from malsori.text.frontend import FrontEnd, FrontEndConfig, TextError, Word
from malsori.text.inline import split_inline
from malsori.text.lexicon import read_lexicon
from malsori.text.pieces import PieceModel
from malsori.text.pronunciation import may_hold, read_normalized, read_words
from malsori.text.tokens import BLANK, SPACE
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
    """Name in the table of text front ends, or ``my_package.module:ENTRY``. For several languages
    one of each, ``ko,en``, or ``kor=ko,eng=en`` where ``utt2lang`` calls them otherwise."""
    lexicon: str | None = None
    """User's pronunciations, lines ``word<TAB>pronunciation``; for type ``phn``."""
    lexicon_language: str | None = None
    """Which of several languages the lexicon is of."""
    phrases: Literal["word", "short", "all"] = "short"
    """Over which spaces sounds meet, for the front end ``ko``: see doc/korean.md."""
    bpe_model: str | None = None
    """Sentencepiece model of type ``bpe``; stage 2 trains it."""
    vocabulary: int = 500
    """Pieces that stage 2 asks for with type ``bpe``; a small corpus gives fewer."""
    spaces: bool = False
    """Put ``<space>`` between words of type ``phn``; ``char`` always has it."""
    blanks: bool = False
    """Put ``<blank>`` before, between and after all tokens, as the original VITS does: what lies
    between two sounds then has a length of its own."""
    missing: str | None = None
    """Front end that an imported voice was trained with, if malsori does not have it: the voice
    then speaks given tokens only, whatever ``frontend`` says."""


class Tokenizer:
    """Text to tokens. Picklable; holds no open file.

    Args:
        config: What to make.
        folder: Where relative paths in ``config`` start; the current folder by default.
        lexicon: More of the user's pronunciations, which win over those of ``config``.

    Raises:
        ConfigError: The settings contradict each other, or no front end has the name.
        TextError: The lexicon or the piece model cannot be read.
    """

    def __init__(
        self,
        config: TokenizerConfig,
        folder: str | Path | None = None,
        lexicon: str | Path | None = None,
    ) -> None:
        if config.type == "bpe" and config.bpe_model is None and config.missing is None:
            raise ConfigError("bpe_model: type 'bpe' needs a trained model: run 'malsori tokens'")
        if config.type != "phn" and (config.lexicon or lexicon) is not None:
            raise ConfigError(
                f"lexicon: a lexicon gives phonemes, type {config.type!r} has none: use type 'phn'"
            )
        self.config = config
        self.folder = None if folder is None else str(folder)
        self.lexicon = None if lexicon is None else str(lexicon)
        self._pieces: PieceModel | None = None
        self.frontends: dict[str, FrontEnd] = {}
        """By language; one alone reads every language."""
        if config.missing is not None:
            self.frontends[TokensOnly.language] = TokensOnly(config.missing)
            return
        if self.lexicon is None or config.lexicon is None:
            self.frontends = front_ends(config, self.lexicon or self._path(config.lexicon))
        else:
            self.frontends = self._with_both()
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
    ) -> tuple[type[Tokenizer], tuple[TokenizerConfig, str | None, str | None]]:
        return (Tokenizer, (self.config, self.folder, self.lexicon))

    def with_lexicon(self, path: str | Path, language: str | None = None) -> Tokenizer:
        """Return a tokenizer that also knows the user's pronunciations; they win over its own.

        Args:
            path: File of lines ``word<TAB>pronunciation``.
            language: Which of several languages they are of.

        Raises:
            ConfigError: The type has no pronunciations, or its own lexicon is of another language.
            TextError: The file cannot be read.
        """
        config = self.config
        if len(self.frontends) > 1:
            own = config.lexicon_language
            if config.lexicon is not None and own != language:
                raise ConfigError(f"{path}: this voice's own lexicon is of {own!r}, no other")
            config = replace(config, lexicon_language=language)
        return Tokenizer(config, self.folder, Path(path).absolute())

    def _with_both(self) -> dict[str, FrontEnd]:
        """Return the front ends with the settings' lexicon under the user's."""
        front_ends(self.config, self.lexicon)  # blames the user's file for what is wrong with it
        users = read_lexicon(self.lexicon or "")
        known = {word.lower() for word in users}
        own = read_lexicon(self._path(self.config.lexicon) or "")
        own = {word: tokens for word, tokens in own.items() if word.lower() not in known}
        with tempfile.TemporaryDirectory() as folder:
            both = Path(folder) / LEXICON_FILE
            lines = (f"{word}\t{tokens}\n" for word, tokens in (own | users).items())
            both.write_text("".join(lines), encoding="utf-8")
            return front_ends(self.config, str(both))

    @property
    def _spaces(self) -> bool:
        """Whether a token stands for the space between words."""
        return self.config.type == "char" or (self.config.type == "phn" and self.config.spaces)

    @property
    def language(self) -> str:
        """What it reads, as the front ends call it: ``ko``, or of several ``ko, en``."""
        return ", ".join(dict.fromkeys(each.language for each in self.frontends.values()))

    @property
    def frontend(self) -> FrontEnd:
        """The only front end, or the first one."""
        return next(iter(self.frontends.values()))

    def reader(self, language: str | None = None) -> FrontEnd:
        """Return what reads a language; of one front end alone that, whatever the language.

        Raises:
            TextError: None of several does.
        """
        if len(self.frontends) == 1:
            return self.frontend
        if language not in self.frontends:
            told = f"language {language!r}" if language else "no language"
            raise TextError(f"{told}: this tokenizer reads {', '.join(self.frontends)}")
        return self.frontends[language]

    @property
    def inventory(self) -> tuple[str, ...] | None:
        """All tokens that can come out, in fixed order; None for ``char``, where text decides."""
        if self._pieces is not None:
            return self._pieces.inventory
        if self.config.type == "char":
            return None
        symbols = dict.fromkeys(s for each in self.frontends.values() for s in each.inventory)
        return tuple(symbols) + ((SPACE,) if self.config.spaces else ())

    def normalize(self, text: str, language: str | None = None) -> str:
        """Return the words that would be spoken.

        Args:
            text: Any; pronunciations that are written into it stay as they are.
            language: Of the text; needed where several are read.

        Raises:
            TextError: A part of the text has no reading, or nothing reads the language; or a
                pronunciation is in it that characters or pieces cannot give.
        """
        reader = self.reader(language)
        if self.config.type == "phn" or not may_hold(text):
            return read_normalized(reader, text)
        for part in split_inline(text, reader.inventory):
            if part.is_given:
                reason = f"type {self.config.type!r} spells and never pronounces; write letters"
                raise TextError.unreadable(part.text, text, reason)
        return reader.normalize(text)

    def words(self, text: str, language: str | None = None) -> list[Word]:
        """Return the words of ``text`` with their tokens; spaces are words where they are tokens.

        Args:
            text: Any; pronunciations may be written into it (``{t ˈeɪ}``).
            language: Of the text; needed where several are read.

        Raises:
            TextError: A part of the text has no reading, or nothing reads the language.
        """
        return [word for words in self.read([text], language) for word in words]

    def read(self, parts: Sequence[str], language: str | None = None) -> list[list[Word]]:
        """Return the words of each part of a sentence; every part is read by itself.

        Args:
            parts: Of one sentence, with the spaces between them.
            language: Of the text; needed where several are read.

        Raises:
            TextError: As for ``words``.
        """
        found: list[list[Word]] = []
        apart = False  # is there a space between this part and the one before it?
        for part in parts:
            words = self._words(part, language)
            apart = self._spaces and any(found) and (apart or part[:1].isspace())
            if apart and words and (self.config.type == "char" or _is_spoken(words[0])):
                words = [_SPACE_WORD, *words]
            found.append(words)
            apart = part[-1:].isspace()
        if not self.config.blanks:
            return found
        blanked = iter(with_blanks([word for words in found for word in words]))
        return [[next(blanked) for _ in words] for words in found]

    def given(self, tokens: Sequence[str]) -> list[Word]:
        """Return tokens, however they were made, as words of one each.

        A tokenizer with blanks adds them, unless some are among the tokens.
        """
        words = [Word(token, (token,)) for token in tokens]
        return with_blanks(words) if self.config.blanks and BLANK not in tokens else words

    def tokens(self, text: str, language: str | None = None) -> list[str]:
        """Return the tokens of ``text``, those of ``words`` one after the other.

        Raises:
            TextError: As for ``words``.
        """
        return [token for word in self.words(text, language) for token in word.tokens]

    def _words(self, text: str, language: str | None) -> list[Word]:
        if self.config.type == "phn":
            words = read_words(self.reader(language), text)
            return _spaced(words) if self.config.spaces else words
        normalized = self.normalize(text, language)
        if self._pieces is not None:
            return self._pieces.words(normalized)
        return _with_spaces([Word(word, tuple(word)) for word in normalized.split()])

    def _path(self, path: str | None) -> str | None:
        if path is None or self.folder is None:
            return path
        return str(Path(self.folder) / path)


def front_ends(config: TokenizerConfig, lexicon: str | None = None) -> dict[str, FrontEnd]:
    """Return the front ends of a tokenizer by language, in the order of the settings.

    Args:
        config: ``frontend`` names them, ``lexicon_language`` one of their languages.
        lexicon: File of the user's pronunciations.

    Raises:
        ConfigError: No front end has the name, two are of one language, or the lexicon's language
            is not among several.
        TextError: The lexicon cannot be read.
    """
    named: dict[str, str] = {}
    for word in config.frontend.split(","):
        language, _, name = word.strip().rpartition("=")
        entry = FRONTENDS.entry(name.strip())
        language = language.strip() or entry.build(_settings(entry.config, name, config)).language
        if language in named:
            raise ConfigError(
                f"frontend: {named[language]!r} and {name!r} are both for {language!r}: one of them"
            )
        named[language] = name.strip()
    languages = ", ".join(named)
    if config.lexicon_language is not None and config.lexicon_language not in named:
        raise ConfigError(f"lexicon_language: {config.lexicon_language!r} is not in {languages}")
    if lexicon is not None and len(named) > 1 and config.lexicon_language is None:
        raise ConfigError(f"lexicon_language: say which of {languages} the lexicon is of")
    found = {}
    for language, name in named.items():
        own = lexicon if len(named) == 1 or language == config.lexicon_language else None
        entry = FRONTENDS.entry(name)
        found[language] = entry.build(replace(_settings(entry.config, name, config), lexicon=own))
    return found


def _settings(config_type: type, name: str, config: TokenizerConfig) -> FrontEndConfig:
    settings = config_type()
    if not isinstance(settings, FrontEndConfig):
        raise ConfigError(f"frontend: the settings of {name!r} must derive from FrontEndConfig")
    if any(field.name == "phrases" for field in fields(settings)):
        settings = config_type(phrases=config.phrases)
    return settings


def with_blanks(words: Sequence[Word]) -> list[Word]:
    """Return words with ``<blank>`` behind each of their tokens, and before the first one.

    Source: Kim, Kong, Son 2021 (VITS, arXiv:2106.06103), appendix B; each word keeps the blanks
    behind its tokens.
    """
    found = [
        Word(word.text, tuple(part for token in word.tokens for part in (token, BLANK)))
        for word in words
    ]
    for i, word in enumerate(found):
        if word.tokens:
            found[i] = Word(word.text, (BLANK, *word.tokens))
            break
    return found


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
        if spaced and _is_spoken(word):
            spaced.append(_SPACE_WORD)
        spaced.append(word)
    return spaced


def _is_spoken(word: Word) -> bool:
    return any(character.isalnum() for character in word.text)
