"""Forward-sum against a slow sum over the lattice, and binarisation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.core.config import Choice, build
from malsori.losses import LOSSES
from malsori.losses.alignment import forward_sum_loss
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
