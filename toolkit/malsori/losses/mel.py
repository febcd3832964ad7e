"""Distances of predicted mel spectrograms from recorded ones, in fp32.

Axes: B utterances, T frames, M mel bands.

Source: Ren et al. 2021 (FastSpeech 2), arXiv:2006.04558; Shen et al. 2018 (Tacotron 2),
arXiv:1712.05884, which compares before and behind the post-net.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from malsori.core.registry import Entry
from malsori.losses.settings import NoSettings
from malsori.modules.lengths import masked_mean


class MelOutput(Protocol):
    """What a model's output must hold for these losses."""

    mel: Tensor
    """Predicted, normalised, (B, T, M)."""
    postnet_mel: Tensor
    """Behind the post-net, (B, T, M)."""
    mel_target: Tensor
    """(B, T, M)."""
    valid_frames: Tensor
    """True where a frame exists, (B, T)."""


def mel_distance(mel: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Return the mean absolute difference of mels, (B, T, M), over frames, ()."""
    return masked_mean((mel.float() - target.float()).abs().mean(-1), valid)


def _mel(output: MelOutput) -> Tensor:
    return mel_distance(output.mel, output.mel_target, output.valid_frames)


def _postnet_mel(output: MelOutput) -> Tensor:
    return mel_distance(output.postnet_mel, output.mel_target, output.valid_frames)


MEL = Entry(
    config=NoSettings,
    build=lambda config: _mel,
    summary="L1 of predicted mel spectrograms",
    source="Ren et al. 2021, arXiv:2006.04558",
)
POSTNET_MEL = Entry(
    config=NoSettings,
    build=lambda config: _postnet_mel,
    summary="L1 of predicted mel spectrograms behind the post-net",
    source="Shen et al. 2018, arXiv:1712.05884",
)
