"""The posterior encoder: padding, gradients, what is drawn."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from malsori.core.errors import ConfigError
from malsori.modules.lengths import valid_positions
from malsori.modules.posterior import PosteriorEncoder
from malsori.modules.wavenet import WaveNetConfig


def make(condition: int = 0) -> PosteriorEncoder:
    torch.manual_seed(2)
    config = WaveNetConfig(layers=3, channels=8, kernel=3)
    net = PosteriorEncoder(config, inputs=5, width=4, condition=condition)
    nn.init.normal_(net.output.bias)
    return net


@pytest.mark.parametrize("condition", [0, 3])
def test_padding_never_reaches_real_frames(condition: int) -> None:
    net = make(condition)
    short, long, noise = torch.randn(4, 5), torch.randn(9, 5), torch.randn(2, 9, 4)
    batch = torch.full((2, 9, 5), 1e3)  # loud padding
    batch[0, :4], batch[1] = short, long
    speakers = torch.randn(2, condition) if condition else None
    valid = valid_positions(torch.tensor([4, 9]), 9)
    together = net(batch, valid, speakers, noise)
    for i, alone in enumerate((short, long)):
        who = None if speakers is None else speakers[i : i + 1]
        length = len(alone)
        expected = net(alone[None], valid[i : i + 1, :length], who, noise[i : i + 1, :length])
        for found, part in zip(together, expected, strict=True):
            torch.testing.assert_close(found[i, :length], part[0])
    for found in together:
        assert torch.equal(found[0, 4:], torch.zeros(5, 4))


def test_every_parameter_learns() -> None:
    net = make(3)
    out = net(torch.randn(2, 6, 5), torch.ones(2, 6, dtype=torch.bool), torch.randn(2, 3))
    (out.sample * torch.randn(out.sample.shape)).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_samples_are_of_the_gaussian_that_is_said() -> None:
    net, spectrogram = make(), torch.randn(1, 1, 5)
    drawn = net(spectrogram.expand(20000, -1, -1), torch.ones(20000, 1, dtype=torch.bool))
    mean, scale = drawn.mean[0, 0], drawn.log_scale[0, 0].exp()
    deviation = (drawn.sample[:, 0].mean(0) - mean) / scale
    assert float(deviation.abs().max()) < 0.03
    torch.testing.assert_close(drawn.sample[:, 0].std(0), scale, rtol=0.03, atol=0)
    known = net(spectrogram, torch.ones(1, 1, dtype=torch.bool), noise=torch.zeros(1, 1, 4))
    assert torch.equal(known.sample, known.mean)


def test_a_condition_that_is_missing_is_refused() -> None:
    with pytest.raises(ConfigError, match="condition: this network was built for one, and none"):
        make(3)(torch.randn(1, 2, 5), torch.ones(1, 2, dtype=torch.bool))


def test_it_runs_in_bf16_and_says_gaussians_in_fp32() -> None:
    net, x, valid = make(), torch.randn(1, 6, 5), torch.ones(1, 6, dtype=torch.bool)
    noise = torch.randn(1, 6, 4)
    with torch.autocast("cpu", torch.bfloat16):
        cast = net(x, valid, noise=noise)
    assert {part.dtype for part in cast} == {torch.float32}
    torch.testing.assert_close(cast.mean, net(x, valid, noise=noise).mean, atol=0.1, rtol=0.1)
