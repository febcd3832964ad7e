"""The post-net of Tacotron 2: what convolutions over frames can still better of a mel.

Axes: B utterances, T frames, M mel bands.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from malsori.core.ranges import SIZE, odd, within


@dataclass(frozen=True, kw_only=True)
class PostnetConfig:
    """Size of a post-net; the defaults are Tacotron 2's."""

    layers: int = 5
    """Convolutions; 0 for no post-net."""
    channels: int = 512
    """Channels between them."""
    kernel: int = 5
    """Frames that each sees; odd."""
    dropout: float = 0.5
    """Share dropped after each."""

    def __post_init__(self) -> None:
        within(self, "[0, 256]", "layers")
        within(self, SIZE, "channels", "kernel")
        odd(self, "kernel")
        within(self, "[0, 1)", "dropout")


class Postnet(nn.Module):
    """Add to a mel what is missing in it.

    Where the original normalises over the batch, each frame is normalised over its channels: no
    frame then depends on other utterances or on padding, not in training either. The last
    convolution is not normalised, so that it can add little.

    Args:
        config: Sizes; at least one layer.
        mel_bands: M.

    Source: Shen et al. 2018 (Tacotron 2), arXiv:1712.05884, section 2.2.
    """

    def __init__(self, config: PostnetConfig, mel_bands: int) -> None:
        super().__init__()
        sizes = [mel_bands] + [config.channels] * (config.layers - 1)
        self.blocks = nn.ModuleList(
            PostnetBlock(before, after, config.kernel, config.dropout)
            for before, after in itertools.pairwise(sizes)
        )
        self.out = nn.Conv1d(sizes[-1], mel_bands, config.kernel, padding=config.kernel // 2)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, mel: Tensor, valid: Tensor) -> Tensor:
        """Return the bettered mel, (B, T, M), 0 where ``valid`` is False.

        Args:
            mel: Predicted, normalised, (B, T, M).
            valid: True where a frame exists, (B, T).
        """
        mask = valid[:, None]
        x = mel.transpose(1, 2) * mask  # (B, T, M) -> (B, M, T)
        for block in self.blocks:
            x = block(x) * mask
        change = self.dropout(self.out(x)).transpose(1, 2)  # (B, M, T) -> (B, T, M)
        return (mel + change) * valid[..., None]


class PostnetBlock(nn.Module):
    """Convolution, layer norm over channels, tanh, dropout."""

    def __init__(self, before: int, after: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.conv = nn.Conv1d(before, after, kernel, padding=kernel // 2)
        self.norm = nn.LayerNorm(after)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, after, T) for ``x`` of (B, before, T)."""
        x = self.norm(self.conv(x).transpose(1, 2)).transpose(1, 2)  # through (B, T, C)
        return self.dropout(torch.tanh(x))  # type: ignore[no-any-return]
