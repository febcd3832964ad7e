"""Gaussian upsampling against loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.modules.upsampling import SPOKEN_FRAMES, gaussian_upsample


def slow_upsample(hidden: np.ndarray, durations: list[int], frames: int) -> np.ndarray:
    """Return (T, D) of one utterance, frame by frame."""
    centres, end = [], 0
    for duration in durations:
        end += duration
        centres.append(end - duration / 2)
    out = np.zeros((frames, hidden.shape[1]))
    for t in range(frames):
        energies = [-0.1 * (t - centre) ** 2 for centre in centres]
        weights = [math.exp(energy - max(energies)) for energy in energies]
        for n, weight in enumerate(weights):
            out[t] += weight / sum(weights) * hidden[n]
    return out


counts = st.one_of(st.integers(0, 9), st.sampled_from([0, 1, 700]))


@given(
    st.lists(st.lists(counts, min_size=1, max_size=6), min_size=1, max_size=3),
    st.integers(0, 2**31),
)
@settings(max_examples=40, deadline=None)
def test_frames_are_mixtures_of_tokens_and_padding_changes_nothing(
    batch: list[list[int]], seed: int
) -> None:
    longest = max(map(len, batch))
    frame_lengths = torch.tensor([max(1, sum(row)) for row in batch])
    frames = int(frame_lengths.max()) + 2
    generator = torch.Generator().manual_seed(seed)
    hidden = torch.randn(len(batch), longest, 3, generator=generator)
    durations = torch.zeros(len(batch), longest, dtype=torch.int64)
    for i, row in enumerate(batch):
        durations[i, : len(row)] = torch.tensor(row)
        hidden[i, len(row) :] = 1e3  # loud padding
    found = gaussian_upsample(
        hidden, durations, torch.tensor([len(row) for row in batch]), frame_lengths, frames
    )
    assert found.shape == (len(batch), frames, 3)
    for i, row in enumerate(batch):
        length = int(frame_lengths[i])
        slow = slow_upsample(hidden[i, : len(row)].numpy().astype(np.float64), row, length)
        np.testing.assert_allclose(found[i, :length], slow, rtol=1e-4, atol=1e-5)
        # padded frames repeat frame 0
        torch.testing.assert_close(found[i, length:], found[i, :1].expand(frames - length, -1))


@given(st.integers(1, 4), st.integers(0, 2**31))
@settings(max_examples=5, deadline=None)
def test_tokens_of_a_minute_are_held_as_the_definition_says(tokens: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    durations = random.integers(5000, 6000, tokens).tolist()
    hidden = random.normal(size=(tokens, 2)).astype(np.float32)
    total = sum(durations)
    found = gaussian_upsample(
        torch.from_numpy(hidden)[None],
        torch.tensor([durations]),
        torch.tensor([tokens]),
        torch.tensor([total]),
        total,
    )[0].numpy()
    slow = slow_upsample(hidden.astype(np.float64), durations, total)
    np.testing.assert_allclose(found, slow, rtol=1e-4, atol=1e-5)


def test_long_tokens_are_held() -> None:
    hidden = torch.tensor([[[1.0], [5.0]]])
    found = gaussian_upsample(
        hidden, torch.tensor([[40, 40]]), torch.tensor([2]), torch.tensor([80]), 80
    )
    assert float(found[0, 10]) == pytest.approx(1.0)
    assert float(found[0, 70]) == pytest.approx(5.0)
    assert float(found[0, 40]) == pytest.approx(3.0)


def test_a_very_long_utterance_stays_finite_and_has_gradients() -> None:
    hidden = torch.randn(1, 300, 4, requires_grad=True)
    durations = torch.full((1, 300), 20)
    found = gaussian_upsample(hidden, durations, torch.tensor([300]), torch.tensor([6000]), 6000)
    found.sum().backward()
    assert torch.isfinite(found).all() and (hidden.grad > 0).all()


def test_lengths_of_another_batch_are_refused() -> None:
    with pytest.raises(RuntimeError):
        gaussian_upsample(
            torch.zeros(2, 3, 4),
            torch.ones(2, 5, dtype=torch.int64),
            torch.tensor([3, 3]),
            torch.tensor([5, 5]),
            5,
        )


@given(st.integers(1, 3), st.integers(1, 2 * SPOKEN_FRAMES + 2), st.integers(0, 2**31))
@settings(max_examples=10, deadline=None)
def test_what_is_spoken_in_parts_is_what_is_learnt_from(batch: int, frames: int, seed: int) -> None:
    drawn = torch.Generator().manual_seed(seed)
    hidden = torch.randn(batch, 9, 4, generator=drawn, requires_grad=True)
    durations = torch.randint(1, 200, (batch, 9), generator=drawn)
    token_lengths = torch.randint(1, 10, (batch,), generator=drawn)
    frame_lengths = torch.randint(1, frames + 1, (batch,), generator=drawn)
    given = hidden, durations, token_lengths, frame_lengths, frames
    whole = gaussian_upsample(*given)
    assert whole.requires_grad
    with torch.no_grad():
        torch.testing.assert_close(gaussian_upsample(*given), whole)
