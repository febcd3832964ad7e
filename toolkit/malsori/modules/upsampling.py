"""From token rate to frame rate.

Axes: B utterances, N tokens, T frames, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from malsori.modules.lengths import is_traced, valid_positions

SPOKEN_FRAMES = 512
"""Frames at a time while speaking: weights of all of them would grow with the square of a text."""


def gaussian_upsample(
    hidden: Tensor,
    durations: Tensor,
    token_lengths: Tensor,
    frame_lengths: Tensor,
    frames: int,
    sharpness: float = 0.1,
) -> Tensor:
    """Return one mixture of token vectors per frame, (B, T, D).

    Token n has its centre at the middle of its frames; frame t weights it by
    softmax over n of −sharpness · (t − centre)².

    Args:
        hidden: (B, N, D).
        durations: Frames per token, (B, N).
        token_lengths: (B,).
        frame_lengths: (B,).
        frames: T of the padded batch.
        sharpness: δ of the paper's recipe.

    Source: Shen et al. 2020 (Non-Attentive Tacotron), arXiv:2010.04301, with a fixed width.
    """
    durations = durations.float()
    centres = durations.cumsum(1) - durations / 2
    valid = valid_positions(token_lengths, hidden.shape[1])
    centres = centres.masked_fill(~valid, torch.inf)  # so far away that nothing is left of them
    at = torch.arange(frames, device=hidden.device) * valid_positions(frame_lengths, frames)

    if torch.is_grad_enabled():
        return _mixed_by_rows(at, centres, hidden, sharpness, frames)
    mixed = torch.jit.script(_mixed_by_rows) if is_traced() else _mixed_by_rows  # type: ignore[no-untyped-call]
    return mixed(at, centres, hidden, sharpness, SPOKEN_FRAMES)  # type: ignore[no-any-return]


def _mixed_by_rows(
    at: Tensor, centres: Tensor, hidden: Tensor, sharpness: float, rows: int
) -> Tensor:
    """Return mixtures at some frames, (B, T, D); an exporter makes a loop of the loop.

    Args:
        at: Frames, (B, T).
        centres: Of the tokens, (B, N).
        hidden: (B, N, D).
        sharpness: δ.
        rows: Frames whose weights are there at a time.
    """
    mixed: list[Tensor] = []
    for first in range(0, at.shape[1], rows):
        away = at[:, first : first + rows, None] - centres[:, None]  # (B, rows, N)
        energy = -sharpness * away.square()
        mixed.append(energy.softmax(-1).type_as(hidden) @ hidden)
    return torch.cat(mixed, 1)
