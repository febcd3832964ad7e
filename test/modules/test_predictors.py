"""Variance predictors and what becomes of predicted durations."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.core.errors import ConfigError
from malsori.modules.lengths import valid_positions
from malsori.modules.predictors import (
    LONGEST_TOKEN,
    EmbeddingConfig,
    PredictorConfig,
    ScalarEmbedding,
    VariancePredictor,
    durations_from_log,
)


def make(kernel: int = 3, **changes: object) -> VariancePredictor:
    torch.manual_seed(1)
    config = PredictorConfig(channels=6, kernel=kernel, **changes)  # type: ignore[arg-type]
    return VariancePredictor(config, 4).eval()


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_padding_never_reaches_real_tokens(kernel: int) -> None:
    net = make(kernel, layers=3)
    short, long = torch.randn(3, 4), torch.randn(7, 4)
    batch = torch.full((2, 7, 4), 1e3)  # loud padding
    batch[0, :3], batch[1] = short, long
    together = net(batch, valid_positions(torch.tensor([3, 7]), 7))
    alone = net(short[None], torch.ones(1, 3, dtype=torch.bool))
    torch.testing.assert_close(together[0, :3], alone[0])
    assert (together[0, 3:] == 0).all()


def test_every_parameter_learns() -> None:
    net = make()
    net(torch.randn(2, 5, 4), torch.ones(2, 5, dtype=torch.bool)).square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("detach", [True, False])
def test_a_detached_predictor_leaves_the_encoder_alone(detach: bool) -> None:
    x = torch.randn(1, 5, 4, requires_grad=True)
    make(detach=detach)(x, torch.ones(1, 5, dtype=torch.bool)).sum().backward()
    assert (x.grad is None) == detach


def test_one_layer_by_hand() -> None:
    net = make(1, layers=1)
    block = net.blocks[0]
    x = torch.randn(1, 1, 4)
    y = torch.relu(block.conv.weight[:, :, 0] @ x[0, 0] + block.conv.bias)
    y = (y - y.mean()) / y.var(unbiased=False).sqrt()
    expected = net.out.weight[0] @ y + net.out.bias[0]
    found = net(x, torch.ones(1, 1, dtype=torch.bool))
    torch.testing.assert_close(found[0, 0], expected)


def test_dropout_acts_in_training_only() -> None:
    net, x = make(dropout=0.5), torch.randn(1, 5, 4)
    valid = torch.ones(1, 5, dtype=torch.bool)
    assert torch.equal(net(x, valid), net(x, valid))
    net.train()
    assert not torch.equal(net(x, valid), net(x, valid))


def test_an_even_kernel_is_refused() -> None:
    with pytest.raises(ConfigError, match="kernel: must be odd, got 4"):
        PredictorConfig(kernel=4)


def test_a_scalar_embedding_is_a_line_per_channel() -> None:
    embed = ScalarEmbedding(EmbeddingConfig(), 3)
    x = torch.tensor([[0.0, 1.0, -2.0]])
    weight, bias = embed.conv.weight[:, 0, 0], embed.conv.bias
    torch.testing.assert_close(embed(x)[0], x[0, :, None] * weight + bias)
    embed(x).square().sum().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in embed.parameters())


def test_a_wider_scalar_embedding_sees_its_neighbours() -> None:
    embed = ScalarEmbedding(EmbeddingConfig(kernel=3), 2)
    x = torch.tensor([[1.0, 2.0, -4.0]])
    padded = [0.0, *x[0].tolist(), 0.0]
    expected = [
        sum(embed.conv.weight[:, 0, k] * padded[n + k] for k in range(3)) + embed.conv.bias
        for n in range(3)
    ]
    torch.testing.assert_close(embed(x)[0], torch.stack(expected))


def test_seen_padding_reaches_its_neighbour() -> None:
    torch.manual_seed(0)
    config = PredictorConfig(layers=1, channels=4, dropout=0)
    x = torch.randn(1, 5, 8)
    valid = torch.tensor([[True, True, True, False, False]])
    louder = x.clone()
    louder[:, 3:] += 5
    for masked in (True, False):
        net = VariancePredictor(config, 8, masked)
        before, after = net(x, valid), net(louder, valid)
        assert torch.equal(before[:, :2], after[:, :2])
        assert torch.equal(before[:, 2], after[:, 2]) == masked
        assert (after[:, 3:] == 0).all()


@given(
    st.lists(st.floats(-20, 20), min_size=1, max_size=6),
    st.integers(1, 6),
    st.floats(0.1, 10),
)
@settings(max_examples=80, deadline=None)
def test_durations_are_whole_frames(logs: list[float], length: int, speed: float) -> None:
    log_durations = torch.tensor([logs])
    valid = valid_positions(torch.tensor([min(length, len(logs))]), len(logs))
    found = durations_from_log(log_durations, valid, speed)
    assert found.dtype == torch.int64
    assert (found[~valid] == 0).all() and (found >= 0).all() and found.sum() >= 1
    assert found.max() <= LONGEST_TOKEN
    exact = [(math.exp(value) - 1) / speed for value in log_durations[0].tolist()]
    slow = [min(LONGEST_TOKEN, max(0, round(value))) for value in exact]
    slow = [value if ok else 0 for value, ok in zip(slow, valid[0].tolist(), strict=True)]
    if sum(slow):
        for ours, theirs, value in zip(found[0].tolist(), slow, exact, strict=True):
            near_a_half = abs(value % 1 - 0.5) < 1e-3 * max(1, abs(value))
            assert ours == theirs or (near_a_half and abs(ours - theirs) <= 1)
    else:
        assert found.sum() == valid.sum() or found.sum() >= 1


@pytest.mark.parametrize("frames", [0, 1, 2, 7, 100])
def test_the_logarithm_is_undone(frames: int) -> None:
    valid = torch.ones(1, 2, dtype=torch.bool)
    logs = torch.log(torch.tensor([[frames + 1.0, 5.0]]))
    assert durations_from_log(logs, valid).tolist() == [[frames, 4]]


def test_speed_may_differ_between_utterances_and_tokens() -> None:
    logs = torch.log(torch.tensor([[9.0, 9.0], [9.0, 9.0]]))
    valid = torch.ones(2, 2, dtype=torch.bool)
    assert durations_from_log(logs, valid, torch.tensor([[1.0], [2.0]])).tolist() == [
        [8, 8],
        [4, 4],
    ]
    assert durations_from_log(logs, valid, torch.tensor([[1.0, 2.0], [4.0, 0.5]])).tolist() == [
        [8, 4],
        [2, 16],
    ]


def test_nothing_to_say_becomes_one_frame_a_token_and_too_much_is_cut() -> None:
    valid = valid_positions(torch.tensor([2, 3]), 3)
    logs = torch.tensor([[-5.0, 0.0, 9.0], [0.0, 500.0, 0.0]])
    assert durations_from_log(logs, valid).tolist() == [[1, 1, 0], [0, LONGEST_TOKEN, 0]]
