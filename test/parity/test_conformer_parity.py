"""Our conformer with ESPnet's weights computes what ESPnet's does: values, gradients, statistics.

One difference is meant: by default padding stays out of convolutions and batch statistics, which
ESPnet's see. What is compared here is ``masked=False``; what the default changes is tested beside.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from malsori.modules.conformer import Conformer, ConformerConfig
from malsori.modules.lengths import valid_positions

WIDTH = 16
FEED_FORWARDS = {
    "linear": {"kernel": 1},
    "conv1d": {"kernel": 3},
    "conv1d-linear": {"kernel": 3, "reduce_kernel": 1},
}
POSITIONS = {
    "relative": ({"positions": "relative"}, "rel"),
    "relative-zero": ({"positions": "relative", "zero_triu": True}, "rel"),
    "legacy": ({"positions": "legacy"}, "legacy_rel"),
}
NAMES = {  # ours to ESPnet's, longest first
    "attention.content_bias": "self_attn.pos_bias_u",
    "attention.position_bias": "self_attn.pos_bias_v",
    "attention.position": "self_attn.linear_pos",
    "attention.query": "self_attn.linear_q",
    "attention.key": "self_attn.linear_k",
    "attention.value": "self_attn.linear_v",
    "attention.out": "self_attn.linear_out",
    "attention_norm": "norm_mha",
    "macaron_norm": "norm_ff_macaron",
    "macaron.expand": "feed_forward_macaron.w_1",
    "macaron.reduce": "feed_forward_macaron.w_2",
    "convolution_norm": "norm_conv",
    "convolution.expand": "conv_module.pointwise_conv1",
    "convolution.depthwise": "conv_module.depthwise_conv",
    "convolution.reduce": "conv_module.pointwise_conv2",
    "convolution.norm": "conv_module.norm",
    "feed_forward_norm": "norm_ff",
    "feed_forward.expand": "feed_forward.w_1",
    "feed_forward.reduce": "feed_forward.w_2",
    "norm": "norm_final",
}
VANISHING = ("key.bias", "depthwise.bias")
"""Softmax and batch norm take these away: their gradients are rounding of their weights'."""


def theirs_of(name: str) -> str:
    """Return ESPnet's name of a tensor that is ours."""
    if not name.startswith("blocks."):
        return name.replace("norm.", "after_norm.", 1)
    _, block, rest = name.split(".", 2)
    part = next(part for part in NAMES if rest == part or rest.startswith(f"{part}."))
    return f"encoders.{block}.{NAMES[part]}{rest.removeprefix(part)}"


def pair(
    positions: str, feed_forward: str, macaron: bool, convolution: int
) -> tuple[Conformer, nn.Module]:
    """Return ours and ESPnet's with the same weights and the same running statistics."""
    from espnet.nets.pytorch_backend.conformer.encoder import Encoder

    torch.manual_seed(3)
    sizes = FEED_FORWARDS[feed_forward]
    own, kind = POSITIONS[positions]
    theirs = Encoder(
        idim=0,
        attention_dim=WIDTH,
        attention_heads=2,
        linear_units=24,
        num_blocks=2,
        dropout_rate=0.0,
        positional_dropout_rate=0.0,
        attention_dropout_rate=0.0,
        input_layer=None,
        positionwise_layer_type=feed_forward,
        positionwise_conv_kernel_size=sizes["kernel"],
        macaron_style=macaron,
        pos_enc_layer_type=f"{kind}_pos",
        selfattention_layer_type=f"{kind}_selfattn",
        use_cnn_module=bool(convolution),
        cnn_module_kernel=convolution or 7,
        zero_triu=own.get("zero_triu", False),
    )
    for tensor in theirs.state_dict().values():
        if tensor.is_floating_point() and tensor.dim() == 1:  # norms and biases off their start
            tensor.add_(0.2 * torch.rand_like(tensor))
    settings: dict[str, Any] = {**own, **sizes, "macaron": macaron, "convolution": convolution}
    config = ConformerConfig(layers=2, heads=2, hidden=24, dropout=0.0, **settings)
    ours = Conformer(config, WIDTH, masked=False)
    copy(theirs, ours)
    return ours, theirs


def copy(theirs: nn.Module, ours: nn.Module) -> None:
    """Give ours the weights of ESPnet's; each must be used once."""
    left = dict(theirs.state_dict())
    taken = {}
    for name, tensor in ours.state_dict().items():
        found = left.pop(theirs_of(name))
        taken[name] = found[..., None] if found.dim() < tensor.dim() else found
    assert not left
    ours.load_state_dict(taken)


def compare(found: Tensor, expected: Tensor, share: float, name: str, least: float = 1e-3) -> None:
    """Fail where ours is further from theirs than this share of the largest value, or ``least``."""
    difference = float((found - expected.reshape(found.shape)).detach().abs().max())
    scale = max(float(expected.detach().abs().max()), least)
    assert difference <= share * scale, (name, difference, scale)


@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
@pytest.mark.parametrize("feed_forward", FEED_FORWARDS)
@pytest.mark.parametrize(
    ("macaron", "convolution"), [(True, 0), (True, 7), (False, 0), (False, 7)], ids=str
)
@pytest.mark.parametrize("positions", POSITIONS)
def test_the_same_weights_give_the_same_values_and_gradients(
    espnet: object,
    positions: str,
    macaron: bool,
    convolution: int,
    feed_forward: str,
    training: bool,
) -> None:
    ours, theirs = pair(positions, feed_forward, macaron, convolution)
    ours.train(training)
    theirs.train(training)
    for lengths in ([9, 4, 1], [1], [2, 2], [30, 17]):
        ours.zero_grad()
        theirs.zero_grad()
        valid = valid_positions(torch.tensor(lengths), max(lengths))
        x = torch.randn(*valid.shape, WIDTH)
        sides = [SimpleNamespace(net=net, x=x.clone().requires_grad_()) for net in (ours, theirs)]
        if training and convolution and valid.numel() == 1:
            continue  # batch norm of one value
        out = ours(sides[0].x, valid)
        expected, _ = theirs(sides[1].x, valid[:, None])
        compare(out, expected, 1e-5, "output")
        # padded queries are compared too, as ESPnet's losses may read what stands there
        weights = torch.randn(out.shape)
        (out * weights).sum().backward()
        (expected * weights).sum().backward()
        compare(sides[0].x.grad, sides[1].x.grad, 1e-4, "input")
        gradients = {name: p.grad for name, p in theirs.named_parameters()}
        for name, parameter in ours.named_parameters():
            least = 1e-3
            if name.endswith(VANISHING):
                least = float(gradients[theirs_of(name.replace("bias", "weight"))].abs().max())
            compare(parameter.grad, gradients[theirs_of(name)], 1e-4, name, least)
    buffers = theirs.state_dict()
    for name, tensor in ours.state_dict().items():
        compare(tensor.float(), buffers[theirs_of(name)].float(), 1e-5, name)


@pytest.mark.parametrize("positions", POSITIONS)
def test_masked_by_default_an_utterance_in_a_batch_is_what_espnet_says_of_it_alone(
    espnet: object, positions: str
) -> None:
    unmasked, theirs = pair(positions, "conv1d", True, 7)
    settings = {**POSITIONS[positions][0], **FEED_FORWARDS["conv1d"]}
    config = ConformerConfig(layers=2, heads=2, hidden=24, dropout=0.0, **settings)
    masked = Conformer(config, WIDTH)
    masked.load_state_dict(unmasked.state_dict())
    x, lengths = torch.randn(2, 9, WIDTH), torch.tensor([9, 4])
    valid = valid_positions(lengths, 9)
    together = masked.eval()(x, valid)
    batched, _ = theirs.eval()(x, valid[:, None])
    for i, length in enumerate(lengths.tolist()):
        alone, _ = theirs(x[i : i + 1, :length], valid[i : i + 1, None, :length])
        compare(together[i, :length], alone[0], 1e-5, f"utterance {i}")
    assert float((batched[1, :4] - together[1, :4]).detach().abs().max()) > 1e-3  # the difference
