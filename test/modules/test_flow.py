"""The residual flow: there and back, its determinant, padding, gradients."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from malsori.core.errors import ConfigError
from malsori.modules.flow import FlowConfig, ResidualFlow
from malsori.modules.lengths import valid_positions
from malsori.modules.wavenet import WaveNetConfig


def make(width: int = 6, condition: int = 0, seed: int = 2, couplings: int = 4) -> ResidualFlow:
    """Return a flow as after some training: its couplings shift."""
    torch.manual_seed(seed)
    network = WaveNetConfig(layers=2, channels=8, kernel=3)
    flow = ResidualFlow(FlowConfig(couplings=couplings, network=network), width, condition)
    for coupling in flow.couplings:
        nn.init.normal_(coupling.output.weight, 0, 0.5)
        nn.init.normal_(coupling.output.bias)
    return flow


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    half=st.integers(1, 4),
    couplings=st.integers(1, 5),
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    condition=st.sampled_from([0, 3]),
)
def test_there_and_back(
    seed: int, half: int, couplings: int, lengths: list[int], condition: int
) -> None:
    flow = make(2 * half, condition, seed, couplings)
    valid = valid_positions(torch.tensor(lengths), max(lengths))
    x = 3 * torch.randn(*valid.shape, 2 * half)
    who = torch.randn(len(lengths), condition) if condition else None
    expected = x * valid[..., None]
    there = flow(x, valid, who)
    assert not there[~valid].any()
    torch.testing.assert_close(flow.inverse(there, valid, who), expected, atol=1e-4, rtol=1e-4)
    back = flow.inverse(x, valid, who)
    assert not back[~valid].any()
    torch.testing.assert_close(flow(back, valid, who), expected, atol=1e-4, rtol=1e-4)


def test_it_neither_stretches_nor_shrinks() -> None:
    flow, valid = make(), torch.ones(1, 4, dtype=torch.bool)
    jacobian = torch.autograd.functional.jacobian(
        lambda x: flow(x.view(1, 4, 6), valid).flatten(), torch.randn(24)
    )
    assert float(torch.linalg.slogdet(jacobian).logabsdet) == pytest.approx(0, abs=1e-4)
    assert float((jacobian.abs() - torch.eye(24)).abs().max()) > 0.1  # it does something


def test_a_new_flow_is_the_identity() -> None:
    config = FlowConfig(couplings=2, network=WaveNetConfig(layers=2, channels=8))
    x, valid = torch.randn(1, 4, 6), torch.ones(1, 4, dtype=torch.bool)
    torch.testing.assert_close(ResidualFlow(config, 6)(x, valid), x)


def test_the_first_coupling_by_hand() -> None:
    flow, x, valid = make(couplings=1), torch.randn(1, 5, 6), torch.ones(1, 5, dtype=torch.bool)
    shift = flow.couplings[0](x[..., :3].mT, torch.ones(1, 1, 5), None).mT
    expected = torch.cat([x[..., :3], x[..., 3:] + shift], 2)[..., [5, 4, 3, 2, 1, 0]]
    torch.testing.assert_close(flow(x, valid), expected)


@pytest.mark.parametrize("way", ["forward", "inverse"])
def test_padding_never_reaches_real_frames(way: str) -> None:
    flow = make(condition=3)
    short, long, who = torch.randn(4, 6), torch.randn(9, 6), torch.randn(2, 3)
    batch = torch.full((2, 9, 6), 1e3)  # loud padding
    batch[0, :4], batch[1] = short, long
    valid = valid_positions(torch.tensor([4, 9]), 9)
    run = getattr(flow, way)
    together = run(batch, valid, who)
    for i, alone in enumerate((short, long)):
        length = len(alone)
        expected = run(alone[None], valid[i : i + 1, :length], who[i : i + 1])[0]
        torch.testing.assert_close(together[i, :length], expected)


def test_every_parameter_learns() -> None:
    flow = make(condition=3)
    out = flow(torch.randn(2, 5, 6), torch.ones(2, 5, dtype=torch.bool), torch.randn(2, 3))
    (out * torch.randn(out.shape)).sum().backward()
    for name, parameter in flow.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize(
    ("width", "changes", "said"),
    [
        (5, {}, "width: couplings need an even one, got 5"),
        (6, {"couplings": 0}, r"couplings: must be in \[1, 256\], got 0"),
    ],
)
def test_bad_sizes_are_refused(width: int, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ResidualFlow(FlowConfig(**changes), width)
