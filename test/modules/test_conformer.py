"""The conformer stack: padding, gradients, attention by a double loop, batch statistics."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from malsori.core.errors import ConfigError
from malsori.modules.conformer import (
    Conformer,
    ConformerConfig,
    ConvolutionModule,
    RelativeAttention,
    RelativePositions,
    ValidBatchNorm,
)
from malsori.modules.lengths import valid_positions
from malsori.modules.transformer import sinusoids

KINDS = [
    {"positions": positions, "zero_triu": zero_triu}
    for positions, zero_triu in (("relative", False), ("relative", True), ("legacy", False))
]
SHAPES = [
    {"macaron": macaron, "convolution": convolution}
    for macaron, convolution in itertools.product((True, False), (0, 5))
]


def make(**changes: Any) -> Conformer:
    torch.manual_seed(2)
    settings: dict[str, Any] = {"layers": 2, "hidden": 12, "dropout": 0.0, **changes}
    net = Conformer(ConformerConfig(**settings), 8)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm1d):  # as after some training
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
    return net.eval()


def everywhere(length: int) -> Tensor:
    return torch.ones(1, length, dtype=torch.bool)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("kernel", [1, 3])
def test_padding_never_reaches_real_positions(
    kernel: int, kind: dict[str, Any], shape: dict[str, Any]
) -> None:
    net = make(kernel=kernel, **kind, **shape)
    short, long = torch.randn(4, 8), torch.randn(9, 8)
    batch = torch.full((2, 9, 8), 1e3)  # loud padding
    batch[:, :, ::2] = -7e2
    batch[0, :4], batch[1] = short, long
    together = net(batch, valid_positions(torch.tensor([4, 9]), 9))
    torch.testing.assert_close(together[0, :4], net(short[None], everywhere(4))[0])
    torch.testing.assert_close(together[1], net(long[None], everywhere(9))[0])
    assert torch.isfinite(together).all()


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_padding_never_reaches_the_statistics_of_training(kind: dict[str, Any]) -> None:
    x = torch.randn(2, 6, 8)
    quiet, loud = x.clone(), x.clone()
    quiet[0, 4:], loud[0, 4:] = 0.0, torch.linspace(-1e3, 1e3, 8)
    valid = valid_positions(torch.tensor([4, 6]), 6)
    results = []
    for padded in (quiet, loud):
        net = make(**kind).train()
        out = net(padded, valid)
        out[valid].square().sum().backward()
        gradients = {name: p.grad for name, p in net.named_parameters() if p.grad is not None}
        results.append((out[valid], dict(net.named_buffers()), gradients))
    torch.testing.assert_close(results[0], results[1])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_parameter_learns(kind: dict[str, Any], shape: dict[str, Any]) -> None:
    net = make(**kind, **shape).train()
    valid = valid_positions(torch.tensor([4, 6]), 6)
    out = net(torch.randn(2, 6, 8), valid)
    (out * torch.randn(out.shape))[valid].sum().backward()
    for name, parameter in net.named_parameters():
        if name.endswith(("key.bias", "depthwise.bias")):  # softmax and batch norm take them away
            continue
        assert parameter.grad is not None and parameter.grad.abs().max() > 1e-8, name


def slow_offset(kind: str, i: int, j: int, length: int) -> tuple[int, float] | None:
    """Return whose query looks, and the position it looks for; None for a score of 0."""
    if kind == "relative":
        return i, float(i - j)
    if j <= i:
        return i, float(5000 - length + i - j)
    return None if j == i + 1 else (i + 1, float(4999 - (j - i - 2)))


def sinusoid(position: float, width: int) -> Tensor:
    """Return the encoding of one position, which may be negative, (width,)."""
    angles = [position / 10000 ** (2 * (column // 2) / width) for column in range(width)]
    return torch.tensor([math.cos(a) if c % 2 else math.sin(a) for c, a in enumerate(angles)])


@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize(("length", "padding"), [(1, 0), (2, 0), (3, 2), (6, 0), (6, 3)])
def test_attention_by_a_double_loop(kind: dict[str, Any], length: int, padding: int) -> None:
    torch.manual_seed(1)
    size = length + padding
    config = ConformerConfig(heads=2, **kind)
    attention, positions = (
        RelativeAttention(config, 8).eval(),
        RelativePositions(8, kind["positions"]),
    )
    x, valid = torch.randn(1, size, 8), valid_positions(torch.tensor([length]), size)
    query, key, value = (f(x)[0] for f in (attention.query, attention.key, attention.value))
    rows = torch.zeros(length, 8)
    for head in range(2):
        part = slice(4 * head, 4 * head + 4)
        for i in range(length):
            scores = torch.zeros(length)
            for j in range(length):
                scores[j] = (query[i, part] + attention.content_bias[head]) @ key[j, part]
                found = slow_offset(kind["positions"], i, j, length)
                if found is None or (kind["zero_triu"] and j > i):
                    continue
                who, position = found
                place = attention.position.weight[part] @ sinusoid(position, 8)
                scores[j] += (query[who, part] + attention.position_bias[head]) @ place
            rows[i, part] = (scores / 2).softmax(0) @ value[:length, part]
    found = attention(x, positions(size), valid)[0, :length]
    torch.testing.assert_close(found, attention.out(rows), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("macaron", [True, False])
def test_the_stack_by_its_parts(macaron: bool) -> None:
    net, x, valid = (
        make(layers=1, macaron=macaron, convolution=3),
        torch.randn(1, 5, 8),
        everywhere(5),
    )
    block, y = net.blocks[0], x * math.sqrt(8)
    share = 0.5 if macaron else 1.0
    if macaron:
        y = y + share * block.macaron(block.macaron_norm(y), valid)
    y = y + block.attention(block.attention_norm(y), net.positions(5), valid)
    y = y + block.convolution(block.convolution_norm(y), valid)
    y = y + share * block.feed_forward(block.feed_forward_norm(y), valid)
    torch.testing.assert_close(net(x, valid), net.norm(block.norm(y)))
    assert (block.macaron is not None) == macaron


def test_positions_are_offsets_and_grow_beyond_the_first_table() -> None:
    positions = RelativePositions(8, "relative")
    table = sinusoids(700, 8)
    for length in (1, 5, 700):
        found = positions(length)
        assert found.shape == (2 * length - 1, 8)
        torch.testing.assert_close(found[:length].flip(0), table[:length])
        torch.testing.assert_close(found[length - 1 :, 0::2], -table[:length, 0::2])
        torch.testing.assert_close(found[length - 1 :, 1::2], table[:length, 1::2])
    assert not positions.state_dict()


def test_legacy_positions_go_down_from_4999() -> None:
    positions = RelativePositions(8, "legacy")
    table = sinusoids(6000, 8)
    torch.testing.assert_close(positions(3), table[[4999, 4998, 4997]])
    torch.testing.assert_close(positions(5500), table[:5500].flip(0))
    torch.testing.assert_close(
        positions(3), table[[4999, 4998, 4997]]
    )  # still, with a longer table


def test_batch_norm_of_valid_positions_is_torchs_of_those_alone() -> None:
    torch.manual_seed(0)
    ours, theirs = ValidBatchNorm(3), nn.BatchNorm1d(3)
    for _ in range(3):
        x, valid = 2 + 3 * torch.randn(2, 3, 5), valid_positions(torch.tensor([5, 2]), 5)
        alone = torch.cat([x[0], x[1, :, :2]], 1)[None]
        out = ours(x, valid)
        torch.testing.assert_close(torch.cat([out[0], out[1, :, :2]], 1)[None], theirs(alone))
    torch.testing.assert_close(ours.state_dict(), theirs.state_dict())
    x = torch.randn(1, 3, 4)
    torch.testing.assert_close(ours.eval()(x, everywhere(4)), theirs.eval()(x))


def test_batch_norm_of_a_single_position_stays_finite() -> None:
    norm = ValidBatchNorm(3)
    assert torch.equal(
        norm(torch.randn(1, 3, 4), valid_positions(torch.tensor([1]), 4))[..., 0], torch.zeros(1, 3)
    )
    assert all(torch.isfinite(tensor).all() for tensor in norm.state_dict().values())


def test_convolution_module_by_hand() -> None:
    torch.manual_seed(0)
    module = ConvolutionModule(4, 3).eval()
    x = torch.randn(1, 5, 4)
    signal, gate = module.expand(x.mT).chunk(2, 1)
    inner = nn.functional.pad(signal * gate.sigmoid(), (1, 1))[0]
    rows = [
        sum(module.depthwise.weight[c, 0, k] * inner[c, k : k + 5] for k in range(3))
        + module.depthwise.bias[c]
        for c in range(4)
    ]
    inner = torch.stack(rows) / math.sqrt(1 + 1e-5)
    expected = module.reduce((inner * inner.sigmoid())[None]).mT
    torch.testing.assert_close(module(x, everywhere(5)), expected)


@pytest.mark.parametrize(("kernels", "swish"), [((1, 1), True), ((1, None), True), ((3, 1), False)])
def test_linear_feed_forward_has_swish_and_a_convolution_relu(
    kernels: tuple[int, int | None], swish: bool
) -> None:
    net = make(kernel=kernels[0], reduce_kernel=kernels[1])
    part, x = net.blocks[0].feed_forward, torch.randn(1, 5, 8)
    inner = part.expand(x.mT)
    inner = inner * inner.sigmoid() if swish else inner.clamp(min=0)
    torch.testing.assert_close(part(x, everywhere(5)), part.reduce(inner).mT)


def test_two_linear_layers_may_have_relu_between_them() -> None:
    net = make(kernel=1, activation="relu")
    part, x = net.blocks[0].feed_forward, torch.randn(1, 5, 8)
    expected = part.reduce(part.expand(x.mT).clamp(min=0)).mT
    torch.testing.assert_close(part(x, everywhere(5)), expected)


def test_unmasked_convolutions_read_the_padding_and_attention_does_not() -> None:
    x, valid = torch.randn(2, 6, 8), valid_positions(torch.tensor([4, 6]), 6)
    other = x.clone()
    other[0, 4:] = torch.randn(2, 8)
    changed = {}
    for convolution, kernel in ((5, 1), (0, 3), (0, 1)):
        settings = ConformerConfig(layers=1, hidden=12, kernel=kernel, convolution=convolution)
        net = Conformer(settings, 8, masked=False).eval()
        changed[convolution, kernel] = not torch.equal(
            net(x, valid)[0, :4], net(other, valid)[0, :4]
        )
    assert changed == {(5, 1): True, (0, 3): True, (0, 1): False}


def test_each_dropout_is_its_own() -> None:
    settings = {"dropout": 0.0, "position_dropout": 0.0, "attention_dropout": 0.0}
    x = torch.randn(1, 6, 8)
    for name in settings:
        net = make(convolution=0, **{**settings, name: 0.5}).train()
        assert not torch.equal(net(x, everywhere(6)), net(x, everywhere(6))), name
    net = make(convolution=0, **settings).train()
    assert torch.equal(net(x, everywhere(6)), net(x, everywhere(6)))


@pytest.mark.parametrize(
    ("settings", "width", "said"),
    [
        ({"heads": 3}, 8, "heads: 3 does not divide the model's width 8"),
        ({"heads": 1}, 9, "width: relative positions need an even one, got 9"),
        ({"kernel": 4}, 8, "kernel: must be odd, got 4"),
        ({"reduce_kernel": 2}, 8, "reduce_kernel: must be odd, got 2"),
        ({"convolution": 8}, 8, "convolution: must be odd, got 8"),
        ({"convolution": -1}, 8, r"convolution: must be in \[0, 65536\], got -1"),
        ({"attention_dropout": 1.0}, 8, r"attention_dropout: must be in \[0, 1\), got 1.0"),
        ({"positions": "legacy", "zero_triu": True}, 8, "zero_triu: needs positions 'relative'"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], width: int, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Conformer(ConformerConfig(**settings), width)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_it_runs_in_bf16_and_stays_near(kind: dict[str, Any]) -> None:
    net = make(**kind).train()
    x, valid = torch.randn(2, 6, 8), valid_positions(torch.tensor([4, 6]), 6)
    with torch.autocast("cpu", torch.bfloat16):
        cast = net(x, valid)
    cast[valid].square().sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in net.parameters() if p.grad is not None)
    assert (cast.float() - net(x, valid))[valid].abs().max() < 0.2
