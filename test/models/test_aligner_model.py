"""The alignment network alone: padding, gradients, a closed form, what it is no good for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from recorded import asked
from torch import Tensor

from malsori.core.config import from_dict
from malsori.core.errors import ConfigError
from malsori.dsp.audio_config import AudioConfig
from malsori.losses.alignment import forward_sum_loss
from malsori.models.aligner import AlignerConfig, AlignmentNetwork
from malsori.models.voice import AligningModel, Conditions, SpeakingModel, VoiceContext
from malsori.modules.alignment import (
    beta_binomial_log_prior,
    diagonality,
    path_log_probability,
    path_probability,
)

AUDIO = AudioConfig(sample_rate=8000, n_fft=64, window=64, hop=16, mel_bands=6, mel_high_hz=4000)
ENCODER = {"layers": 1, "hidden": 12, "dropout": 0}


def make(**changes: Any) -> AlignmentNetwork:
    torch.manual_seed(3)
    config = from_dict(AlignerConfig, {"width": 8, "encoder": ENCODER, **changes})
    return AlignmentNetwork(config, VoiceContext(audio=AUDIO, tokens=9, speakers=3))


def batch(loud: bool = False) -> dict[str, Tensor]:
    """Return two utterances of 4 and 6 tokens, 11 and 15 frames."""
    generator = torch.Generator().manual_seed(9)
    out = {
        "tokens": torch.randint(1, 9, (2, 6), generator=generator),
        "token_lengths": torch.tensor([4, 6]),
        "mel": torch.randn(2, 15, 6, generator=generator),
        "mel_lengths": torch.tensor([11, 15]),
    }
    out["tokens"][0, 4:] = 5 if loud else 0
    out["mel"][0, 11:] = 1e3 if loud else 0.0
    return out


@pytest.mark.parametrize("encode", [False, True])
def test_padding_never_reaches_real_tokens(encode: bool) -> None:
    net = make(encode=encode).eval()
    together = net(**asked(batch(loud=True)))
    parts = batch()
    alone = {"tokens": parts["tokens"][:1, :4], "mel": parts["mel"][:1, :11]}
    lengths = {"token_lengths": torch.tensor([4]), "mel_lengths": torch.tensor([11])}
    alone = net(**asked({**alone, **lengths}))
    torch.testing.assert_close(together.log_p[0, :11, :4], alone.log_p[0])
    torch.testing.assert_close(together.path_log_p[0], alone.path_log_p[0])
    assert together.durations[0].tolist() == [*alone.durations[0].tolist(), 0, 0]


@pytest.mark.parametrize("encode", [False, True])
def test_every_parameter_gets_a_gradient(encode: bool) -> None:
    net = make(encode=encode)
    out = net(**asked(batch()))
    loss = forward_sum_loss(out.log_p, out.token_lengths, out.mel_lengths) - out.path_log_p.mean()
    loss.backward()
    still = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert not still


def test_a_network_that_knows_nothing_answers_the_prior() -> None:
    net, parts = make(), batch()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
    out = net(**asked(parts))
    prior = beta_binomial_log_prior(parts["token_lengths"], parts["mel_lengths"], 6, 15)
    torch.testing.assert_close(out.log_p[1], prior[1] - torch.log(torch.tensor(6.0)))
    certainty = path_probability(out.log_p, out.durations)
    torch.testing.assert_close(certainty[1].log().mean(), out.path_log_p[1] + torch.log(
        torch.tensor(6.0)
    ))  # fmt: skip


def test_known_durations_give_the_same_diagonality() -> None:
    out = make()(**asked(batch()))
    lengths = out.token_lengths, out.mel_lengths
    torch.testing.assert_close(
        diagonality(out.log_p, *lengths), diagonality(out.log_p, *lengths, out.durations)
    )
    torch.testing.assert_close(
        out.path_log_p, path_log_probability(out.log_p, out.durations, out.mel_lengths)
    )


def test_it_aligns_whoever_speaks_and_does_not_speak() -> None:
    net, parts = make().eval(), batch()
    assert isinstance(net, AligningModel) and not isinstance(net, SpeakingModel)
    pitch = torch.randn(2, 15)
    found = [
        net.analyse(
            **asked({**parts, "pitch": pitch, "energy": -pitch}, Conditions(speaker=speaker))
        )
        for speaker in (None, torch.tensor([2, 1]))
    ]
    for prosody, log_p in found:
        assert prosody.durations.sum(1).tolist() == [11, 15]
        first = int(prosody.durations[1, 0])
        torch.testing.assert_close(prosody.pitch[1, 0], pitch[1, :first].mean())
        torch.testing.assert_close(prosody.energy, -prosody.pitch)
        assert torch.equal(log_p, found[0][1])


def test_without_an_encoder_a_token_is_known_by_its_neighbours_alone() -> None:
    """What makes boundaries exact: the key of a token may not tell of the rest of the sentence."""
    parts = batch()
    other = {**parts, "tokens": parts["tokens"].clone()}
    other["tokens"][1, 5] = parts["tokens"][1, 5] % 8 + 1
    for encode, same in ((False, True), (True, False)):
        net = make(encode=encode).eval()
        one, two = (net(**asked(each)).log_p[1] for each in (parts, other))
        odds = [log_p[:, 0] - log_p[:, 2] for log_p in (one, two)]
        assert torch.allclose(*odds, atol=1e-5) is same


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"width": 0}, r"^width: must be in \[1, 65536\], got 0"),
        ({"prior": "none"}, r"^prior: expected one of proper, published, got 'none'"),
        ({"encoder": {"heads": 3}, "encode": True}, "heads: 3 does not divide"),
    ],
)
def test_a_bad_setting_is_refused_by_name(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make(**changes)
