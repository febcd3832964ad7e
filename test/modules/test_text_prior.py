"""The text encoder with its Gaussians: padding, gradients, the projection by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from malsori.core.errors import ConfigError
from malsori.modules.conformer import Conformer, ConformerConfig
from malsori.modules.lengths import valid_positions
from malsori.modules.text_prior import TextEmbedding, TextPrior, TokenPrior


class Text(nn.Module):
    """Embedding and prior, as in a model."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        stack = Conformer(ConformerConfig(layers=layers, hidden=12, dropout=0.0, convolution=0), 8)
        self.embedding = TextEmbedding(tokens=11, width=8)
        self.prior = TextPrior(stack, width=8, latent=6)

    def forward(self, tokens: Tensor, valid: Tensor) -> TokenPrior:
        return self.prior(self.embedding(tokens), valid)


def make(layers: int = 2) -> Text:
    torch.manual_seed(2)
    return Text(layers).eval()


def test_padding_never_reaches_real_tokens() -> None:
    net, lengths = make(), torch.tensor([3, 7])
    tokens = torch.randint(1, 11, (2, 7))
    valid = valid_positions(lengths, 7)
    together = net(tokens, valid)
    for i, n in enumerate(lengths.tolist()):
        alone = net(tokens[i : i + 1, :n], valid[i : i + 1, :n])
        for found, expected in zip(together, alone, strict=True):
            torch.testing.assert_close(found[i, :n], expected[0])
    assert all(not part[0, 3:].any() for part in together)


def test_every_parameter_learns() -> None:
    net = make()
    tokens = torch.randint(0, 11, (2, 30))
    out = net(tokens, torch.ones(2, 30, dtype=torch.bool))
    (out.mean * torch.randn(out.mean.shape) + out.log_scale).sum().backward()
    for name, parameter in net.named_parameters():
        if not name.endswith("key.bias"):  # softmax takes it away
            assert parameter.grad is not None and parameter.grad.abs().max() > 1e-8, name


def test_the_projection_by_hand() -> None:
    net, tokens = make(layers=0), torch.tensor([[3, 0, 5]])
    valid = torch.ones(1, 3, dtype=torch.bool)
    # the stack scales its input by √D, and so does the embedding; a norm follows
    expected = net.prior.stack.norm(net.embedding.weight[[3, 0, 5]] * math.sqrt(8) * math.sqrt(8))
    said = net(tokens, valid)
    torch.testing.assert_close(said.hidden[0], expected)
    says = expected @ net.prior.output.weight[..., 0].T + net.prior.output.bias
    torch.testing.assert_close(said.mean[0], says[:, :6])
    torch.testing.assert_close(said.log_scale[0], says[:, 6:])


def test_embeddings_begin_with_a_spread_of_one() -> None:
    torch.manual_seed(0)
    spoken = TextEmbedding(500, 16)(torch.arange(500)[None])
    assert float(spoken.detach().std()) == pytest.approx(1, rel=0.03)


def test_an_odd_width_is_refused_by_the_stack() -> None:
    with pytest.raises(ConfigError, match="width: relative positions need an even one, got 9"):
        Conformer(ConformerConfig(heads=1), 9)
