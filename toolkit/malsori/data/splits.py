"""Which utterances are for training, which for validation and which for tests.

A corpus that comes with such sets keeps them; others are split here. Names of sets in the wild
(``tr_no_dev``, ``valid``, ``eval1``, ``dev-clean``, ``metadata_val.csv``) are understood by the
words in them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from malsori.core.errors import MalsoriError
from malsori.core.log import get_logger

log = get_logger(__name__)

SETS = ("train", "dev", "test")
UNLISTED = "none"
"""Set of an utterance that the corpus's own lists leave out."""
WORDS = {
    "train": ("train", "training", "trn", "tr"),
    "dev": ("dev", "devel", "development", "valid", "validation", "val"),
    "test": ("test", "tst"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Split:
    """Which utterances go to dev and test; the rest is for training.

    It is decided over all listed utterances with an audio file, in the order of their ids, before
    any is rejected for its sound or length, so that a set never changes because of another.
    """

    dev: int = 250
    """Utterances for validation, above 0."""
    test: int = 250
    """Utterances for decoding and scores, above 0."""
    rule: Literal["even", "last"] = "even"
    """"even" takes dev + test evenly from the whole corpus, the first of these for dev (ESPnet's
    KSS recipe); "last" takes the last dev + test ones (ESPnet's LJSpeech recipe)."""
    keep: bool = True
    """Whether a corpus that has sets of its own keeps them."""

    def sets(self, ids: Sequence[str]) -> dict[str, str]:
        """Return the set ("train", "dev", "test") of each id.

        A corpus with less than ten times dev + test utterances gives a tenth to each of the two
        instead, with a warning.

        Args:
            ids: Ids in the order of their bytes.

        Raises:
            MalsoriError: There are fewer than three utterances.
        """
        if len(ids) < 3:
            raise MalsoriError(f"{len(ids)} utterances with audio: a recipe needs at least 3")
        dev, test = self.dev, self.test
        if dev + test > len(ids) // 5:
            dev, test = (min(wanted, max(len(ids) // 10, 1)) for wanted in (dev, test))
        if (dev, test) != (self.dev, self.test):
            log.warning(
                "%d utterances are few: dev gets %d instead of %d, test %d instead of %d",
                *(len(ids), dev, self.dev, test, self.test),
            )
        chosen = dict.fromkeys(ids, "train")
        for place, i in enumerate(self._held_out(len(ids), dev + test)):
            chosen[ids[i]] = "dev" if place < dev else "test"
        return chosen

    def complete(self, own: Mapping[str, str]) -> dict[str, str]:
        """Return the sets that a corpus has, and one taken from training for one it has not.

        Args:
            own: The set of each id as the corpus has it, "" for training, in the order of the
                ids' bytes.

        Raises:
            MalsoriError: There are too few utterances for training.
        """
        sets = {id: name or "train" for id, name in own.items()}
        for name, wanted in (("dev", self.dev), ("test", self.test)):
            if name in sets.values():
                continue
            train = [id for id, other in sets.items() if other == "train"]
            if len(train) < 2:
                raise MalsoriError(f"{len(train)} utterances for training: {name} needs some too")
            count = min(wanted, max(len(train) // 10, 1))
            log.warning("the corpus has no %s set: %d utterances of train are it", name, count)
            for i in self._held_out(len(train), count):
                sets[train[i]] = name
        counted = Counter(sets.values())
        log.info(
            "sets as the corpus has them: train %d, dev %d, test %d utterances (--split anew "
            "splits it otherwise)",
            *(counted[name] for name in SETS),
        )
        return sets

    def _held_out(self, total: int, count: int) -> list[int]:
        """Return which ``count`` of ``total`` utterances the rule takes."""
        if self.rule == "even":
            return _spread(0, total, count)
        return list(range(total - count, total))


def has_sets(names: Iterable[str]) -> bool:
    """Return whether these are sets to keep: one for training and one that is held out."""
    found = set(names)
    return "train" in found and bool(found & {"dev", "test"})


def own_sets(names: Iterable[str]) -> dict[str, str]:
    """Return what the sets of a corpus are for, by their names.

    "eval" is for tests where another set is for validation, and for validation where none is but
    one is for tests.

    Args:
        names: Names of folders or files.

    Returns:
        "train", "dev" or "test" of each name, "none" where no word in it tells; "" for all where
        these are no sets to keep.
    """
    found = {name: _set_by_name(name) for name in names}
    evaluation = "dev" if "test" in found.values() and "dev" not in found.values() else "test"
    sets = {name: evaluation if one == "eval" else one for name, one in found.items()}
    if not has_sets(sets.values()):
        return dict.fromkeys(sets, "")
    return {name: one or UNLISTED for name, one in sets.items()}


def _set_by_name(name: str) -> str:
    """Return the set by the words of its name; what is held out is named before training."""
    words = re.findall("[a-z]+", name.lower())
    for i, word in enumerate(words):  # "tr_no_dev" and "train_nodev" are for training
        if word in WORDS["dev"] and words[max(i - 1, 0)] not in ("no", "not", "without"):
            return "dev"
    for one in ("test", "train"):
        if any(word in WORDS[one] for word in words):
            return one
    return "eval" if "eval" in words or "evaluation" in words else ""


def _spread(start: int, end: int, count: int) -> list[int]:
    """Return ``count`` numbers of ``start`` ≤ n < ``end``, evenly spread.

    Each half of the range gives half of them, the second half the odd one, and so on down.

    Source: the rule of Kaldi's utils/subset_scp.pl, which ESPnet's KSS recipe relies on.
    """
    if count == 0:
        return []
    if end - start == 1:
        return [start]
    middle = start + (end - start) // 2
    half = count // 2
    return [*_spread(start, middle, half), *_spread(middle, end, count - half)]
