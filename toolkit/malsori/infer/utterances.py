"""From a text to what a voice says in one breath, and batches of it.

Axes: B utterances, N tokens.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TYPE_CHECKING

from malsori.core.log import get_logger
from malsori.infer.reading import ReadingVoice
from malsori.text.frontend import TextError, Word
from malsori.text.markup import PLAIN, Break, Manner, Passage, Script
from malsori.text.sentences import sentence_gaps
from malsori.text.tokens import BLANK

if TYPE_CHECKING:
    import torch
    from torch import Tensor

log = get_logger(__name__)

LONGEST_SENTENCE = 2000
"""Tokens without a full stop, some minutes of speech; attention grows with their square."""
CLAUSE_ENDS = frozenset(",;:，、；：—–")
"""Words that part two clauses."""
CLAUSE_TOKENS = 20
"""Of the first clause that is spoken for itself, about two seconds."""

_SHOWN = 30
"""Characters of a sentence in the log."""


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """What is said in one breath."""

    words: tuple[Word, ...]
    manners: tuple[Manner, ...]
    """Of each word."""
    language: str | None = None
    """What its script tells, in a voice with several; None where that is said for the whole."""

    @property
    def token_manners(self) -> list[Manner]:
        """Of each token, (N,)."""
        return [
            manner
            for word, manner in zip(self.words, self.manners, strict=True)
            for _ in word.tokens
        ]


def utterances(
    voice: ReadingVoice, script: Script, language: str | None
) -> Iterator[Utterance | Break]:
    """Yield what a voice says, sentence by sentence, with the silences that were asked for.

    Sentences of punctuation alone are left out. Where no language is said, each sentence is in
    that of its script, one that has no letters in that of the sentence before it.

    Raises:
        TextError: A part of the text has no reading.
        MalsoriError: The voice has several languages, but not this one.
    """
    passages: list[Passage] = []
    told: list[str] = []
    for part in (*script.parts, None):
        if isinstance(part, Passage):
            passages.append(part)
            continue
        for sentence in _sentences(passages):
            texts = [passage.text for passage in sentence]
            by_script = None if language else _by_script(voice, "".join(texts), told)
            read = voice.read(texts, language or by_script)
            pairs = [
                (word, passage.manner)
                for words, passage in zip(read, sentence, strict=True)
                for word in words
            ]
            if speaks([word for word, _ in pairs]):
                words, manners = zip(*pairs, strict=True)
                yield Utterance(words=words, manners=manners, language=by_script)
        passages = []
        if part is not None:
            yield part


def clauses(said: Utterance, fewest: int = CLAUSE_TOKENS) -> Iterator[Utterance]:
    """Yield a sentence in pieces that end with a clause, each about twice as long as the last.

    Args:
        said: The sentence.
        fewest: Tokens of the first piece at least, and of what is left at the end.
    """
    counts = [len(word.tokens) for word in said.words]
    left, first, tokens, rest = sum(counts), 0, 0, fewest
    for i, (word, count) in enumerate(zip(said.words, counts, strict=True), 1):
        tokens, left = tokens + count, left - count
        if word.text in CLAUSE_ENDS and tokens >= fewest and left >= rest:
            yield replace(said, words=said.words[first:i], manners=said.manners[first:i])
            first, tokens, fewest = i, 0, 2 * fewest
    yield replace(said, words=said.words[first:], manners=said.manners[first:])


def plain(words: Sequence[Word]) -> Utterance:
    """Return words that are said as the whole is."""
    return Utterance(words=tuple(words), manners=(PLAIN,) * len(words))


def _by_script(voice: ReadingVoice, text: str, told: list[str]) -> str | None:
    """Return the language of a sentence by its script; ``told`` holds those so far, last last."""
    name = voice.language_of(text)
    if name is None:
        return told[-1] if told else None
    if name in told:
        told.remove(name)
    else:
        log.info("no language is named: by its script %r is read as %r", text[:_SHOWN], name)
    told.append(name)
    return name


def _sentences(passages: Sequence[Passage]) -> Iterator[list[Passage]]:
    """Yield the passages of each sentence; one that ends within a passage cuts it."""
    text = "".join(passage.text for passage in passages)
    ends = list(accumulate(len(passage.text) for passage in passages))
    start = 0
    for end, following in (*sentence_gaps(text), (len(text), len(text))):
        if text[start:end].strip():
            yield _cut(passages, ends, start, end)
        start = following


def _cut(passages: Sequence[Passage], ends: Sequence[int], start: int, end: int) -> list[Passage]:
    """Return what lies between two places of the text that passages make, which end at ``ends``."""
    found = []
    for i in range(bisect_right(ends, start), len(passages)):
        passage = passages[i]
        first = ends[i] - len(passage.text)
        if first >= end:
            break
        text = passage.text[max(0, start - first) : end - first]
        found.append(Passage(text=text, manner=passage.manner))
    return found


def speaks(words: Sequence[Word]) -> bool:
    """Return whether more than punctuation is there to be spoken."""
    tokens = (token for word in words for token in word.tokens if token != BLANK)
    return any(character.isalnum() for token in tokens for character in token)


def token_ids(voice: ReadingVoice, words: Sequence[Word]) -> list[int]:
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
    import torch  # what speaks without it needs no padding

    lengths = torch.tensor([len(row) for row in rows], device=device)
    tokens = torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)
    return tokens.to(device), lengths
