"""Work spread over the processor's cores, one thread of PyTorch for each piece of it.

Several utterances at a time on a core each get done sooner than one at a time on all cores: layers
that are small wait for each other at the end of every one of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


def spread(work: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """Yield what ``work`` makes of each item, in order.

    No more than one result for each worker waits to be fetched, so that memory does not grow with
    the number of items. Other work has one thread, too, until the last result was fetched.

    Args:
        work: Called in several threads, with more than one worker; must not change anything that
            another call reads.
        items: What is worked on; fetched in the calling thread.
        workers: Pieces of work at a time; 1 does all in the calling thread, with all its threads.
    """
    if workers == 1:
        yield from map(work, items)
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    waiting: deque[Future[R]] = deque()
    try:
        with ThreadPoolExecutor(workers) as pool:
            try:
                for item in items:
                    waiting.append(pool.submit(work, item))
                    if len(waiting) > workers:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for each in waiting:  # after an error, or when nobody wants more
                    each.cancel()
    finally:
        torch.set_num_threads(before)
