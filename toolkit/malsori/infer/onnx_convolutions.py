"""Convolutions written so that ONNX Runtime calculates them fast.

Axes: B utterances, C channels, T positions.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from malsori.modules.hifigan import HifiganGenerator
from malsori.modules.transformer import ConvFeedForward


class FlatConvolution(nn.Module):
    """A convolution over one axis as one over two, the other of which is 1 long.

    ONNX Runtime's code for two axes keeps channels in blocks that fit the processor's registers; it
    has none such for one axis. With it HiFi-GAN and a transformer's feed-forward parts take a sixth
    less of a processor's time.

    Args:
        convolution: Over one axis.
        opens: Whether it reads (B, C, T) and not (B, C, 1, T).
        closes: Whether it returns (B, C, T) and not (B, C, 1, T).
    """

    def __init__(
        self,
        convolution: nn.Conv1d | nn.ConvTranspose1d,
        opens: bool = True,
        closes: bool = True,
    ) -> None:
        super().__init__()
        self.opens, self.closes = opens, closes
        transposed = isinstance(convolution, nn.ConvTranspose1d)
        settings: dict[str, Any] = {
            "kernel_size": (1, *convolution.kernel_size),
            "stride": (1, *convolution.stride),
            "padding": (0, *tuple(convolution.padding)),
            "dilation": (1, *convolution.dilation),
            **({"output_padding": (0, *convolution.output_padding)} if transposed else {}),
        }
        self.convolution = (nn.ConvTranspose2d if transposed else nn.Conv2d)(
            convolution.in_channels, convolution.out_channels, **settings
        )
        self.convolution.weight = nn.Parameter(convolution.weight[:, :, None], requires_grad=False)
        self.convolution.bias = convolution.bias

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, 1, T), or (B, C, T) where it ``closes``."""
        x = self.convolution(x[:, :, None] if self.opens else x)
        return x[:, :, 0] if self.closes else x


def flatten(generator: HifiganGenerator) -> None:
    """Put flat convolutions into a generator, in place: between them is (B, C, 1, T) then."""
    whole: Any = generator
    whole.input = FlatConvolution(whole.input, closes=False)
    whole.output = FlatConvolution(whole.output, opens=False)
    if whole.condition is not None:
        whole.condition = FlatConvolution(whole.condition, closes=False)
    for parts, opens in (
        (whole.upsamplers, False),
        (whole.source_convolutions, True),
        *((parts, False) for block in whole.residuals for parts in (block.dilated, block.plain)),
    ):
        for i, part in enumerate(parts):
            parts[i] = FlatConvolution(part, opens, closes=False)


class MatrixConvolution(nn.Module):
    """A convolution as one matrix product of what its kernel sees at each place, (B, C, T).

    It takes the same time; but whole numbers can be calculated with only in matrix products.

    Args:
        convolution: Without stride and dilation, as long at its end as at its beginning.
    """

    def __init__(self, convolution: nn.Conv1d) -> None:
        super().__init__()
        self.kernel: int = convolution.kernel_size[0]
        matrix = convolution.weight.transpose(1, 2).flatten(1)  # (C', kernel · C)
        self.matrix = nn.Parameter(matrix.contiguous(), requires_grad=False)
        self.bias = convolution.bias

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C', T)."""
        x = x.transpose(1, 2)  # (B, C, T) -> (B, T, C)
        frames, side = x.shape[1], self.kernel // 2
        around = F.pad(x, (0, 0, side, side))
        seen = torch.cat([around[:, i : i + frames] for i in range(self.kernel)], 2)
        return F.linear(seen, self.matrix, self.bias).transpose(1, 2)


def with_matrices(model: nn.Module) -> None:
    """Put matrix products in the place of the convolutions of feed-forward parts."""
    for part in list(model.modules()):
        if isinstance(part, ConvFeedForward):
            part.expand = MatrixConvolution(part.expand)  # type: ignore[assignment]
            part.reduce = MatrixConvolution(part.reduce)  # type: ignore[assignment]


def with_flat(model: nn.Module) -> None:
    """Put flat convolutions in the place of those of feed-forward parts."""
    for part in list(model.modules()):
        if isinstance(part, ConvFeedForward):
            part.expand = FlatConvolution(part.expand)  # type: ignore[assignment]
            part.reduce = FlatConvolution(part.reduce)  # type: ignore[assignment]
