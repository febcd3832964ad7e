"""Raw material for a voice: sines that follow the pitch, and noise.

A generator that gets frames alone has to invent where in a period each sample is, and learns that
late; given a source that already swings at the right pitch, it only has to colour it.

Axes: B utterances, T frames, S = T · hop samples, H harmonics.

Source: Wang, Takaki, Yamagishi 2019, "Neural source-filter-based waveform model for statistical
parametric speech synthesis", arXiv:1810.11946, section 2.3; inside HiFi-GAN: Li et al. 2023
(HiFTNet), arXiv:2309.09493.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

SINE, NOISE = 0.3, 0.1
"""Amplitude of each sine, standard deviation of the noise; full scale 1."""
NOISE_SAMPLES = 1 << 17


class Melody(NamedTuple):
    """What is sung, frame by frame."""

    f0_hz: Tensor
    """Fundamental frequency, (B, T), above 0 also where nothing is voiced."""
    voiced: Tensor
    """1 where there is one, else 0, (B, T)."""


class Excitation(NamedTuple):
    """A melody at every sample, (B, S) each: any window of it sounds as within the whole."""

    f0_hz: Tensor
    voiced: Tensor
    turns: Tensor
    """Periods since the beginning, in fp64."""
    noise: Tensor
    heard: Tensor
    """False where nothing shall be heard."""

    def window(self, start: int, end: int) -> Excitation:
        """Return the samples from ``start`` to ``end``."""
        return Excitation(*(part[:, start:end] for part in self))


class HarmonicSource(nn.Module):
    """Make the sines of F0 and its multiples where speech is voiced, and noise everywhere.

    Args:
        harmonics: H, the fundamental included.
        sample_rate: Hz.
        hop: Samples between frames.
    """

    noise: Tensor

    def __init__(self, harmonics: int, sample_rate: int, hop: int) -> None:
        super().__init__()
        self.harmonics, self.sample_rate, self.hop = harmonics, sample_rate, hop
        table = torch.randn(NOISE_SAMPLES, generator=torch.Generator().manual_seed(0))
        self.register_buffer("noise", NOISE * table, persistent=False)

    @torch.no_grad()
    def forward(self, melody: Melody | Excitation, valid: Tensor | None = None) -> Tensor:
        """Return sines and, as the last channel, noise, (B, H + 1, S).

        Harmonics at or above half the sample rate are silent. In training phases and noise begin
        anywhere; otherwise at the same place, so that an utterance always sounds the same.

        Args:
            melody: Of frames whose centres are ``hop`` samples apart, the first at sample 0, or
                what ``excite`` made of it.
            valid: True where data is, (B, T); what lies behind is silent. Only for a melody.
        """
        sung = melody if isinstance(melody, Excitation) else self.excite(melody, valid)
        numbers = torch.arange(1, self.harmonics + 1, device=sung.turns.device)[:, None]  # (H, 1)
        turned = sung.turns[:, None] * numbers  # (B, H, S)
        phases = (turned - turned.floor()).float() * (2 * math.pi)
        heard = sung.f0_hz[:, None] * numbers < self.sample_rate / 2
        sines = SINE * phases.sin() * heard * sung.voiced[:, None]
        return torch.cat([sines, sung.noise[:, None]], dim=1) * sung.heard[:, None]

    @torch.no_grad()
    def excite(self, melody: Melody, valid: Tensor | None = None) -> Excitation:
        """Return a whole melody at every sample, with its phases; arguments as for ``forward``."""
        if valid is None:
            valid = torch.ones_like(melody.f0_hz, dtype=torch.bool)
        f0 = self._by_sample(melody.f0_hz.float(), valid)  # (B, S)
        turns = (f0.double() / self.sample_rate).cumsum(1)
        if self.training:
            turns = turns + torch.rand(len(turns), 1, dtype=torch.float64, device=turns.device)
        return Excitation(
            f0_hz=f0,
            voiced=self._by_sample(melody.voiced.float(), valid),
            turns=turns,
            noise=self._noise(f0),
            heard=valid.repeat_interleave(self.hop, dim=1),
        )

    def _by_sample(self, x: Tensor, valid: Tensor) -> Tensor:
        """Return the line through valid frames' values at every sample, (B, S)."""
        following = torch.where(valid[:, 1:], x[:, 1:], x[:, :-1])
        following = torch.cat([following, x[:, -1:]], dim=1)
        share = torch.arange(self.hop, device=x.device) / self.hop
        return (x[..., None] + (following - x)[..., None] * share).flatten(1)

    def _noise(self, like: Tensor) -> Tensor:
        rows, samples = like.shape
        at = torch.arange(samples, device=like.device).expand(rows, -1)
        if self.training:
            at = at + torch.randint(NOISE_SAMPLES, (rows, 1), device=like.device)
        return self.noise[at % NOISE_SAMPLES]
