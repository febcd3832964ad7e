"""The post-net: padding, gradients, what it adds."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from malsori.core.errors import ConfigError
from malsori.modules.lengths import valid_positions
from malsori.modules.postnet import Postnet, PostnetConfig


def make(layers: int = 3, dropout: float = 0.0, **sizes: Any) -> Postnet:
    torch.manual_seed(2)
    config = PostnetConfig(layers=layers, channels=8, kernel=3, dropout=dropout, **sizes)
    return Postnet(config, mel_bands=5)


@pytest.mark.parametrize("layers", [1, 4])
@pytest.mark.parametrize("training", [True, False])
def test_padding_never_reaches_real_frames(layers: int, training: bool) -> None:
    net = make(layers).train(training)
    short, long = torch.randn(4, 5), torch.randn(9, 5)
    batch = torch.full((2, 9, 5), 1e3)  # loud padding
    batch[0, :4], batch[1] = short, long
    together = net(batch, valid_positions(torch.tensor([4, 9]), 9))
    for i, alone in enumerate((short, long)):
        expected = net(alone[None], torch.ones(1, len(alone), dtype=torch.bool))[0]
        torch.testing.assert_close(together[i, : len(alone)], expected)
    assert torch.equal(together[0, 4:], torch.zeros(5, 5))


def test_every_parameter_learns() -> None:
    net = make()
    (net(torch.randn(2, 6, 5), torch.ones(2, 6, dtype=torch.bool)) ** 2).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_it_adds_two_convolutions_with_a_norm_between() -> None:
    net, mel = make(2), torch.randn(1, 6, 5)
    first, norm = net.blocks[0].conv, net.blocks[0].norm
    hidden = F.conv1d(mel.mT, first.weight, first.bias, padding=1)
    centred = hidden - hidden.mean(1, keepdim=True)
    spread = centred.square().mean(1, keepdim=True).add(norm.eps).sqrt()
    out = F.conv1d((centred / spread).tanh(), net.out.weight, net.out.bias, padding=1)
    found = net(mel, torch.ones(1, 6, dtype=torch.bool))
    torch.testing.assert_close(found, mel + out.mT)


def test_dropout_is_for_training_only() -> None:
    net, mel, valid = make(dropout=0.5), torch.randn(1, 6, 5), torch.ones(1, 6, dtype=torch.bool)
    assert not torch.equal(net(mel, valid), net(mel, valid))
    net.eval()
    assert torch.equal(net(mel, valid), net(mel, valid))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kernel": 4}, "kernel: must be odd, got 4"),
        ({"layers": -1}, r"layers: must be in \[0, 256\], got -1"),
        ({"dropout": 1.0}, r"dropout: must be in \[0, 1\), got 1.0"),
    ],
)
def test_senseless_settings_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        PostnetConfig(**settings)
