"""The stochastic duration predictor: its probabilities sum to 1; inverse, padding, gradients."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from malsori.core.errors import ConfigError
from malsori.modules.duration_flow import DurationFlow, DurationFlowConfig, TwoChannelFlow
from malsori.modules.lengths import valid_positions


def shake(module: nn.Module, seed: int) -> None:
    """Make the module's numbers as after some training."""
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if name.endswith(("output.weight", "output.bias", "shift", "log_scale")):
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=random).to(parameter))


def make(condition: int = 0, seed: int = 2, **changes: Any) -> DurationFlow:
    torch.manual_seed(seed)
    config = DurationFlowConfig(
        **{"channels": 8, "couplings": 3, "bins": 5, "dropout": 0.0, **changes}
    )
    net = DurationFlow(config, 6, condition)
    shake(net, seed)
    return net


def test_the_probabilities_of_all_durations_sum_to_one() -> None:
    # exp(−bound) is an unbiased estimate of p(d): the noise is that of an importance sampler
    torch.manual_seed(8)
    net = DurationFlow(DurationFlowConfig(channels=8, couplings=3, bins=5, layers=1), 6).eval()
    shake(net.flow, 8)
    nn.init.constant_(net.posterior.log_scale, 0.5)  # wide, so that few draws are enough
    draws, longest = 1500, 60
    hidden = torch.randn(1, 1, 6).expand(draws * longest, -1, -1)
    durations = torch.arange(1, longest + 1).repeat(draws)[:, None]
    valid = torch.ones_like(durations, dtype=torch.bool)
    with torch.no_grad():
        likely = (-net(hidden, valid, durations).double()).exp().view(draws, longest).mean(0)
        drawn = net.inverse(hidden, valid).exp().ceil().long().flatten()
    assert float(likely.sum()) == pytest.approx(1, abs=0.05)
    # and what the inverse draws has these probabilities: d − u, rounded up, is d
    shares = torch.bincount(drawn, minlength=longest + 1)[1 : longest + 1].double() / len(drawn)
    assert float((shares - likely).abs().max()) < 0.03
    assert 0.1 < float(shares.max()) < 0.5  # there is something to compare


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    couplings=st.integers(2, 5),
    lengths=st.lists(st.integers(1, 7), min_size=1, max_size=3),
)
def test_there_and_back(seed: int, couplings: int, lengths: list[int]) -> None:
    torch.manual_seed(seed)
    flow = TwoChannelFlow(DurationFlowConfig(channels=8, couplings=couplings, bins=4)).double()
    shake(flow, seed)  # in fp64: flat parts of splines make much of rounding on the way back
    mask = valid_positions(torch.tensor(lengths), max(lengths))[:, None].double()
    x = 2 * torch.randn(len(lengths), 2, max(lengths)).double()
    known = torch.randn(len(lengths), 8, max(lengths)).double() * mask
    z, _ = flow(x, known, mask)
    assert not (z * (1 - mask)).any()
    torch.testing.assert_close(flow.inverse(z, known, mask), x[:, :1] * mask, atol=1e-6, rtol=1e-6)


def test_the_determinant_is_that_of_the_map() -> None:
    torch.manual_seed(1)
    flow = TwoChannelFlow(DurationFlowConfig(channels=8, couplings=4, bins=4)).double()
    shake(flow, 1)
    given_, mask = torch.randn(1, 8, 3).double(), torch.ones(1, 1, 3).double()
    x = 2 * torch.randn(6).double()
    jacobian = torch.autograd.functional.jacobian(
        lambda x: flow(x.view(1, 2, 3), given_, mask)[0].flatten(), x
    )
    _, log_slope = flow(x.view(1, 2, 3), given_, mask)
    expected = torch.linalg.slogdet(jacobian).logabsdet
    assert float(log_slope.detach()) == pytest.approx(float(expected), abs=1e-6)
    assert abs(float(expected)) > 0.1


@pytest.mark.parametrize("condition", [0, 3])
def test_padding_never_reaches_real_tokens(condition: int) -> None:
    net = make(condition)
    lengths, noise = torch.tensor([3, 7]), torch.randn(2, 7, 2)
    hidden, durations = torch.full((2, 7, 6), 1e3), torch.full((2, 7), 99)  # loud padding
    hidden[0, :3], hidden[1] = torch.randn(3, 6), torch.randn(7, 6)
    durations[0, :3], durations[1] = torch.randint(1, 9, (3,)), torch.randint(1, 9, (7,))
    noise[0, 3:] = 1e3
    valid, who = valid_positions(lengths, 7), torch.randn(2, condition) if condition else None
    bound = net(hidden, valid, durations, who, noise)
    log = net.inverse(hidden, valid, who, noise)
    for i, n in enumerate(lengths.tolist()):
        part = slice(i, i + 1)
        own = None if who is None else who[part]
        alone = (hidden[part, :n], valid[part, :n])
        expected = net(*alone, durations[part, :n], own, noise[part, :n])
        torch.testing.assert_close(bound[part], expected)
        torch.testing.assert_close(log[part, :n], net.inverse(*alone, own, noise[part, :n]))
    assert not log[0, 3:].any()


def test_every_parameter_learns_and_the_encoder_does_not() -> None:
    net = make(3)
    hidden, who = torch.randn(2, 5, 6, requires_grad=True), torch.randn(2, 3, requires_grad=True)
    valid = valid_positions(torch.tensor([3, 5]), 5)
    net(hidden, valid, torch.randint(1, 9, (2, 5)), who).sum().backward()
    assert hidden.grad is None and who.grad is None
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_without_noise_it_says_the_same_each_time() -> None:
    net, hidden = make(), torch.randn(1, 5, 6)
    valid = torch.ones(1, 5, dtype=torch.bool)
    still = net.inverse(hidden, valid, noise_scale=0.0)
    assert torch.equal(still, net.inverse(hidden, valid, noise_scale=0.0))
    assert not torch.equal(still, net.inverse(hidden, valid))
    noise = torch.randn(1, 5, 2)
    half = net.inverse(hidden, valid, noise=noise, noise_scale=0.5)
    torch.testing.assert_close(half, net.inverse(hidden, valid, noise=noise / 2))


def test_a_duration_of_one_frame_is_finite() -> None:
    net = make()
    with torch.no_grad():
        net.posterior.shift[:] = 30.0  # u as near to 1 as may be
    bound = net(torch.randn(1, 2, 6), torch.ones(1, 2, dtype=torch.bool), torch.ones(1, 2).long())
    bound.sum().backward()
    assert math.isfinite(float(bound.detach()))
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)


def test_bf16_around_it_changes_nothing() -> None:
    net, hidden, noise = make(), torch.randn(1, 5, 6), torch.randn(1, 5, 2)
    valid, durations = torch.ones(1, 5, dtype=torch.bool), torch.randint(1, 9, (1, 5))
    expected = net(hidden, valid, durations, noise=noise)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(net(hidden, valid, durations, noise=noise), expected)


@pytest.mark.parametrize(
    ("settings_", "said"),
    [
        ({"couplings": 1}, r"couplings: must be in \[2, 256\], got 1"),
        ({"kernel": 2}, "kernel: must be odd, got 2"),
        ({"kernel": 11, "layers": 8}, "kernel: 11 makes a dilation of 19487171 in 8 layers"),
        ({"dropout": -0.5}, r"dropout: must be in \[0, 1\), got -0.5"),
    ],
)
def test_bad_settings_are_refused(settings_: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        DurationFlowConfig(**settings_)


def test_a_condition_that_is_missing_is_refused() -> None:
    with pytest.raises(ConfigError, match="condition: this network was built for one, and none"):
        make(3).inverse(torch.randn(1, 2, 6), torch.ones(1, 2, dtype=torch.bool))
