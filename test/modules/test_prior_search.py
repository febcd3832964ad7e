"""Search on the prior: likelihoods against torch's normal law, the path against all paths."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.distributions import Normal

from malsori.modules.prior_search import prior_log_likelihood, search_prior


def draw(seed: int, tokens: int, frames: int, channels: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    z = torch.randn(1, frames, channels, generator=random)
    mean = torch.randn(1, tokens, channels, generator=random)
    return z, mean, 0.5 * torch.randn(1, tokens, channels, generator=random)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    tokens=st.integers(1, 5),
    frames=st.integers(1, 9),
    channels=st.sampled_from([1, 4, 192]),
)
def test_likelihoods_are_those_of_the_normal_law(
    seed: int, tokens: int, frames: int, channels: int
) -> None:
    z, mean, log_scale = draw(seed, tokens, frames, channels)
    law = Normal(mean[:, None].double(), log_scale[:, None].double().exp())
    expected = law.log_prob(z[:, :, None].double()).sum(3).float()  # the (B, T, N, Z) tensor
    found = prior_log_likelihood(z, mean, log_scale)
    torch.testing.assert_close(found, expected, atol=1e-2, rtol=1e-4)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), tokens=st.integers(1, 4), more=st.integers(0, 4))
def test_no_path_is_likelier(seed: int, tokens: int, more: int) -> None:
    frames = tokens + more
    z, mean, log_scale = draw(seed, tokens, frames)
    lengths = torch.tensor([tokens]), torch.tensor([frames])
    durations, likelihoods = search_prior(z, mean, log_scale, *lengths)
    found, log_p = durations[0], likelihoods[0]
    torch.testing.assert_close(likelihoods, prior_log_likelihood(z, mean, log_scale))
    assert int(found.min()) >= 1 and int(found.sum()) == frames

    def of(durations: Tensor) -> float:
        path = torch.arange(tokens).repeat_interleave(durations)
        return float(log_p[torch.arange(frames), path].sum())

    every = itertools.product(range(1, frames + 1), repeat=tokens)
    best = max(of(torch.tensor(one)) for one in every if sum(one) == frames)
    assert of(found) == pytest.approx(best, abs=1e-4)


def test_padding_changes_no_path() -> None:
    short, long = draw(1, 3, 7), draw(2, 5, 12)
    batch = [torch.full((2, size, 3), 50.0) for size in (12, 5, 5)]
    for padded, one, two in zip(batch, short, long, strict=True):
        padded[0, : one.shape[1]], padded[1] = one[0], two[0]
    batch[2][0, 3:] = 0.0
    together, log_p = search_prior(*batch, torch.tensor([3, 5]), torch.tensor([7, 12]))
    assert bool(log_p[0, :, 3:].isneginf().all()) and bool(log_p[0, :, :3].isfinite().all())
    alone, _ = search_prior(*short, torch.tensor([3]), torch.tensor([7]))
    assert together[0].tolist() == [*alone[0].tolist(), 0, 0]
    alone, _ = search_prior(*long, torch.tensor([5]), torch.tensor([12]))
    assert torch.equal(together[1], alone[0])


def test_the_likelihood_learns_and_the_search_takes_no_gradient() -> None:
    parts = [part.requires_grad_() for part in draw(4, 3, 7)]
    prior_log_likelihood(*parts).sum().backward()
    assert all(part.grad.abs().max() > 0 for part in parts)
    _, log_p = search_prior(*parts, torch.tensor([3]), torch.tensor([7]))
    assert not log_p.requires_grad


def test_bf16_around_it_changes_nothing() -> None:
    parts = draw(5, 3, 7, 192)
    with torch.autocast("cpu", torch.bfloat16):
        cast = prior_log_likelihood(*parts)
    assert torch.equal(cast, prior_log_likelihood(*parts))


def test_where_all_tokens_are_alike_the_prior_for_the_diagonal_decides() -> None:
    z, (tokens, frames) = torch.zeros(2, 12, 2), (4, 12)
    mean = log_scale = torch.zeros(2, tokens, 2)
    lengths = torch.tensor([4, 3]), torch.tensor([12, 9])
    durations, log_p = search_prior(z, mean, log_scale, *lengths, diagonal=1.0)
    assert durations.sum(1).tolist() == [12, 9] and int(durations[1, 3]) == 0
    assert durations[0].tolist() == durations[0].flip(0).tolist()  # as the prior is
    assert int(durations.max()) <= 4 and int(durations[0].min()) >= 2
    plain, same = search_prior(z, mean, log_scale, *lengths)
    assert int(plain.max()) == frames - tokens + 1  # without it ties go one way
    torch.testing.assert_close(log_p, same)  # it is no part of the likelihoods
