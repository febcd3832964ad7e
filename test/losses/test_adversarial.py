"""Adversarial losses and feature matching, computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.core.config import Choice, build
from malsori.losses import ADVERSARIAL
from malsori.losses.adversarial import feature_matching_loss
from malsori.losses.settings import NoSettings

Shapes = list[list[tuple[int, ...]]]
TWO: Shapes = [[(2, 3, 4), (2, 5)], [(2, 2, 2, 3), (2, 6), (2, 4)]]

layer_shapes = st.lists(st.integers(1, 5), min_size=2, max_size=4).map(tuple)
ensembles = st.lists(
    st.lists(layer_shapes, min_size=1, max_size=3), min_size=1, max_size=3
)  # one discriminator with one layer of one number is an ensemble too
scales = st.sampled_from([0.0, 1e-4, 1.0, 1e4])


def judgement(seed: int, scale: float = 1.0, shapes: Shapes = TWO) -> list[list[torch.Tensor]]:
    """Return discriminators' layers of these sizes."""
    generator = torch.Generator().manual_seed(seed)
    return [[torch.randn(s, generator=generator) * scale for s in layers] for layers in shapes]


def game(name: str) -> object:
    return build(ADVERSARIAL, Choice(name, NoSettings()))


def scores(judged: list[list[torch.Tensor]]) -> list[np.ndarray]:
    return [layers[-1].double().numpy() for layers in judged]


@given(st.integers(0, 2**31), scales, ensembles)
@settings(max_examples=30, deadline=None)
def test_least_squares(seed: int, scale: float, shapes: Shapes) -> None:
    real, fake = judgement(seed, scale, shapes), judgement(seed + 1, scale, shapes)
    loss = game("least_squares")
    expected = sum(((s - 1) ** 2).mean() for s in scores(fake))
    assert float(loss.generator(fake)) == pytest.approx(expected, rel=1e-5)
    on_real, on_fake = loss.discriminator(real, fake)
    assert float(on_real) == pytest.approx(sum(((s - 1) ** 2).mean() for s in scores(real)), 1e-5)
    assert float(on_fake) == pytest.approx(sum((s**2).mean() for s in scores(fake)), 1e-5)


@given(st.integers(0, 2**31), scales, ensembles)
@settings(max_examples=30, deadline=None)
def test_hinge(seed: int, scale: float, shapes: Shapes) -> None:
    real, fake = judgement(seed, scale, shapes), judgement(seed + 1, scale, shapes)
    loss = game("hinge")
    expected = -sum(s.mean() for s in scores(fake))
    assert float(loss.generator(fake)) == pytest.approx(expected, rel=1e-4, abs=1e-5 * scale)
    on_real, on_fake = loss.discriminator(real, fake)
    assert float(on_real) == pytest.approx(
        sum(np.maximum(0, 1 - s).mean() for s in scores(real)), rel=1e-5
    )
    assert float(on_fake) == pytest.approx(
        sum(np.maximum(0, 1 + s).mean() for s in scores(fake)), rel=1e-5
    )


def test_hinge_is_content_beyond_the_margin() -> None:
    sure, loss = [[torch.full((1, 3), 2.0)]], game("hinge")
    on_real, on_fake = loss.discriminator(sure, [[-sure[0][0]]])
    assert float(on_real) == float(on_fake) == 0.0


@given(st.integers(0, 2**31), scales, ensembles)
@settings(max_examples=30, deadline=None)
def test_feature_matching_sums_over_all_layers_the_last_too(
    seed: int, scale: float, shapes: Shapes
) -> None:
    real, fake = judgement(seed, scale, shapes), judgement(seed + 1, scale, shapes)
    slow = 0.0
    for ours, theirs in zip(fake, real, strict=True):
        for x, y in zip(ours, theirs, strict=True):
            slow += float(np.abs(x.double().numpy() - y.double().numpy()).mean())
    assert float(feature_matching_loss(real, fake)) == pytest.approx(slow, rel=1e-5)
    assert float(feature_matching_loss(real, real)) == 0.0


def test_feature_matching_teaches_the_fake_side_only() -> None:
    real = [[t.requires_grad_() for t in layers] for layers in judgement(1)]
    fake = [[t.requires_grad_() for t in layers] for layers in judgement(2)]
    feature_matching_loss(real, fake).backward()
    assert all(t.grad is None for layers in real for t in layers)
    assert all(t.grad.abs().max() > 0 for layers in fake for t in layers)


def test_different_ensembles_are_refused() -> None:
    with pytest.raises(ValueError, match="zip"):
        feature_matching_loss(judgement(1), judgement(1)[:1])


@pytest.mark.parametrize("name", ["least_squares", "hinge"])
def test_scores_in_bf16_are_summed_in_fp32(name: str) -> None:
    fake = [[t.bfloat16() for t in layers] for layers in judgement(1)]
    exact = [[t.float() for t in layers] for layers in fake]
    loss = game(name)
    assert loss.generator(fake).dtype == torch.float32
    assert float(loss.generator(fake)) == float(loss.generator(exact))
    assert float(feature_matching_loss(fake, fake)) == 0.0
