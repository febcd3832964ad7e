"""Alignment by search on the flow's prior, without an aligner: Glow-TTS's and VITS's way.

Axes: B utterances, N tokens, T frames, Z latent channels.

Source: Kim, Kong, Son 2021 (VITS), arXiv:2106.06103, section 2.2.1; Kim et al. 2020 (Glow-TTS),
arXiv:2005.11129, section 3.1.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from malsori.modules.alignment import beta_binomial_log_prior, search_durations
from malsori.modules.lengths import valid_positions


def prior_log_likelihood(z: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Return how likely each frame is under each token's Gaussian, natural log, (B, T, N) fp32.

    The square is multiplied out, so that products of (T, Z) with (Z, N) matrices take the place of
    a (B, T, N, Z) tensor: with 192 channels that would be 192 times as large as the result.

    Args:
        z: Frames in the prior's space, (B, T, Z).
        mean: Of each token's Gaussian, (B, N, Z).
        log_scale: Natural logarithm of its standard deviation, (B, N, Z).
    """
    with torch.autocast(z.device.type, enabled=False):
        z, mean, log_scale = z.float(), mean.float(), log_scale.float()
        precision = (-2 * log_scale).exp()  # (B, N, Z)
        of_frames = z @ (mean * precision).mT - 0.5 * z.square() @ precision.mT
        of_tokens = (log_scale + 0.5 * mean.square() * precision).sum(-1)
        return of_frames - of_tokens[:, None] - 0.5 * math.log(2 * math.pi) * z.shape[2]


@torch.no_grad()
def search_prior(
    z: Tensor,
    mean: Tensor,
    log_scale: Tensor,
    token_lengths: Tensor,
    mel_lengths: Tensor,
    diagonal: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Return the frames of each token on the likeliest monotonic path, and all likelihoods.

    The frames are (B, N) int64; every token gets at least one, and rows sum to ``mel_lengths``. The
    likelihoods are those of ``prior_log_likelihood``, (B, T, N), with −inf at padded tokens.

    Args:
        z: Frames in the prior's space, (B, T, Z).
        mean: Of each token's Gaussian, (B, N, Z).
        log_scale: Natural logarithm of its standard deviation, (B, N, Z).
        token_lengths: (B,), each at most its ``mel_lengths``.
        mel_lengths: (B,).
        diagonal: Weight of the beta-binomial prior (``beta_binomial_log_prior``) in the search.
    """
    log_p = prior_log_likelihood(z, mean, log_scale)
    valid = valid_positions(token_lengths, mean.shape[1])
    log_p = log_p.masked_fill(~valid[:, None], -torch.inf)
    if not diagonal:
        return search_durations(log_p, token_lengths, mel_lengths), log_p
    prior = beta_binomial_log_prior(token_lengths, mel_lengths, *log_p.shape[:0:-1])
    return search_durations(log_p + diagonal * prior, token_lengths, mel_lengths), log_p
