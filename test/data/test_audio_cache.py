from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from malsori.core.errors import MalsoriError
from malsori.data.audio_cache import SLACK, AudioCache

SAMPLES = np.array([100, 250, 1])


def wav(i: int) -> np.ndarray:
    return np.random.default_rng(i).uniform(-1, 1, SAMPLES[i]).astype(np.float32)


def never() -> np.ndarray:
    raise AssertionError("read again")


@pytest.fixture(params=["ram", "disk"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "deep" / "cache.pcm" if request.param == "disk" else None


def test_first_and_later_reads_are_identical(path: Path | None) -> None:
    cache = AudioCache(SAMPLES, path)
    for i in (2, 0, 1):
        first = cache.get(i, lambda i=i: wav(i))
        np.testing.assert_array_equal(first, cache.get(i, never))
        np.testing.assert_allclose(first, wav(i), atol=0.51 / 32768)
        assert first.dtype == np.float32 and len(first) == SAMPLES[i]


def test_ram_and_disk_agree(tmp_path: Path) -> None:
    ram, disk = AudioCache(SAMPLES), AudioCache(SAMPLES, tmp_path / "c.pcm")
    for i in range(3):
        np.testing.assert_array_equal(
            ram.get(i, lambda i=i: wav(i)), disk.get(i, lambda i=i: wav(i))
        )


def test_sixteen_bit_audio_comes_back_exactly(path: Path | None) -> None:
    cache = AudioCache(np.array([65536]), path)
    every = np.arange(-32768, 32768).astype(np.float32) / 32768
    np.testing.assert_array_equal(cache.get(0, lambda: every), every)
    np.testing.assert_array_equal(cache.get(0, never), every)


def test_over_full_scale_is_clipped_not_wrapped(path: Path | None) -> None:
    cache = AudioCache(np.array([2]), path)
    got = cache.get(0, lambda: np.array([1.5, -1.5], np.float32))
    np.testing.assert_array_equal(got, [32767 / 32768, -1.0])


def test_more_samples_than_the_slot_are_served_but_not_kept(path: Path | None) -> None:
    cache = AudioCache(np.array([10, 10]), path)
    long = np.full(10 + SLACK + 1, 0.25, np.float32)
    np.testing.assert_array_equal(cache.get(0, lambda: long), long)
    np.testing.assert_array_equal(cache.get(0, lambda: -long), -long)  # read again
    full = long[:-1]
    cache.get(0, lambda: full)
    np.testing.assert_array_equal(cache.get(0, never), full)
    cache.get(1, lambda: -full)
    np.testing.assert_array_equal(cache.get(0, never), full)  # its neighbour did not spill


def test_what_a_forked_worker_reads_the_others_have(path: Path | None) -> None:
    cache = AudioCache(SAMPLES, path)
    fork = multiprocessing.get_context("fork")
    worker = fork.Process(target=lambda: cache.get(1, lambda: wav(1)))
    worker.start()
    worker.join()
    assert worker.exitcode == 0
    np.testing.assert_allclose(cache.get(1, never), wav(1), atol=0.51 / 32768)


def test_disk_survives_reopening(tmp_path: Path) -> None:
    before = AudioCache(SAMPLES, tmp_path / "c.pcm").get(0, lambda: wav(0))
    np.testing.assert_array_equal(AudioCache(SAMPLES, tmp_path / "c.pcm").get(0, never), before)


def test_unfinished_file_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "c.pcm").write_bytes(b"\x01" * 40)
    cache = AudioCache(SAMPLES, tmp_path / "c.pcm")
    np.testing.assert_allclose(cache.get(0, lambda: wav(0)), wav(0), atol=0.51 / 32768)


def test_full_disk_is_a_clear_error_and_leaves_no_space_taken(
    small_disk: Callable[[str], Path],
) -> None:
    path = small_disk("64k") / "c.pcm"
    with pytest.raises(MalsoriError, match=r"c\.pcm: the audio cache of .*\(No space left"):
        AudioCache(np.array([200_000]), path)
    assert os.path.getsize(path) == 0
