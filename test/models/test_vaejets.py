"""VAEJETS as a whole: sizes, training against speaking, the latent's path, batches, controls."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from recorded import asked
from test_jets import STYLE, first
from test_jets import batch as mels
from torch import Tensor, nn

from malsori.core.config import from_dict
from malsori.core.errors import ConfigError
from malsori.dsp.audio_config import AudioConfig
from malsori.losses import LOSSES
from malsori.models.vaejets import VaeJets, VaeJetsConfig, VaeJetsOutput
from malsori.models.voice import AligningModel, Conditions, Controls, Prosody, VoiceContext

AUDIO = AudioConfig(sample_rate=8000, n_fft=64, window=64, hop=8, mel_bands=6, mel_high_hz=4000)
NETWORK = {"layers": 2, "channels": 8, "kernel": 3}
GENERATOR = {
    "channels": 8, "upsampling": [4, 2], "upsampling_kernels": [8, 4], "residual_kernels": [3],
    "residual_dilations": [[1, 3]], "initial_std": 0.3,
}  # fmt: skip
SMALL: dict[str, Any] = {
    "width": 8,
    "latent": 6,
    "encoder": {"layers": 1, "hidden": 12, "dropout": 0},
    "decoder": {"layers": 1, "hidden": 12, "dropout": 0},
    "duration": {"channels": 8, "dropout": 0},
    "pitch": {"layers": 2, "channels": 8, "kernel": 3, "dropout": 0},
    "energy": {"channels": 8, "dropout": 0},
    "posterior": NETWORK,
    "flow": {"couplings": 2, "network": NETWORK},
    "generator": GENERATOR,
    "segment": 4,
}
SINGING: dict[str, Any] = {
    "generator": {**GENERATOR, "harmonics": 3},
    "melody": {"channels": 8, "kernel": 3, "dropout": 0},
}


def make(speakers: int = 1, languages: int = 1, **changes: Any) -> VaeJets:
    """Return a small voice as after some training: flow and prior bend, three frames a token."""
    torch.manual_seed(8)
    config = from_dict(VaeJetsConfig, {**SMALL, **changes})
    context = VoiceContext(audio=AUDIO, tokens=9, speakers=speakers, languages=languages)
    net = VaeJets(config, context)
    nn.init.normal_(net.prior.output.weight, 0, 0.3)
    for coupling in net.flow.couplings:
        nn.init.normal_(coupling.output.weight, 0, 0.3)
    nn.init.constant_(net.duration_predictor.out.bias, 1.4)
    return net


def batch(loud: bool = False) -> dict[str, Tensor]:
    """Return two utterances of 4 and 6 tokens, 11 and 15 frames."""
    voiced = (torch.arange(15)[None] < torch.tensor([[9], [12]])).float()
    return {**mels(loud), "voiced": voiced}


def alone(parts: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the first utterance alone."""
    return {**first(parts), "voiced": parts["voiced"][:1, :11]}


def losses(net: VaeJets, out: VaeJetsOutput) -> Tensor:
    """Return the sum of the model's own losses."""
    found = [
        LOSSES.entry(name).build(LOSSES.entry(name).config())(out) for name in net.loss_weights
    ]
    return torch.stack(found).sum()


def test_the_defaults_are_the_recipe() -> None:
    config = VaeJetsConfig()
    with torch.device("meta"):
        net = VaeJets(config, VoiceContext(audio=AudioConfig(), tokens=80))

    def millions(*parts: nn.Module) -> float:
        return round(sum(p.numel() for part in parts for p in part.parameters()) / 1e6, 2)

    assert (millions(net.posterior), millions(net.flow)) == (7.15, 7.10)
    assert (millions(net.embedding, net.encoder), millions(net.prior)) == (7.37, 7.45)
    assert (millions(net.generator), millions(net)) == (14.34, 46.44)
    assert config.generator.name == "hifigan_v1" and config.latent == 192
    assert (config.segment, config.noise) == (64, 0.667)
    front = {"duration": 1.0, "pitch": 1.0, "energy": 1.0, "forward_sum": 2.0, "binarisation": 2.0}
    assert net.loss_weights == {**front, "kl": 1.0}
    assert isinstance(net, AligningModel) and not net.uses_style


def test_a_new_voice_begins_near_the_standard_normal_law() -> None:
    torch.manual_seed(2)
    net = VaeJets(from_dict(VaeJetsConfig, SMALL), VoiceContext(audio=AUDIO, tokens=9))
    out = net(**asked(batch()))
    assert out.prior_mean.abs().max() < 0.5 and out.prior_log_scale.abs().max() < 0.5


def test_shapes_and_alignment_of_the_training_pass() -> None:
    net, parts = make(), batch()
    out: VaeJetsOutput = net(**asked(parts))
    assert out.fake.shape == (2, 1, 4 * AUDIO.hop)
    assert out.durations.sum(1).tolist() == [11, 15]
    assert (out.starts >= 0).all() and (out.starts + 4 <= parts["mel_lengths"]).all()
    assert out.valid_frames.sum(1).tolist() == [11, 15]
    for name in ("z", "posterior_log_scale", "prior_mean", "prior_log_scale"):
        assert getattr(out, name).shape == (2, 15, 6), name
        assert (getattr(out, name)[0, 11:] == 0).all(), name


def test_windows_begin_anywhere_and_each_utterance_has_its_own() -> None:
    """Known VAEJETS trains one window for a whole batch."""
    net, parts = make(), batch()
    starts = torch.stack([net(**asked(parts)).starts for _ in range(60)])
    assert set(starts[:, 0].tolist()) == set(range(8))
    assert (starts[:, 0] != starts[:, 1]).any()


def test_what_is_generated_is_the_posterior_s_latent() -> None:
    net, parts = make(segment=99).eval(), alone(batch())
    heard: list[Tensor] = []
    net.generator.register_forward_pre_hook(lambda module, given: heard.append(given[0]))
    out = net(**asked(parts))
    assert out.segment == 11
    torch.testing.assert_close(net.flow(heard[0], out.valid_frames), out.z)
    other = net(**asked({**parts, "mel": parts["mel"] + 1}))
    assert (other.fake - out.fake).abs().max() > 1e-3


def test_padding_never_reaches_real_tokens_and_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)  # two passes draw alike
    net, parts = make(**SINGING), batch(loud=True)
    together, one = net(**asked(parts)), net(**asked(alone(parts)))
    torch.testing.assert_close(together.log_p[0, :11, :4], one.log_p[0])
    assert together.durations[0, :4].tolist() == one.durations[0].tolist()
    for name in ("z", "posterior_log_scale", "prior_mean", "prior_log_scale"):
        ours, theirs = getattr(together, name)[0], getattr(one, name)[0]
        torch.testing.assert_close(ours[:11], theirs, atol=1e-5, rtol=1e-4)
    for name in ("pitch", "voicing"):
        ours, theirs = getattr(together.melody, name)[0], getattr(one.melody, name)[0]
        torch.testing.assert_close(ours[:11], theirs, atol=1e-5, rtol=1e-4)


def test_training_and_speaking_expect_the_same_latent() -> None:
    """With the recorded prosody and no noise, what is spoken is the training pass's prior."""
    net, parts = make(noise=0, **SINGING).eval(), alone(batch())
    out = net(**asked(parts))
    heard: list[tuple[Any, ...]] = []
    net.generator.register_forward_pre_hook(lambda module, given: heard.append(given))
    prosody, log_p = net.analyse(**asked(parts))
    torch.testing.assert_close(log_p, out.log_p)
    spoken = net.synthesize(parts["tokens"], parts["token_lengths"], prosody=prosody)
    assert spoken.wav_lengths.tolist() == [11 * AUDIO.hop]
    latent, _, _, melody = heard[0]
    torch.testing.assert_close(net.flow(latent, out.valid_frames), out.prior_mean)
    sung = net.melody.spoken(out.melody.pitch, (out.melody.voicing > 0).float())
    torch.testing.assert_close(melody.f0_hz[:, :: AUDIO.hop], sung.f0_hz)
    assert torch.equal(melody.voiced[:, :: AUDIO.hop], sung.voiced)


def test_what_is_spoken_by_its_parts() -> None:
    net, parts = make(noise=0.5, noise_seed=3).eval(), alone(batch())
    prosody, _ = net.analyse(**asked(parts))
    found = net.synthesize(parts["tokens"], parts["token_lengths"], prosody=prosody).wav
    out = net(**asked(parts))
    noise = torch.randn(11, 6, generator=torch.Generator().manual_seed(3))
    z = out.prior_mean + 0.5 * noise * out.prior_log_scale.exp()
    torch.testing.assert_close(found, net.generator(net.flow.inverse(z, out.valid_frames))[:, 0])
    assert found.std() > 0.01


def test_the_divergence_by_hand() -> None:
    out = make()(**asked(batch()))
    kl = LOSSES.entry("kl").build(LOSSES.entry("kl").config())(out)
    total = 0.0
    for row, frames in ((0, 11), (1, 15)):
        for t in range(frames):
            prior = torch.distributions.Normal(
                out.prior_mean[row, t], out.prior_log_scale[row, t].exp()
            )
            entropy = out.posterior_log_scale[row, t] + 0.5  # and the constant that prior has too
            constant = 0.5 * torch.log(torch.tensor(2 * torch.pi))
            total += (-prior.log_prob(out.z[row, t]) - constant - entropy).sum()
    torch.testing.assert_close(kl, total / 26)


@pytest.mark.parametrize("decoder", [1, 0])
def test_every_parameter_learns_with_all_conditions(decoder: int) -> None:
    frames = {**SMALL["decoder"], "layers": decoder}
    net = make(3, 2, style=STYLE, speaker_embedding={"size": 4}, decoder=frames, **SINGING)
    conditions = Conditions(
        speaker=torch.tensor([0, 2]), language=torch.tensor([1, 0]), embedding=torch.randn(2, 4)
    )
    out = net(**asked(batch(), conditions))
    ((out.fake * torch.randn(out.fake.shape)).sum() + losses(net, out)).backward()
    for name, parameter in net.named_parameters():
        if name.endswith("key.bias"):  # the same for all keys: softmax takes it away
            continue
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all() and parameter.grad.abs().max() > 0, name


def test_whom_it_hears_is_told_to_posterior_flow_and_generator() -> None:
    net = make(speakers=2)
    told: dict[str, Tensor] = {}
    for name, at in (("posterior", 2), ("flow", 2), ("generator", 1)):
        getattr(net, name).register_forward_pre_hook(
            lambda module, given, name=name, at=at: told.update({name: given[at]})
        )
    net(**asked(batch(), Conditions(speaker=torch.tensor([1, 0]))))
    assert told.keys() == {"posterior", "flow", "generator"}
    for name, heard in told.items():
        assert torch.equal(heard, net.conditioning.speaker.weight.flip(0)), name
    assert make().posterior.stack.layers[0].condition is None


def test_every_condition_reaches_the_voice() -> None:
    net, parts = make(speakers=3, languages=2, style=STYLE).eval(), alone(batch())
    plain = Conditions(
        speaker=torch.tensor([0]),
        language=torch.tensor([0]),
        style_mel=parts["mel"],
        style_mel_lengths=parts["mel_lengths"],
    )
    prosody, _ = net.analyse(**asked(parts, plain))

    def speak(conditions: Conditions) -> Tensor:
        found = net.synthesize(parts["tokens"], parts["token_lengths"], conditions, prosody=prosody)
        return found.wav

    before = speak(plain)
    for changes in (
        {"speaker": torch.tensor([2])},
        {"language": torch.tensor([1])},
        {"style_mel": parts["mel"].flip(1) * 2},
        {"style_mel": None, "style_mel_lengths": None},  # the neutral style
    ):
        after = speak(dataclasses.replace(plain, **changes))
        assert (after - before).abs().max() > 1e-5, changes


@pytest.mark.parametrize("changes", [{}, SINGING], ids=["plain", "singing"])
def test_a_batch_speaks_as_its_utterances_alone(changes: dict[str, Any]) -> None:
    net, parts = make(speakers=2, **changes).eval(), batch(loud=True)
    tokens, lengths, speaker = parts["tokens"], parts["token_lengths"], torch.tensor([1, 0])
    with torch.inference_mode():
        together = net.synthesize(tokens, lengths, Conditions(speaker=speaker))
        for row, count in enumerate(lengths.tolist()):
            told = Conditions(speaker=speaker[row : row + 1])
            one = net.synthesize(tokens[row : row + 1, :count], lengths[row : row + 1], told)
            samples = int(one.wav_lengths[0])
            assert int(together.wav_lengths[row]) == samples
            # the last digit of a pitch adds up in the phase
            ours = together.wav[row]
            torch.testing.assert_close(ours[:samples], one.wav[0], atol=5e-4, rtol=0)
            assert not ours[samples:].any()
    assert len(set(together.wav_lengths.tolist())) == 2 and together.wav.std() > 0.01


def test_noise_decides_how_a_text_is_spoken_and_a_seed_which_noise() -> None:
    parts = alone(batch())
    how = parts["tokens"], parts["token_lengths"]
    spoken = {}
    for name, changes in {
        "usual": {}, "other": {"noise_seed": 1}, "dull": {"noise": 0},
        "dull other": {"noise": 0, "noise_seed": 1},
    }.items():  # fmt: skip
        net = make(**changes).eval()
        before = torch.get_rng_state()
        spoken[name] = net.synthesize(*how).wav
        assert torch.equal(spoken[name], net.synthesize(*how).wav)
        assert torch.equal(before, torch.get_rng_state())  # training goes on as if nothing was said
    assert not torch.equal(spoken["usual"], spoken["other"])
    assert torch.equal(spoken["dull"], spoken["dull other"])


def test_given_prosody_is_spoken() -> None:
    net, parts = make().eval(), batch()
    given = Prosody(
        durations=torch.tensor([[2, 0, 5, 1, 0, 0], [1, 1, 1, 1, 1, 7]]),
        pitch=torch.randn(2, 6),
        energy=torch.randn(2, 6),
    )
    arguments = parts["tokens"], parts["token_lengths"]
    spoken = net.synthesize(*arguments, prosody=given, controls=Controls(speed=3.0))
    assert spoken.prosody is given
    assert spoken.wav_lengths.tolist() == [8 * AUDIO.hop, 12 * AUDIO.hop]
    for name in ("pitch", "energy"):
        other = dataclasses.replace(given, **{name: getattr(given, name) + 1})
        changed = net.synthesize(*arguments, prosody=other)
        assert (changed.wav - spoken.wav).abs().max() > 1e-4, name


def test_controls_move_what_is_spoken() -> None:
    net, parts = make(**SINGING).eval(), batch()
    arguments = parts["tokens"], parts["token_lengths"]
    valid = torch.arange(6) < parts["token_lengths"][:, None]
    sung: list[Tensor] = []
    net.generator.source.register_forward_pre_hook(
        lambda module, given: sung.append(given[0].f0_hz)
    )
    plain = net.synthesize(*arguments)
    higher = net.synthesize(*arguments, controls=Controls(pitch_shift=0.5))
    louder = net.synthesize(*arguments, controls=Controls(energy_scale=2.0, energy_shift=0.25))
    slower = net.synthesize(*arguments, controls=Controls(speed=0.5))
    torch.testing.assert_close(higher.prosody.pitch, (plain.prosody.pitch + 0.5) * valid)
    assert sung[1].median() > sung[0].median()
    torch.testing.assert_close(louder.prosody.energy, (2 * plain.prosody.energy + 0.25) * valid)
    for changed in (higher, louder):
        assert torch.equal(changed.prosody.durations, plain.prosody.durations)
        assert (changed.wav - plain.wav).abs().max() > 1e-4
    assert slower.wav_lengths.sum() > 1.5 * plain.wav_lengths.sum()


def test_bf16_stays_near_and_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)
    net = make(**SINGING)
    expected = net(**asked(batch()))
    with torch.autocast("cpu", torch.bfloat16):
        cast = net(**asked(batch()))
        total = losses(net, cast)
    assert (cast.z - expected.z).abs().max() < 0.2 and cast.log_p.dtype == torch.float32
    (cast.fake.float().sum() + total).backward()
    assert all(p.grad.isfinite().all() for p in net.parameters() if p.grad is not None)


def test_a_few_steps_bring_prior_and_posterior_together() -> None:
    net, parts = make(), batch()
    optimizer, found = torch.optim.Adam(net.parameters(), 3e-3), []
    kl = LOSSES.entry("kl").build(LOSSES.entry("kl").config())
    for _ in range(60):
        distance = kl(net(**asked(parts)))
        optimizer.zero_grad()
        distance.backward()
        optimizer.step()
        found.append(float(distance.detach()))
    assert sum(found[-5:]) < 0.5 * sum(found[:5])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"latent": 7}, "latent: must be even, got 7"),
        ({"latent": 0}, r"latent: must be in \[1, 65536\], got 0"),
        ({"noise": -1}, r"noise: must be in \[0, 2\], got -1"),
        ({"noise_seed": -1}, r"noise_seed: must be in \[0, 4294967295\], got -1"),
        ({"segment": 0}, "segment: must be at least 1 frame, got 0"),
        ({"width": 9}, "heads: 2 does not divide the model's width 9"),
        (
            {"generator": {**GENERATOR, "upsampling": [4, 4]}},
            r"model.generator.upsampling: \[4, 4\] makes 16 samples a frame, but audio.hop is 8",
        ),
    ],
)
def test_bad_settings_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make(**changes)


def test_a_melody_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ConfigError, match="which frames are voiced"):
        make(**SINGING)(**asked(mels()))
