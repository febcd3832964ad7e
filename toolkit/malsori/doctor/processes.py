"""Work in processes that may die: what killed one is told, the rest goes on."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Generic, TypeVar

In = TypeVar("In")
Out = TypeVar("Out")
AHEAD = 4
"""Chunks for each process that are handed out before the first one's result is taken."""


class Processes(Generic[In, Out]):
    """A function for a list of things, called in processes of its own.

    Args:
        call: Importable; gets a list, returns as many results.
        jobs: Processes; with 1 the work is done in this process.
        give_up: Result for a thing that killed its process.
    """

    def __init__(
        self, call: Callable[[Sequence[In]], list[Out]], jobs: int, give_up: Callable[[In], Out]
    ) -> None:
        self._call, self._jobs, self._give_up = call, jobs, give_up

    def run(self, chunks: Iterable[Sequence[In]]) -> Iterator[list[Out]]:
        """Yield the results of each chunk, in order; few chunks are in memory at a time."""
        if self._jobs <= 1:
            yield from map(self._call, chunks)
            return
        source = iter(chunks)
        pool = self._pool(self._jobs)
        waiting: deque[tuple[Sequence[In], Future[list[Out]]]] = deque()
        try:
            for chunk in source:
                waiting.append((chunk, pool.submit(self._call, chunk)))
                if len(waiting) > AHEAD * self._jobs:
                    pool, done = self._take(pool, waiting)
                    yield done
            while waiting:
                pool, done = self._take(pool, waiting)
                yield done
        finally:
            pool.shutdown(cancel_futures=True)

    def _take(
        self, pool: ProcessPoolExecutor, waiting: deque[tuple[Sequence[In], Future[list[Out]]]]
    ) -> tuple[ProcessPoolExecutor, list[Out]]:
        """Return the pool to go on with and the first chunk's results."""
        chunk, future = waiting.popleft()
        try:
            return pool, future.result()
        except BrokenProcessPool:
            pool.shutdown(cancel_futures=True)
            done = self._one_by_one(chunk)
            pool = self._pool(self._jobs)
            again = [(other, pool.submit(self._call, other)) for other, _ in waiting]
            waiting.clear()
            waiting.extend(again)
            return pool, done

    def _one_by_one(self, chunk: Sequence[In]) -> list[Out]:
        """Return the results of a chunk during which a process died."""
        done: list[Out] = []
        pool = self._pool(1)
        try:
            for thing in chunk:
                try:
                    done += pool.submit(self._call, [thing]).result()
                except BrokenProcessPool:
                    done.append(self._give_up(thing))
                    pool.shutdown()
                    pool = self._pool(1)
        finally:
            pool.shutdown(cancel_futures=True)
        return done

    def _pool(self, jobs: int) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(jobs, get_context("spawn"))
