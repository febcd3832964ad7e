"""The waveform generator against convolutions written as loops; lengths, masks, initial weights."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from malsori.core.errors import ConfigError
from malsori.modules import GENERATORS
from malsori.modules.hifigan import HifiganConfig, HifiganGenerator, HifiganV3Config
from malsori.modules.lengths import valid_positions
from malsori.modules.weight_norm import fold_weight_norm

TINY = HifiganConfig(
    channels=8,
    upsampling=(4, 2),
    upsampling_kernels=(8, 4),
    residual_kernels=(3, 5),
    residual_dilations=((1, 3), (1, 2)),
    initial_std=0.3,
)


def make(config: HifiganConfig = TINY, condition: int = 0) -> HifiganGenerator:
    torch.manual_seed(4)
    return HifiganGenerator(config, 5, condition).eval()


def slow_conv(x: np.ndarray, conv: nn.Conv1d) -> np.ndarray:
    """Return a convolution of (C, T), one output at a time."""
    weight = conv.weight.detach().numpy().astype(np.float64)
    after, _, kernel = weight.shape
    pad, step = conv.padding[0], conv.dilation[0]
    x = np.pad(x, ((0, 0), (pad, pad)))
    frames = x.shape[1] - step * (kernel - 1)
    out = np.zeros((after, frames))
    for t in range(frames):
        for k in range(kernel):
            out[:, t] += weight[:, :, k] @ x[:, t + k * step]
    return out + conv.bias.detach().numpy()[:, None]


def slow_transposed(x: np.ndarray, conv: nn.ConvTranspose1d) -> np.ndarray:
    """Return a transposed convolution of (C, T): every input adds its kernel to the output."""
    weight = conv.weight.detach().numpy().astype(np.float64)
    factor, kernel, pad = conv.stride[0], weight.shape[2], conv.padding[0]
    frames = x.shape[1]
    out = np.zeros((weight.shape[1], (frames - 1) * factor + kernel + conv.output_padding[0]))
    for t in range(frames):
        for k in range(kernel):
            out[:, t * factor + k] += weight[:, :, k].T @ x[:, t]
    out = out[:, pad : out.shape[1] - pad]
    return out + conv.bias.detach().numpy()[:, None]


def leaky(x: np.ndarray, slope: float = 0.1) -> np.ndarray:
    return np.where(x > 0, x, slope * x)


def slow_generator(net: HifiganGenerator, frames: np.ndarray) -> np.ndarray:
    """Return the waveform of one utterance, (T, width) -> (S,), as the paper's figure 1 says."""
    x = slow_conv(frames.T, net.input)
    blocks = iter(net.residuals)
    for upsampler in net.upsamplers:
        x = slow_transposed(leaky(x), upsampler)
        outputs = []
        for _ in range(net.blocks_per_stage):
            block, y = next(blocks), x
            for i, dilated in enumerate(block.dilated):
                z = slow_conv(leaky(y), dilated)
                if len(block.plain):
                    z = slow_conv(leaky(z), block.plain[i])
                y = y + z
            outputs.append(y)
        x = np.mean(outputs, axis=0)
    return np.tanh(slow_conv(leaky(x, 0.01), net.output))[0]


@pytest.mark.parametrize("paired", [True, False])
def test_samples_are_those_of_the_papers_formula(paired: bool) -> None:
    config = HifiganConfig(
        **{**vars(TINY), "paired": paired, "upsampling_kernels": (7, 4)}  # an odd kernel too
    )
    net = make(config)
    frames = torch.randn(1, 6, 5)
    found = net(frames)[0, 0].detach().numpy()
    assert found.std() > 0.01
    np.testing.assert_allclose(found, slow_generator(net, frames[0].numpy()), atol=1e-5)


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(0, 4)), min_size=1, max_size=3),
    st.integers(1, 7),
)
@settings(max_examples=30, deadline=None)
def test_the_output_is_exactly_hop_times_as_long(
    stages: list[tuple[int, int]], frames: int
) -> None:
    stages = [(factor, 0 if factor == 1 else extra) for factor, extra in stages]
    net = make(
        HifiganConfig(
            channels=8,
            upsampling=tuple(factor for factor, _ in stages),
            upsampling_kernels=tuple(factor + extra for factor, extra in stages),
            residual_kernels=(3,),
            residual_dilations=((1,),),
        )
    )
    assert net(torch.zeros(1, frames, 5)).shape == (1, 1, frames * net.hop)


@pytest.mark.parametrize("name", ["hifigan_v1", "hifigan_v2", "hifigan_v3"])
def test_the_published_versions_make_256_samples_a_frame(name: str) -> None:
    entry = GENERATORS.entry(name)
    with torch.device("meta"):
        net = entry.build(entry.config(), width=256)
        assert net(torch.empty(1, 3, 256)).shape == (1, 1, 3 * 256)


@pytest.mark.parametrize(
    ("name", "millions"), [("hifigan_v1", 13.94), ("hifigan_v2", 0.93), ("hifigan_v3", 1.46)]
)
def test_sizes_on_80_mel_bands_are_the_papers(name: str, millions: float) -> None:
    """Table 1 of the paper: 13.92 M, 0.92 M, 1.46 M; weight norm adds one gain a channel."""
    entry = GENERATORS.entry(name)
    with torch.device("meta"):
        net = entry.build(entry.config(), width=80)
    count = sum(parameter.numel() for parameter in net.parameters()) / 1e6
    assert count == pytest.approx(millions, abs=0.02)


@pytest.mark.parametrize("condition", [0, 3])
def test_a_batch_gives_the_samples_of_its_parts_alone(condition: int) -> None:
    net = make(condition=condition)
    conditions = torch.randn(2, condition) if condition else None
    short, long = torch.randn(4, 5), torch.randn(9, 5)
    batch = torch.full((2, 9, 5), 1e3)  # loud padding
    batch[0, :4], batch[1] = short, long
    together = net(batch, conditions, valid_positions(torch.tensor([4, 9]), 9))
    for row, frames in enumerate((short, long)):
        alone = net(frames[None], conditions[row : row + 1] if condition else None)
        torch.testing.assert_close(together[row, :, : alone.shape[2]], alone[0], atol=1e-5, rtol=0)


def test_what_is_computed_again_gives_the_same_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(1))
    found, times = [], []
    mix = HifiganGenerator._mix
    for again in (True, False):
        net, calls = make().train(), []

        def counted(*args: object, calls: list[object] = calls) -> torch.Tensor:
            calls.append(args[2])
            return mix(*args)

        monkeypatch.setattr(net, "_mix", functools.partial(counted, net))
        if not again:
            monkeypatch.setattr(net, "_saves", lambda *_: False)
        net(frames).square().sum().backward()
        found.append([p.grad for p in net.parameters()])
        times.append(calls)
    assert times == [[0, 1, 1], [0, 1]]
    for ours, plain in zip(*found, strict=True):
        torch.testing.assert_close(ours, plain, rtol=0, atol=0)


def test_every_parameter_learns() -> None:
    net = make(condition=3)
    net(torch.randn(2, 6, 5), torch.randn(2, 3)).square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def effective_std(net: nn.Module) -> list[float]:
    return [
        float(part.weight.detach().std())
        for part in net.modules()
        if isinstance(part, (nn.Conv1d, nn.ConvTranspose1d)) and part.weight.numel() > 500
    ]


@pytest.mark.parametrize("config", [HifiganConfig(channels=128), HifiganV3Config(channels=128)])
def test_effective_weights_start_at_a_hundredth(config: HifiganConfig) -> None:
    """Weight norm must not blow up or shrink what the initialisation set (B7)."""
    found = effective_std(make(config))
    assert len(found) > 10
    assert all(0.009 < std < 0.011 for std in found)


def test_without_a_given_spread_the_signal_keeps_its_size() -> None:
    plain = make(HifiganV3Config(channels=64))
    kaiming = make(HifiganV3Config(channels=64, initial_std=None))
    frames = torch.randn(1, 12, 5)
    quiet, loud = (float(net(frames).detach().diff().std()) for net in (plain, kaiming))
    assert loud > 100 * quiet and 0.01 < loud < 2


def test_folding_changes_nothing_but_the_number_of_parameters() -> None:
    net, frames = make(), torch.randn(1, 6, 5)
    before, count = net(frames), len(list(net.parameters()))
    assert fold_weight_norm(net) is net
    torch.testing.assert_close(net(frames), before, atol=1e-6, rtol=1e-5)
    assert len(list(net.parameters())) < count
    assert not any("parametrizations" in name for name in net.state_dict())
    fold_weight_norm(net)  # once more does no harm


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"upsampling": (8, 8)}, r"upsampling_kernels: need one for each of upsampling \[8, 8\]"),
        ({"residual_kernels": (3,)}, r"residual_dilations: need one list .* \[3\], got 3"),
        ({"upsampling_kernels": (4, 16, 4, 4)}, "upsampling_kernels: 4 is smaller than .* 8"),
        ({"residual_kernels": (3, 4, 11)}, "residual_kernels: must be odd, got 4"),
        ({"channels": 100}, "channels: 100 cannot be halved 4 times"),
    ],
)
def test_impossible_sizes_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        HifiganConfig(**changes)  # type: ignore[arg-type]
