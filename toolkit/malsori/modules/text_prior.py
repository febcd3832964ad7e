"""Text encoder of VITS: tokens to an encoding, and to a Gaussian for each token's frames.

Axes: B utterances, N tokens, D width, Z latent channels.

Source: Kim, Kong, Son 2021 (VITS), arXiv:2106.06103, section 2.5.2. The paper's stack is a
transformer with windowed relative positions; ESPnet's, and so the default here, is a conformer.
VAEJETS has the same over frames in place of tokens: N is T there.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor, nn


class TokenPrior(NamedTuple):
    """What is known of tokens before they are heard."""

    hidden: Tensor
    """Encoding, (B, N, D); 0 at padding."""
    mean: Tensor
    """Of the Gaussian that each token's frames come from, (B, N, Z); 0 at padding."""
    log_scale: Tensor
    """Natural logarithm of its standard deviation, (B, N, Z); 0 at padding."""


class TextEmbedding(nn.Embedding):
    """Vectors of tokens, times √D; they begin with a spread of 1/√D.

    Args:
        tokens: Symbols in the token list.
        width: D.
    """

    def __init__(self, tokens: int, width: int) -> None:
        super().__init__(tokens, width)
        nn.init.normal_(self.weight, 0.0, width**-0.5)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return (B, N, D) for ids, (B, N)."""
        return super().forward(tokens) * math.sqrt(self.embedding_dim)


class TextPrior(nn.Module):
    """A stack, and a projection to mean and logarithmic scale.

    Args:
        stack: Of width D: (B, N, D) and a mask to (B, N, D).
        width: D.
        latent: Z.
    """

    def __init__(self, stack: nn.Module, width: int, latent: int) -> None:
        super().__init__()
        self.stack = stack
        self.output = nn.Conv1d(width, 2 * latent, 1)

    def forward(self, x: Tensor, valid: Tensor) -> TokenPrior:
        """Return the encoding, means and scales.

        Args:
            x: Tokens as vectors, (B, N, D).
            valid: True where a token exists, (B, N).
        """
        hidden = self.stack(x, valid) * valid[..., None]  # (B, N, D)
        says = self.output(hidden.transpose(1, 2)).transpose(1, 2)  # through (B, D, N)
        mean, log_scale = (says.float() * valid[..., None]).chunk(2, 2)
        return TokenPrior(hidden, mean, log_scale)
