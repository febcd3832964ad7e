"""A convolution in groups is PyTorch's, and so are its gradients."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from malsori.modules.grouped_convolution import LONG, GroupedConv1d, places, weight_gradient


@given(
    batch=st.integers(1, 3),
    groups=st.integers(1, 4),
    channels=st.integers(1, 3),
    outputs=st.integers(1, 3),
    kernel=st.integers(1, 9),
    stride=st.integers(1, 5),
    padding=st.integers(0, 6),
    length=st.integers(1, 40),
)
def test_gradient_of_weights_is_autograds(
    batch: int,
    groups: int,
    channels: int,
    outputs: int,
    kernel: int,
    stride: int,
    padding: int,
    length: int,
) -> None:
    samples = max(length, kernel - 2 * padding, 1)
    x = torch.randn(batch, groups * channels, samples, dtype=torch.float64)
    weight = torch.randn(groups * outputs, channels, kernel, dtype=torch.float64)
    weight.requires_grad_()
    made = F.conv1d(x, weight, None, stride, padding, groups=groups)
    grad = torch.randn_like(made)
    (wanted,) = torch.autograd.grad(made, weight, grad)
    found = weight_gradient(x, grad, kernel, stride, padding, groups)
    torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize("samples", [40, 1500])
@pytest.mark.parametrize("learns", [(True, True), (True, False), (False, True)])
def test_layer_is_pytorchs(samples: int, learns: tuple[bool, bool]) -> None:
    torch.manual_seed(0)
    ours, plain = GroupedConv1d(8, 16, 11, 2, 5, 4), nn.Conv1d(8, 16, 11, 2, 5, groups=4)
    plain.load_state_dict(ours.state_dict())
    of_input, of_weights = learns
    results = []
    for layer in (ours, plain):
        layer.requires_grad_(of_weights)
        x = torch.arange(2 * 8 * samples).remainder(37).div(37).view(2, 8, samples)
        x.requires_grad_(of_input)
        y = layer(x)
        y.square().sum().backward()
        results.append([y.detach(), x.grad, *(part.grad for part in layer.parameters())])
    is_own = type(ours(torch.zeros(1, 8, samples)).grad_fn).__name__ == "AddBackward0"
    assert is_own == (of_weights and samples // 2 >= LONG * places(11, 2))
    for found, wanted in zip(*results, strict=True):
        assert (found is None) == (wanted is None)
        if found is not None:
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_nothing_changes_where_nothing_is_learnt_or_precision_is_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("malsori.modules.grouped_convolution._Learnt", None)
    layer = GroupedConv1d(8, 16, 11, 2, 5, 4)
    x = torch.randn(2, 8, 1500)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), nn.Conv1d.forward(layer, x), rtol=0, atol=0)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(x).dtype == torch.bfloat16
    assert layer.double()(x.double()).dtype == torch.float64


def test_a_pass_back_to_the_input_alone_finds_no_gradient_of_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    layer = GroupedConv1d(8, 16, 11, 2, 5, 4)
    x = torch.randn(2, 8, 1500, requires_grad=True)
    y = layer(x).sum()
    with monkeypatch.context() as patch:
        patch.setattr("malsori.modules.grouped_convolution.weight_gradient", None)
        y.backward(inputs=[x], retain_graph=True)
    assert layer.weight.grad is None
    y.backward(inputs=list(layer.parameters()))
    assert layer.weight.grad is not None
