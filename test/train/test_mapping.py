from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from malsori.core.errors import MalsoriError
from malsori.modules.weight_norm import fold_weight_norm, normalise_convolutions
from malsori.train.mapping import (
    add_embedding,
    drop_embedding,
    map_rows,
    names_mapped,
    unfold_weight_norm,
)

names = st.lists(st.text("abcdefgh", min_size=1, max_size=2), min_size=1, max_size=12, unique=True)


@given(before=names, after=names)
def test_each_row_follows_its_name(before: list[str], after: list[str]) -> None:
    given_rows = torch.arange(len(before) * 3.0).view(-1, 3)
    fresh = -1 - torch.arange(len(after) * 3.0).view(-1, 3)
    weights = {"e": given_rows, "other": torch.ones(1)}
    mapped = map_rows(weights, {"e": fresh}, "e", before, after, "x.zip")
    for place, name in enumerate(after):
        wanted = given_rows[before.index(name)] if name in before else fresh[place]
        assert torch.equal(weights["e"][place], wanted)
    assert sorted([*mapped.kept, *mapped.new]) == sorted(after)
    assert sorted([*mapped.kept, *mapped.gone]) == sorted(before)
    assert torch.equal(fresh, -1 - torch.arange(len(after) * 3.0).view(-1, 3))  # left alone


@pytest.mark.parametrize("shape", [(), (3, 4), (2,), (2, 4, 1)])
def test_lost_rows_that_are_not_as_many_as_their_names(shape: tuple[int, ...]) -> None:
    with pytest.raises(MalsoriError, match=r"x\.zip: e has shape \[.* for 2 names; the two"):
        drop_embedding({"e": torch.ones(shape)}, "e", "ab", "a", "x.zip")


@pytest.mark.parametrize("shape", [(), (3, 4), (2, 5), (2,), (2, 4, 1)])
def test_rows_that_are_not_as_many_as_their_names(shape: tuple[int, ...]) -> None:
    with pytest.raises(MalsoriError, match=r"x\.zip: e has shape \[") as caught:
        map_rows({"e": torch.ones(shape)}, {"e": torch.ones(2, 4)}, "e", "ab", "ab", "x.zip")
    assert "for 2 names and a width of 4" in str(caught.value)


def test_names_are_told() -> None:
    assert str(names_mapped("abc", "cad")) == "2 kept, 1 new: 'd', 1 gone: 'b'"
    assert str(names_mapped("a", "a", note="so")) == "1 kept, 0 new, 0 gone; so"


def test_new_embedding_changes_nothing() -> None:
    weights: dict[str, torch.Tensor] = {}
    mapped = add_embedding(weights, {"e": torch.ones(3, 2)}, "e", ["kss"], ["kss", "lj", "me"])
    assert torch.equal(weights["e"], torch.zeros(3, 2))
    assert (mapped.kept, mapped.new) == (("kss",), ("lj", "me")) and "begins as" in mapped.note


@pytest.mark.parametrize(
    ("name", "vector", "told"),
    [
        ("b", [3.0, 5.0], "the vector of 'b' went into"),
        ("other", [2.0, 3.0], "the mean vector of all went into"),
    ],
)
def test_lost_embedding_goes_into_the_bias(name: str, vector: list[float], told: str) -> None:
    weights = {
        "e": torch.tensor([[1.0, 1.0], [3.0, 5.0]]),
        "encoder.norm.bias": torch.tensor([10.0, 20.0]),
    }
    mapped = drop_embedding(weights, "e", ["a", "b"], [name], "x.zip")
    assert "e" not in weights and told in mapped.note
    wanted = torch.tensor([10.0, 20.0]) + torch.tensor(vector)
    torch.testing.assert_close(weights["encoder.norm.bias"], wanted)


def test_lost_embedding_without_a_place_is_told() -> None:
    weights = {"e": torch.ones(2, 2)}
    assert (
        "is lost" in drop_embedding(weights, "e", ["a", "b"], ["a"], "x.zip").note and not weights
    )


def convolutions() -> nn.Module:
    return normalise_convolutions(
        nn.Sequential(
            nn.Conv1d(16, 32, 7),
            nn.ConvTranspose1d(32, 16, 16, 8),
            nn.Conv2d(1, 8, (5, 1)),
            nn.Linear(3, 3),
        )
    )


@given(seed=st.integers(0, 10_000), scale=st.sampled_from([1e-6, 1e-2, 1.0, 1e4]))
def test_weight_norm_gives_the_very_weights(seed: int, scale: float) -> None:
    torch.manual_seed(seed)
    module = convolutions()
    folded = fold_weight_norm(convolutions()).state_dict()
    folded = {name: scale * torch.randn_like(tensor) for name, tensor in folded.items()}
    module.load_state_dict(unfold_weight_norm(module, folded, "x.zip"))
    for name, tensor in fold_weight_norm(module).state_dict().items():
        assert torch.equal(tensor, folded[name]), name


def test_channel_of_zeros_stays_finite() -> None:
    module = convolutions()
    folded = dict(fold_weight_norm(convolutions()).state_dict())
    folded["0.weight"][3] = 0.0
    module.load_state_dict(unfold_weight_norm(module, folded, "x.zip"))
    x = torch.randn(1, 16, 9)
    module[0](x).square().sum().backward()  # type: ignore[index]
    assert all(p.grad.isfinite().all() for p in module[0].parameters() if p.grad is not None)
    assert torch.equal(fold_weight_norm(module).state_dict()["0.weight"], folded["0.weight"])


def test_normalised_weights_and_strange_ones_are_left_alone() -> None:
    module = convolutions()
    own = module.state_dict()
    assert unfold_weight_norm(module, own, "x.zip").keys() == own.keys()
    strange = {"9.weight": torch.ones(1)}
    assert unfold_weight_norm(module, strange, "x.zip").keys() == strange.keys()


def test_plain_weight_of_another_shape() -> None:
    message = r"x\.zip: 0\.weight has shape \[1, 2, 3\] in the weights and \[32, 16, 7\] in"
    with pytest.raises(MalsoriError, match=message):
        unfold_weight_norm(convolutions(), {"0.weight": torch.ones(1, 2, 3)}, "x.zip")
