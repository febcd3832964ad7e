"""The front end of a voice whose own is not here: it speaks given tokens and reads no text."""

from __future__ import annotations

from typing import NoReturn

from malsori.text.frontend import TextError, Word


class TokensOnly:
    """Refuse to read text, and say what the voice was trained to read it with.

    Args:
        missing: Name of the front end that the voice was trained with.
    """

    name = "tokens_only"
    language = "und"  # BCP 47: undetermined
    inventory: tuple[str, ...] = ()

    def __init__(self, missing: str) -> None:
        self.missing = missing

    def normalize(self, text: str) -> NoReturn:
        """Refuse.

        Raises:
            TextError: Always.
        """
        raise TextError(
            f"this voice was trained to read with {self.missing}, which malsori does not have: "
            'give it tokens, malsori synthesize --tokens "…"; malsori inspect lists them'
        )

    def pronounce(self, normalized: str) -> list[Word]:
        """Refuse; see ``normalize``."""
        return self.normalize(normalized)

    def __call__(self, text: str) -> list[Word]:
        """Refuse; see ``normalize``."""
        return self.normalize(text)
