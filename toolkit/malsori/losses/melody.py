"""Losses of a frame's predicted pitch and voicing, in fp32.

Axes: B utterances, T frames, W wavelet scales.
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


class Waves(Protocol):
    """A contour, taken apart."""

    @property
    def waves(self) -> Tensor:
        """What each of W scales adds to the normalised contour, (B, T, W)."""
        ...

    @property
    def mean(self) -> Tensor:
        """Of the contour, (B,)."""
        ...

    @property
    def std(self) -> Tensor:
        """Its deviation, (B,)."""
        ...


class WavyMelody(Melody, Protocol):
    """What the losses of pitch as wavelets read."""

    waves: Waves
    waves_target: Waves


class WavyOutput(Protocol):
    """What a model's output must hold for these."""

    melody: WavyMelody


def pitch_waves_loss(output: WavyOutput) -> Tensor:
    """Return the squared error of the waves, summed over scales, over frames, ()."""
    melody = output.melody
    error = (melody.waves.waves.float() - melody.waves_target.waves.float()).square().sum(-1)
    return masked_mean(error, melody.valid_frames)


def pitch_range_loss(output: WavyOutput) -> Tensor:
    """Return the squared error of utterances' mean and deviation of pitch, ()."""
    found, target = output.melody.waves, output.melody.waves_target
    errors = (found.mean - target.mean).square() + (found.std - target.std).square()
    return errors.mean()


FRAME_PITCH = Entry(
    config=NoSettings,
    build=lambda config: frame_pitch_loss,
    summary="squared error of the pitch of voiced frames",
)
VOICING = Entry(
    config=NoSettings, build=lambda config: voicing_loss, summary="cross-entropy of voicing"
)
PITCH_WAVES = Entry(
    config=NoSettings,
    build=lambda config: pitch_waves_loss,
    summary="squared error of pitch as wavelets",
    source="Ren et al. 2021, arXiv:2006.04558",
)
PITCH_RANGE = Entry(
    config=NoSettings,
    build=lambda config: pitch_range_loss,
    summary="squared error of an utterance's mean and deviation of pitch",
    source="Ren et al. 2021, arXiv:2006.04558",
)
