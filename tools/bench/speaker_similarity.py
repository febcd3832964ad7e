"""How well the speaker vectors of data dirs tell their speakers apart.

    malsori embed-speakers --data DIR…
    python tools/bench/speaker_similarity.py DIR…

For each two speakers the cosines between an utterance of one and an utterance of the other; the
equal error rate is the share of wrong answers at the cosine from which on "the same" is said such
that both mistakes are as frequent; nearest is the share of utterances that are nearest to the mean
of their own speaker's others.
"""

from __future__ import annotations

import argparse
from itertools import combinations_with_replacement
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from malsori.core.errors import MalsoriError
from malsori.data.datadir import DataDir

Vectors = dict[str, NDArray[np.float64]]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="how well speaker vectors tell speakers apart")
    parser.add_argument("dirs", nargs="+", type=Path, metavar="DIR", help="data dir with vectors")
    vectors = read(parser.parse_args().dirs)
    print("| speakers | utterances | mean cosine | deviation | lowest | highest |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    same, other = [], []
    for one, two in combinations_with_replacement(vectors, 2):
        cosines = vectors[one] @ vectors[two].T
        found = cosines[np.triu_indices(len(cosines), 1)] if one == two else cosines.ravel()
        (same if one == two else other).append(found)
        counts = f"{len(vectors[one])}" if one == two else "–"
        row = (found.mean(), found.std(), found.min(), found.max())
        told = one if one == two else f"{one} and {two}"
        print(f"| {told} | {counts} | " + " | ".join(f"{value:.2f}" for value in row) + " |")
    if other:
        rate = equal_error_rate(np.concatenate(same), np.concatenate(other))
        print(f"\nequal error rate {rate:.1%}, nearest {nearest(vectors):.1%}")


def read(dirs: list[Path]) -> Vectors:
    """Return the unit vectors of each speaker, (utterances, E)."""
    rows: dict[str, list[NDArray[np.float32]]] = {}
    for data in map(DataDir, dirs):
        for i in range(len(data)):
            vector = data.embedding(i)
            if vector is None:
                raise MalsoriError(f"{data.path}: no speaker vectors: run malsori embed-speakers")
            rows.setdefault(data.speaker(i), []).append(vector)
    stacked = {speaker: np.stack(found).astype(np.float64) for speaker, found in rows.items()}
    return {name: v / np.linalg.norm(v, axis=1, keepdims=True) for name, v in stacked.items()}


def equal_error_rate(same: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return the error at the threshold where both kinds are as frequent."""
    thresholds = np.sort(np.concatenate([same, other]))
    missed = np.searchsorted(np.sort(same), thresholds) / len(same)
    taken = 1 - np.searchsorted(np.sort(other), thresholds) / len(other)
    best = int(np.abs(missed - taken).argmin())
    return float(missed[best] + taken[best]) / 2


def nearest(vectors: Vectors) -> float:
    """Return the share of utterances nearest to the mean of their own speaker's others."""
    right, count = 0, 0
    sums = {name: found.sum(0) for name, found in vectors.items()}
    for name, found in vectors.items():
        for vector in found:
            means = {other: total - vector * (other == name) for other, total in sums.items()}
            scores = {other: vector @ m / np.linalg.norm(m) for other, m in means.items()}
            right += max(scores, key=lambda other: float(scores[other])) == name
            count += 1
    return right / count


if __name__ == "__main__":
    main()
