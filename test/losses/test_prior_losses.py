"""Divergence from the prior against the closed form; likelihood of durations."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from malsori.losses.prior import duration_likelihood, prior_divergence
from malsori.modules.lengths import valid_positions


def test_its_mean_is_the_divergence_of_two_gaussians() -> None:
    torch.manual_seed(0)
    mean, log_scale = torch.randn(1, 1, 3), 0.4 * torch.randn(1, 1, 3)
    prior_mean, prior_log_scale = torch.randn(1, 1, 3), 0.4 * torch.randn(1, 1, 3)
    exact = kl_divergence(
        Normal(mean, log_scale.exp()), Normal(prior_mean, prior_log_scale.exp())
    ).sum()
    draws = 40000
    output = SimpleNamespace(
        z=mean + torch.randn(draws, 1, 3) * log_scale.exp(),
        posterior_log_scale=log_scale.expand(draws, -1, -1),
        prior_mean=prior_mean.expand(draws, -1, -1),
        prior_log_scale=prior_log_scale.expand(draws, -1, -1),
        valid_frames=torch.ones(draws, 1, dtype=torch.bool),
    )
    assert float(prior_divergence(output)) == pytest.approx(float(exact), rel=0.02)


def test_padding_counts_for_nothing() -> None:
    torch.manual_seed(0)
    names = ("z", "posterior_log_scale", "prior_mean", "prior_log_scale")
    parts = {name: torch.randn(2, 5, 3) for name in names}
    padded = {name: part.clone() for name, part in parts.items()}
    for part in padded.values():
        part[0, 2:] = float("nan")
    valid = valid_positions(torch.tensor([2, 5]), 5)
    found = prior_divergence(SimpleNamespace(**padded, valid_frames=valid))
    shares = [
        prior_divergence(
            SimpleNamespace(
                **{name: part[i : i + 1, :n] for name, part in parts.items()},
                valid_frames=torch.ones(1, n, dtype=torch.bool),
            )
        )
        for i, n in enumerate((2, 5))
    ]
    torch.testing.assert_close(found, (2 * shares[0] + 5 * shares[1]) / 7)


def test_durations_are_weighed_by_token() -> None:
    valid = valid_positions(torch.tensor([2, 6]), 6)
    output = SimpleNamespace(duration_bound=torch.tensor([5.0, 11.0]), valid_tokens=valid)
    assert float(duration_likelihood(output)) == 2.0
