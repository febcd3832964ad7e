"""The same text or the same sound more than once, within a set and across sets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from malsori.doctor.survey import Survey

if TYPE_CHECKING:
    from numpy.typing import NDArray

SHOWN_GROUPS = 40
SHOWN_MEMBERS = 8


@dataclass(frozen=True, kw_only=True)
class Group:
    """Utterances that are the same in some way."""

    rows: tuple[int, ...]
    """The first of them, numbered among all sets."""
    size: int
    """How many they are."""
    leak: bool
    """Whether some are for training and some are held out."""


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """All groups of one kind, as numbers, and the first of them."""

    groups: int
    utterances: int
    """In all groups."""
    leaked: int
    """Held-out utterances that are in training too."""
    repeated: NDArray[np.bool_]
    """Who is in a group, (N,)."""
    leaking: NDArray[np.bool_]
    """Held-out utterances that are in training too, (N,)."""
    shown: tuple[Group, ...]
    """Leaks first, then the largest."""


def duplicates(survey: Survey, hashes: NDArray[np.uint64], valid: NDArray[np.bool_]) -> Duplicates:
    """Return the utterances whose hash is there more than once.

    Args:
        survey: Says which utterances are held out.
        hashes: Of all utterances, (N,).
        valid: Which of them count, (N,).
    """
    rows = np.flatnonzero(valid)
    held_out = np.concatenate([np.full(len(each), each.held_out) for each in survey.sets])
    _, inverse, sizes = np.unique(hashes[rows], return_inverse=True, return_counts=True)
    inverse = inverse.reshape(-1)
    trained = np.bincount(inverse[~held_out[rows]], minlength=len(sizes)) > 0
    tested = np.bincount(inverse[held_out[rows]], minlength=len(sizes)) > 0
    leaks = trained & tested
    repeated, leaking = np.zeros(len(hashes), np.bool_), np.zeros(len(hashes), np.bool_)
    repeated[rows] = sizes[inverse] > 1
    leaking[rows] = leaks[inverse] & held_out[rows]
    several = np.flatnonzero(sizes > 1)
    first = several[np.lexsort((several, -sizes[several], ~leaks[several]))][:SHOWN_GROUPS]
    shown = []
    for group in first.tolist():
        members = rows[inverse == group]
        if leaks[group]:  # some of both sides
            members = np.concatenate([members[held_out[members]], members[~held_out[members]]])
        shown.append(
            Group(
                rows=tuple(members[:SHOWN_MEMBERS].tolist()),
                size=len(members),
                leak=bool(leaks[group]),
            )
        )
    return Duplicates(
        groups=len(several),
        utterances=int(sizes[several].sum()),
        leaked=int(leaking.sum()),
        repeated=repeated,
        leaking=leaking,
        shown=tuple(shown),
    )


def other_texts(
    sounds: NDArray[np.uint64], texts: NDArray[np.uint64], valid: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Return which utterances have the same sound as another one, but another text, (N,).

    Args:
        sounds: Hashes of the sound, (N,).
        texts: Hashes of the text, (N,).
        valid: Which of them count, (N,).
    """
    found = np.zeros(len(sounds), np.bool_)
    rows = np.flatnonzero(valid)
    pairs = np.unique(np.stack([sounds[rows], texts[rows]], axis=1), axis=0)
    several, counts = np.unique(pairs[:, 0], return_counts=True)
    found[rows] = np.isin(sounds[rows], several[counts > 1])
    return found
