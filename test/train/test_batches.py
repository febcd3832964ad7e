from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from malsori.data.dataset import DataConfig
from malsori.train.batches import Batches

Make = Callable[..., Batches]


@pytest.fixture
def batches(toy_trainer: Callable[..., Any]) -> Make:
    """Return a function that makes batches of 3 out of 11 utterances."""
    data = toy_trainer(count=11).train_set

    def make(workers: int = 0, **settings: Any) -> Batches:
        return Batches(data, DataConfig(batch=3.0, workers=workers), seed=5, **settings)

    return make


def ids(batches: Batches, count: int) -> list[tuple[str, ...]]:
    stream = batches.stream()
    found = [batch.ids for batch in itertools.islice(stream, count)]
    stream.close()  # type: ignore[attr-defined]
    return found


def test_an_epoch_is_everything_once(batches: Make) -> None:
    source = batches()
    assert source.batches_in_epoch() == 4
    first, second = ids(source, 8)[:4], ids(batches(), 8)[4:]
    for epoch in (first, second):
        assert sorted(name for batch in epoch for name in batch) == sorted(
            f"u{i}" for i in range(11)
        )
    assert first != second


@pytest.mark.parametrize("taken", range(1, 10))
def test_goes_on_from_a_position(batches: Make, taken: int) -> None:
    whole, first = ids(batches(), 12), batches()
    ids(first, taken)
    resumed = batches()
    resumed.position = replace(first.position)
    assert ids(resumed, 12 - taken) == whole[taken:]


def test_readers_beside_change_nothing(batches: Make) -> None:
    """Neither what is read, nor the position, nor the random numbers that training draws."""
    torch.manual_seed(3)
    before = torch.get_rng_state()
    alone, beside = batches(), batches(workers=2)
    assert ids(alone, 6) == ids(beside, 6)
    assert alone.position == beside.position  # what is read ahead does not count
    assert torch.equal(torch.get_rng_state(), before)


def test_ranks_share_an_epoch(batches: Make) -> None:
    ranks = [ids(batches(rank=rank, world=2), 2) for rank in range(2)]
    names = [name for rank in ranks for batch in rank for name in batch]
    assert len(names) == len(set(names)) == 11


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_more_readers_than_batches(batches: Make) -> None:
    assert len(ids(batches(workers=9), 5)) == 5


def test_content_matches_ids(batches: Make) -> None:
    batch = next(batches().stream())
    for name, wav in zip(batch.ids, batch.wav, strict=True):
        wanted = np.random.default_rng(int(name[1:])).standard_normal(4).astype(np.float32)
        np.testing.assert_array_equal(wav, wanted)
