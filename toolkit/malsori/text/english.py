"""``en``: American English phonemes (IPA) with stress marks, from a lexicon and a CRF.

Lexicon and models are data files of the package ``gruut-lang-en`` (MIT; 15 MB, nothing else comes
with it). Vowels carry their stress: ``ˈ`` primary, ``ˌ`` secondary. Of words with several
pronunciations the lexicon's first is taken, or what the words beside ask for (``to record``, ``the
record``); ``the`` and ``a`` look at the next sound. Words in capitals are spelt (``FBI``) unless
the lexicon knows them (``NASA``); a capital within a word begins another (``GitHub``).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from malsori.core.registry import Entry
from malsori.text.english_heteronyms import (
    ADDED,
    MISNAMED,
    RARER,
    ROLES,
    Context,
    Pronunciations,
    choose,
    is_heteronym,
)
from malsori.text.english_models import data_rows, guess, parts_of_speech
from malsori.text.english_normalizer import PUNCTUATION, normalize
from malsori.text.english_senses import SENSES
from malsori.text.english_tables import CORRECTIONS, PRONUNCIATIONS
from malsori.text.frontend import FrontEndConfig, TextError, Word
from malsori.text.inline import given_tokens, split_inline
from malsori.text.lexicon import pronunciation_tokens, read_lexicon
from malsori.text.pronunciation import may_hold
from malsori.text.tables import word_set

CONSONANTS = (
    "b", "d", "d͡ʒ", "f", "h", "j", "k", "l", "m", "n", "p", "s", "t", "t͡ʃ", "v", "w", "z", "ð", "ŋ",
    "ɡ", "ɹ", "ʃ", "ʒ", "θ",
)  # fmt: skip
VOWELS = (
    "aɪ", "aʊ", "eɪ", "i", "oʊ", "u", "æ", "ɑ", "ɔ", "ɔɪ", "ə", "ɚ", "ɛ", "ɪ", "ʊ", "ʌ",
)  # fmt: skip
STRESSES = ("", "ˈ", "ˌ")
INVENTORY = (
    *CONSONANTS, *(stress + vowel for stress in STRESSES for vowel in VOWELS), *PUNCTUATION
)  # fmt: skip

CACHED_WORDS = 100_000
_PIECE = re.compile(r"\[\[[^\[\]]+\]\]|[A-Za-z]+(?:'[A-Za-z]+)*'?|[^\sA-Za-z]")
_VOICELESS = frozenset({"f", "k", "p", "t", "θ"})
_SIBILANTS = frozenset({"s", "z", "ʃ", "ʒ", "t͡ʃ", "d͡ʒ"})
_VOWEL_TOKENS = frozenset(stress + vowel for stress in STRESSES for vowel in VOWELS)
_WEAK = {"the": ("ð", "ə"), "a": ("ə",)}
_BEFORE_VOWEL = {"the": ("ð", "i")}
LONGEST_ACRONYM = 5
LONGEST_WORD = 1000
SPELT = word_set("US TV PM AM IT ID AI UN AD LED MIT MA PA UPS EST CO OS")
"""Words in capitals that are letters, although the lexicon has such a word."""
_VOWEL_LETTERS = re.compile("[aeiouy]")
_LETTERS_AND_S = re.compile(r"([A-Z]{2,5}(?='?s)|[A-Z](?='s))('?s)")
_PREFIXES = (
    *("micro", "milli", "centi", "deci", "hecto", "kilo", "mega", "giga", "tera", "nano", "pico"),
    *("over", "under", "inter", "super", "anti", "non", "multi", "semi", "ultra", "pre", "re"),
    "un",
)
LEAST_STEM = 3
"""Letters of a known word behind one of the prefixes."""


class English:
    """English front end. Picklable: the lexicon and the model are opened on first use.

    Args:
        config: The user's lexicon, if any: words to phonemes with spaces between.

    Raises:
        TextError: The user's lexicon cannot be read.
    """

    name = "en"
    language = "en"
    inventory: tuple[str, ...] = INVENTORY
    reads_inline = True

    def __init__(self, config: FrontEndConfig) -> None:
        self.config = config
        self._given: dict[str, tuple[str, ...]] = {}
        if config.lexicon is not None:
            for word, pronunciation in read_lexicon(config.lexicon, lower=True).items():
                self._given[word] = pronunciation_tokens(
                    config.lexicon, word, pronunciation, INVENTORY
                )

    def normalize(self, text: str) -> str:
        """Return the words that would be spoken, in letters, with single spaces.

        Pronunciations in the text stay, in double brackets.

        Raises:
            TextError: A part of the text has no English reading.
        """
        if not may_hold(text):
            return normalize(text)
        spoken = [
            f" [[{part.text}]] " if part.is_given else normalize(part.text)
            for part in split_inline(unicodedata.normalize("NFC", text), INVENTORY)
        ]
        return _SPACED_STOP.sub("", " ".join(" ".join(spoken).split()))

    def pronounce(self, normalized: str) -> list[Word]:
        """Return the words of a normalised text with their phonemes; hyphens join, unspoken.

        Raises:
            TextError: The text is not normalised, or the extra ``[en]`` is not installed.
        """
        words: list[Word] = []
        pieces = _PIECE.findall(_HYPHEN.sub(" ", normalized))
        said = [piece.lower() for piece in pieces]
        for place, piece in enumerate(pieces):
            if piece[0].isalpha():
                words.append(Word(piece, self._word(pieces, said, place)))
            elif piece[2:-2].strip():
                tokens = given_tokens(piece[2:-2], normalized, INVENTORY)
                words.append(Word("".join(tokens), tokens))
            elif piece in PUNCTUATION:
                words.append(Word(piece, (piece,)))
            else:
                raise TextError.unreadable(
                    piece, normalized, "only letters and punctuation can be pronounced"
                )
        return [self._weak(word, words[i + 1 : i + 2]) for i, word in enumerate(words)]

    def __call__(self, text: str) -> list[Word]:
        """Return the words of a text with their phonemes; see ``normalize`` and ``pronounce``."""
        return self.pronounce(self.normalize(text))

    def _word(self, pieces: list[str], said: list[str], place: int) -> tuple[str, ...]:
        piece, word = pieces[place], said[place]
        given = self._given.get(word)
        if given is not None:
            return given
        if len(piece) > LONGEST_WORD:
            raise TextError.unreadable(piece, piece, f"longer than {LONGEST_WORD} letters")
        if piece[-1].isupper() or piece.endswith("s"):
            letters = _letters(pieces, place)
            if letters is not None:
                return letters
        roles = heteronyms().get(word)
        if roles is not None:
            chosen = choose(Context(pieces, place, parts_of_speech), roles)
            if chosen is not None:
                return chosen
        if _HUMP.search(piece) and "'" not in piece and word not in lexicon():
            return self._parts(piece)
        return _pronounce(word)

    def _parts(self, piece: str) -> tuple[str, ...]:
        """Return a word of several capitals: its parts, each a word or letters (``iOS``)."""
        parts = _HUMP.sub(" ", piece).split(" ")
        said = [part.lower() for part in parts]
        return tuple(
            token for place in range(len(parts)) for token in self._word(parts, said, place)
        )

    def _weak(self, word: Word, following: list[Word]) -> Word:
        spelt = word.text.lower()
        if spelt not in _WEAK or spelt in self._given or not following or word.tokens == ("ˈeɪ",):
            return word
        if following[0].tokens[0] in _VOWEL_TOKENS:
            return Word(word.text, _BEFORE_VOWEL.get(spelt, _WEAK[spelt]))
        return Word(word.text, _WEAK[spelt])


_SPACED_STOP = re.compile(r" +(?=[.,?!…;:])")
_HUMP = re.compile("(?<=[a-z])(?=[A-Z])")
"""Where a word with capitals inside is parted."""
_HYPHEN = re.compile(r"(?<=[A-Za-z])-+(?=[A-Za-z])")


def _letters(pieces: list[str], place: int) -> tuple[str, ...] | None:
    """Return the letters' names of a word that is spelt (``X``, ``FBI``, ``URLs``), else None."""
    piece = pieces[place]
    if len(piece) == 1:
        return _spelt(piece.lower()) if piece != "A" or _is_letter(pieces, place) else None
    if piece.isupper() and len(piece) <= LONGEST_ACRONYM:
        is_word = piece not in SPELT and piece.lower() in lexicon()
        return None if is_word else _spelt(piece.lower())
    several = _LETTERS_AND_S.fullmatch(piece)
    if several is None or (several[1] not in SPELT and several[1].lower() in lexicon()):
        return None
    return _with_s(_spelt(several[1].lower()))


def _is_letter(pieces: list[str], place: int) -> bool:
    """Return whether a capital A is the letter (``plan A``, ``U S A``), and not the article."""
    before = pieces[place - 1] if place else "."
    after = pieces[place + 1] if place + 1 < len(pieces) else "."
    if len(after) == 1 and after.isupper() and after != "I":
        return True
    if not before[0].isalpha():
        return False
    return (len(before) == 1 and before.isupper()) or not (
        before[0].isupper() and after[0].isupper()
    )


@lru_cache(maxsize=1)
def heteronyms() -> dict[str, Pronunciations]:
    """Return the words whose neighbours decide how they are said, by part of speech.

    Raises:
        TextError: The extra ``[en]`` is not installed.
    """
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for word, phonemes, role in data_rows("WHERE role != '' ORDER BY pron_order"):
        role = role.removeprefix("gruut:")
        role = MISNAMED.get((word, role), role)
        if role in ROLES:
            found.setdefault(word, {}).setdefault(role, tuple(phonemes.split()))
    for (word, role), phonemes in ADDED.items():
        found.setdefault(word, {})[role] = tuple(phonemes.split())
    for word, sense in SENSES.items():
        found[word] = {"NN": lexicon()[word], RARER: tuple(sense.phonemes.split())}
    return {word: roles for word, roles in found.items() if is_heteronym(word, roles)}


@lru_cache(maxsize=1)
def lexicon() -> dict[str, tuple[str, ...]]:
    """Return the first pronunciation of every word of the package's lexicon, read once.

    Raises:
        TextError: The extra ``[en]`` is not installed.
    """
    rows = data_rows("ORDER BY pron_order DESC")
    known = PRONUNCIATIONS | {word: phonemes for word, phonemes, _ in rows} | CORRECTIONS
    return {word: tuple(phonemes.split()) for word, phonemes in known.items()}


@lru_cache(maxsize=CACHED_WORDS)
def _pronounce(word: str) -> tuple[str, ...]:
    """Return the phonemes of a lower-case word, guessed where the lexicon has none."""
    known = lexicon()
    if word in known:
        return known[word]
    if word.endswith("'s") and len(word) > 2:
        return _with_s(_pronounce(word[:-2]))
    plain = word.replace("'", "")
    if plain in known:
        return known[plain]
    if word.endswith("'") and word[:-1] in known:
        return known[word[:-1]]
    if word.endswith("s") and word[:-1] in known and len(word) > 2:
        return _with_s(known[word[:-1]])
    if len(plain) <= LONGEST_ACRONYM and not _VOWEL_LETTERS.search(plain):
        return _spelt(plain)
    for prefix in _PREFIXES:
        stem = word[len(prefix) :]
        if (
            word.startswith(prefix)
            and len(stem) >= LEAST_STEM
            and (stem in known or (stem.endswith("s") and stem[:-1] in known))
        ):
            return _prefixed(prefix, _pronounce(stem))
    return guess(plain) or _spelt(plain)


def _prefixed(prefix: str, stem: tuple[str, ...]) -> tuple[str, ...]:
    """Return a known word behind a prefix, whose stress becomes secondary."""
    return (*(token.replace("ˈ", "ˌ") for token in _pronounce(prefix)), *stem)


def _with_s(stem: tuple[str, ...]) -> tuple[str, ...]:
    if stem and stem[-1] in _SIBILANTS:
        return (*stem, "ɪ", "z")
    return (*stem, "s" if stem and stem[-1] in _VOICELESS else "z")


def _spelt(letters: str) -> tuple[str, ...]:
    """Return the names of letters."""
    known = lexicon()
    names = (("ˈeɪ",) if letter == "a" else known[letter] for letter in letters if letter != "'")
    return tuple(token for name in names for token in name)


ENTRY = Entry(
    config=FrontEndConfig,
    build=English,
    summary="American English, IPA with stress marks; extra [en]",
    source="gruut-lang-en (MIT), after the CMU Pronouncing Dictionary",
)
