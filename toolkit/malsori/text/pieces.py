"""Subword pieces by sentencepiece (type ``bpe``): training in stage 2, and use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cached_property
from io import BytesIO
from pathlib import Path
from typing import Any

from malsori.text.frontend import TextError, Word

BOUNDARY = "▁"
"""Sentencepiece's mark of a word's start."""
LONGEST_LINE = 1 << 20
_TOO_LARGE = re.compile(r"value <= (\d+)")
_TOO_SMALL = re.compile(r"smaller than required_chars\. \d+ vs (\d+)")


class PieceModel:
    """A trained sentencepiece model.

    Args:
        path: The model file.

    Raises:
        TextError: The file is missing or is not a sentencepiece model.
    """

    def __init__(self, path: str | Path) -> None:
        import sentencepiece

        self.path = str(path)
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise TextError(f"{path}: cannot be read: {error.strerror or error}") from error
        self._model: Any = sentencepiece.SentencePieceProcessor()
        try:
            self._model.LoadFromSerializedProto(content)
        except RuntimeError as error:
            raise TextError(f"{path}: not a sentencepiece model") from error

    @cached_property
    def inventory(self) -> tuple[str, ...]:
        """All pieces that can come out, in the model's order; the unknown piece is not one."""
        model = self._model
        return tuple(
            model.IdToPiece(number)
            for number in range(model.GetPieceSize())
            if not (model.IsUnknown(number) or model.IsControl(number))
        )

    def words(self, normalized: str) -> list[Word]:
        """Return the words of a normalised text with their pieces.

        Raises:
            TextError: The text holds a character that was not in the training text.
        """
        words: list[tuple[str, list[str]]] = []
        for piece, number in zip(
            self._model.EncodeAsPieces(normalized), self._model.EncodeAsIds(normalized), strict=True
        ):
            if self._model.IsUnknown(number):
                raise TextError.unreadable(
                    piece.strip(BOUNDARY) or piece,
                    normalized,
                    "no piece has it: it was not in the training text",
                )
            if piece.startswith(BOUNDARY) or not words:
                words.append(("", []))
            text, pieces = words[-1]
            words[-1] = (text + piece.replace(BOUNDARY, ""), [*pieces, piece])
        return [Word(text, tuple(pieces)) for text, pieces in words]


def train_pieces(texts: Iterable[str], vocabulary: int) -> tuple[bytes, int]:
    """Return a trained byte pair model and its number of pieces, the same for the same texts.

    Args:
        texts: Normalised training texts.
        vocabulary: Pieces wanted. Where the texts give fewer, all that they give; where they have
            more different characters than this, so many pieces besides the characters.

    Raises:
        TextError: There is no text.
    """
    lines = [line for line in texts if line.strip()]
    if not lines:
        raise TextError("no text to train pieces on: the training set is empty")
    wanted = vocabulary
    for _ in range(4):
        try:
            return _train(iter(lines), wanted), wanted
        except RuntimeError as error:
            message = str(error)
            most, characters = _TOO_LARGE.search(message), _TOO_SMALL.search(message)
            if most is not None:
                wanted = int(most[1])
            elif characters is not None:
                wanted = int(characters[1]) + vocabulary
            else:
                raise TextError(f"sentencepiece cannot train on this text: {message}") from error
    raise TextError(f"sentencepiece finds no vocabulary near {vocabulary} for this text")


def _train(lines: Iterator[str], vocabulary: int) -> bytes:
    import sentencepiece

    model = BytesIO()
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=lines,
        model_writer=model,
        vocab_size=vocabulary,
        model_type="bpe",
        character_coverage=1.0,
        normalization_rule_name="identity",
        num_threads=1,
        unk_id=0,
        bos_id=-1,
        eos_id=-1,
        pad_id=-1,
        max_sentence_length=LONGEST_LINE,
        shuffle_input_sentence=False,
        minloglevel=2,
    )
    return model.getvalue()
