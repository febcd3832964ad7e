"""Token lists: symbols and their ids, kept in ``tokens.txt``, one symbol a line.

Line 0 is ``<blank>`` (also the padding), line 1 ``<unk>``; then the inventory in its fixed order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from malsori.core.files import write_text
from malsori.text.frontend import TextError

BLANK, UNKNOWN, SPACE = "<blank>", "<unk>", "<space>"


def visible(symbol: str) -> str:
    """Return a symbol as ``tokens.txt`` may have it: white space by name, ``<U+3000>``."""
    if symbol == " ":
        return SPACE
    return "".join(f"<U+{ord(c):04X}>" if c.isspace() else c for c in symbol)


class TokenList:
    """Symbols with ids 0 to n - 1; 0 is blank and padding, 1 unknown.

    Args:
        symbols: All symbols in order, ``<blank>`` and ``<unk>`` first.

    Raises:
        TextError: The first two are missing, or a symbol is empty, has white space in it or
            appears twice.
    """

    def __init__(self, symbols: Sequence[str]) -> None:
        if list(symbols[:2]) != [BLANK, UNKNOWN]:
            raise TextError(
                f"a token list starts with {BLANK} and {UNKNOWN}, not with {list(symbols[:2])}"
            )
        self.symbols = tuple(symbols)
        self._ids: dict[str, int] = {}
        for number, symbol in enumerate(self.symbols):
            if not symbol or symbol.split() != [symbol]:
                raise TextError(f"token {number} is empty or has white space in it: {symbol!r}")
            if symbol in self._ids:
                raise TextError(f"token {symbol!r} is there twice: {self._ids[symbol]}, {number}")
            self._ids[symbol] = number

    @classmethod
    def of(cls, inventory: Iterable[str]) -> TokenList:
        """Return the list of an inventory, with ``<blank>`` and ``<unk>`` put before it."""
        return cls([BLANK, UNKNOWN, *inventory])

    @classmethod
    def load(cls, path: str | Path) -> TokenList:
        """Read ``tokens.txt``.

        Raises:
            TextError: The file is missing, is not UTF-8 or is not a token list.
        """
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise TextError(f"{path}: cannot be read: {error.strerror or error}") from error
        return cls.parse(content, str(path))

    @classmethod
    def parse(cls, content: bytes, origin: str) -> TokenList:
        """Return the list in the content of a ``tokens.txt``; ``origin`` names it in errors.

        Raises:
            TextError: It is not UTF-8 or is not a token list.
        """
        try:
            lines = content.decode("utf-8").replace("\r\n", "\n").split("\n")
        except UnicodeDecodeError as error:
            raise TextError(f"{origin}: not a UTF-8 file: {error}") from error
        if lines[-1] == "":  # only \n ends a line: a symbol may be any other character
            lines.pop()
        try:
            return cls(lines)
        except TextError as error:
            raise TextError(f"{origin}: {error}") from error

    def save(self, path: str | Path) -> None:
        """Write ``tokens.txt``, whole or not at all."""
        write_text(path, self._content())

    def encode(self, tokens: Iterable[str]) -> list[int]:
        """Return the ids of ``tokens``.

        Raises:
            TextError: A token is not in the list; the message names it.
        """
        ids = self._ids
        try:
            return [ids[token] for token in tokens]
        except KeyError as error:
            raise TextError(
                f"token {error.args[0]!r} is not among the {len(self)} known ones: the text was "
                "made with another front end or token list"
            ) from None

    def decode(self, ids: Iterable[int]) -> list[str]:
        """Return the tokens of ``ids``.

        Raises:
            TextError: An id is outside of 0 to n - 1.
        """
        tokens = []
        for number in ids:
            if not 0 <= number < len(self.symbols):
                raise TextError(f"token id {number} is not within 0 to {len(self.symbols) - 1}")
            tokens.append(self.symbols[number])
        return tokens

    def hash(self) -> str:
        """Return the SHA-256 of what ``save`` writes: equal lists have equal hashes."""
        return hashlib.sha256(self._content().encode()).hexdigest()

    def __len__(self) -> int:
        return len(self.symbols)

    def __contains__(self, token: object) -> bool:
        return token in self._ids

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TokenList) and self.symbols == other.symbols

    def __hash__(self) -> int:
        return hash(self.symbols)

    def _content(self) -> str:
        return "".join(f"{symbol}\n" for symbol in self.symbols)
