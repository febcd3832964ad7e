"""VITS as a whole: sizes, the training pass, synthesis in batches, what it refuses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from recorded import asked
from torch import Tensor, nn

from malsori.core.config import from_dict
from malsori.core.errors import ConfigError, MalsoriError
from malsori.dsp.audio_config import AudioConfig
from malsori.losses import LOSSES
from malsori.models.vits import Vits, VitsConfig, VitsOutput
from malsori.models.voice import AligningModel, Conditions, Controls, Prosody, VoiceContext
from malsori.modules.relative_transformer import RelativeTransformer

AUDIO = AudioConfig(sample_rate=8000, n_fft=64, window=64, hop=8, mel_bands=6, mel_high_hz=4000)
NETWORK = {"layers": 2, "channels": 8, "kernel": 3}
SMALL: dict[str, Any] = {
    "width": 8,
    "condition": 5,
    "encoder": {"layers": 1, "hidden": 12, "dropout": 0},
    "posterior": NETWORK,
    "flow": {"couplings": 2, "network": NETWORK},
    "duration_flow": {"channels": 8, "couplings": 2, "bins": 4, "layers": 2, "dropout": 0},
    "duration_predictor": {"channels": 8, "dropout": 0},
    "generator": {
        "channels": 8,
        "upsampling": [4, 2],
        "upsampling_kernels": [8, 4],
        "residual_kernels": [3],
        "residual_dilations": [[1, 3]],
        "initial_std": 0.3,
    },
    "segment": 4,
}
KINDS = pytest.mark.parametrize("duration", ["stochastic", "plain", "log"])


def make(speakers: int = 1, languages: int = 1, **changes: Any) -> Vits:
    """Return a small voice as after some training: its flows bend, tokens last some frames."""
    torch.manual_seed(8)
    config = from_dict(VitsConfig, {**SMALL, **changes})
    context = VoiceContext(audio=AUDIO, tokens=9, speakers=speakers, languages=languages)
    net = Vits(config, context)
    for coupling in net.flow.couplings:
        nn.init.normal_(coupling.output.weight, 0, 0.3)
    if net.duration_flow is not None:
        for flow in (net.duration_flow.flow, net.duration_flow.posterior):
            for coupling in flow.couplings:
                nn.init.normal_(coupling.output.weight, 0, 0.3)
        with torch.no_grad():
            net.duration_flow.flow.shift[0] = -1.0  # log durations about 1
    else:
        nn.init.constant_(net.duration_predictor.out.bias, 1.4)
    return net


def batch(loud: bool = False) -> dict[str, Tensor]:
    """Return two utterances of 4 and 6 tokens, 11 and 15 frames."""
    generator = torch.Generator().manual_seed(9)
    out = {
        "tokens": torch.randint(1, 9, (2, 6), generator=generator),
        "token_lengths": torch.tensor([4, 6]),
        "wav": torch.rand(2, 14 * AUDIO.hop, generator=generator) - 0.5,
        "wav_lengths": torch.tensor([10, 14]) * AUDIO.hop,
        "mel_lengths": torch.tensor([11, 15]),
    }
    out["tokens"][0, 4:] = 5 if loud else 0
    out["wav"][0, 10 * AUDIO.hop :] = 1e3 if loud else 0.0
    return out


def first(parts: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the first utterance alone."""
    return {
        "tokens": parts["tokens"][:1, :4],
        "token_lengths": parts["token_lengths"][:1],
        "wav": parts["wav"][:1, : 10 * AUDIO.hop],
        "wav_lengths": parts["wav_lengths"][:1],
        "mel_lengths": parts["mel_lengths"][:1],
    }


def test_the_defaults_are_the_recipe() -> None:
    config = VitsConfig()
    with torch.device("meta"):
        net = Vits(config, VoiceContext(audio=AudioConfig(), tokens=80))

    def millions(*parts: nn.Module) -> float:
        return round(sum(p.numel() for part in parts for p in part.parameters()) / 1e6, 2)

    assert (millions(net.posterior), millions(net.flow)) == (7.24, 7.10)
    assert (millions(net.embedding, net.text), millions(net.duration_flow)) == (5.44, 1.32)
    assert millions(net) == 35.44
    assert config.generator.name == "hifigan_v1" and config.segment == 32
    assert (config.noise, config.duration_noise) == (0.667, 0.8)
    assert net.loss_weights == {"kl": 1.0, "duration_likelihood": 1.0}
    assert make(duration="plain").loss_weights == {"kl": 1.0, "duration": 1.0}
    assert isinstance(net, AligningModel) and not net.uses_style


@KINDS
def test_shapes_and_alignment_of_the_training_pass(duration: str) -> None:
    net, parts = make(duration=duration), batch()
    out: VitsOutput = net(**asked(parts))
    assert out.fake.shape == (2, 1, 4 * AUDIO.hop)
    assert out.durations.sum(1).tolist() == [11, 15]
    assert (out.durations[0, 4:] == 0).all() and (out.durations[0, :4] >= 1).all()
    assert (out.starts >= 0).all() and (out.starts + 4 <= parts["mel_lengths"]).all()
    prior = net.text(net.embedding(parts["tokens"]), out.valid_tokens)
    at = 0
    for token, count in enumerate(out.durations[1].tolist()):
        for values, expanded in (
            (prior.mean, out.prior_mean),
            (prior.log_scale, out.prior_log_scale),
        ):
            torch.testing.assert_close(
                expanded[1, at : at + count], values[1, token].expand(count, -1)
            )
        at += count
    for name in net.loss_weights:
        loss = LOSSES.entry(name)
        assert bool(loss.build(loss.config())(out).isfinite()), name


@KINDS
def test_padding_never_reaches_real_tokens_and_frames(
    duration: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, drawn in (("randn_like", torch.zeros_like), ("randn", torch.zeros)):
        monkeypatch.setattr(torch, name, drawn)  # what is drawn is not what is looked at
    net, parts = make(duration=duration, speakers=2).eval(), batch(loud=True)
    together = net(**asked(parts, Conditions(speaker=torch.tensor([1, 0]))))
    alone = net(**asked(first(parts), Conditions(speaker=torch.tensor([1]))))
    torch.testing.assert_close(together.log_p[0, :11, :4], alone.log_p[0])
    assert together.durations[0, :4].tolist() == alone.durations[0].tolist()
    for name in ("z", "posterior_log_scale", "prior_mean", "prior_log_scale"):
        torch.testing.assert_close(getattr(together, name)[0, :11], getattr(alone, name)[0])
    if duration == "stochastic":
        torch.testing.assert_close(together.duration_bound[:1], alone.duration_bound)
    else:
        torch.testing.assert_close(together.log_durations[0, :4], alone.log_durations[0])


def test_padding_that_is_seen_reaches_the_encoder_alone() -> None:
    quiet, loud = batch(), batch(loud=True)
    valid = quiet["tokens"] > 0
    for padding, same in (("masked", True), ("seen", False)):
        net = make(padding=padding).eval()
        one, other = (net.text(net.embedding(p["tokens"]), valid).mean for p in (quiet, loud))
        assert torch.equal(one, other) == same, padding


def test_the_papers_text_encoder_in_place_of_espnets() -> None:
    """Another stack is chosen by name; without a name the settings are the conformer's."""
    stack = {"name": "relative_transformer", "layers": 1, "hidden": 12, "dropout": 0}
    net = make(encoder=stack)
    assert isinstance(net.text.stack, RelativeTransformer)
    out = net(**asked(batch()))
    (out.prior_mean.square().sum() + out.prior_log_scale.square().sum()).backward()
    for name, parameter in net.text.named_parameters():
        if not name.endswith("key.bias"):
            assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
    config = from_dict(VitsConfig, {"encoder": {"layers": 2}}).encoder
    assert (config.name, config.config.layers, config.config.hidden) == ("conformer", 2, 768)


def test_bf16_stays_near_and_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, drawn in (("randn_like", torch.zeros_like), ("randn", torch.zeros)):
        monkeypatch.setattr(torch, name, drawn)
    net = make()
    expected = net(**asked(batch()))
    with torch.autocast("cpu", torch.bfloat16):
        cast = net(**asked(batch()))
        losses = [LOSSES.entry(n).build(LOSSES.entry(n).config())(cast) for n in net.loss_weights]
    assert (cast.z - expected.z).abs().max() < 0.2
    (cast.fake.float().sum() + sum(losses)).backward()
    assert all(p.grad.isfinite().all() for p in net.parameters() if p.grad is not None)


@KINDS
def test_every_parameter_learns(duration: str) -> None:
    net = make(speakers=3, languages=2, duration=duration, speaker_embedding={"size": 4})
    conditions = Conditions(
        speaker=torch.tensor([0, 2]), language=torch.tensor([1, 0]), embedding=torch.randn(2, 4)
    )
    out = net(**asked(batch(), conditions))
    losses = [
        LOSSES.entry(name).build(LOSSES.entry(name).config())(out) for name in net.loss_weights
    ]
    ((out.fake * torch.randn(out.fake.shape)).sum() + sum(losses)).backward()
    for name, parameter in net.named_parameters():
        if name.endswith(("key.bias", "depthwise.bias")):  # softmax and batch norm take them away
            continue
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_what_is_heard_is_the_linear_spectrum() -> None:
    net, times = make(), torch.arange(400) / AUDIO.sample_rate
    wav = torch.sin(2 * torch.pi * 1000 * times)[None]
    heard = net.spectrogram(wav, torch.tensor([400]))
    assert heard.shape == (1, 400 // AUDIO.hop + 1, 33)
    middle = heard[0, 20]
    assert int(middle.argmax()) == 8  # 1000 Hz in bins of 125 Hz
    assert float(middle[8]) == pytest.approx(64 / 4, rel=0.01)  # half of the Hann window's sum


@KINDS
def test_a_batch_gives_the_samples_of_its_utterances_alone(duration: str) -> None:
    net, parts = make(duration=duration, speakers=2).eval(), batch(loud=True)
    speaker = torch.tensor([1, 0])
    with torch.inference_mode():
        together = net.synthesize(
            parts["tokens"], parts["token_lengths"], Conditions(speaker=speaker)
        )
        for i, length in enumerate((4, 6)):
            alone = net.synthesize(
                parts["tokens"][i : i + 1, :length],
                parts["token_lengths"][i : i + 1],
                Conditions(speaker=speaker[i : i + 1]),
            )
            samples = int(together.wav_lengths[i])
            assert alone.wav.shape == (1, samples) and samples > 0
            torch.testing.assert_close(together.wav[i, :samples], alone.wav[0], atol=1e-5, rtol=0)
            assert not together.wav[i, samples:].any()
            assert torch.equal(together.prosody.durations[i, :length], alone.prosody.durations[0])
    frames = together.prosody.durations.sum(1) * AUDIO.hop
    assert torch.equal(together.wav_lengths, frames)
    assert together.wav.abs().max() > 1e-3
    assert not together.prosody.durations[0, 4:].any()


def test_noise_decides_how_a_text_is_spoken_and_a_seed_which_noise() -> None:
    parts = first(batch())
    how = {"tokens": parts["tokens"], "token_lengths": parts["token_lengths"]}
    prosody = Prosody(durations=torch.tensor([[2, 3, 1, 4]]), pitch=Tensor(), energy=Tensor())
    spoken = {}
    for name, changes in {
        "usual": {}, "other": {"noise_seed": 1}, "dull": {"noise": 0},
        "dull other": {"noise": 0, "noise_seed": 1},
    }.items():  # fmt: skip
        net = make(**changes).eval()
        before = torch.get_rng_state()
        with torch.inference_mode():
            spoken[name] = net.synthesize(**how, prosody=prosody).wav
            assert torch.equal(spoken[name], net.synthesize(**how, prosody=prosody).wav)
        assert torch.equal(before, torch.get_rng_state())  # training goes on as if nothing was said
        assert spoken[name].shape == (1, 10 * AUDIO.hop)
    assert not torch.equal(spoken["usual"], spoken["other"])
    assert torch.equal(spoken["dull"], spoken["dull other"])
    still = make(duration_noise=0).eval().synthesize(**how).prosody.durations
    other = make(duration_noise=0, noise_seed=1).eval().synthesize(**how).prosody.durations
    drawn = [make(noise_seed=i).eval().synthesize(**how).prosody.durations for i in range(5)]
    assert torch.equal(still, other)
    assert not all(torch.equal(drawn[0], one) for one in drawn[1:])


def test_what_is_spoken_by_its_parts() -> None:
    net, parts = make(noise=0.5, noise_seed=3).eval(), first(batch())
    frames = torch.tensor([2, 3, 1, 4])
    prosody = Prosody(durations=frames[None], pitch=Tensor(), energy=Tensor())
    found = net.synthesize(parts["tokens"], parts["token_lengths"], prosody=prosody).wav
    prior = net.text(net.embedding(parts["tokens"]), torch.ones(1, 4, dtype=torch.bool))
    mean, scale = (part[0].repeat_interleave(frames, 0) for part in (prior.mean, prior.log_scale))
    noise = torch.randn(10, 8, generator=torch.Generator().manual_seed(3))
    z = mean + 0.5 * noise * scale.exp()
    latent = net.flow.inverse(z[None], torch.ones(1, 10, dtype=torch.bool))
    torch.testing.assert_close(net.flow(latent, torch.ones(1, 10, dtype=torch.bool))[0], z)
    torch.testing.assert_close(found, net.generator(latent)[:, 0])


@KINDS
def test_speed(duration: str) -> None:
    net, parts = make(duration=duration).eval(), batch()
    totals = [
        int(
            net.synthesize(
                parts["tokens"], parts["token_lengths"], controls=Controls(speed=speed)
            ).wav_lengths.sum()
        )
        for speed in (0.5, 1.0, 4.0)
    ]
    assert totals[0] > 1.5 * totals[1] and totals[1] > totals[2] >= 10 * AUDIO.hop


def test_speakers_speak_differently_and_must_be_named() -> None:
    net, parts = make(speakers=2).eval(), first(batch())
    prosody = Prosody(durations=torch.tensor([[2, 3, 1, 4]]), pitch=Tensor(), energy=Tensor())
    one, two = (
        net.synthesize(
            parts["tokens"],
            parts["token_lengths"],
            Conditions(speaker=torch.tensor([i])),
            prosody=prosody,
        ).wav
        for i in range(2)
    )
    assert float((one - two).detach().abs().max()) > 1e-3
    with pytest.raises(ConfigError, match="speaker: this voice was trained with one"):
        net.synthesize(parts["tokens"], parts["token_lengths"])


def test_a_generator_with_harmonics_learns_melody_and_sings_higher_when_asked() -> None:
    singing = {"generator": {**SMALL["generator"], "harmonics": 3}, "melody": {"channels": 8}}
    net, parts = make(**singing), batch()
    voiced = (torch.arange(15)[None] < torch.tensor([[9], [12]])).float()
    pitch = torch.randn(2, 15)
    out = net(**asked({**parts, "voiced": voiced, "pitch": pitch}))
    assert torch.equal(out.melody.pitch_target, pitch) and torch.equal(out.melody.voiced, voiced)
    names = [name for name in net.loss_weights if name in ("frame_pitch", "voicing")]
    losses = [LOSSES.entry(name).build(LOSSES.entry(name).config())(out) for name in names]
    assert len(losses) == 2
    torch.stack(losses).sum().backward()
    for part in (net.melody, net.posterior):  # the latent has to hold the melody
        grads = [p.grad is not None and p.grad.abs().max() > 0 for p in part.parameters()]
        assert any(grads)
    with pytest.raises(ConfigError, match="which frames are voiced"):
        net(**asked(parts))

    seen = []
    net.eval().generator.register_forward_pre_hook(lambda _, given: seen.append(given[3].f0_hz))
    tokens, lengths = parts["tokens"], parts["token_lengths"]
    each = torch.tensor([[0.0], [1.0]])
    for shift in (0.0, 0.5, each, each.expand(2, 6)):
        net.synthesize(tokens, lengths, controls=Controls(pitch_shift=shift))
    torch.testing.assert_close((seen[1] / seen[0]).log()[1], torch.full_like(seen[0][1], 0.5 * 0.3))
    torch.testing.assert_close(seen[2][0], seen[0][0])
    torch.testing.assert_close((seen[2] / seen[0]).log()[1], torch.full_like(seen[0][1], 0.3))
    torch.testing.assert_close(seen[3], seen[2])


@pytest.mark.parametrize(
    ("controls", "said"),
    [
        (Controls(pitch_shift=0.5), "pitch: this voice draws it itself"),
        (Controls(energy_scale=torch.full((1, 4), 2.0)), "energy: this voice draws it itself"),
    ],
)
def test_controls_that_it_has_not_are_refused(controls: Controls, said: str) -> None:
    parts = first(batch())
    with pytest.raises(MalsoriError, match=said):
        make().synthesize(parts["tokens"], parts["token_lengths"], controls=controls)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"width": 9}, "heads: 2 does not divide the model's width 9"),
        ({"noise": -1}, r"noise: must be in \[0, 2\], got -1"),
        ({"segment": 0}, "segment: must be at least 1 frame, got 0"),
        ({"diagonal_prior": -1}, r"diagonal_prior: must be in \[0, 1000\], got -1"),
        (
            {"generator": {**SMALL["generator"], "upsampling": [4, 4]}},
            r"model.generator.upsampling: \[4, 4\] makes 16 samples a frame, but audio.hop is 8",
        ),
    ],
)
def test_bad_settings_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make(**changes)
