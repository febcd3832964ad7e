"""Freed memory goes back to the system where the C library can do that."""

from __future__ import annotations

import subprocess
import sys

import pytest

from malsori.core import memory

HOLES = """
import ctypes
from malsori.core.memory import give_back_freed

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096

C = ctypes.CDLL(None)
C.malloc.restype, C.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
C.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
blocks = [C.malloc(100_000) for _ in range(1000)]
for block in blocks:
    C.memset(block, 1, 100_000)
for block in blocks[:-1]:  # the last one keeps the heap from shrinking
    C.free(block)
before = resident()
give_back_freed()
print(before - resident())
"""


@pytest.mark.skipif(memory._malloc_trim() is None, reason="the C library cannot do it")
def test_a_heap_of_holes_goes_back() -> None:
    done = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True)
    assert int(done.stdout) > 80_000_000


def test_where_it_cannot_be_done_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_malloc_trim", lambda: None)
    memory.give_back_freed()
