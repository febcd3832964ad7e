"""Losses of a frame's predicted pitch and voicing, in fp32.

Axes: B utterances, T frames.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor
from torch.nn import functional as F

from malsori.core.registry import Entry
from malsori.losses.settings import NoSettings
from malsori.modules.lengths import masked_mean


class Melody(Protocol):
    """What these losses read; all (B, T)."""

    pitch: Tensor
    pitch_target: Tensor
    voicing: Tensor
    voiced: Tensor
    valid_frames: Tensor


class MelodyOutput(Protocol):
    """What a model's output must hold for these losses."""

    melody: Melody


def frame_pitch_loss(output: MelodyOutput) -> Tensor:
    """Return the squared error of normalised log-F0 over voiced frames, ()."""
    melody = output.melody
    error = (melody.pitch.float() - melody.pitch_target.float()).square()
    return masked_mean(error, melody.valid_frames & (melody.voiced > 0))


def voicing_loss(output: MelodyOutput) -> Tensor:
    """Return the cross-entropy of voicing over frames, ()."""
    melody = output.melody
    error = F.binary_cross_entropy_with_logits(
        melody.voicing.float(), melody.voiced.float(), reduction="none"
    )
    return masked_mean(error, melody.valid_frames)


FRAME_PITCH = Entry(
    config=NoSettings,
    build=lambda config: frame_pitch_loss,
    summary="squared error of the pitch of voiced frames",
)
VOICING = Entry(
    config=NoSettings, build=lambda config: voicing_loss, summary="cross-entropy of voicing"
)
