"""What models with a latent sequence share: noise that a seed decides, and voice conversion.

Axes: B utterances, T frames, F what the posterior hears of a frame, Z latent channels,
G condition, S samples.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from malsori.models.voice import Converted
from malsori.modules.features import Features
from malsori.modules.flow import ResidualFlow
from malsori.modules.lengths import valid_positions
from malsori.modules.posterior import PosteriorEncoder


def seeded_noise(lengths: Tensor, channels: int, seed: int) -> Tensor:
    """Return standard normal noise, (B, longest, channels), as each utterance alone has it.

    Args:
        lengths: (B,).
        channels: Numbers for each position.
        seed: Decides which; the state of PyTorch's own generators stays as it is.
    """
    rows = []
    for length in lengths.tolist():
        seeded = torch.Generator().manual_seed(seed)
        rows.append(torch.randn(length, channels, generator=seeded))
    return nn.utils.rnn.pad_sequence(rows, batch_first=True).to(lengths.device)


def carry_over(
    posterior: PosteriorEncoder,
    flow: ResidualFlow,
    heard: Tensor,
    valid: Tensor,
    told: tuple[Tensor | None, Tensor | None],
    noise: Tensor,
) -> Tensor:
    """Return what recordings would be in another's latent space, (B, T, Z).

    The flow takes the posterior's sample to the prior's space, where it is nobody's voice yet, and
    back by the other's way.

    Args:
        posterior: Hears recordings.
        flow: Between the two spaces.
        heard: Spectrograms of the recordings, (B, T, F).
        valid: True where a frame exists, (B, T).
        told: Who speaks and who shall, (B, G) or (1, G) each.
        noise: Standard normal, (B, T, Z): the sample is made with it.

    Source: Kim et al. 2021 (VITS), arXiv:2106.06103, on voice conversion.
    """
    source, target = told
    z = flow(posterior(heard, valid, source, noise).sample, valid, source)
    return flow.inverse(z, valid, target)


def converted(wav: Tensor, features: Features) -> Converted:
    """Return a generator's waveforms, (B, 1, T · hop), cut to the recordings' lengths."""
    longest = int(features.wav_lengths.max())
    wav = wav.squeeze(1)[:, :longest].float()
    return Converted(wav * valid_positions(features.wav_lengths, longest), features.wav_lengths)
