"""Voices with a latent, from one speaker to several and back: they begin as they were."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import test_vaejets
import test_vits
import torch
from recorded import asked
from torch import Tensor, nn

from malsori.core.errors import MalsoriError
from malsori.models.voice import Conditions
from malsori.train.mapping import (
    add_embedding,
    drop_embedding,
    match_condition,
    unfold_weight_norm,
)

SPEAKER = "conditioning.speaker.weight"
Make = Callable[..., Any]
every_model = pytest.mark.parametrize(
    "make", [test_vits.make, test_vaejets.make], ids=["vits", "vaejets"]
)


def says(net: nn.Module, speaker: int | None) -> Tensor:
    """Return what a voice says."""
    parts = test_vits.first(test_vits.batch())
    who = Conditions(speaker=None if speaker is None else torch.tensor([speaker]))
    net.eval()
    with torch.no_grad():
        spoken: Tensor = net.synthesize(parts["tokens"], parts["token_lengths"], who).wav
    return spoken[0]


def told(net: nn.Module) -> dict[str, Tensor]:
    """Return its weights, every layer and vector that tells who speaks made loud."""
    torch.manual_seed(1)
    weights = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    for name, tensor in weights.items():
        if "condition" in name:
            weights[name] = 0.3 * torch.randn_like(tensor)
    net.load_state_dict(weights)
    return weights


@every_model
def test_one_speaker_to_several(make: Make) -> None:
    one, several = make(), make(speakers=2)
    weights = {name: tensor.clone() for name, tensor in one.state_dict().items()}
    own = several.state_dict()
    add_embedding(weights, own, SPEAKER, ("",), ("ann", "bob"))
    assert "begins as it was" in str(match_condition(weights, own, "pack"))
    _load(several, weights)
    for speaker in (0, 1):
        torch.testing.assert_close(says(several, speaker), says(one, None))
    parts = _parts(make)
    out = several.train()(**asked(parts, Conditions(speaker=torch.tensor([0, 1]))))
    (out.fake * torch.randn(out.fake.shape)).sum().backward()
    assert (several.conditioning.speaker.weight.grad.abs().sum(1) > 0).all()  # it can learn


@every_model
def test_several_speakers_to_one(make: Make) -> None:
    one, several = make(), make(speakers=2)
    weights = told(several)
    wanted, other = says(several, 1), says(several, 0)
    assert wanted.shape != other.shape or (wanted - other).abs().max() > 1e-4
    drop_embedding(weights, SPEAKER, ("ann", "bob"), ("bob",), "pack")
    assert "biases" in str(match_condition(weights, one.state_dict(), "pack"))
    _load(one, weights)
    torch.testing.assert_close(says(one, None), wanted, atol=1e-5, rtol=1e-4)


def test_what_has_no_place_is_refused() -> None:
    several = test_vits.make(speakers=2, duration="plain")
    weights = told(several)
    drop_embedding(weights, SPEAKER, ("ann", "bob"), ("bob",), "pack")
    with pytest.raises(MalsoriError, match=r"pack: duration_condition tells who speaks"):
        match_condition(weights, test_vits.make(duration="plain").state_dict(), "pack")


def _parts(make: Make) -> dict[str, Tensor]:
    return test_vits.batch() if make is test_vits.make else test_vaejets.batch()


def _load(net: nn.Module, weights: dict[str, Tensor]) -> None:
    net.load_state_dict(unfold_weight_norm(net, weights, "pack"))
