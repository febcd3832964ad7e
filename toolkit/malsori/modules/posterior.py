"""Posterior encoder of VITS: what a recording says about the latent sequence.

Axes: B utterances, T frames, F spectrogram bins (or mel bands), Z latent channels, G numbers of an
utterance-wide condition.

Source: Kim, Kong, Son 2021, "Conditional Variational Autoencoder with Adversarial Learning for
End-to-End Text-to-Speech" (VITS), arXiv:2106.06103, section 2.5.1.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from malsori.modules.wavenet import WaveNet, WaveNetConfig, initialise_convolution


class Posterior(NamedTuple):
    """A Gaussian for every frame, and what was drawn from it; all (B, T, Z), 0 at padding."""

    sample: Tensor
    mean: Tensor
    log_scale: Tensor
    """Natural logarithm of the standard deviation."""


class PosteriorEncoder(nn.Module):
    """Read a spectrogram, say the mean and spread of each frame's latent vector, and draw one.

    Args:
        config: Sizes of the stack.
        inputs: F.
        width: Z.
        condition: G; 0 for none.

    Source: arXiv:2106.06103, section 2.5.1; initial weights as ESPnet's.
    """

    def __init__(self, config: WaveNetConfig, inputs: int, width: int, condition: int = 0) -> None:
        super().__init__()
        self.input = nn.Conv1d(inputs, config.channels, 1)
        self.stack = WaveNet(config, condition)
        self.output = nn.Conv1d(config.channels, 2 * width, 1)
        initialise_convolution(self.input)
        initialise_convolution(self.output)

    def forward(
        self,
        spectrogram: Tensor,
        valid: Tensor,
        condition: Tensor | None = None,
        noise: Tensor | None = None,
    ) -> Posterior:
        """Return mean, logarithmic scale and a sample of every frame.

        Args:
            spectrogram: Linear magnitudes in VITS, (B, T, F).
            valid: True where data is, (B, T).
            condition: One vector per utterance, (B, G), if the encoder was built for it.
            noise: Standard normal, (B, T, Z); None draws it. It is what the sample is made with.
        """
        mask = valid[:, None].to(spectrogram.dtype)
        x = spectrogram.transpose(1, 2) * mask  # (B, T, F) -> (B, F, T)
        x = self.stack(self.input(x) * mask, mask, condition)
        says = (self.output(x) * mask).transpose(1, 2).float()  # (B, 2Z, T) -> (B, T, 2Z)
        mean, log_scale = says.chunk(2, 2)
        noise = torch.randn_like(mean) if noise is None else noise
        sample = (mean + noise * log_scale.exp()) * valid[..., None]
        return Posterior(sample, mean, log_scale)
