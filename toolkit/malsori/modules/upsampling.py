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

    if is_traced():
        by_parts = torch.jit.script(_mixtures_by_parts)  # type: ignore[no-untyped-call]
        return by_parts(at, centres, hidden, sharpness, SPOKEN_FRAMES)  # type: ignore[no-any-return]
    if torch.is_grad_enabled():
        return _mixtures(at, centres, hidden, sharpness)
    parts = at.split(SPOKEN_FRAMES, 1)
    return torch.cat([_mixtures(some, centres, hidden, sharpness) for some in parts], 1)


def _mixtures(at: Tensor, centres: Tensor, hidden: Tensor, sharpness: float) -> Tensor:
    """Return what is at some frames, (B, T, D).

    Args:
        at: These frames, (B, T).
        centres: Of the tokens, in frames, (B, N).
        hidden: (B, N, D).
        sharpness: δ.
    """
    energy = -sharpness * (at[:, :, None] - centres[:, None]).square()  # (B, T, N)
    return energy.softmax(-1).type_as(hidden) @ hidden


def _mixtures_by_parts(
    at: Tensor, centres: Tensor, hidden: Tensor, sharpness: float, size: int
) -> Tensor:
    """Return ``_mixtures``, found for ``size`` frames at a time; an exporter writes the loop.

    Slices, for a ``split`` may become one into as many parts as the traced example has.
    """
    parts: list[Tensor] = []
    for first in range(0, at.shape[1], size):
        parts.append(_mixtures(at[:, first : first + size], centres, hidden, sharpness))
    return torch.cat(parts, 1)
