from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch

from malsori.infer.workers import spread


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_results_come_in_order(workers: int) -> None:
    assert list(spread(lambda i: i * i, range(20), workers)) == [i * i for i in range(20)]
    assert list(spread(lambda i: i, [], workers)) == []


def test_workers_work_at_the_same_time_with_one_thread_each() -> None:
    torch.set_num_threads(2)
    both = threading.Barrier(2, timeout=20)

    def work(i: int) -> tuple[str, int]:
        both.wait()  # would time out if one came after the other
        return threading.current_thread().name, torch.get_num_threads()

    found = list(spread(work, range(4), 2))
    assert {threads for _, threads in found} == {1}
    assert threading.current_thread().name not in {name for name, _ in found}
    assert torch.get_num_threads() == 2


def test_one_worker_is_the_caller() -> None:
    names = list(spread(lambda i: threading.current_thread().name, range(3), 1))
    assert set(names) == {threading.current_thread().name}


def test_few_results_wait() -> None:
    done: list[int] = []
    results = spread(lambda i: done.append(i), range(100), 2)
    next(results)
    assert len(done) <= 4
    results.close()  # type: ignore[attr-defined]
    assert len(done) <= 4


def test_a_mistake_reaches_the_caller_and_threads_are_as_before() -> None:
    torch.set_num_threads(2)

    def work(i: int) -> int:
        if i == 5:
            raise ValueError("five")
        return i

    results = spread(work, range(100), 2)
    assert [next(results) for _ in range(5)] == [0, 1, 2, 3, 4]
    with pytest.raises(ValueError, match="five"):
        next(results)
    assert torch.get_num_threads() == 2
