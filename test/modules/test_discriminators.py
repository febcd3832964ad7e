"""Discriminators against loops, and one pass for real and fake."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from malsori.core.errors import ConfigError
from malsori.modules.discriminators import (
    DiscriminatorConfig,
    Discriminators,
    PeriodDiscriminator,
    ScaleDiscriminator,
)

TINY = DiscriminatorConfig(
    scales=2,
    scale_channels=16,
    scale_max_channels=32,
    scale_strides=(2, 4),
    periods=(2, 3),
    period_channels=4,
    period_max_channels=16,
    period_strides=(3, 1),
)


def make(config: DiscriminatorConfig = TINY) -> Discriminators:
    torch.manual_seed(5)
    return Discriminators(config)


def slow_conv(
    x: np.ndarray, weight: np.ndarray, bias: np.ndarray, stride: int, pad: int, groups: int
) -> np.ndarray:
    """Return a strided, grouped convolution of (C, T), one output at a time."""
    after, inside, kernel = weight.shape
    x = np.pad(x, ((0, 0), (pad, pad)))
    frames = (x.shape[1] - kernel) // stride + 1
    out = np.zeros((after, frames))
    for c in range(after):
        first = c // (after // groups) * inside
        for t in range(frames):
            part = x[first : first + inside, t * stride : t * stride + kernel]
            out[c, t] = (part * weight[c]).sum() + bias[c]
    return out


def leaky(x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, x, 0.1 * x)


def numbers(layer: torch.nn.Module) -> tuple[np.ndarray, np.ndarray]:
    return layer.weight.detach().double().numpy(), layer.bias.detach().double().numpy()


def test_a_period_discriminator_sees_each_phase_alone() -> None:
    torch.manual_seed(0)
    net = PeriodDiscriminator(TINY, 3)
    wav = torch.randn(1, 1, 31)  # not a multiple of the period: mirrored to 33
    found = net(wav)
    mirrored = np.concatenate([wav[0, 0].numpy(), wav[0, 0, [29, 28]].numpy()])
    columns = []
    for phase in range(3):
        x = mirrored[phase::3][None].astype(np.float64)
        for layer, stride in zip(net.layers, TINY.period_strides, strict=True):
            weight, bias = numbers(layer)
            x = leaky(slow_conv(x, weight[..., 0], bias, stride, 2, 1))
        weight, bias = numbers(net.score)
        columns.append(slow_conv(x, weight[..., 0], bias, 1, 1, 1)[0])
    slow = np.stack(columns, axis=1).ravel()
    np.testing.assert_allclose(found[-1][0].detach(), slow, atol=1e-5)
    assert len(found) == len(TINY.period_strides) + 1


def test_the_last_kernel_of_a_period_discriminator_is_3_by_1() -> None:
    assert PeriodDiscriminator(DiscriminatorConfig(), 2).score.kernel_size == (3, 1)  # B12


def test_a_scale_discriminator_by_hand() -> None:
    torch.manual_seed(0)
    net = ScaleDiscriminator(TINY)
    wav = torch.randn(1, 1, 60)
    found = net(wav)
    x = wav[0].double().numpy()
    layouts = [(1, 7, 1), (2, 20, 4), (4, 20, 16), (1, 2, 1)]  # stride, padding, groups
    for layer, (stride, pad, groups) in zip(net.layers, layouts, strict=True):
        x = leaky(slow_conv(x, *numbers(layer), stride, pad, groups))
        np.testing.assert_allclose(found.pop(0)[0].detach(), x, atol=1e-5)
    slow = slow_conv(x, *numbers(net.score), 1, 1, 1)
    np.testing.assert_allclose(found.pop(0)[0].detach(), slow, atol=1e-5)
    assert not found


def test_later_scales_hear_the_waveform_at_half_the_rate() -> None:
    net = make().eval()
    wav = torch.randn(1, 1, 64)
    halved = torch.nn.functional.pad(wav, (2, 2)).unfold(2, 4, 2).mean(-1)
    torch.testing.assert_close(net.judge(wav)[1][-1], net.scales[1](halved)[-1])


def test_one_pass_gives_what_two_give() -> None:
    net = make()
    real, fake = torch.randn(2, 1, 50), torch.randn(2, 1, 50)
    judged = [net(number, real, fake) for number in range(len(net))]
    assert [len(each.real) for each in judged] == [5, 5, 3, 3]  # every layer of every one
    for together, wav in (([j.real for j in judged], real), ([j.fake for j in judged], fake)):
        for ours, theirs in zip(together, net.judge(wav), strict=True):
            for x, y in zip(ours, theirs, strict=True):
                torch.testing.assert_close(x, y)


def test_a_batch_is_judged_one_by_one() -> None:
    net = make()
    wavs = torch.randn(3, 1, 50)
    together, alone = net.judge(wavs), net.judge(wavs[1:2])
    for ours, theirs in zip(together, alone, strict=True):
        torch.testing.assert_close(ours[-1][1:2], theirs[-1])


def test_parts_are_the_batch_and_small_enough() -> None:
    net = make(DiscriminatorConfig(scales=2))
    for batch in (1, 2, 3, 5, 8):
        wav = torch.zeros(batch, 1, 64 * 256)
        for number, most in enumerate((2, 4, batch, batch)):  # two scales, then periods
            parts = net.parts(number, wav)
            assert [i for part in parts for i in range(batch)[part]] == list(range(batch))
            assert max(len(wav[part]) for part in parts) == min(most, batch)
    assert net.parts(0, torch.zeros(8, 1, 64 * 256, device="meta")) == [slice(8)]
    assert len(net.parts(0, torch.zeros(3, 1, 10**7))) == 3  # never fewer than one


def test_every_parameter_learns_and_the_gradient_reaches_the_waveform() -> None:
    net, wav = make(), torch.randn(2, 1, 50, requires_grad=True)
    torch.stack([layers[-1].square().sum() for layers in net.judge(wav)]).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
    assert (wav.grad != 0).all()


@pytest.mark.slow
def test_the_reference_ensemble_has_51_million_parameters() -> None:
    with torch.device("meta"):
        net = Discriminators(DiscriminatorConfig())
    assert len(net.scales) + len(net.periods) == 6
    count = sum(parameter.numel() for parameter in net.parameters()) / 1e6
    assert count == pytest.approx(50.98, abs=0.005)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"scale_kernels": (15, 41, 5)}, r"scale_kernels: need 4 kernels, got \[15, 41, 5\]"),
        ({"scale_kernels": (15, 40, 5, 3)}, "scale_kernels: must be odd, got 40"),
        ({"period_kernel": 4}, "period_kernel: must be odd, got 4"),
        ({"scale_channels": 8}, "scale_channels: 8 gives a layer from 8 .* into 16 groups"),
        ({"scales": 0, "periods": ()}, "periods: at least one scale or one period is needed"),
    ],
)
def test_impossible_sizes_are_refused(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        DiscriminatorConfig(**changes)  # type: ignore[arg-type]
