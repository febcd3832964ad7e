"""Losses that teach the aligner, in fp32.

Axes: B utterances, N tokens, T frames.

Source: Badlani et al. 2021, arXiv:2108.10447, sections 3.1 and 3.4.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from malsori.core.registry import Entry
from malsori.losses.settings import NoSettings
from malsori.modules.lengths import valid_positions

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
    the tokens; utterances that no path fits (T < N) count as 0. PyTorch's CTC computes it on the
    CPU; elsewhere it would wait for the device, which has the lengths.

    Args:
        log_p: Log-probabilities of tokens, (B, T, N); −inf at padded tokens.
        token_lengths: (B,).
        mel_lengths: (B,).
    """
    with torch.autocast(log_p.device.type, enabled=False):
        scores = F.pad(log_p.float(), (1, 0), value=BLANK_LOG_PROBABILITY)
        scores = scores.clamp_min(FINITE_MINUS_INFINITY).log_softmax(-1)
        on_host = log_p.device.type == "cpu"
        compute = losses_on_host if on_host else losses_on_device
        return (compute(scores, token_lengths, mel_lengths) / token_lengths).mean()


def losses_on_host(scores: Tensor, token_lengths: Tensor, mel_lengths: Tensor) -> Tensor:
    """Return −log P of each utterance, (B,), for log-probabilities of blank and tokens."""
    targets = torch.arange(1, scores.shape[2]).expand(len(scores), -1)
    return F.ctc_loss(
        scores.transpose(0, 1),  # (B, T, N + 1) -> (T, B, N + 1)
        targets,
        mel_lengths,
        token_lengths,
        reduction="none",
        zero_infinity=True,
    )


def losses_on_device(scores: Tensor, token_lengths: Tensor, mel_lengths: Tensor) -> Tensor:
    """Return what ``losses_on_host`` does, reading nothing back."""
    valid = valid_positions(mel_lengths, scores.shape[1])
    blank = scores[..., 0].masked_fill(~valid, 0.0)
    gains = scores[..., 1:] - scores[..., :1]
    paths: Tensor = PathSum.apply(gains, token_lengths, mel_lengths)  # type: ignore[no-untyped-call]
    return -torch.where(paths == -torch.inf, 0.0, paths + blank.sum(1))


class PathSum(torch.autograd.Function):
    """log Σ over monotonic paths of Π over frames that are not blank of P(token) / P(blank), (B,).

    Frames forward from the start and backward from the end go through one recursion, as a batch
    twice as large. With l(t, n) of the paths that are at token n in frame t and c(t, n) of those
    that have come as far as n, blank or not, in units of the all-blank path:
    l(t, n) = log(exp l(t − 1, n) + exp c(t − 1, n − 1)) + gain(t, n), and
    c(t, n) = log(exp c(t − 1, n) + exp l(t, n)).

    Source: Graves et al. 2006, "Connectionist Temporal Classification", section 4.1, for targets of
    which no two neighbours are the same.
    """

    @staticmethod
    def forward(ctx: Any, gains: Tensor, token_lengths: Tensor, mel_lengths: Tensor) -> Tensor:
        """Return the sums, (B,); −inf where no path fits.

        Args:
            ctx: Keeps the gradient.
            gains: Log-probability of tokens less that of the blank, (B, T, N), finite.
            token_lengths: (B,).
            mel_lengths: (B,).
        """
        batch, total, width = gains.shape
        valid_frames = valid_positions(mel_lengths, total)
        valid = valid_frames[..., None] & valid_positions(token_lengths, width)[:, None]
        both_ways = torch.cat([gains, _reversed(gains, token_lengths, mel_lengths)])
        both_ways = both_ways.masked_fill(~valid_frames.repeat(2, 1)[..., None], -torch.inf)
        come = gains.new_full((2 * batch, width + 1), -torch.inf)  # c, from n = 0
        come[:, 0] = 0.0
        before, here = come[:, :-1], come[:, 1:]
        at = gains.new_full((total + 1, 2 * batch, width), -torch.inf)  # l, from t = −1
        states = at.unbind()
        for now, gain, past in zip(states[1:], both_ways.unbind(1), states[:-1], strict=True):
            torch.logaddexp(past, before, out=now).add_(gain)
            torch.logaddexp(here, now, out=here)
        sums = come[:batch].gather(1, token_lengths[:, None])
        forward, backward = at[1:].transpose(0, 1).split(batch)  # (T, 2B, N) -> (B, T, N) each
        through = forward + _reversed(backward, token_lengths, mel_lengths) - gains
        through = (through - sums[..., None]).masked_fill(~valid, -torch.inf).exp()
        ctx.save_for_backward(through.masked_fill(sums[..., None] == -torch.inf, 0.0))
        return sums.squeeze(1)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """Return the share of paths through each token at each frame, times ``gradient``."""
        (through,) = ctx.saved_tensors
        return through * gradient[:, None, None], None, None


def _reversed(x: Tensor, token_lengths: Tensor, mel_lengths: Tensor) -> Tensor:
    """Return ``x``, (B, T, N), with frames and tokens of each utterance from last to first."""
    for dimension, lengths in ((1, mel_lengths), (2, token_lengths)):
        index = lengths[:, None] - 1 - torch.arange(x.shape[dimension], device=x.device)
        index = index.clamp_min(0).unsqueeze(3 - dimension).expand_as(x)
        x = x.gather(dimension, index)
    return x


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
