"""English nouns that are spelt alike and said differently, told apart by words of the sentence.

Grammar does not help with ``bow`` of a ship and ``bow`` of an archer. The second pronunciation is
taken where one of its words is near, else the lexicon's first.

Source: pronunciations and senses, Merriam-Webster; the words near are our own.
"""

from __future__ import annotations

from typing import NamedTuple

from malsori.text.tables import word_set


class Sense(NamedTuple):
    """The rarer pronunciation of a noun."""

    phonemes: str
    near: frozenset[str]
    """Words of the sentence that it stands beside."""
    is_verb: bool = False
    """Whether the verb is said so, too."""


_SHIP = word_set(
    "ship ships boat boats canoe stern deck sea waves vessel sail sailor sailors rowed river oars "
    "harbor hull anchor take takes took taking applause shoreward"
)
_WEEPING = word_set(
    "eye eyes cheek cheeks face wept weep weeping crying cried shed wiped wipe sob joy grief duct "
    "ducts gas"
)
_METAL = word_set(
    "pipe pipes paint paints poisoning metal metals mercury zinc copper tin bullet bullets battery "
    "batteries acid pencil pencils toxic ore solder molten melted made "
    "content exposure alloy alloys pewter glass mine mines element antimony"
)
_FISH = word_set("fish fishing lake pond trout caught catch striped largemouth smallmouth salmon")
SENSES = {
    "bow": Sense("b ˈaʊ", _SHIP, is_verb=True),
    "bows": Sense("b ˈaʊ z", _SHIP, is_verb=True),
    "tear": Sense("t ˈɪ ɹ", _WEEPING),
    "lead": Sense("l ˈɛ d", _METAL),
    "bass": Sense("b ˈæ s", _FISH),
}
"""A noun to its rarer sense."""
