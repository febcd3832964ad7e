"""HiFi-GAN's generator and mel written out from the paper, with weights by the original's names.

Everything is functional and unbatched in thought: no module of the package is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

SIZES: dict[str, dict[str, Any]] = {
    "hifigan_v1": {
        "resblock": "1",
        "upsample_rates": [8, 8, 2, 2],
        "upsample_kernel_sizes": [16, 16, 4, 4],
        "upsample_initial_channel": 512,
        "resblock_kernel_sizes": [3, 7, 11],
        "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
    },
    "hifigan_v3": {
        "resblock": "2",
        "upsample_rates": [8, 8, 4],
        "upsample_kernel_sizes": [16, 16, 8],
        "upsample_initial_channel": 256,
        "resblock_kernel_sizes": [3, 5, 7],
        "resblock_dilation_sizes": [[1, 2], [2, 6], [3, 12]],
    },
}
SIZES["hifigan_v2"] = {**SIZES["hifigan_v1"], "upsample_initial_channel": 128}
AUDIO = {
    "num_mels": 80,
    "n_fft": 1024,
    "hop_size": 256,
    "win_size": 1024,
    "sampling_rate": 22050,
    "fmin": 0,
    "fmax": 8000,
    "fmax_for_loss": None,
}


def plain_generator(
    sizes: dict[str, Any], seed: int, bands: int = 80
) -> tuple[dict[str, Tensor], Callable[..., Tensor]]:
    """Return a random state dict with weight norm, and the function of it: (B, M, T) → (B, 1, S).

    ``mel`` is the natural logarithm; ``told`` is added behind the first layer.
    """
    random = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}

    def layer(name: str, *shape: int, out: int, fan: float) -> None:
        direction = torch.randn(*shape, generator=random)
        norm = direction.square().sum((1, 2), keepdim=True).sqrt()
        wanted = norm / fan**0.5  # as loud behind the layer as before it
        loud = 0.8 + 0.4 * torch.rand(shape[0], 1, 1, generator=random)
        state[f"{name}.weight_g"] = wanted * loud
        state[f"{name}.weight_v"] = direction
        state[f"{name}.bias"] = 0.05 * torch.randn(out, generator=random)

    channels = sizes["upsample_initial_channel"]
    layer("conv_pre", channels, bands, 7, out=channels, fan=bands * 7 * 10.0)
    block = 0
    for i, (rate, kernel) in enumerate(
        zip(sizes["upsample_rates"], sizes["upsample_kernel_sizes"], strict=True)
    ):
        half = channels // 2
        layer(f"ups.{i}", channels, half, kernel, out=half, fan=channels * kernel / rate)
        channels = half
        for size, dilations in zip(
            sizes["resblock_kernel_sizes"], sizes["resblock_dilation_sizes"], strict=True
        ):
            kinds = ("convs1", "convs2") if sizes["resblock"] == "1" else ("convs",)
            for kind in kinds:
                for j in range(len(dilations)):
                    name = f"resblocks.{block}.{kind}.{j}"
                    layer(name, channels, channels, size, out=channels, fan=channels * size * 4.0)
            block += 1
    layer("conv_post", 1, channels, 7, out=1, fan=channels * 7 * 10.0)

    def weight(name: str) -> Tensor:
        direction = state[f"{name}.weight_v"]
        length = direction.square().sum((1, 2), keepdim=True).sqrt()
        return state[f"{name}.weight_g"] * direction / length

    def convolve(x: Tensor, name: str, dilation: int = 1) -> Tensor:
        kernel = weight(name)
        around = dilation * (kernel.shape[2] - 1) // 2
        return F.conv1d(x, kernel, state[f"{name}.bias"], padding=around, dilation=dilation)

    def residual(x: Tensor, number: int, dilations: list[int]) -> Tensor:
        for j, dilation in enumerate(dilations):
            slack = F.leaky_relu(x, 0.1)
            if sizes["resblock"] == "1":
                y = convolve(slack, f"resblocks.{number}.convs1.{j}", dilation)
                y = convolve(F.leaky_relu(y, 0.1), f"resblocks.{number}.convs2.{j}")
            else:
                y = convolve(slack, f"resblocks.{number}.convs.{j}", dilation)
            x = x + y
        return x

    def run(mel: Tensor, told: Tensor | float = 0.0) -> Tensor:
        x = convolve(mel, "conv_pre") + told
        kinds = sizes["resblock_dilation_sizes"]
        for i, (rate, kernel) in enumerate(
            zip(sizes["upsample_rates"], sizes["upsample_kernel_sizes"], strict=True)
        ):
            x = F.conv_transpose1d(
                F.leaky_relu(x, 0.1),
                weight(f"ups.{i}"),
                state[f"ups.{i}.bias"],
                stride=rate,
                padding=(kernel - rate) // 2,
            )
            mixed = [residual(x, i * len(kinds) + k, d) for k, d in enumerate(kinds)]
            x = torch.stack(mixed).mean(0)
        return torch.tanh(convolve(F.leaky_relu(x, 0.01), "conv_post"))

    return state, run


def hifigan_mel(
    wav: Tensor, rate: int, n_fft: int, bands: int, hop: int, window: int, low: float, high: float
) -> Tensor:
    """Return natural-log mel amplitudes, (B, M, T), frame by frame in float64."""
    samples = wav.double().numpy()
    side = (n_fft - hop) // 2
    samples = np.pad(samples, ((0, 0), (side, side)), mode="reflect")
    filters = slaney_filters(rate, n_fft, bands, low, high)
    shape = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    frames = []
    for start in range(0, samples.shape[1] - n_fft + 1, hop):
        spectrum = np.fft.rfft(samples[:, start : start + n_fft] * shape)
        magnitude = np.sqrt(np.abs(spectrum) ** 2 + 1e-9)
        frames.append(np.log(np.maximum(magnitude @ filters.T, 1e-5)))
    return torch.from_numpy(np.stack(frames, axis=2)).float()


def slaney_filters(rate: int, n_fft: int, bands: int, low: float, high: float) -> np.ndarray:
    """Return triangles of equal area on Slaney's mel scale, (M, F), by interpolation."""

    def to_hz(mel: np.ndarray) -> np.ndarray:
        return np.where(mel < 15, 200 / 3 * mel, 1000 * 6.4 ** ((mel - 15) / 27))

    def to_mel(hz: float) -> float:
        return hz * 3 / 200 if hz < 1000 else 15 + 27 * np.log(hz / 1000) / np.log(6.4)

    edges = to_hz(np.linspace(to_mel(low), to_mel(high), bands + 2))
    bins = np.arange(n_fft // 2 + 1) * rate / n_fft
    rows = [
        np.interp(bins, edges[i : i + 3], [0.0, 2 / (edges[i + 2] - edges[i]), 0.0])
        for i in range(bands)
    ]
    return np.stack(rows)
