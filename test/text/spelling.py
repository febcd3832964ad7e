"""Jamo put back into syllables, so that a test's expectation can be written in Hangul."""

from malsori.text import jamo
from malsori.text.frontend import Word


def hangul(words: list[Word]) -> str:
    """Return the spoken syllables of all words, without spaces and punctuation."""
    syllables: list[list[int]] = []
    for token in (token for word in words for token in word.tokens):
        if token in jamo.INITIALS:
            syllables.append([jamo.INITIALS.index(token), 0, 0])
        elif token in jamo.VOWELS:
            syllables[-1][1] = jamo.VOWELS.index(token)
        elif token in jamo.FINALS:
            syllables[-1][2] = jamo.FINALS.index(token) + 1
    return "".join(jamo.join(jamo.Syllable(*parts)) for parts in syllables)
