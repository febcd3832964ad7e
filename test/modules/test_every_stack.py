"""What every encoder and decoder block keeps: padding, gradients, lengths, precision, its cost."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from malsori.core.config import build, read_choice
from malsori.core.errors import ConfigError
from malsori.modules import STACKS
from malsori.modules.lengths import valid_positions

SMALL: dict[str, dict[str, Any]] = {
    "transformer": {},
    "conformer": {"convolution": 3},
    "fastformer": {},
    "long_short": {"window": 4, "rank": 3},
    "reformer": {"chunk": 4, "buckets": 6, "rounds": 2},
    "relative_transformer": {"window": 3},
}
"""So small that a few positions are more than a window or a chunk."""
LINEAR = ("fastformer", "long_short", "reformer")
WITHOUT_EFFECT = {
    "transformer": ("key.bias",),  # softmax takes it away
    "conformer": ("key.bias", "depthwise.bias"),  # so does batch norm
    "relative_transformer": ("key.bias",),
}


def make(name: str, **changes: Any) -> nn.Module:
    torch.manual_seed(4)
    tree = {"name": name, "layers": 2, "hidden": 12, "dropout": 0, **SMALL[name], **changes}
    net: nn.Module = build(STACKS, read_choice(STACKS, tree, "stack"), width=8)
    return net.eval()


def everywhere(size: int) -> torch.Tensor:
    return torch.ones(1, size, dtype=torch.bool)


def test_every_stack_is_looked_at() -> None:
    assert SMALL.keys() == set(STACKS.names())


@pytest.mark.parametrize("name", SMALL)
@settings(max_examples=25, deadline=None)
@given(short=st.integers(1, 23), more=st.integers(0, 14), seed=st.integers(0, 2**20))
def test_padding_never_reaches_real_positions(name: str, short: int, more: int, seed: int) -> None:
    net = make(name)
    random = torch.Generator().manual_seed(seed)
    size = short + more
    one, two = (torch.randn(length, 8, generator=random) for length in (short, size))
    batch = torch.full((2, size, 8), 1e3)  # loud padding
    batch[0, :short], batch[1] = one, two
    with torch.no_grad():
        together = net(batch, valid_positions(torch.tensor([short, size]), size))
        torch.testing.assert_close(
            together[0, :short], net(one[None], everywhere(short))[0], atol=1e-4, rtol=1e-4
        )
        torch.testing.assert_close(
            together[1], net(two[None], everywhere(size))[0], atol=1e-4, rtol=1e-4
        )
    assert torch.isfinite(together).all()


@pytest.mark.parametrize("name", SMALL)
def test_every_parameter_learns(name: str) -> None:
    net = make(name).train()
    valid = valid_positions(torch.tensor([7, 11]), 11)
    out = net(torch.randn(2, 11, 8), valid)
    (out * torch.randn(out.shape))[valid].sum().backward()
    for parameter_name, parameter in net.named_parameters():
        if parameter_name.endswith(WITHOUT_EFFECT.get(name, ())):
            continue
        assert parameter.grad is not None, parameter_name
        assert torch.isfinite(parameter.grad).all(), parameter_name
        assert parameter.grad.abs().max() > 1e-8, parameter_name


@pytest.mark.parametrize("name", SMALL)
def test_far_positions_are_heard_of(name: str) -> None:
    """What is said at one end of a sequence of several windows matters at the other.

    Several layers and neighbours carry it there as well, but two layers of kernel 1 do not.
    """
    net = make(name, kernel=1, **({"convolution": 0} if name == "conformer" else {}))
    x = torch.randn(1, 21, 8)
    other = x.clone()
    other[0, :3] = 3 * torch.randn(3, 8)
    with torch.no_grad():
        before, after = net(x, everywhere(21)), net(other, everywhere(21))
    assert not torch.equal(before[0, -3:], after[0, -3:])


@pytest.mark.parametrize("name", SMALL)
def test_evaluation_draws_nothing_and_is_kept_with_the_weights(name: str) -> None:
    net, x = make(name), torch.randn(1, 19, 8)
    torch.manual_seed(77)
    said = net(x, everywhere(19))
    assert torch.equal(said, net(x, everywhere(19)))
    torch.manual_seed(78)
    tree = {"name": name, "layers": 2, "hidden": 12, "dropout": 0, **SMALL[name]}
    other = build(STACKS, read_choice(STACKS, tree, "stack"), width=8).eval()
    assert not torch.equal(said, other(x, everywhere(19)))
    other.load_state_dict(net.state_dict())
    assert torch.equal(said, other(x, everywhere(19)))


@pytest.mark.parametrize("name", SMALL)
def test_each_dropout_is_its_own(name: str) -> None:
    x = torch.randn(1, 4, 8)  # one bucket: nothing else is drawn in training
    none = {"dropout": 0.0, "position_dropout": 0.0, "attention_dropout": 0.0}
    known = {field.name for field in dataclasses.fields(STACKS.entry(name).config)}
    none = {key: share for key, share in none.items() if key in known}
    for changed in (None, *none):
        net = make(name, **{**none, **({changed: 0.5} if changed else {})}).train()
        if name == "conformer":  # its batch norm needs no running statistics here
            net.requires_grad_(False)
        same = torch.equal(net(x, everywhere(4)), net(x, everywhere(4)))
        assert same == (changed is None), changed


@pytest.mark.parametrize("name", SMALL)
def test_it_runs_in_bf16_and_stays_near(name: str) -> None:
    net = make(name, **({"chunk": 32} if name == "reformer" else {})).train()
    x, valid = torch.randn(2, 13, 8), valid_positions(torch.tensor([9, 13]), 13)
    with torch.autocast("cpu", torch.bfloat16):
        cast = net(x, valid)
    cast[valid].square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)
    assert (cast.float() - net(x, valid))[valid].abs().max() < 0.2


def operations(name: str, positions: int) -> int:
    """Return the floating-point operations of matrix products and convolutions."""
    net = make(name, layers=1, hidden=8)
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        net(torch.randn(1, positions, 8), everywhere(positions))
    return counter.get_total_flops()


@pytest.mark.parametrize("name", SMALL)
def test_what_twice_the_length_costs(name: str) -> None:
    counts = [operations(name, positions) for positions in (512, 1024, 2048)]
    for one, two in itertools.pairwise(counts):
        if name in LINEAR:
            assert 1.95 < two / one < 2.05
        else:
            assert two / one > 3


@pytest.mark.parametrize("name", SMALL)
def test_heads_that_do_not_divide_the_width_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="heads: 3 does not divide the model's width 8"):
        make(name, heads=3)
