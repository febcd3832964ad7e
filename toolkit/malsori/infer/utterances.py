"""From a text to what a voice says in one breath, and batches of it.

Axes: B utterances, N tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from malsori.infer.voice import Voice
from malsori.text.frontend import TextError, Word
from malsori.text.markup import PLAIN, Break, Manner, Passage, Script
from malsori.text.sentences import sentence_gaps
from malsori.text.tokens import BLANK

LONGEST_SENTENCE = 2000
"""Tokens without a full stop, some minutes of speech; attention grows with their square."""


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """What is said in one breath."""

    words: tuple[Word, ...]
    manners: tuple[Manner, ...]
    """Of each word."""

    @property
    def token_manners(self) -> list[Manner]:
        """Of each token, (N,)."""
        return [
            manner
            for word, manner in zip(self.words, self.manners, strict=True)
            for _ in word.tokens
        ]


def utterances(voice: Voice, script: Script, language: str | None) -> list[Utterance | Break]:
    """Return what a voice says, sentence by sentence, with the silences that were asked for.

    Sentences of punctuation alone are left out.

    Raises:
        TextError: A part of the text has no reading.
        MalsoriError: The voice has several languages, but not this one.
    """
    found: list[Utterance | Break] = []
    passages: list[Passage] = []
    for part in (*script.parts, None):
        if isinstance(part, Passage):
            passages.append(part)
            continue
        for sentence in _sentences(passages):
            read = voice.read([passage.text for passage in sentence], language)
            pairs = [
                (word, passage.manner)
                for words, passage in zip(read, sentence, strict=True)
                for word in words
            ]
            if speaks([word for word, _ in pairs]):
                words, manners = zip(*pairs, strict=True)
                found.append(Utterance(words=words, manners=manners))
        passages = []
        if part is not None:
            found.append(part)
    return found


def plain(words: Sequence[Word]) -> Utterance:
    """Return words that are said as the whole is."""
    return Utterance(words=tuple(words), manners=(PLAIN,) * len(words))


def _sentences(passages: Sequence[Passage]) -> Iterator[list[Passage]]:
    """Yield the passages of each sentence; one that ends within a passage cuts it."""
    text = "".join(passage.text for passage in passages)
    start = 0
    for end, following in (*sentence_gaps(text), (len(text), len(text))):
        if text[start:end].strip():
            yield _cut(passages, start, end)
        start = following


def _cut(passages: Sequence[Passage], start: int, end: int) -> list[Passage]:
    """Return what lies between two places of the text that passages make."""
    found, first = [], 0
    for passage in passages:
        last = first + len(passage.text)
        if first < end and last > start:
            text = passage.text[max(0, start - first) : end - first]
            found.append(Passage(text=text, manner=passage.manner))
        first = last
    return found


def speaks(words: Sequence[Word]) -> bool:
    """Return whether more than punctuation is there to be spoken."""
    tokens = (token for word in words for token in word.tokens if token != BLANK)
    return any(character.isalnum() for token in tokens for character in token)


def token_ids(voice: Voice, words: Sequence[Word]) -> list[int]:
    """Return the ids of a sentence's tokens.

    Raises:
        TextError: There is none, or there are more than ``LONGEST_SENTENCE``.
    """
    ids = voice.tokens.encode([token for word in words for token in word.tokens])
    if not ids:
        raise TextError(f"no token to speak in {' '.join(word.text for word in words)!r}")
    if len(ids) > LONGEST_SENTENCE:
        beginning = " ".join(word.text for word in words[:5])
        raise TextError(
            f"the sentence {beginning!r}… has {len(ids)} tokens, and {LONGEST_SENTENCE} is the "
            "most: end sentences with '.', '?' or '!' and a space, or with a new line"
        )
    return ids


def batches(lengths: Sequence[int], most: float) -> Iterator[list[int]]:
    """Yield the indices of what is spoken together, the longest first.

    Args:
        lengths: Tokens of each text.
        most: Padded tokens of a batch; a longer text is a batch of its own.
    """
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and lengths[batch[0]] * (len(batch) + 1) > most:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def padded(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return token ids, (B, N) with 0 at padding, and their lengths, (B,)."""
    lengths = torch.tensor([len(row) for row in rows], device=device)
    tokens = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
    return tokens.to(device), lengths
