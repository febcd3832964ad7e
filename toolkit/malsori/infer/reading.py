"""What a voice reads texts with, and who speaks; nothing here imports PyTorch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from malsori.core.errors import MalsoriError
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.statistics import Statistics
from malsori.text.frontend import TextError, Word
from malsori.text.scripts import language_by_script
from malsori.text.tokenizer import Tokenizer
from malsori.text.tokens import UNKNOWN, TokenList


@dataclass(frozen=True, kw_only=True)
class ReadingVoice:
    """All of a voice but what makes the sound, which classes derived from it add."""

    tokenizer: Tokenizer
    tokens: TokenList
    audio: AudioConfig
    statistics: Statistics
    speakers: tuple[str, ...]
    languages: tuple[str, ...]
    origin: str
    """Where it was loaded from, for messages."""
    embedding_size: int = 0
    """Numbers of the external speaker vector (x-vector) that it has to be given; 0 for none."""
    speaker_encoder: str | None = None
    """Name of the encoder that made those vectors; None for none, or where nobody knows."""

    @property
    def language(self) -> str:
        """The language that a text is read in where nothing is said."""
        return self.languages[self.index("language", None)]

    def words(self, text: str, language: str | None = None) -> list[Word]:
        """Return the words of a text with their tokens.

        Args:
            text: Any.
            language: Of the text, one of ``languages`` if there are several; None for the first.

        Raises:
            TextError: A part of the text has no reading.
            MalsoriError: The voice has several languages, but not this one.
        """
        return [word for words in self.read([text], language) for word in words]

    def read(self, parts: Sequence[str], language: str | None = None) -> list[list[Word]]:
        """Return the words of each part of a sentence; see ``words``."""
        if len(self.languages) > 1:
            self.index("language", language)
        try:
            return self.tokenizer.read(parts, language or self.language)
        except TextError as error:
            if language or len(self.languages) == 1:
                raise
            raise TextError(
                f"{error}; it was read as {self.language!r}: say the language, one of "
                f"{', '.join(self.languages)}"
            ) from error

    def language_of(self, text: str) -> str | None:
        """Return which of several languages a text's script tells; None where it tells none."""
        if len(self.languages) == 1:
            return None
        names = [name for name in self.languages if name != UNKNOWN]
        return language_by_script(
            text, {name: self.tokenizer.reader(name).language for name in names}
        )

    def index(self, kind: str, name: str | None) -> int:
        """Return the index of a speaker or language; the first for None that is not ``<unk>``.

        Raises:
            MalsoriError: The voice does not have it.
        """
        names = self.speakers if kind == "speaker" else self.languages
        if name is None:  # ESPnet keeps 0 for speakers that it does not know
            return 1 if names[0] == UNKNOWN and len(names) > 1 else 0
        if name not in names:
            raise MalsoriError(f"{self.origin}: no {kind} {name!r}; known: {', '.join(names)}")
        return names.index(name)
