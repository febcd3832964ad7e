"""ESPnet's type of the feed-forward parts, which decides what stands between their two layers."""

from __future__ import annotations

from typing import Any

import pytest

from malsori.core.config import from_dict
from malsori.core.errors import MalsoriError
from malsori.espnet.names import is_linear, positionwise
from malsori.models.jets import JetsConfig


def config(encoder: dict[str, Any], decoder: dict[str, Any]) -> JetsConfig:
    tree = {
        side: {"name": "conformer", "kernel": 1, **own}
        for side, own in (("encoder", encoder), ("decoder", decoder))
    }
    return from_dict(JetsConfig, tree)


@pytest.mark.parametrize(
    ("own", "kind"),
    [
        ({}, ("linear", 1)),
        ({"activation": "relu"}, ("conv1d", 1)),  # a convolution of kernel 1 has ReLU in ESPnet
        ({"kernel": 3}, ("conv1d", 3)),
        ({"kernel": 3, "activation": "relu"}, ("conv1d", 3)),
        ({"kernel": 3, "reduce_kernel": 1}, ("conv1d-linear", 3)),
    ],
)
def test_kernels_and_activation_name_the_type(own: dict[str, Any], kind: tuple[str, int]) -> None:
    assert positionwise(config(own, own)) == kind
    name = "encoder.blocks.0.feed_forward.expand"
    assert is_linear(name, config(own, own)) == (kind[0] == "linear")


def test_a_transformer_has_relu_in_either() -> None:
    mixed = {"name": "transformer"}
    assert positionwise(config(mixed, {"activation": "relu"})) == ("conv1d", 1)
    assert positionwise(config(mixed, {})) == ("linear", 1)


def test_two_activations_are_refused() -> None:
    with pytest.raises(MalsoriError, match=r"model\.decoder\.activation: .* swish, relu"):
        positionwise(config({}, {"activation": "relu"}))
