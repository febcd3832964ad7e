"""The transformer stack: padding, gradients, positions, one block by hand."""

from __future__ import annotations

import math

import pytest
import torch

from malsori.core.errors import ConfigError
from malsori.modules.lengths import valid_positions
from malsori.modules.transformer import (
    EXPORTED_ROWS,
    Block,
    ScaledPositions,
    SelfAttention,
    Surroundings,
    Transformer,
    TransformerConfig,
    _exported,
    sinusoids,
)

TINY = TransformerConfig(layers=2, heads=2, hidden=12, dropout=0.1)


def make(config: TransformerConfig = TINY) -> Transformer:
    torch.manual_seed(2)
    return Transformer(config, 8).eval()


@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_padding_never_reaches_real_positions(kernel: int) -> None:
    net = make(TransformerConfig(layers=2, heads=2, hidden=12, kernel=kernel))
    short, long = torch.randn(4, 8), torch.randn(9, 8)
    batch = torch.full((2, 9, 8), 1e3)  # loud padding
    batch[0, :4], batch[1] = short, long
    together = net(batch, valid_positions(torch.tensor([4, 9]), 9))
    torch.testing.assert_close(
        together[0, :4], net(short[None], torch.ones(1, 4, dtype=torch.bool))[0]
    )
    assert torch.isfinite(together).all()


def test_every_parameter_learns() -> None:
    net = make()
    out = net(torch.randn(2, 6, 8), valid_positions(torch.tensor([4, 6]), 6))
    (out * torch.randn(out.shape)).sum().backward()
    for name, parameter in net.named_parameters():
        if name.endswith("key.bias"):  # the same for all keys: softmax takes it away
            continue
        assert parameter.grad is not None and parameter.grad.abs().max() > 1e-8, name


def test_attention_by_hand() -> None:
    torch.manual_seed(0)
    attention = SelfAttention(4, 2, 0.0).eval()
    x = torch.randn(1, 3, 4)
    valid = torch.tensor([[True, True, False]])
    query, key, value = (f(x)[0] for f in (attention.query, attention.key, attention.value))
    rows = []
    for t in range(3):
        heads = []
        for h in range(2):
            part = slice(2 * h, 2 * h + 2)
            scores = [query[t, part] @ key[s, part] / math.sqrt(2) for s in range(2)]
            weights = torch.stack(scores).softmax(0)
            heads.append(weights[0] * value[0, part] + weights[1] * value[1, part])
        rows.append(torch.cat(heads))
    torch.testing.assert_close(attention(x, valid)[0], attention.out(torch.stack(rows)))


def test_a_block_is_two_residuals_around_normed_parts() -> None:
    torch.manual_seed(0)
    block = Block(TINY, 8, True, SelfAttention(8, 2, 0.0)).eval()
    x, valid = torch.randn(1, 5, 8), torch.ones(1, 5, dtype=torch.bool)
    y = x + block.attention(block.attention_norm(x), valid)
    inner = block.feed_forward_norm(y).mT
    inner = block.feed_forward.reduce(torch.relu(block.feed_forward.expand(inner))).mT
    torch.testing.assert_close(block(x, valid), y + inner)


def test_the_stack_ends_in_a_norm() -> None:
    out = make()(torch.randn(1, 5, 8), torch.ones(1, 5, dtype=torch.bool))
    torch.testing.assert_close(out.mean(-1), torch.zeros(1, 5), atol=1e-5, rtol=0)


def test_sinusoids_are_the_papers() -> None:
    table = sinusoids(30, 6)
    for position in (0, 1, 29):
        for column in range(6):
            angle = position / 10000 ** (2 * (column // 2) / 6)
            expected = math.cos(angle) if column % 2 else math.sin(angle)
            assert float(table[position, column]) == pytest.approx(expected, abs=1e-5)
    assert sinusoids(3, 5).shape == (3, 5)


def test_positions_grow_beyond_the_first_table_and_stay_the_same() -> None:
    positions = ScaledPositions(8, 0.0)
    short = positions(torch.zeros(1, 512, 8))
    long = positions(torch.zeros(1, 1300, 8))
    assert torch.equal(long[:, :512], short)
    torch.testing.assert_close(long[0, 1299], sinusoids(1300, 8)[1299])
    assert "table" not in positions.state_dict()


def test_the_scale_of_positions_starts_at_1_and_learns() -> None:
    positions = ScaledPositions(8, 0.0)
    torch.testing.assert_close(positions(torch.zeros(1, 4, 8))[0], sinusoids(4, 8))
    positions(torch.zeros(1, 4, 8)).sum().backward()
    assert float(positions.scale.grad) == pytest.approx(float(sinusoids(4, 8).sum()), rel=1e-4)


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ConfigError, match="heads: 3 does not divide the model's width 8"):
        Transformer(TransformerConfig(heads=3), 8)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("kernel", 4, "kernel: must be odd, got 4"),
        ("dropout", 1.0, r"dropout: must be in \[0, 1\), got 1.0"),
        ("dropout", -0.1, r"dropout: must be in \[0, 1\), got -0.1"),
    ],
)
def test_impossible_sizes_are_refused(name: str, value: float, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        TransformerConfig(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(("kernel", "last"), [(3, None), (5, 1), (1, None)])
@pytest.mark.parametrize("masked", [True, False])
def test_the_last_block_of_any_stretch_is_that_of_the_whole(
    kernel: int, last: int | None, masked: bool
) -> None:
    torch.manual_seed(0)
    config = TransformerConfig(layers=2, heads=2, hidden=12, kernel=kernel, reduce_kernel=last)
    net = Transformer(config, 8, masked).eval()
    x, valid = torch.randn(2, 30, 8), valid_positions(torch.tensor([30, 17]), 30)
    whole, begun = net(x, valid), net.begin(x, valid)
    torch.testing.assert_close(net.finish(begun.x, begun.around, valid), whole)
    for first, end in ((0, 9), (11, 30), (13, 16)):
        start, stop = max(0, first - net.reach), min(30, end + net.reach)
        part = net.finish(begun.x[:, start:stop], begun.around, valid[:, start:stop])
        kept = part[:, first - start : end - start]
        torch.testing.assert_close(kept, whole[:, first:end])
        alone = net.finish(
            begun.x[:1, start:stop],
            begun.around._replace(
                keys=begun.around.keys[:1], values=begun.around.values[:1], valid=valid[:1]
            ),
        )
        torch.testing.assert_close(alone[:, first - start : end - start], whole[:1, first:end])


@pytest.mark.filterwarnings("ignore:.*torch.jit.script")
def test_exported_attention_is_pytorchs() -> None:
    torch.manual_seed(0)
    query, keys, values = torch.randn(3, 2, 2, EXPORTED_ROWS + 9, 4)
    valid = valid_positions(torch.tensor([EXPORTED_ROWS + 9, 5]), EXPORTED_ROWS + 9)
    found = _exported(query, Surroundings(keys, values, valid))
    wanted = torch.nn.functional.scaled_dot_product_attention(
        query, keys, values, attn_mask=valid[:, None, None]
    )
    torch.testing.assert_close(found, wanted)
