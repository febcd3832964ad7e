"""FastSpeech 2: training against reciting, pitch on three levels, durations learnt or given."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from recorded import asked
from torch import Tensor

from malsori.core.config import from_dict
from malsori.core.errors import ConfigError
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.wavelet import contour_of
from malsori.losses import LOSSES
from malsori.models.fastspeech2 import FastSpeech2, FastSpeech2Config, FastSpeech2Output
from malsori.models.voice import AcousticModel, Conditions, Controls, Prosody, VoiceContext
from malsori.modules.upsampling import gaussian_upsample

AUDIO = AudioConfig(sample_rate=8000, n_fft=64, window=64, hop=16, mel_bands=6, mel_high_hz=4000)
STACK = {"layers": 1, "hidden": 12, "dropout": 0}
SMALL: dict[str, Any] = {
    "width": 8,
    "encoder": STACK,
    "decoder": STACK,
    "duration": {"channels": 8, "dropout": 0},
    "energy": {"channels": 8, "dropout": 0},
}
PITCH = {"layers": 2, "channels": 8, "kernel": 3, "dropout": 0}
LEVELS = ("token", "frame", "wavelet")
GIVEN = torch.tensor([[3, 0, 5, 3, 0, 0], [1, 2, 3, 1, 1, 7]])
POSTNET = {"layers": 2, "channels": 8, "dropout": 0}
STYLE = {"tokens": 3, "heads": 2, "channels": [4], "gru_units": 4}


def make(level: str = "token", detach: bool = True, speakers: int = 1, **more: Any) -> FastSpeech2:
    """Return a small voice that speaks about three frames a token."""
    torch.manual_seed(8)
    pitch = {**PITCH, "level": level, "detach": detach}
    config = from_dict(FastSpeech2Config, {**SMALL, "pitch": pitch, **more})
    net = FastSpeech2(config, VoiceContext(audio=AUDIO, tokens=9, speakers=speakers))
    with torch.no_grad():
        net.duration_predictor.out.bias.fill_(1.4)
    return net


def batch(loud: bool = False, given: bool = False) -> dict[str, Tensor]:
    """Return two utterances of 4 and 6 tokens, 11 and 15 frames."""
    generator = torch.Generator().manual_seed(9)
    out = {
        "tokens": torch.randint(1, 9, (2, 6), generator=generator),
        "token_lengths": torch.tensor([4, 6]),
        "mel": torch.randn(2, 15, 6, generator=generator),
        "mel_lengths": torch.tensor([11, 15]),
        "pitch": torch.randn(2, 15, generator=generator),
        "energy": torch.randn(2, 15, generator=generator),
        "voiced": torch.randint(0, 2, (2, 15), generator=generator).float(),
    }
    out["tokens"][0, 4:] = 5 if loud else 0
    for name in ("mel", "pitch", "energy"):
        out[name][0, 11:] = 1e3 if loud else 0.0
    out["voiced"][0, 11:] = 1.0 if loud else 0.0
    return {**out, "durations": GIVEN} if given else out


def first(parts: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the first utterance alone."""
    cut = {"tokens": 4, "durations": 4}
    return {
        name: x[:1] if "lengths" in name else x[:1, : cut.get(name, 11)]
        for name, x in parts.items()
    }


def losses(net: FastSpeech2, out: FastSpeech2Output) -> dict[str, Tensor]:
    found = {}
    for name in net.loss_weights:
        entry = LOSSES.entry(name)
        found[name] = entry.build(entry.config())(out)
    return found


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("durations", ["learnt", "given"])
@pytest.mark.parametrize("layers", [0, 2])
def test_every_parameter_learns_from_the_losses(level: str, durations: str, layers: int) -> None:
    postnet = {**POSTNET, "layers": layers}
    net = make(level, False, durations=durations, postnet=postnet, speakers=2, style=STYLE)
    conditions = Conditions(speaker=torch.tensor([0, 1]))
    parts = batch(given=durations == "given")
    out = net(**asked(parts, conditions))
    found = losses(net, out)
    assert all(loss.shape == () and torch.isfinite(loss) for loss in found.values())
    assert ("postnet_mel" in found) == bool(layers)
    assert ("forward_sum" in found) == (durations == "learnt")
    torch.stack(list(found.values())).sum().backward()
    for name, parameter in net.named_parameters():
        if name.endswith("key.bias"):  # the same for all keys: softmax takes it away
            continue
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all() and parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("durations", ["learnt", "given"])
def test_padding_never_reaches_real_frames(level: str, durations: str) -> None:
    net = make(level, durations=durations, postnet=POSTNET)
    given = durations == "given"
    together = net(**asked(batch(loud=True, given=given)))
    alone = net(**asked(first(batch(given=given))))
    assert together.durations[0, :4].tolist() == alone.durations[0].tolist()
    for name in ("mel", "postnet_mel"):
        ours, theirs = getattr(together, name)[0], getattr(alone, name)[0]
        torch.testing.assert_close(ours[:11], theirs, atol=1e-5, rtol=1e-5)
        assert (ours[11:] == 0).all(), name
    if level != "token":
        for name in ("pitch", "voicing", "voiced"):
            ours, theirs = getattr(together.melody, name)[0], getattr(alone.melody, name)[0]
            torch.testing.assert_close(ours[:11], theirs, atol=1e-5, rtol=1e-5)
            assert (ours[11:] == 0).all(), name


@pytest.mark.parametrize("level", LEVELS)
def test_training_and_reciting_draw_the_same(level: str) -> None:
    net, parts = make(level, postnet=POSTNET).eval(), batch()
    out = net(**asked(parts))
    prosody, log_p = net.analyse(**asked(parts))
    torch.testing.assert_close(log_p, out.log_p)
    said = net.recite(parts["tokens"], parts["token_lengths"], prosody=prosody)
    assert said.mel_lengths.tolist() == [11, 15]  # teacher forcing: as many frames as recorded
    torch.testing.assert_close(said.mel, out.postnet_mel, atol=1e-5, rtol=0)
    assert out.mel.std() > 0.01 and not torch.equal(out.mel, out.postnet_mel)


@pytest.mark.parametrize("level", LEVELS)
def test_a_batch_recites_as_its_utterances_alone(level: str) -> None:
    net, parts = make(level, postnet=POSTNET).eval(), batch(loud=True)
    tokens, lengths = parts["tokens"], parts["token_lengths"]
    together = net.recite(tokens, lengths)
    for row, count in enumerate(lengths.tolist()):
        alone = net.recite(tokens[row : row + 1, :count], lengths[row : row + 1])
        frames = int(alone.mel_lengths[0])
        assert int(together.mel_lengths[row]) == frames == int(alone.prosody.durations.sum())
        torch.testing.assert_close(together.mel[row, :frames], alone.mel[0], atol=1e-5, rtol=0)
        assert (together.mel[row, frames:] == 0).all()
        for name in ("durations", "pitch", "energy"):
            ours, theirs = getattr(together.prosody, name)[row], getattr(alone.prosody, name)[0]
            torch.testing.assert_close(ours[:count], theirs, atol=1e-5, rtol=1e-5)
    assert len(set(together.mel_lengths.tolist())) == 2


@pytest.mark.parametrize("level", LEVELS)
def test_controls_move_the_pitch_of_tokens_and_frames(level: str) -> None:
    net, parts = make(level).eval(), batch()
    arguments = parts["tokens"], parts["token_lengths"]
    plain = net.recite(*arguments)
    faster = net.recite(*arguments, controls=Controls(speed=2.0))
    assert int(faster.mel_lengths.sum()) < 0.7 * int(plain.mel_lengths.sum())
    higher = net.recite(*arguments, controls=Controls(pitch_shift=0.5))
    assert torch.equal(higher.mel_lengths, plain.mel_lengths)
    spoken = plain.prosody.durations > 0
    moved = (higher.prosody.pitch - plain.prosody.pitch)[spoken]
    torch.testing.assert_close(moved, torch.full_like(moved, 0.5))
    if level != "token":
        change = higher.prosody.contour - plain.prosody.contour  # type: ignore[operator]
        for row, frames in enumerate(plain.mel_lengths.tolist()):
            torch.testing.assert_close(change[row, :frames], torch.full((frames,), 0.5))


@pytest.mark.parametrize("level", ["frame", "wavelet"])
def test_a_given_contour_is_sung_and_where_there_is_none_the_tokens_pitch(level: str) -> None:
    net, parts = make(level).eval(), batch(given=True)
    tokens, lengths = parts["tokens"], parts["token_lengths"]
    prosody = Prosody(durations=GIVEN, pitch=torch.randn(2, 6), energy=torch.randn(2, 6))
    steps = net.recite(tokens, lengths, prosody=prosody).prosody
    expected = gaussian_upsample(
        prosody.pitch[..., None], GIVEN, lengths, torch.tensor([11, 15]), 15
    ).squeeze(-1)
    torch.testing.assert_close(steps.contour[1], expected[1])
    drawn = torch.linspace(-1, 1, 15).expand(2, -1)
    voiced = torch.ones(2, 15)
    given = dataclasses.replace(prosody, contour=drawn, voiced=voiced)
    said = net.recite(tokens, lengths, prosody=given, controls=Controls(pitch_shift=9.0))
    if level == "frame":
        assert torch.equal(said.prosody.contour, drawn)
    else:
        valid = torch.ones(2, 15, dtype=torch.bool)
        valid[0, 11:] = False
        smooth = contour_of(net.contour_predictor.apart(drawn, valid)) * valid
        torch.testing.assert_close(said.prosody.contour, smooth)
    silent = net.recite(tokens, lengths, prosody=dataclasses.replace(given, voiced=0 * voiced))
    assert (silent.mel - said.mel).abs().max() > 1e-4
    other = dataclasses.replace(given, contour=drawn + 1)
    assert (net.recite(tokens, lengths, prosody=other).mel - said.mel).abs().max() > 1e-4


def test_given_durations_are_spoken_and_are_their_own_alignment() -> None:
    net, parts = make(durations="given"), batch(given=True)
    assert not any(name.startswith("aligner") for name, _ in net.named_parameters())
    out = net(**asked(parts))
    assert torch.equal(out.durations, GIVEN)
    assert out.path_log_p.tolist() == [0.0, 0.0]
    mean = parts["pitch"][1, 1:3].mean()
    torch.testing.assert_close(out.pitch_target[1, 1], mean)
    prosody, log_p = net.analyse(**asked(parts))
    assert torch.equal(prosody.durations, GIVEN)
    assert log_p[1, :15].argmax(1).tolist() == [0, 1, 1, 2, 2, 2, 3, 4, *[5] * 7]


def test_a_higher_pitch_makes_another_mel_and_predictors_do_not_see_it() -> None:
    for level in LEVELS:
        net, parts = make(level).eval(), batch()
        before = net(**asked(parts))
        after = net(**asked({**parts, "pitch": parts["pitch"] + 1}))
        assert (before.mel - after.mel).abs().max() > 1e-4
        assert torch.equal(before.log_durations, after.log_durations)
        if before.melody is not None:
            assert torch.equal(before.melody.pitch, after.melody.pitch)


@pytest.mark.parametrize("level", LEVELS)
def test_only_a_predictor_that_is_detached_leaves_the_encoder_alone(level: str) -> None:
    for detach in (True, False):
        net = make(level, detach)
        out = net(**asked(batch()))
        read = out.pitch if out.melody is None else out.melody.pitch
        read.square().sum().backward()
        assert (net.embedding.weight.grad is None) == detach


def test_what_is_missing_or_too_much_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"model\.durations: 'given', but none are; set data\.dur"
    ):
        make(durations="given")(**asked(batch()))
    with pytest.raises(ConfigError, match=r"model\.durations: durations are given, but 'learnt'"):
        make()(**asked(batch(given=True)))
    parts = batch()
    del parts["voiced"]
    with pytest.raises(
        ConfigError, match=r"model\.pitch\.level: needs to know which frames are voi"
    ):
        make("frame")(**asked(parts))


def test_it_is_an_acoustic_model_without_a_postnet_by_default() -> None:
    net = make()
    assert isinstance(net, AcousticModel) and not hasattr(net, "synthesize")
    assert FastSpeech2Config().postnet.layers == 0 and net.postnet is None
    assert net.loss_weights == dict.fromkeys(
        ("mel", "duration", "pitch", "energy", "forward_sum", "binarisation"), 1.0
    )


@pytest.mark.parametrize("level", LEVELS)
def test_it_runs_in_bf16_and_its_losses_are_fp32(level: str) -> None:
    net, parts = make(level, postnet=POSTNET).eval(), batch()
    exact = losses(net, net(**asked(parts)))
    with torch.autocast("cpu", torch.bfloat16):
        cast = losses(net, net(**asked(parts)))
    for name, loss in cast.items():
        assert loss.dtype == torch.float32
        torch.testing.assert_close(loss, exact[name], atol=0.05, rtol=0.05)
