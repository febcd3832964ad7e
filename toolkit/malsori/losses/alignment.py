"""Losses that teach the aligner, in fp32.

Axes: B utterances, N tokens, T frames.

Source: Badlani et al. 2021, arXiv:2108.10447, sections 3.1 and 3.4.
"""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from malsori.core.registry import Entry
from malsori.losses.settings import NoSettings

BLANK_LOG_PROBABILITY = -1.0
FINITE_MINUS_INFINITY = -1e4
"""Stands for −inf at padded tokens: a true −inf makes the gradient of CTC NaN."""


class AlignmentOutput(Protocol):
    """What a model's output must hold for these losses."""

    log_p: Tensor
    """(B, T, N)."""
    token_lengths: Tensor
    mel_lengths: Tensor
    path_log_p: Tensor
    """Mean log-probability along the best path, (B,), with gradient."""


def forward_sum_loss(log_p: Tensor, token_lengths: Tensor, mel_lengths: Tensor) -> Tensor:
    """Return the mean over utterances of −log P(all monotonic paths) / N, ().

    Computed as CTC with the targets 1…N and an extra blank of log-probability −1, normalised with
    the tokens; utterances that no path fits (T < N) count as 0.

    Args:
        log_p: Log-probabilities of tokens, (B, T, N); −inf at padded tokens.
        token_lengths: (B,).
        mel_lengths: (B,).
    """
    with torch.autocast(log_p.device.type, enabled=False):
        scores = F.pad(log_p.float(), (1, 0), value=BLANK_LOG_PROBABILITY)
        scores = scores.clamp_min(FINITE_MINUS_INFINITY).log_softmax(-1)
        targets = torch.arange(1, log_p.shape[2] + 1, device=log_p.device).expand(len(log_p), -1)
        losses = F.ctc_loss(
            scores.transpose(0, 1),  # (B, T, N + 1) -> (T, B, N + 1)
            targets,
            mel_lengths,
            token_lengths,
            reduction="none",
            zero_infinity=True,
        )
        return (losses / token_lengths).mean()


def _forward_sum(output: AlignmentOutput) -> Tensor:
    return forward_sum_loss(output.log_p, output.token_lengths, output.mel_lengths)


def _binarisation(output: AlignmentOutput) -> Tensor:
    return -output.path_log_p.float().mean()


FORWARD_SUM = Entry(
    config=NoSettings,
    build=lambda config: _forward_sum,
    summary="all monotonic alignments together become likely",
    source="Badlani et al. 2021, arXiv:2108.10447, 3.1",
)
BINARISATION = Entry(
    config=NoSettings,
    build=lambda config: _binarisation,
    summary="the soft alignment approaches the best path",
    source="Badlani et al. 2021, arXiv:2108.10447, 3.4",
)
