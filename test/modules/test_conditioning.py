"""Speaker, language, external speaker vector and style, told to encoded tokens."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import pytest
import torch
from torch.nn import functional as F

from malsori.core.errors import ConfigError
from malsori.modules.conditioning import (
    Conditioning,
    SpeakerEmbeddingConfig,
    StyleConfig,
    StyleTokens,
)

STYLE = StyleConfig(tokens=3, heads=2, channels=(4, 6), gru_units=5)


HIDDEN = torch.cos(torch.arange(2 * 5 * 8.0)).view(2, 5, 8)


def make_style(**changes: Any) -> StyleTokens:
    torch.manual_seed(6)
    masked = changes.pop("masked", True)
    return StyleTokens(dataclasses.replace(STYLE, **changes), 8, 10, masked)


def everything(join: Literal["add", "concat"] = "add") -> Conditioning:
    torch.manual_seed(6)
    embedding = SpeakerEmbeddingConfig(size=4, join=join)
    return Conditioning(8, speakers=3, languages=2, embedding=embedding, style=STYLE, mel_bands=10)


GIVEN = {
    "speaker": torch.tensor([0, 2]),
    "language": torch.tensor([1, 0]),
    "embedding": torch.tensor([[1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 0.0, -1.0]]),
    "mel": torch.sin(torch.arange(2 * 12 * 10.0)).view(2, 12, 10),
    "mel_lengths": torch.tensor([12, 7]),
}


def test_nothing_conditions_a_plain_voice() -> None:
    plain = Conditioning(8)
    assert plain(HIDDEN) is HIDDEN
    assert not list(plain.parameters())


def test_all_that_conditions_is_added() -> None:
    net = everything()
    speaker = net.speaker.weight[GIVEN["speaker"]]
    language = net.language.weight[GIVEN["language"]]
    unit = GIVEN["embedding"] / GIVEN["embedding"].norm(dim=1, keepdim=True)
    embedding = unit @ net.embedding.weight.T + net.embedding.bias
    style = net.style(GIVEN["mel"], GIVEN["mel_lengths"])
    vector = speaker + language + embedding + style
    torch.testing.assert_close(net(HIDDEN, **GIVEN), HIDDEN + vector[:, None])


def test_the_summary_is_the_sum_of_what_is_told() -> None:
    net = everything()
    told = net.read(**GIVEN)
    hidden = net.tell(HIDDEN, told)
    torch.testing.assert_close(hidden, HIDDEN + net.summary(told)[:, None])
    assert torch.equal(hidden, net(HIDDEN, **GIVEN))
    beside = everything("concat")
    plain, unit = beside.read(**{**GIVEN, "embedding": torch.eye(2, 4)}), torch.eye(2, 4)
    added = beside.speaker.weight[GIVEN["speaker"]] + beside.language.weight[GIVEN["language"]]
    added = added + beside.style(GIVEN["mel"], GIVEN["mel_lengths"])
    share = unit @ beside.embedding.weight[:, 8:].T  # the last columns read the vector
    torch.testing.assert_close(beside.summary(plain), added + share)


def test_a_plain_voice_has_nothing_to_tell() -> None:
    plain = Conditioning(8)
    assert not plain.present and plain.summary(plain.read()) is None
    assert everything().present
    for one in ({"speakers": 2}, {"languages": 2}, {"style": STYLE},
                {"embedding": SpeakerEmbeddingConfig(size=3)}):  # fmt: skip
        assert Conditioning(8, **one).present


def test_a_concatenated_speaker_vector_is_read_beside_every_token() -> None:
    net = everything("concat")
    told, layer = net(HIDDEN, **GIVEN), net.embedding
    net.embedding = None
    unit = GIVEN["embedding"] / GIVEN["embedding"].norm(dim=1, keepdim=True)
    rows = torch.cat([net(HIDDEN, **GIVEN), unit[:, None].expand(2, 5, 4)], dim=2)
    torch.testing.assert_close(told, rows @ layer.weight.T + layer.bias)


def test_every_parameter_learns_but_of_speakers_not_in_the_batch() -> None:
    net = everything()
    out = net(HIDDEN, **GIVEN)
    (out * torch.randn(out.shape)).sum().backward()
    for name, parameter in net.named_parameters():
        if name == "style.key.bias":  # the same for all tokens: softmax takes it away
            continue
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
    assert (net.speaker.weight.grad[1] == 0).all()


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("speaker", "speaker: this voice was trained with one, and none is given"),
        ("language", "language: this voice was trained with one, and none is given"),
        ("embedding", "speaker embedding: this voice was trained with one, and none is given"),
    ],
)
def test_a_condition_that_is_not_given_is_named(name: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        everything()(HIDDEN, **{**GIVEN, name: None})


def test_without_a_recording_all_style_tokens_weigh_alike() -> None:
    style = make_style()
    with torch.no_grad():
        style.query.weight.zero_()
        style.query.bias.zero_()  # no preference
    even = style(GIVEN["mel"], GIVEN["mel_lengths"])
    torch.testing.assert_close(even, style.neutral().expand(2, -1))
    net = Conditioning(8, style=STYLE, mel_bands=10)
    torch.testing.assert_close(net(HIDDEN), HIDDEN + net.style.neutral())


def test_batch_norm_over_padding_as_in_espnet() -> None:
    style = make_style(norm="batch", masked=False).train()
    mel = GIVEN["mel"]
    short = style(mel, torch.tensor([12, 7]))
    torch.testing.assert_close(short, style(mel, torch.tensor([12, 12])))  # lengths are not seen
    x = mel[:, None]
    for conv, norm in zip(style.convs, style.norms, strict=True):
        y = conv(x)
        mean, std = y.mean((0, 2, 3), keepdim=True), y.var((0, 2, 3), correction=0, keepdim=True)
        y = (y - mean) / (std + norm.eps).sqrt()
        x = F.relu(y * norm.weight[:, None, None] + norm.bias[:, None, None])
    _, last = style.gru(x.transpose(1, 2).flatten(2))
    torch.testing.assert_close(style._attend(last[0]), short)


def test_padding_of_the_recording_changes_nothing() -> None:
    style = make_style()
    for length in (1, 2, 7, 12):
        alone = style(GIVEN["mel"][:1, :length], torch.tensor([length]))
        padded = torch.full((2, 17, 10), 1e3)  # loud padding
        padded[0, :length] = GIVEN["mel"][0, :length]
        together = style(padded, torch.tensor([length, 17]))
        torch.testing.assert_close(together[0], alone[0], atol=1e-5, rtol=1e-4)


def test_the_style_depends_on_the_recording() -> None:
    style = make_style()
    out = style(GIVEN["mel"], torch.tensor([12, 12]))
    assert (out[0] - out[1]).abs().max() > 1e-4


def test_attention_over_styles_by_hand() -> None:
    style = make_style()
    mel, length = GIVEN["mel"][:1], torch.tensor([12])
    x = mel[:, None]
    for conv, norm in zip(style.convs, style.norms, strict=True):
        x = F.relu(F.group_norm(conv(x), 1, norm.weight, norm.bias))
    states, _ = style.gru(x.transpose(1, 2).flatten(2))
    query = style.query(states[0, -1])
    bank = torch.tanh(style.tokens)
    key, value = style.key(bank), style.value(bank)
    heads = []
    for h in range(2):
        part = slice(4 * h, 4 * h + 4)
        weights = (key[:, part] @ query[part] / 2).softmax(0)
        heads.append(weights @ value[:, part])
    torch.testing.assert_close(style(mel, length)[0], style.out(torch.cat(heads)))


def test_heads_that_do_not_divide_the_width_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"style\.heads: 3 does not divide the width 8"):
        StyleTokens(StyleConfig(tokens=2, heads=3), 8, 10)
