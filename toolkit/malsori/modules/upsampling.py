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

    def mixed(at: Tensor) -> Tensor:
        energy = -sharpness * (at[:, :, None] - centres[:, None]).square()  # (B, T, N)
        return energy.softmax(-1).to(hidden.dtype) @ hidden

    if torch.is_grad_enabled() or is_traced():
        return mixed(at)
    return torch.cat([mixed(some) for some in at.split(SPOKEN_FRAMES, 1)], 1)
