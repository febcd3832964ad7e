"""From token rate to frame rate.

Axes: B utterances, N tokens, T frames, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor

from malsori.modules.lengths import valid_positions


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
    at = torch.arange(frames, device=hidden.device) * valid_positions(frame_lengths, frames)
    energy = -sharpness * (at[:, :, None] - centres[:, None]).square()  # (B, T, N)
    valid = valid_positions(token_lengths, hidden.shape[1])
    weights = energy.masked_fill(~valid[:, None], -torch.inf).softmax(-1)
    return weights.to(hidden.dtype) @ hidden
