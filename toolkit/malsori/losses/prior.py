"""Losses of models with a latent sequence, in fp32: distance to the prior, likelihood of durations.

Axes: B utterances, N tokens, T frames, Z latent channels.

Source: Kim, Kong, Son 2021 (VITS), arXiv:2106.06103, sections 2.1.3 and 2.2.2.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from malsori.core.registry import Entry
from malsori.losses.settings import NoSettings


class LatentOutput(Protocol):
    """What a model's output must hold for the distance to the prior."""

    z: Tensor
    """The posterior's sample in the prior's space, (B, T, Z)."""
    posterior_log_scale: Tensor
    """Natural logarithm of the posterior's standard deviation, (B, T, Z)."""
    prior_mean: Tensor
    """Of the Gaussian of each frame's token, (B, T, Z)."""
    prior_log_scale: Tensor
    """Natural logarithm of its standard deviation, (B, T, Z)."""
    valid_frames: Tensor
    """True where a frame exists, (B, T)."""


class LikelihoodOutput(Protocol):
    """What a model's output must hold for the likelihood of durations."""

    duration_bound: Tensor
    """Bound of each utterance's negative log-likelihood, (B,)."""
    valid_tokens: Tensor
    """True where a token exists, (B, N)."""


def prior_divergence(output: LatentOutput) -> Tensor:
    """Return the divergence of the posterior from the prior, in nats a frame, ().

    It is an estimate from one sample (the flow leaves no closed form), summed over channels; only
    the posterior's entropy is exact. It may be below 0.
    """
    distance = output.z.float() - output.prior_mean.float()
    prior_log_scale = output.prior_log_scale.float()
    divergence = prior_log_scale - output.posterior_log_scale.float() - 0.5
    divergence = divergence + 0.5 * distance.square() * (-2 * prior_log_scale).exp()
    valid = output.valid_frames[..., None]
    return divergence.masked_fill(~valid, 0.0).sum() / valid.sum()


def duration_likelihood(output: LikelihoodOutput) -> Tensor:
    """Return the bound of durations' negative log-likelihood, in nats a token, ()."""
    return output.duration_bound.float().sum() / output.valid_tokens.sum()


KL = Entry(
    config=NoSettings,
    build=lambda config: prior_divergence,
    summary="divergence of the posterior from the prior",
    source="Kim et al. 2021, arXiv:2106.06103",
)
DURATION_LIKELIHOOD = Entry(
    config=NoSettings,
    build=lambda config: duration_likelihood,
    summary="negative log-likelihood of durations (a bound)",
    source="Kim et al. 2021, arXiv:2106.06103",
)
