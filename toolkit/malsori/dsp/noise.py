"""Standard normal numbers that a seed decides, the ones that PyTorch draws on the CPU.

A voice that draws so says the same with and without PyTorch.

Source: Matsumoto, Nishimura 1998, "Mersenne Twister"; Box, Muller 1958, "A note on the generation
of random normal deviates". How PyTorch 2 applies them, which is no promise of its interface, is
held by a test: 16 numbers at a time from 16 uniform ones of 24 bits, the last 16 anew where their
count is no multiple; fewer than 16 in pairs, from two of 53 bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

BLOCK = 16


def normal(count: int, seed: int) -> NDArray[np.float32]:
    """Return the first numbers of ``torch.randn`` with a generator of that seed, (count,).

    Args:
        count: At least 0. Another count changes the last 16 numbers.
        seed: 0 to 2³² − 1.
    """
    state = np.random.RandomState(seed)
    if count < BLOCK:
        return _few(count, state)
    rest = count % BLOCK
    blocks = _box_muller(_words(state, count - rest))
    if not rest:
        return blocks
    # the uniform numbers of the rest are drawn, and then overwritten
    state_words = _words(state, rest + BLOCK)
    last = _box_muller(state_words[rest:])
    return np.concatenate([blocks[: count - BLOCK], last])


def _words(state: np.random.RandomState, count: int) -> NDArray[np.uint32]:
    """Return the twister's next words of 32 bits."""
    return state.randint(0, 1 << 32, count, dtype=np.uint32)


def _box_muller(words: NDArray[np.uint32]) -> NDArray[np.float32]:
    """Return normal numbers for as many words, a multiple of 16."""
    uniform = (words & 0xFFFFFF).astype(np.float32) * np.float32(2.0**-24)
    first, second = np.split(uniform.reshape(-1, 2, BLOCK // 2), 2, axis=1)
    radius = np.sqrt(np.float32(-2) * np.log(np.float32(1) - first))
    angle = np.float32(2 * np.pi) * second
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=1).reshape(-1)


def _few(count: int, state: np.random.RandomState) -> NDArray[np.float32]:
    pairs = -(-count // 2)
    words = _words(state, 4 * pairs).astype(np.uint64).reshape(-1, 2)
    bits = (words[:, 0] << np.uint64(32) | words[:, 1]) & np.uint64((1 << 53) - 1)
    uniform = (bits.astype(np.float64) * 2.0**-53).reshape(-1, 2)
    radius = np.sqrt(-2 * np.log1p(-uniform[:, 1]))
    angle = 2 * np.pi * uniform[:, 0]
    both = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return both.reshape(-1)[:count].astype(np.float32)
