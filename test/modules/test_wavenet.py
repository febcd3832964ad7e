"""The gated stack: padding, gradients, a layer by hand, dilations, refusals."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from malsori.core.errors import ConfigError
from malsori.modules.wavenet import WaveNet, WaveNetConfig
from malsori.modules.weight_norm import fold_weight_norm


def make(condition: int = 0, **changes: Any) -> WaveNet:
    torch.manual_seed(2)
    settings = {"layers": 4, "channels": 6, "kernel": 3, "dilation": 2, "cycles": 2, **changes}
    return WaveNet(WaveNetConfig(**settings), condition)


@pytest.mark.parametrize("condition", [0, 5])
def test_padding_never_reaches_real_frames(condition: int) -> None:
    net = make(condition)
    mask = torch.tensor([[1.0] * 4 + [0] * 5, [1.0] * 9])[:, None]
    x = torch.randn(2, 6, 9) * mask
    speakers = torch.randn(2, condition) if condition else None
    together = net(x, mask, speakers)
    for i, length in enumerate((4, 9)):
        who = None if speakers is None else speakers[i : i + 1]
        alone = net(x[i : i + 1, :, :length], mask[i : i + 1, :, :length], who)
        torch.testing.assert_close(together[i, :, :length], alone[0])
    assert torch.equal(together[0, :, 4:], torch.zeros(6, 5))


@pytest.mark.parametrize("condition", [0, 5])
def test_every_parameter_learns(condition: int) -> None:
    net = make(condition)
    out = net(torch.randn(2, 6, 9), torch.ones(2, 1, 9), torch.randn(2, 5) if condition else None)
    (out * torch.randn(out.shape)).sum().backward()
    for name, parameter in net.named_parameters():
        rows = parameter.grad.flatten(1) if parameter.dim() > 1 else parameter.grad[:, None]
        assert rows.abs().amax(1).min() > 0, name  # each channel of each layer is of use


def test_two_layers_by_hand() -> None:
    net = fold_weight_norm(make(5, layers=2, cycles=1))
    for layer in net.layers:
        nn.init.normal_(layer.gated.bias)
        nn.init.normal_(layer.out.bias)
    x, who = torch.randn(6, 7), torch.randn(5)

    def said(layer: nn.Module, x: Tensor, dilation: int) -> Tensor:
        padded = nn.functional.pad(x, (dilation, dilation))
        y = layer.gated.bias[:, None] + (layer.condition.weight[..., 0] @ who)[:, None]
        for k in range(3):
            y = y + layer.gated.weight[..., k] @ padded[:, k * dilation : k * dilation + 7]
        y = torch.tanh(y[:6]) * torch.sigmoid(y[6:])
        return layer.out.weight[..., 0] @ y + layer.out.bias[:, None]

    first = said(net.layers[0], x, 1)
    second = said(net.layers[1], x + first[:6], 2)
    expected = (first[6:] + second) / math.sqrt(2)
    torch.testing.assert_close(net(x[None], torch.ones(1, 1, 7), who[None])[0], expected)


def test_dilations_begin_anew_in_each_cycle() -> None:
    assert WaveNetConfig(layers=6, dilation=3, cycles=2).dilations() == [1, 3, 9, 1, 3, 9]
    assert WaveNetConfig().dilations() == [1] * 16
    reach = make(layers=3, cycles=1)(torch.eye(21)[10].expand(1, 6, -1), torch.ones(1, 1, 21))
    still = make(layers=3, cycles=1)(torch.zeros(1, 6, 21), torch.ones(1, 1, 21))
    assert (reach - still).abs().amax((0, 1)).nonzero().flatten().tolist() == list(range(3, 18))


def test_initial_weights_keep_the_spread() -> None:
    net = make(channels=64, layers=1, cycles=1)
    weight = net.layers[0].gated.weight.detach()
    assert float(weight.std()) == pytest.approx(math.sqrt(2 / (64 * 3)), rel=0.05)
    assert not net.layers[0].gated.bias.any()


def test_dropout_is_for_training_only() -> None:
    net, x, mask = make(dropout=0.5), torch.randn(1, 6, 9), torch.ones(1, 1, 9)
    assert not torch.equal(net(x, mask), net(x, mask))
    assert torch.equal(net.eval()(x, mask), net(x, mask))


@pytest.mark.parametrize(
    ("condition", "given", "said"),
    [(5, None, "built for one, and none is given"), (0, 5, "built for none, and one is given")],
)
def test_a_condition_must_be_known_on_both_sides(
    condition: int, given: int | None, said: str
) -> None:
    who = None if given is None else torch.randn(1, given)
    with pytest.raises(ConfigError, match=said):
        make(condition)(torch.randn(1, 6, 4), torch.ones(1, 1, 4), who)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kernel": 4}, "kernel: must be odd, got 4"),
        ({"cycles": 3}, "cycles: 3 does not divide layers 16"),
        ({"dilation": 3}, "dilation: 3 grows to 14348907 in 16 layers"),
        ({"channels": 0}, r"channels: must be in \[1, 65536\], got 0"),
        ({"dropout": 1.0}, r"dropout: must be in \[0, 1\), got 1.0"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        WaveNetConfig(**settings)
