"""Forward-sum against a slow sum over the lattice, and binarisation."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.core.config import Choice, build
from malsori.losses import LOSSES
from malsori.losses.alignment import (
    PathSum,
    forward_sum_loss,
    losses_on_device,
    losses_on_host,
)
from malsori.losses.settings import NoSettings


def log_sum(values: list[float]) -> float:
    top = max(values)
    if top == -math.inf:
        return top
    return top + math.log(sum(math.exp(value - top) for value in values))


def slow_forward_sum(log_p: np.ndarray) -> float:
    """Return −log P(tokens 1…N) / N of one utterance, (T, N), blanks allowed between tokens."""
    frames, tokens = log_p.shape
    rows = []
    for t in range(frames):
        logits = [-1.0, *map(float, log_p[t])]  # blank first
        total = log_sum(logits)
        rows.append([logit - total for logit in logits])
    states = [0]  # blank 1 blank 2 blank …
    for n in range(1, tokens + 1):
        states += [n, 0]
    alpha = [-math.inf] * len(states)
    alpha[0], alpha[1] = rows[0][0], rows[0][1]
    for t in range(1, frames):
        before = alpha
        alpha = []
        for s, label in enumerate(states):
            ways = [before[s]]
            if s >= 1:
                ways.append(before[s - 1])
            if s >= 2 and label != 0 and label != states[s - 2]:
                ways.append(before[s - 2])
            alpha.append(log_sum(ways) + rows[t][label])
    return -log_sum(alpha[-2:]) / tokens


def every_reading(log_p: np.ndarray) -> float:
    """Return the same from all (N + 1)^T strings of labels, without any recursion."""
    frames, tokens = log_p.shape
    rows = np.pad(log_p.astype(np.float64), ((0, 0), (1, 0)), constant_values=-1.0)
    probability = np.exp(rows) / np.exp(rows).sum(1, keepdims=True)
    total = 0.0
    for labels in itertools.product(range(tokens + 1), repeat=frames):
        heard = [label for label, _ in itertools.groupby(labels) if label]
        if heard == list(range(1, tokens + 1)):
            total += float(np.prod([probability[t, label] for t, label in enumerate(labels)]))
    return -math.log(total) / tokens


@pytest.mark.parametrize(("frames", "tokens"), [(1, 1), (4, 1), (2, 2), (5, 2), (3, 3), (5, 3)])
def test_the_slow_sum_is_that_of_every_reading(frames: int, tokens: int) -> None:
    log_p = np.random.default_rng(frames).normal(size=(frames, tokens))
    assert slow_forward_sum(log_p) == pytest.approx(every_reading(log_p), rel=1e-9)


shapes = st.tuples(st.integers(1, 6), st.integers(0, 8)).map(lambda s: (s[0] + s[1], s[0]))


def ragged(
    batch: list[tuple[int, int]], seed: int, scale: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return log-probabilities with −inf at padded tokens, token lengths, frame lengths."""
    frames, tokens = (torch.tensor(side) for side in zip(*batch, strict=True))
    generator = torch.Generator().manual_seed(seed)
    log_p = torch.randn(len(batch), int(frames.max()), int(tokens.max()), generator=generator)
    log_p = log_p * scale
    for row, count in zip(log_p, tokens, strict=True):
        row[:, count:] = -torch.inf
    return log_p.log_softmax(-1), tokens, frames


@given(
    st.lists(shapes, min_size=1, max_size=3),
    st.integers(0, 2**31),
    st.sampled_from([0.0, 1.0, 50.0, 1000.0]),
)
@settings(max_examples=60, deadline=None)
def test_forward_sum_is_the_sum_over_all_paths(
    batch: list[tuple[int, int]], seed: int, scale: float
) -> None:
    log_p, tokens, frames = ragged(batch, seed, scale)
    log_p.requires_grad_()
    loss = forward_sum_loss(log_p, tokens, frames)
    slow = [
        slow_forward_sum(row[:t, :n])
        for row, (t, n) in zip(log_p.detach().numpy(), batch, strict=True)
    ]
    assert float(loss.detach()) == pytest.approx(np.mean(slow), rel=1e-4, abs=1e-4)
    loss.backward()
    assert torch.isfinite(log_p.grad).all()
    for grad, (t, n) in zip(log_p.grad, batch, strict=True):
        assert (grad[t:] == 0).all() and (grad[:, n:] == 0).all()


@given(st.lists(shapes, min_size=1, max_size=3), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_impossible_cells_count_as_a_probability_of_e_to_the_minus_10000(
    batch: list[tuple[int, int]], seed: int
) -> None:
    random = np.random.default_rng(seed)
    tokens, frames = (torch.tensor([shape[i] for shape in batch]) for i in (1, 0))
    log_p = torch.full((len(batch), int(frames.max()), int(tokens.max())), -torch.inf)
    slow = []
    for row, (t, n) in zip(log_p, batch, strict=True):
        values = random.choice([0.0, -1.0, -1e4, -np.inf], (t, n)).astype(np.float32)
        row[:t, :n] = torch.from_numpy(values)
        slow.append(slow_forward_sum(np.maximum(values, -1e4)))
    log_p.requires_grad_()
    loss = forward_sum_loss(log_p, tokens, frames)
    assert float(loss.detach()) == pytest.approx(np.mean(slow), rel=1e-4, abs=1e-4)
    loss.backward()
    assert torch.isfinite(log_p.grad).all()


@given(shapes, st.integers(0, 2**31), st.sampled_from([0.1, 1.0, 5.0]))
@settings(max_examples=15, deadline=None)
def test_the_gradient_is_the_slope_of_the_slow_sum(
    shape: tuple[int, int], seed: int, scale: float
) -> None:
    log_p, tokens, frames = ragged([shape], seed, scale)
    log_p.requires_grad_()
    forward_sum_loss(log_p, tokens, frames).backward()
    values = log_p.detach().double().numpy()[0]
    for t, n in np.ndindex(values.shape):
        step = np.zeros_like(values)
        step[t, n] = 1e-5
        slope = (slow_forward_sum(values + step) - slow_forward_sum(values - step)) / 2e-5
        assert float(log_p.grad[0, t, n]) == pytest.approx(slope, rel=1e-3, abs=1e-5)


lattices = st.tuples(st.integers(1, 7), st.integers(1, 14))  # tokens, frames; some fit no path


@given(
    st.lists(lattices, min_size=1, max_size=4),
    st.integers(0, 2**31),
    st.sampled_from([0.0, 1.0, 50.0, 20000.0]),
)
@settings(max_examples=80, deadline=None)
def test_what_a_gpu_computes_is_what_the_cpu_does(
    batch: list[tuple[int, int]], seed: int, scale: float
) -> None:
    log_p, tokens, frames = ragged([(t, n) for n, t in batch], seed, scale)
    blank = torch.full_like(log_p[..., :1], -1.0)
    scores = torch.cat([blank, log_p], 2).clamp_min(-1e4).double()  # little to round
    weights = torch.randn(len(batch), generator=torch.Generator().manual_seed(seed))
    found = []
    for compute in (losses_on_host, losses_on_device):
        leaf = scores.clone().requires_grad_()
        losses = compute(leaf.log_softmax(-1), tokens, frames)
        (losses * weights).sum().backward()
        found.append((losses.detach(), leaf.grad))
    for ours, reference in zip(found[1], found[0], strict=True):
        torch.testing.assert_close(ours, reference, rtol=1e-7, atol=1e-8)


def test_what_is_not_a_number_stays_so_on_a_gpu() -> None:
    scores = torch.zeros(2, 4, 3).log_softmax(-1)
    scores[0, 1, 1] = torch.nan
    scores.requires_grad_()
    losses = losses_on_device(scores, torch.tensor([2, 2]), torch.tensor([4, 4]))
    losses.sum().backward()
    assert losses.isnan().tolist() == [True, False]
    assert scores.grad[0].isnan().any() and not scores.grad[1].isnan().any()


def test_the_gradient_on_a_gpu_is_the_slope() -> None:
    gains = torch.randn(2, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    lengths = torch.tensor([3, 2]), torch.tensor([5, 4])
    assert torch.autograd.gradcheck(lambda x: PathSum.apply(x, *lengths), gains.requires_grad_())


def test_one_token_in_one_frame_has_a_closed_form() -> None:
    log_p = torch.tensor([[[0.5]]])
    expected = -(0.5 - math.log(math.exp(0.5) + math.exp(-1.0)))
    found = forward_sum_loss(log_p, torch.tensor([1]), torch.tensor([1]))
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_a_sharp_alignment_costs_less_than_a_wrong_one() -> None:
    right = torch.full((1, 8, 4), -30.0)
    for t in range(8):
        right[0, t, t // 2] = 0.0
    lengths = torch.tensor([4]), torch.tensor([8])
    good, bad = (forward_sum_loss(p, *lengths) for p in (right, right.flip(2)))
    assert float(good) < 1 < float(bad)


def test_an_utterance_that_no_path_fits_counts_as_0() -> None:
    log_p = torch.zeros(1, 2, 3, requires_grad=True)
    loss = forward_sum_loss(log_p, torch.tensor([3]), torch.tensor([2]))
    loss.backward()
    assert float(loss.detach()) == 0 and (log_p.grad == 0).all()


def test_bf16_does_not_change_the_loss() -> None:
    log_p, tokens, frames = ragged([(9, 4), (7, 3)], 0, 1.0)
    plain = forward_sum_loss(log_p, tokens, frames)
    with torch.autocast("cpu", torch.bfloat16):
        cast = forward_sum_loss(log_p, tokens, frames)
    assert cast.dtype == torch.float32 and float(cast) == float(plain)


@dataclass
class Output:
    log_p: torch.Tensor
    token_lengths: torch.Tensor
    mel_lengths: torch.Tensor
    path_log_p: torch.Tensor


def test_the_registered_losses_read_the_models_output() -> None:
    log_p, tokens, frames = ragged([(9, 4), (7, 3)], 0, 1.0)
    output = Output(log_p, tokens, frames, torch.tensor([-1.0, -4.0]))
    forward_sum, binarisation = (
        build(LOSSES, Choice(name, NoSettings())) for name in ("forward_sum", "binarisation")
    )
    assert float(forward_sum(output)) == float(forward_sum_loss(log_p, tokens, frames))
    assert float(binarisation(output)) == 2.5
