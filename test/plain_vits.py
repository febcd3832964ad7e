"""VITS's way from symbols to a waveform written out from the paper, by the original's names.

Everything is functional, one utterance at a time, (C, T) within: no module of the package is used.
Nothing is drawn: the latent is the prior's mean, durations are the middle of their law. The
waveform generator is that of plain_hifigan.py.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import torch
from plain_hifigan import plain_generator
from torch import Tensor
from torch.nn import functional as F

SIZES: dict[str, Any] = {
    "inter_channels": 8,
    "hidden_channels": 8,
    "filter_channels": 12,
    "n_heads": 2,
    "n_layers": 2,
    "kernel_size": 3,
    "p_dropout": 0.1,
    "resblock": "1",
    "resblock_kernel_sizes": [3, 5],
    "resblock_dilation_sizes": [[1, 3], [1, 2]],
    "upsample_rates": [8, 4],
    "upsample_initial_channel": 16,
    "upsample_kernel_sizes": [16, 8],
    "n_layers_q": 3,
    "use_spectral_norm": False,
}
DATA: dict[str, Any] = {
    "text_cleaners": ["english_cleaners2"],
    "max_wav_value": 32768.0,
    "sampling_rate": 8000,
    "filter_length": 64,
    "hop_length": 32,
    "win_length": 64,
    "n_mel_channels": 10,
    "mel_fmin": 0.0,
    "mel_fmax": None,
    "add_blank": True,
    "n_speakers": 0,
    "cleaned_text": True,
}
WINDOW, KERNEL, BINS, BOUND = 4, 3, 10, 5.0
SMALLEST = 1e-3
"""Share of the interval that a bin has at least, and smallest slope of a spline."""


class PlainVits:
    """A random checkpoint of a voice, and what it says.

    Args:
        symbols: How many there are.
        sizes: ``model`` of its ``config.json``.
        speakers: Known speakers; more than one are told to the networks.
        bins: Of the linear spectrum.
    """

    def __init__(
        self, symbols: int, sizes: dict[str, Any] = SIZES, speakers: int = 0, bins: int = 33
    ) -> None:
        self.sizes, self.random = sizes, torch.Generator().manual_seed(3)
        self.told = sizes["gin_channels"] if speakers > 1 else 0
        self.width, self.state = sizes["hidden_channels"], {}
        width = self.width
        self._put("enc_p.emb.weight", symbols, width, spread=width**-0.5)
        for i in range(sizes["n_layers"]):
            self._block(f"enc_p.encoder.%s.{i}", sizes["filter_channels"], sizes["kernel_size"])
        self._layer("enc_p.proj", width, 2 * width)
        self._wavenet("enc_q", bins, 2 * width, 16, "pre", "proj")
        for i in range(4):
            self._wavenet(f"flow.flows.{2 * i}", width // 2, width // 2, 4, "pre", "post")
        for before in ("", "post_") if sizes.get("use_sdp", True) else ():
            self._layer(f"dp.{before}pre", 1 if before else width, width)
            self._layer(f"dp.{before}proj", width, width)
            self._separable(f"dp.{before}convs")
            self._put(f"dp.{before}flows.0.m", 2, 1, mean=-1.4, spread=0.1)
            self._put(f"dp.{before}flows.0.logs", 2, 1, spread=0.1)
            for i in (1, 3, 5, 7):
                self._layer(f"dp.{before}flows.{i}.pre", 1, width)
                self._separable(f"dp.{before}flows.{i}.convs")
                self._layer(f"dp.{before}flows.{i}.proj", width, 3 * BINS - 1)
                self.state[f"dp.{before}flows.{i}.proj.weight"] *= 0.5
        if not sizes.get("use_sdp", True):
            for i, inputs in ((1, width), (2, 256)):
                self._layer(f"dp.conv_{i}", inputs, 256, 3)
                self._norm(f"dp.norm_{i}", 256)
            self._layer("dp.proj", 256, 1)
            self.state["dp.proj.bias"] += 1.0
        if self.told:
            self._put("emb_g.weight", speakers, self.told, spread=1.0)
            self._layer("dp.cond", self.told, width)
        generator, self.generator = plain_generator(sizes, 5, width)
        self._generator(generator)

    def say(self, ids: list[int], speaker: int = 0) -> tuple[Tensor, list[int]]:
        """Return the waveform, (S,), and each symbol's frames."""
        who = self.state["emb_g.weight"][speaker] if self.told else None
        hidden = self._encode(ids)
        mean = self._convolve("enc_p.proj", hidden)[: self.width]
        frames = [math.ceil(math.exp(x)) for x in self._durations(hidden, who).tolist()]
        latent = torch.repeat_interleave(mean, torch.tensor(frames), 1)
        for i in (3, 2, 1, 0):
            kept, moved = latent.flip(0).chunk(2)
            shift = self._stack(f"flow.flows.{2 * i}", kept, 4, "pre", "post", who)
            latent = torch.cat([kept, moved - shift])
        return self._speak(latent, who), frames

    def _put(self, name: str, *shape: int, spread: float = 0.3, mean: float = 0.0) -> None:
        self.state[name] = mean + spread * torch.randn(*shape, generator=self.random)

    def _layer(self, name: str, inputs: int, outputs: int, kernel: int = 1) -> None:
        self._put(f"{name}.weight", outputs, inputs, kernel, spread=(inputs * kernel) ** -0.5)
        self._put(f"{name}.bias", outputs, spread=0.1)

    def _normed(self, name: str, inputs: int, outputs: int, kernel: int = 1) -> None:
        self._layer(name, inputs, outputs, kernel)
        self.state[f"{name}.weight_v"] = self.state.pop(f"{name}.weight")
        gain = 0.6 + 0.8 * torch.rand(outputs, 1, 1, generator=self.random)
        self.state[f"{name}.weight_g"] = gain

    def _norm(self, name: str, size: int = 0) -> None:
        self._put(f"{name}.gamma", size or self.width, mean=1.0, spread=0.1)
        self._put(f"{name}.beta", size or self.width, spread=0.1)

    def _block(self, name: str, hidden: int, kernel: int) -> None:
        for part in "qkvo":
            self._layer(f"{name % 'attn_layers'}.conv_{part}", self.width, self.width)
        size = self.width // self.sizes["n_heads"]
        for part in "kv":
            self._put(f"{name % 'attn_layers'}.emb_rel_{part}", 1, 2 * WINDOW + 1, size, spread=0.8)
        self._norm(name % "norm_layers_1")
        self._norm(name % "norm_layers_2")
        self._layer(f"{name % 'ffn_layers'}.conv_1", self.width, hidden, kernel)
        self._layer(f"{name % 'ffn_layers'}.conv_2", hidden, self.width, kernel)

    def _wavenet(
        self, name: str, inputs: int, outputs: int, layers: int, pre: str, post: str
    ) -> None:
        self._layer(f"{name}.{pre}", inputs, self.width)
        self._layer(f"{name}.{post}", self.width, outputs)
        for i in range(layers):
            self._normed(f"{name}.enc.in_layers.{i}", self.width, 2 * self.width, 5)
            last = self.width if i + 1 == layers else 2 * self.width
            self._normed(f"{name}.enc.res_skip_layers.{i}", self.width, last)
        if self.told:
            self._normed(f"{name}.enc.cond_layer", self.told, 2 * self.width * layers)

    def _separable(self, name: str) -> None:
        for i in range(3):
            self._layer(f"{name}.convs_sep.{i}", 1, self.width, KERNEL)
            self._layer(f"{name}.convs_1x1.{i}", self.width, self.width)
            self._norm(f"{name}.norms_1.{i}")
            self._norm(f"{name}.norms_2.{i}")

    def _generator(self, state: dict[str, Tensor]) -> None:
        """Take HiFi-GAN's weights; first and last layer have no weight norm, the last no bias."""
        state["conv_post.bias"].zero_()
        state = dict(state)
        for end in ("conv_pre", "conv_post"):
            direction = state.pop(f"{end}.weight_v")
            length = direction.square().sum((1, 2), keepdim=True).sqrt()
            self.state[f"dec.{end}.weight"] = state.pop(f"{end}.weight_g") * direction / length
        self.state["dec.conv_pre.bias"] = state.pop("conv_pre.bias")
        state.pop("conv_post.bias")
        self.state |= {f"dec.{name}": tensor for name, tensor in state.items()}
        if self.told:
            self._layer("dec.cond", self.told, self.sizes["upsample_initial_channel"])

    def _weight(self, name: str) -> Tensor:
        if f"{name}.weight" in self.state:
            return self.state[f"{name}.weight"]
        direction = self.state[f"{name}.weight_v"]
        length = direction.square().sum((1, 2), keepdim=True).sqrt()
        return self.state[f"{name}.weight_g"] * direction / length

    def _convolve(self, name: str, x: Tensor, stride: int = 1, groups: int = 1) -> Tensor:
        """Return a convolution of (C, T) that keeps T; ``stride`` is its dilation."""
        kernel = self._weight(name)
        around = stride * (kernel.shape[2] - 1) // 2
        bias = self.state.get(f"{name}.bias")
        return F.conv1d(x[None], kernel, bias, padding=around, dilation=stride, groups=groups)[0]

    def _normalise(self, name: str, x: Tensor) -> Tensor:
        mean, spread = x.mean(0), x.var(0, correction=0).add(1e-5).sqrt()
        gamma, beta = (self.state[f"{name}.{part}"][:, None] for part in ("gamma", "beta"))
        return gamma * (x - mean) / spread + beta

    def _encode(self, ids: list[int]) -> Tensor:
        x = self.state["enc_p.emb.weight"][ids].T * math.sqrt(self.width)
        for i in range(self.sizes["n_layers"]):
            name = f"enc_p.encoder.%s.{i}"
            x = self._normalise(name % "norm_layers_1", x + self._attend(name % "attn_layers", x))
            inner = F.relu(self._convolve(f"{name % 'ffn_layers'}.conv_1", x))
            y = self._convolve(f"{name % 'ffn_layers'}.conv_2", inner)
            x = self._normalise(name % "norm_layers_2", x + y)
        return x

    def _attend(self, name: str, x: Tensor) -> Tensor:
        """Return what each position hears of the others, pair by pair."""
        heads, length = self.sizes["n_heads"], x.shape[1]
        query, key, value = (
            self._convolve(f"{name}.conv_{part}", x).view(heads, -1, length) for part in "qkv"
        )
        near_key, near_value = (self.state[f"{name}.emb_rel_{part}"][0] for part in "kv")
        size, none = query.shape[1], torch.zeros(query.shape[1])
        mixed = torch.zeros(heads, size, length)
        for h, i in itertools.product(range(heads), range(length)):
            at = [j - i + WINDOW if abs(j - i) <= WINDOW else None for j in range(length)]
            scores = torch.stack([
                query[h, :, i] @ (key[h, :, j] + (none if a is None else near_key[a]))
                for j, a in enumerate(at)
            ])  # fmt: skip
            weights = (scores / math.sqrt(size)).softmax(0)
            for j, a in enumerate(at):
                mixed[h, :, i] += weights[j] * (
                    value[h, :, j] + (none if a is None else near_value[a])
                )
        return self._convolve(f"{name}.conv_o", mixed.flatten(0, 1))

    def _stack(
        self, name: str, x: Tensor, layers: int, pre: str, post: str, who: Tensor | None
    ) -> Tensor:
        x, said = self._convolve(f"{name}.{pre}", x), torch.zeros(self.width, x.shape[1])
        told: Iterator[Tensor | float] = itertools.repeat(0.0)
        if who is not None:
            told = iter(self._convolve(f"{name}.enc.cond_layer", who[:, None]).chunk(layers))
        for i in range(layers):
            heard = self._convolve(f"{name}.enc.in_layers.{i}", x) + next(told)
            values, gates = heard.chunk(2)
            y = self._convolve(f"{name}.enc.res_skip_layers.{i}", values.tanh() * gates.sigmoid())
            x = x + y[: self.width] if i + 1 < layers else x
            said = said + y[-self.width :]
        return self._convolve(f"{name}.{post}", said)

    def _apart(self, name: str, x: Tensor) -> Tensor:
        for i in range(3):
            y = self._convolve(f"{name}.convs_sep.{i}", x, KERNEL**i, self.width)
            y = F.gelu(self._normalise(f"{name}.norms_1.{i}", y))
            y = self._convolve(f"{name}.convs_1x1.{i}", y)
            x = x + F.gelu(self._normalise(f"{name}.norms_2.{i}", y))
        return x

    def _durations(self, hidden: Tensor, who: Tensor | None) -> Tensor:
        """Return the logarithm of each symbol's duration in frames, (N,)."""
        if not self.sizes.get("use_sdp", True):
            return self._plain_durations(hidden, who)
        x = self._convolve("dp.pre", hidden)
        if who is not None:
            x = x + self._convolve("dp.cond", who[:, None])
        given = self._convolve("dp.proj", self._apart("dp.convs", x))
        first, second = torch.zeros(2, hidden.shape[1])
        for i in (7, 5, 3):  # the first bends what nobody reads
            first, second = second, first
            inner = self._convolve(f"dp.flows.{i}.pre", first[None]) + given
            inner = self._apart(f"dp.flows.{i}.convs", inner)
            numbers = self._convolve(f"dp.flows.{i}.proj", inner).T
            pairs = zip(second.tolist(), numbers, strict=True)
            second = torch.tensor([unbent(y, knots, self.width) for y, knots in pairs])
        shift, scale = self.state["dp.flows.0.m"], self.state["dp.flows.0.logs"]
        return (second - shift[0]) * (-scale[0]).exp()

    def _plain_durations(self, x: Tensor, who: Tensor | None) -> Tensor:
        if who is not None:
            x = x + self._convolve("dp.cond", who[:, None])
        for i in (1, 2):
            x = self._normalise(f"dp.norm_{i}", F.relu(self._convolve(f"dp.conv_{i}", x)))
        return self._convolve("dp.proj", x)[0]

    def _speak(self, latent: Tensor, who: Tensor | None) -> Tensor:
        told = 0.0 if who is None else self._convolve("dec.cond", who[:, None])
        return self.generator(latent[None], told)[0, 0]  # type: ignore[no-any-return]


def unbent(y: float, numbers: Tensor, width: int) -> float:
    """Return where a monotonic rational-quadratic spline is ``y``, by halving the interval."""
    if abs(y) > BOUND:
        return y
    knots = []
    for logits in numbers[: 2 * BINS].double().chunk(2):
        shares = SMALLEST + (1 - BINS * SMALLEST) * (logits / width**0.5).softmax(0)
        knots.append([2 * BOUND * share - BOUND for share in (0.0, *shares.cumsum(0).tolist())])
    inner = (SMALLEST + F.softplus(numbers[2 * BINS :])).tolist()
    slopes, (across, up) = [1.0, *inner, 1.0], knots

    def bent(x: float) -> float:
        k = max(i for i in range(BINS) if i == 0 or across[i] <= x)
        wide, high = across[k + 1] - across[k], up[k + 1] - up[k]
        part, steep = (x - across[k]) / wide, high / wide
        both = part * (1 - part)
        below = steep + (slopes[k + 1] + slopes[k] - 2 * steep) * both
        return up[k] + high * (steep * part**2 + slopes[k] * both) / below

    low, high = -BOUND, BOUND
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if bent(middle) < y else (low, middle)
    return (low + high) / 2
