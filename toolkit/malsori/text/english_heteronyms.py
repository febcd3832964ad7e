"""English words that are spelt alike and said differently, chosen by the word before them.

The lexicon has their pronunciations by part of speech. A noun follows an article, a possessive or
a preposition (``the record``), a verb ``to``, a modal or a pronoun (``to record``), a past form
``have`` or ``be`` (``have read``). Where the word before tells nothing, the lexicon's first
pronunciation is taken. Not told apart: two nouns (``bow``, ``tear``), ``lead`` the metal.

Source: parts of speech from gruut-lang-en (MIT); the contexts are our own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from malsori.text.tables import word_set

Pronunciations = Mapping[str, tuple[str, ...]]
"""Part of speech (NN, VB, VBD, JJ, RB) to phonemes."""

ROLES = ("NN", "VB", "VBD", "JJ", "RB")
_NOUN = word_set(
    "a an the this these those my your his her its our their no any some each every another "
    "of in on at by for with from into during under whose what which"
)
_VERB = word_set(
    "to will would can could shall should may might must cannot can't won't couldn't wouldn't "
    "shouldn't don't didn't doesn't let's please i you we they who not never always often "
    "also i'll you'll we'll they'll he'll she'll it'll did does do"
)
_THIRD = word_set("he she it")
_SUBJECTS = word_set("i you we they who")
_ADJECTIVES = word_set("live close learned blessed aged crooked")
_PERFECT = word_set(
    "have has had having i've you've we've they've he'd she'd been was were is are be being "
    "got haven't hasn't hadn't wasn't weren't isn't aren't"
)
_PREDICATE = word_set(
    "am is are was were be been being isn't aren't wasn't weren't i'm you're he's she's it's "
    "we're they're very so too more quite"
)
_PAST = word_set("yesterday ago last earlier once")
_LEFT_ALONE = word_set("a de do does dos evening evenings lead lied marked nice number nemo")
"""The lexicon's first is nearly always right, whatever stands before."""
_AFTER_WOUND = word_set("up down around round through back")
_AFTER_LIVE = word_set("audience broadcast concert coverage music show shows stream tv")
_OBJECT = word_set("the a an this these those my your his her its our their me us them")
_START = frozenset('.?!;:"')
PAST_WITHIN = 12
"""Words behind ``read`` among which ``yesterday`` and the like are looked for."""


def is_heteronym(word: str, roles: Pronunciations) -> bool:
    """Return whether the word before decides between the pronunciations of a word."""
    return word not in _LEFT_ALONE and len(set(roles.values())) > 1 and len(roles) > 1


def choose(said: Sequence[str], place: int, roles: Pronunciations) -> tuple[str, ...] | None:
    """Return the pronunciation that the context asks for, or None if it tells nothing.

    Args:
        said: Words and punctuation marks of the text, in lower case.
        place: Of the word among them.
        roles: Its pronunciations by part of speech.
    """
    word, before = said[place], said[place - 1] if place else "."
    after = said[place + 1] if place + 1 < len(said) else "."
    wanted: tuple[str, ...] = ()
    if word == "wound" and after in _AFTER_WOUND:
        wanted = ("VBD",)
    elif word == "live" and after in _AFTER_LIVE:
        wanted = ("JJ",)
    elif before in _START and after in _OBJECT:
        wanted = ("VB",)
    elif before in _NOUN:
        wanted = ("JJ", "NN") if word in _ADJECTIVES else ("NN", "JJ")
    elif before in _PERFECT and "VBD" in roles and "VB" in roles:
        wanted = ("VBD",)
    elif before in _PREDICATE:
        wanted = ("JJ", "NN") if "JJ" in roles else ()
    elif before in _THIRD:
        wanted = ("VB",) if word.endswith("s") else ("VBD",)
    elif before in _VERB:
        told = before in _SUBJECTS and ("VB" not in roles or _is_past(said, place))
        wanted = ("VBD",) if told else ("VB",)
    return next((roles[role] for role in wanted if role in roles), None)


def _is_past(said: Sequence[str], place: int) -> bool:
    """Return whether the rest of the sentence tells of the past."""
    for word in said[place + 1 : place + PAST_WITHIN]:
        if word in _PAST:
            return True
        if word in _START:
            return False
    return False
