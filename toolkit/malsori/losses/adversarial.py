"""The game between a generator and an ensemble of discriminators, and feature matching.

A judgement holds, for each discriminator, the outputs of its layers, the last being the score.

Source: Mao et al. 2017 (least squares), arXiv:1611.04076; Lim & Ye 2017 (hinge), arXiv:1705.02894;
Kong et al. 2020 (HiFi-GAN), arXiv:2010.05646, section 2.4.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from malsori.core.registry import Entry
from malsori.losses.settings import NoSettings
from malsori.modules.discriminators import Judgement


@dataclass(frozen=True)
class LeastSquares:
    """Scores of real waveforms go to 1, of generated ones to 0 (to 1 for the generator)."""

    config: NoSettings

    def generator(self, fake: Judgement) -> Tensor:
        """Return what the generator minimises, summed over discriminators, ()."""
        return _total([(layers[-1].float() - 1).square().mean() for layers in fake])

    def discriminator(self, real: Judgement, fake: Judgement) -> tuple[Tensor, Tensor]:
        """Return what the discriminators minimise on real and on generated waveforms, () each."""
        on_real = _total([(layers[-1].float() - 1).square().mean() for layers in real])
        on_fake = _total([layers[-1].float().square().mean() for layers in fake])
        return on_real, on_fake


@dataclass(frozen=True)
class Hinge:
    """Scores of real waveforms go above 1, of generated ones below −1."""

    config: NoSettings

    def generator(self, fake: Judgement) -> Tensor:
        """Return what the generator minimises, summed over discriminators, ()."""
        return _total([-layers[-1].float().mean() for layers in fake])

    def discriminator(self, real: Judgement, fake: Judgement) -> tuple[Tensor, Tensor]:
        """Return what the discriminators minimise on real and on generated waveforms, () each."""
        on_real = _total([F.relu(1 - layers[-1].float()).mean() for layers in real])
        on_fake = _total([F.relu(1 + layers[-1].float()).mean() for layers in fake])
        return on_real, on_fake


def feature_matching_loss(real: Judgement, fake: Judgement) -> Tensor:
    """Return the mean absolute difference of each layer's output, summed over all layers, ().

    The last outputs count as layers too; no gradient goes to the real side.
    """
    return _total(
        [
            F.l1_loss(ours.float(), theirs.detach().float())
            for ours_layers, theirs_layers in zip(fake, real, strict=True)
            for ours, theirs in zip(ours_layers, theirs_layers, strict=True)
        ]
    )


def _total(losses: list[Tensor]) -> Tensor:
    return torch.stack(losses).sum()


LEAST_SQUARES = Entry(
    config=NoSettings,
    build=LeastSquares,
    summary="least squares, as HiFi-GAN",
    source="Mao et al. 2017, arXiv:1611.04076",
)
HINGE = Entry(
    config=NoSettings,
    build=Hinge,
    summary="hinge",
    source="Lim & Ye 2017, arXiv:1705.02894",
)
