"""English words that are spelt alike and said differently, chosen by the words beside them.

The lexicon has their pronunciations by part of speech (``the record``, ``to record``). Which it is
says a model of parts of speech, corrected where it is weak: questions (``have you read``), commands
(``close the door``), ``he dove``. Of nouns that differ (``bow``) see ``english_senses``. Not told
apart: ``read`` in a sentence that has no other word that tells its time.

Source: parts of speech from gruut-lang-en (MIT); the contexts are our own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from malsori.text.english_senses import SENSES
from malsori.text.tables import word_set

Pronunciations = Mapping[str, tuple[str, ...]]
"""Part of speech (NN, VB, VBD, JJ, RB) to phonemes."""
Tagger = Callable[[Sequence[str]], Sequence[str]]
"""Words of a sentence to tags of the Penn Treebank."""

ROLES = ("NN", "VB", "VBD", "JJ", "RB")
RARER = "rarer"
"""In place of a part of speech: what ``SENSES`` has for a noun."""
MISNAMED = {("contract", "JJ"): "VB"}
"""A word and what the lexicon calls it, to the part of speech that it is."""
ADDED = {
    ("aged", "VB"): "ˈeɪ d͡ʒ d", ("polish", "VB"): "p ˈɑ l ɪ ʃ",
    ("used", "VB"): "j ˈu z d", ("used", "MD"): "j ˈu s t",
}  # fmt: skip
"""What the lexicon does not tell apart; ``I used to`` is all but a modal."""
NEAR = 8
"""Words on either side that are looked at, within the sentence."""

_END = frozenset(".?!…;:")
_MEANT = {
    "NN": ("NN", "JJ"), "VBD": ("VBD", "VB"), "VBN": ("VBD", "VB", "JJ"), "VB": ("VB",),
    "JJ": ("JJ", "NN", "VBD"), "RB": ("RB", "JJ", "NN"),
}  # fmt: skip
"""A tag to the parts of speech that the lexicon may have for it, best first."""
_LEFT_ALONE = word_set(
    "a de do does dos evening evenings lied marked nice number nemo real won were consist consists "
    "proceed supply apply irony maas nestle nestling preposition prepositions template outright "
    "hinder hinders leasing leasings resent tarry tarrier thou pussy pasty platy coax coaxes "
    "crooked moped multiply upset overweight jagged ragged wicked pauline outside"
)
"""The lexicon's first is nearly always right, whatever stands beside."""

_THIRD = word_set("he she it")
_SUBJECTS = word_set("i you we they who")
_HAVE = word_set("have has had having haven't hasn't hadn't i've you've we've they've been got")
_BE = word_set("is are was were be been being isn't aren't wasn't weren't")
_ASKING = word_set(
    "do does did will would can could shall should may might must don't doesn't didn't won't "
    "wouldn't can't couldn't shouldn't"
)
_QUESTIONS = word_set("what when where why how who whom which so and but or then often long")
"""Words before one that asks."""
_NAMED = ("DT", "PRP", "NN", "JJ", "CD", "POS", "CC", "RB")
"""Tags between ``did`` and its verb: ``did your old friend read``."""
_UNFINISHED = ("DT", "PRP$", "JJ", "CD", "POS", "CC")
"""Tags that do not end a subject."""
_ARTICLES = word_set("a an the this that these those my your his her its our their")
_DESCRIBING = word_set("aged blessed dogged learned")
"""Past forms, and adjectives behind an article."""
_CLAUSE = frozenset({"WRB", "WDT", "WP", "IN", "CC", ",", ".", ":"})
"""Tags that end a clause."""
_COMPLEMENT = ("TO", "IN", "DT", "PRP", "RB", "RP", "JJ")
"""First letters of the tags behind a verb."""
_MOST_ADVERBS = 4
_LONGEST_SUBJECT = 5
_OBJECT = word_set("the a an this these those my your his her its our their me us them")
_PAST = word_set("yesterday ago last earlier once")
_HABIT = word_set(
    "often always usually sometimes every never rarely seldom regularly daily weekly now tomorrow "
    "too still"
)
_PERIOD = word_set("day week month year")
_BEFORE = {
    "wound": ("VBD", word_set("up down around round through back")),
    "live": ("JJ", word_set("audience broadcast concert coverage music show shows stream tv")),
    "dove": ("VBD", word_set("into off down under deep headfirst")),
    "minute": ("JJ", word_set("detail details amount amounts quantities particles traces")),
    "content": ("JJ", word_set("with to")),
    "close": ("JJ", word_set("to together enough")),
}
"""A word to what it is before one of these words."""


class Context:
    """A word and its neighbours.

    Args:
        pieces: Words and punctuation marks of the text.
        place: Of the word among them.
        tagger: Called only where the words alone do not tell.
    """

    def __init__(self, pieces: Sequence[str], place: int, tagger: Tagger) -> None:
        first, last = max(0, place - NEAR), min(len(pieces), place + NEAR + 1)
        first = next((i + 1 for i in range(place - 1, first - 1, -1) if pieces[i] in _END), first)
        last = next((i + 1 for i in range(place + 1, last) if pieces[i] in _END), last)
        self.pieces = pieces[first:last]
        self.said = [piece.lower() for piece in self.pieces]
        self.place = place - first
        self.is_first = self.place == 0 or self.pieces[self.place - 1] == '"'
        self._tagger = tagger

    @cached_property
    def tags(self) -> Sequence[str]:
        """Parts of speech of the words near."""
        return self._tagger(self.pieces)

    @property
    def word(self) -> str:
        """The word in lower case."""
        return self.said[self.place]

    @property
    def tag(self) -> str:
        """Part of speech of the word."""
        return self.tags[self.place]

    @property
    def tag_behind(self) -> str:
        """Part of speech of the word behind; empty where the text ends."""
        return self.tags[self.place + 1] if self.place + 1 < len(self.tags) else ""

    @cached_property
    def governor(self) -> str:
        """The word before, and before adverbs: ``are`` in ``are still widely read``."""
        at = self.place - 1
        while at > 0 and self.place - at < _MOST_ADVERBS and self.tags[at].startswith("RB"):
            at -= 1
        return self.said[at] if at >= 0 else ""

    @property
    def before(self) -> str:
        """The word before; empty where the sentence begins."""
        return self.said[self.place - 1] if self.place else ""

    @property
    def after(self) -> str:
        """The word behind; empty where the text ends."""
        return self.said[self.place + 1] if self.place + 1 < len(self.said) else ""

    def has(self, words: frozenset[str]) -> bool:
        """Return whether one of the words stands near."""
        return not words.isdisjoint(self.said)


def is_heteronym(word: str, roles: Pronunciations) -> bool:
    """Return whether the words beside decide between the pronunciations of a word."""
    return word not in _LEFT_ALONE and len(set(roles.values())) > 1


def choose(context: Context, roles: Pronunciations) -> tuple[str, ...] | None:
    """Return the pronunciation that the context asks for, or None for the lexicon's first.

    Args:
        context: The word with its neighbours.
        roles: Its pronunciations by part of speech.
    """
    told = _by_words(context) or _by_grammar(context, roles)
    if told is not None:
        return roles.get(told)
    tag = context.tag
    wanted = _MEANT.get(tag) or _MEANT.get(tag[:2], ())
    return next((roles[role] for role in wanted if role in roles), None)


def _by_words(context: Context) -> str | None:
    """Return what single words are, that have rules of their own; None for others."""
    word = context.word
    if word in SENSES:
        sense = SENSES[word]
        is_verb = context.tag.startswith("VB") and context.tag_behind.startswith(_COMPLEMENT)
        return RARER if (sense.is_verb if is_verb else context.has(sense.near)) else "NN"
    if word == "used":
        return "MD" if _is_usual(context) else "VB"
    if word == "polish" and not context.is_first:
        return "JJ" if context.pieces[context.place][0].isupper() else "NN"
    if word in _DESCRIBING:
        return "JJ" if context.before in _ARTICLES else "VB"
    is_told = context.before == "to" or context.before in _ASKING
    if word in _BEFORE and context.after in _BEFORE[word][1] and not is_told:
        return _BEFORE[word][0]
    if word == "close" and context.tag == "NN":  # the close of the day
        return "VB"
    return None


def _by_grammar(context: Context, roles: Pronunciations) -> str | None:
    """Return a part of speech that the words beside are sure of; None leaves it to the model."""
    before = context.before
    if "VB" in roles and context.after in _OBJECT and (context.is_first or before == "please"):
        return "VB"
    if "VBD" in roles and (
        context.governor in _HAVE
        or context.governor in _BE
        or before in _THIRD
        or _is_asked(context, _HAVE)
    ):
        return "VBD"
    if "VB" in roles and _is_asked(context, _ASKING):
        return "VB"
    if "VB" in roles and _lacks_verb(context):
        return "VB"
    if context.word == "read" and context.tag.startswith("VB"):
        return _time_of_reading(context)
    if "NN" in roles and context.place and context.tags[context.place - 1] == "CD":
        return "NN"
    return None


def _time_of_reading(context: Context) -> str | None:
    """Return the tense of ``read`` by the sentence's other words, None where they tell none."""
    if context.governor == "to" or context.governor in _ASKING:
        return "VB"
    if context.has(_PAST):
        return "VBD"
    tags = (*context.tags[: context.place], *context.tags[context.place + 1 :])
    usual = context.has(_HABIT) or ("a" in context.said and context.has(_PERIOD))
    if context.governor in _SUBJECTS and (usual or context.before == "you"):
        return "VB"
    return "VB" if context.tag == "VBD" and "VBP" in tags and "VBD" not in tags else None


def _lacks_verb(context: Context) -> bool:
    """Return whether the clause has no verb but this word: ``the two alternate every week``."""
    place, tags = context.place, context.tags
    several = place > 0 and (
        tags[place - 1] in ("NNS", "NNPS", "CD")
        or (tags[place - 1] == "NN" and "CC" in tags[max(0, place - 3) : place])
    )
    if not several or context.after == "of" or not tags[place].startswith("NN"):
        return False
    last = next((i for i in range(place + 1, len(tags)) if tags[i] in _CLAUSE), len(tags))
    return not any(tag.startswith(("VB", "MD")) for tag in (*tags[:place], *tags[place + 1 : last]))


def _is_usual(context: Context) -> bool:
    """Return whether ``used`` is that of ``I used to`` and ``I am used to it``."""
    if context.after != "to":
        return False
    behind = context.tags[context.place + 2 : context.place + 3]
    return not (context.before in _BE and behind == ["VB"])  # it is used to write


def _is_asked(context: Context, words: frozenset[str]) -> bool:
    """Return whether the word is the verb of a question, with its subject before it."""
    place, said, tags = context.place, context.said, context.tags
    for distance in range(1, min(place, _LONGEST_SUBJECT) + 1):
        at = place - distance
        if said[at] in words:
            begins = not at or not said[at - 1].isalpha() or said[at - 1] in _QUESTIONS
            if distance == 1 or not begins or tags[place - 1] in _UNFINISHED:
                return False
            is_last = not any(tag.startswith("VB") for tag in tags[place + 1 : place + 4])
            return tags[place - 1] == "PRP" or is_last
        if not tags[at].startswith(_NAMED):
            return False
    return False
