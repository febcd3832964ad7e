from __future__ import annotations

import gc
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from malsori.core.errors import ConfigError
from malsori.data import batching
from malsori.data.batching import BUCKET_SECONDS, Plan, _Drawn, plan_epoch

lengths = st.lists(st.floats(0.05, 20.0), min_size=1, max_size=80).map(np.array)
budget = st.floats(0.5, 60.0)


@given(lengths, budget, st.integers(0, 1000), st.integers(0, 50))
def test_every_utterance_once_and_no_batch_too_long(
    seconds: np.ndarray, batch_seconds: float, seed: int, epoch: int
) -> None:
    plan = plan_epoch(seconds, batch_seconds, seed, epoch)
    assert sorted(np.concatenate(list(plan)).tolist()) == list(range(len(seconds)))
    for batch in plan:
        padded = seconds[batch].max() * len(batch)
        assert padded <= batch_seconds * (1 + 1e-9) or len(batch) == 1


@given(lengths, budget, st.integers(0, 1000))
def test_the_same_seed_gives_the_same_plan(
    seconds: np.ndarray, batch_seconds: float, seed: int
) -> None:
    one, two = (plan_epoch(seconds, batch_seconds, seed, 3) for _ in range(2))
    assert [batch.tolist() for batch in one] == [batch.tolist() for batch in two]


def test_batches_hold_similar_lengths_and_are_nearly_full() -> None:
    seconds = np.random.default_rng(0).uniform(1, 10, 2000)
    plan = plan_epoch(seconds, 60.0, 1, 0)
    spread = [np.ptp(seconds[batch]) for batch in plan]
    assert np.mean(spread) < 2 * BUCKET_SECONDS
    padded = sum(seconds[batch].max() * len(batch) for batch in plan)
    assert padded < 1.1 * seconds.sum()
    assert padded > 0.85 * 60.0 * len(plan)


def test_membership_and_order_change_with_epoch_and_seed() -> None:
    seconds = np.random.default_rng(0).uniform(1, 5, 300)

    def members(seed: int, epoch: int) -> set[frozenset[int]]:
        return {frozenset(batch.tolist()) for batch in plan_epoch(seconds, 20.0, seed, epoch)}

    first = members(1, 0)
    assert len(first & members(1, 1)) < len(first) / 2
    assert len(first & members(2, 0)) < len(first) / 2
    longest_first = [seconds[b].mean() for b in plan_epoch(seconds, 20.0, 1, 0)]
    assert abs(np.corrcoef(longest_first, np.arange(len(longest_first)))[0, 1]) < 0.5


@given(st.integers(1, 40), st.integers(1, 8))
def test_shares_are_disjoint_equally_long_and_complete(count: int, world: int) -> None:
    one_each = np.stack([np.arange(count), np.arange(count) + 1], axis=1)
    plan = Plan(rows=np.arange(count, dtype=np.int32), bounds=one_each.astype(np.int32))
    shares = [[int(batch[0]) for batch in plan.share(rank, world)] for rank in range(world)]
    for own, rank in zip(shares, range(world), strict=True):
        rest = plan.share(rank, world).from_batch(1)
        assert [int(batch[0]) for batch in rest] == own[1:] and len(rest) == len(own) - 1
    assert {len(own) for own in shares} == {-(-count // world)}
    flat = [i for own in shares for i in own]
    assert set(flat) == set(range(count))
    assert len(flat) - count == -count % world  # only the last round is filled up
    if count % world == 0:
        assert len(set(flat)) == len(flat)


def test_one_process_has_everything() -> None:
    plan = plan_epoch(np.full(10, 1.0), 3.0, 1, 0)
    np.testing.assert_array_equal(plan.share(0, 1).bounds, plan.bounds)


@pytest.mark.parametrize("batch", [0.0, -1.0, float("nan")])
def test_batch_without_seconds_is_refused(batch: float) -> None:
    with pytest.raises(ConfigError, match=r"data\.batch"):
        plan_epoch(np.ones(3), batch, 1, 0)


def test_no_utterance_is_refused() -> None:
    with pytest.raises(ConfigError, match="no utterance"):
        plan_epoch(np.zeros(0), 10.0, 1, 0)


def test_the_order_is_that_of_splitmix64() -> None:
    drawn = _Drawn(1, 2)
    drawn._state = 1234567
    first = [0x599ED017FB08FC85, 0x2C73F08458540FA5, 0x883EBCE5A3F27C77]  # published for this state
    assert drawn.order(3).tolist() == np.argsort(np.array(first, dtype=np.uint64)).tolist()
    assert drawn._state == (1234567 + 3 * 0x9E3779B97F4A7C15) % (1 << 64)
    assert _Drawn(1, 2).order(9).tolist() == _Drawn(1, 2).order(9).tolist()
    assert _Drawn(1, 2).order(9).tolist() != _Drawn(2, 1).order(9).tolist()


def test_every_place_is_as_likely_for_every_number() -> None:
    drawn, places = _Drawn(0, 0), np.zeros((6, 6))
    for _ in range(6000):
        places[np.arange(6), drawn.order(6)] += 1
    assert np.abs(places - 1000).max() < 150  # five times the standard deviation


@given(st.lists(st.floats(0.05, 40.0), min_size=1, max_size=300).map(np.array))
def test_rows_by_length_are_a_stable_sort_by_bucket(seconds: np.ndarray) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batching, "ROWS_AT_ONCE", 32)
        rows, sizes = batching._by_length(seconds)
    buckets = (seconds / BUCKET_SECONDS).astype(int)
    assert rows.tolist() == np.argsort(buckets, kind="stable").tolist()
    assert sizes.tolist() == np.bincount(buckets).tolist()


@given(lengths, budget)
def test_a_batch_is_as_full_as_it_may_be(seconds: np.ndarray, batch_seconds: float) -> None:
    plan = plan_epoch(seconds, batch_seconds, 1, 0)
    ends = {int(last): int(first) for first, last in plan.bounds}
    for last, first in ends.items():
        if last < len(seconds):
            longest = seconds[plan.rows[first : last + 1]].max()
            assert longest * (last + 1 - first) > batch_seconds


def test_a_plan_takes_a_few_numbers_for_each_row_and_no_objects() -> None:
    seconds = np.random.default_rng(0).uniform(1, 10, 200_000)
    gc.collect()
    objects = len(gc.get_objects())
    tracemalloc.start()
    plan = plan_epoch(seconds, 20.0, 1, 0)
    held, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(map(len, plan)) == len(seconds)
    assert len(gc.get_objects()) - objects < 50
    assert held < 4 * len(seconds) + 12 * len(plan)
    assert peak < 5 * len(seconds) + 48 * len(plan)
