"""JETS as a whole: sizes, training against synthesis, batches, controls, conditions."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from recorded import asked
from torch import Tensor

from malsori.core.config import Choice, from_dict
from malsori.core.errors import ConfigError
from malsori.dsp.audio_config import AudioConfig
from malsori.losses.melody import FRAME_PITCH, VOICING
from malsori.losses.reconstruction import StftLoss, StftLossConfig
from malsori.models.jets import Jets, JetsConfig, JetsOutput
from malsori.models.melody import MelodyOutput
from malsori.models.voice import Conditions, Controls, Prosody, VoiceContext
from malsori.modules import GENERATORS

AUDIO = AudioConfig(sample_rate=8000, n_fft=64, window=64, hop=8, mel_bands=6, mel_high_hz=4000)
SMALL: dict[str, Any] = {
    "width": 8,
    "encoder": {"layers": 1, "hidden": 12, "dropout": 0},
    "decoder": {"layers": 1, "hidden": 12, "dropout": 0},
    "duration": {"channels": 8, "dropout": 0},
    "pitch": {"layers": 2, "channels": 8, "kernel": 3, "dropout": 0},
    "energy": {"channels": 8, "dropout": 0},
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
ISTFT = {
    "name": "istft", "channels": 8, "hidden": 12, "layers": 2, "kernel": 3, "n_fft": 32, "hop": 8,
}  # fmt: skip
STYLE = {"tokens": 3, "heads": 2, "channels": [4], "gru_units": 4}


def make(speakers: int = 1, languages: int = 1, **changes: Any) -> Jets:
    """Return a small voice that speaks about three frames a token."""
    torch.manual_seed(8)
    config = from_dict(JetsConfig, {**SMALL, **changes})
    context = VoiceContext(audio=AUDIO, tokens=9, speakers=speakers, languages=languages)
    net = Jets(config, context)
    with torch.no_grad():
        net.duration_predictor.out.bias.fill_(1.4)
    return net


def batch(loud: bool = False) -> dict[str, Tensor]:
    """Return two utterances of 4 and 6 tokens, 11 and 15 frames."""
    generator = torch.Generator().manual_seed(9)
    out = {
        "tokens": torch.randint(1, 9, (2, 6), generator=generator),
        "token_lengths": torch.tensor([4, 6]),
        "mel": torch.randn(2, 15, 6, generator=generator),
        "mel_lengths": torch.tensor([11, 15]),
        "pitch": torch.randn(2, 15, generator=generator),
        "energy": torch.randn(2, 15, generator=generator),
    }
    out["tokens"][0, 4:] = 5 if loud else 0
    for name in ("mel", "pitch", "energy"):
        out[name][0, 11:] = 1e3 if loud else 0.0
    return out


def first(parts: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the first utterance alone."""
    frames = {name: parts[name][:1, :11] for name in ("mel", "pitch", "energy")}
    lengths = {name: parts[name][:1] for name in ("token_lengths", "mel_lengths")}
    return {"tokens": parts["tokens"][:1, :4], **lengths, **frames}


def test_sizes_of_the_reference_recipe() -> None:
    with torch.device("meta"):
        net = Jets(JetsConfig(), VoiceContext(audio=AudioConfig(), tokens=80))

    def millions(*parts: torch.nn.Module) -> float:
        return round(sum(p.numel() for part in parts for p in part.parameters()) / 1e6, 2)

    assert millions(net.generator) == 14.57
    assert millions(net.embedding, net.encoder) == 7.37
    assert millions(net.decoder) == 7.35
    assert millions(net.aligner) == 0.59
    assert millions(net) == 32.32


def test_the_defaults_are_the_recipe() -> None:
    config = JetsConfig()
    assert config.generator.name == "hifigan_v1" and config.generator.config.hop == 256
    assert (config.duration.layers, config.duration.kernel, config.duration.dropout) == (2, 3, 0.1)
    assert (config.pitch.layers, config.pitch.kernel, config.pitch.dropout) == (5, 5, 0.5)
    assert config.pitch.detach and not config.energy.detach and not config.duration.detach
    assert config.segment == 64
    assert make().loss_weights == {
        "duration": 1.0,
        "pitch": 1.0,
        "energy": 1.0,
        "forward_sum": 2.0,
        "binarisation": 2.0,
    }


def test_shapes_and_alignment_of_the_training_pass() -> None:
    net, parts = make(), batch()
    out: JetsOutput = net(**asked(parts))
    assert out.fake.shape == (2, 1, 4 * AUDIO.hop)
    assert out.durations.sum(1).tolist() == [11, 15]
    assert (out.durations[0, 4:] == 0).all() and (out.durations[0, :4] >= 1).all()
    assert (out.starts >= 0).all() and (out.starts + 4 <= parts["mel_lengths"]).all()
    at = 0
    for token, count in enumerate(out.durations[1].tolist()):
        mean = parts["pitch"][1, at : at + count].mean()
        torch.testing.assert_close(out.pitch_target[1, token], mean)
        at += count


@pytest.mark.parametrize("prior", ["proper", "published"])
def test_padding_never_reaches_real_tokens_and_frames(prior: str) -> None:
    net, parts = make(prior=prior), batch(loud=True)
    together = net(**asked(parts))
    alone = net(**asked(first(parts)))
    torch.testing.assert_close(together.log_p[0, :11, :4], alone.log_p[0])
    torch.testing.assert_close(together.path_log_p[0], alone.path_log_p[0])
    assert together.durations[0, :4].tolist() == alone.durations[0].tolist()
    for name in ("log_durations", "pitch", "pitch_target", "energy", "energy_target"):
        ours, theirs = getattr(together, name)[0], getattr(alone, name)[0]
        torch.testing.assert_close(ours[:4], theirs, atol=1e-5, rtol=1e-5)
        assert (ours[4:] == 0).all(), name


def test_training_and_synthesis_speak_the_same_way() -> None:
    """Whole utterances as segments: the training pass is synthesis with the recorded prosody."""
    net, parts = make(segment=99).eval(), first(batch())
    out = net(**asked(parts))
    assert out.segment == 11 and out.starts.tolist() == [0]
    prosody, log_p = net.analyse(**asked(parts))
    torch.testing.assert_close(log_p, out.log_p)
    spoken = net.synthesize(parts["tokens"], parts["token_lengths"], prosody=prosody)
    assert spoken.wav_lengths.tolist() == [11 * AUDIO.hop]
    torch.testing.assert_close(spoken.wav, out.fake[:, 0], atol=1e-5, rtol=0)
    assert out.fake.std() > 0.01


def test_an_utterance_shorter_than_the_segment_shortens_the_segment() -> None:
    out = make(segment=12)(**asked(batch()))
    assert out.segment == 11 and out.fake.shape == (2, 1, 11 * AUDIO.hop)  # B6


def total(out: JetsOutput) -> Tensor:
    """Return something that depends on all that the losses read."""
    parts = [out.fake, out.log_durations, out.pitch, out.energy, out.path_log_p]
    return torch.stack([(part * torch.linspace(1, 2, part.numel()).view_as(part)).sum()
                        for part in parts]).sum()  # fmt: skip


def test_every_parameter_learns_with_all_conditions() -> None:
    net = make(speakers=2, languages=2, style=STYLE)
    conditions = Conditions(speaker=torch.tensor([0, 1]), language=torch.tensor([1, 0]))
    torch.manual_seed(0)
    total(net(**asked(batch(), conditions))).backward()
    for name, parameter in net.named_parameters():
        if name.endswith("key.bias"):  # the same for all keys: softmax takes it away
            continue
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all() and parameter.grad.abs().max() > 0, name
    assert (net.embedding.weight.grad[0] == 0).all()  # padding learns nothing


def test_predictors_do_not_see_what_they_predict_but_the_decoder_does() -> None:
    """Amphion's JETS had it the wrong way round (A1)."""
    net, parts = make(segment=99).eval(), batch()
    before = net(**asked(parts))
    for name in ("pitch", "energy"):
        after = net(**asked({**parts, name: parts[name] + 1}))
        for predicted in ("log_durations", "pitch", "energy"):
            assert torch.equal(getattr(before, predicted), getattr(after, predicted))
        assert (before.fake - after.fake).abs().max() > 1e-4, name


@pytest.mark.parametrize(
    ("loss", "reaches"), [("pitch", False), ("energy", True), ("log_durations", True)]
)
def test_only_the_pitch_predictor_leaves_the_encoder_alone(loss: str, reaches: bool) -> None:
    net = make(pitch={**SMALL["pitch"], "detach": True})
    getattr(net(**asked(batch())), loss).square().sum().backward()
    assert (net.embedding.weight.grad is not None) == reaches


def test_a_batch_speaks_as_its_utterances_alone() -> None:
    net, parts = make().eval(), batch(loud=True)
    tokens, lengths = parts["tokens"], parts["token_lengths"]
    with torch.no_grad():
        together = net.synthesize(tokens, lengths)
        for row, count in enumerate(lengths.tolist()):
            alone = net.synthesize(tokens[row : row + 1, :count], lengths[row : row + 1])
            samples = int(alone.wav_lengths[0])
            assert int(together.wav_lengths[row]) == samples  # B3
            ours = together.wav[row]
            torch.testing.assert_close(ours[:samples], alone.wav[0], atol=1e-5, rtol=0)
            assert (ours[samples:] == 0).all()
            for name in ("durations", "pitch", "energy"):
                theirs = getattr(alone.prosody, name)[0]
                ours = getattr(together.prosody, name)[row]
                torch.testing.assert_close(ours[:count], theirs, atol=1e-5, rtol=1e-5)
                assert (ours[count:] == 0).all(), name
    assert len(set(together.wav_lengths.tolist())) == 2 and together.wav.std() > 0.01


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


def test_controls_do_what_they_say() -> None:
    net, parts = make().eval(), batch()
    arguments = parts["tokens"], parts["token_lengths"]
    valid = torch.arange(6) < parts["token_lengths"][:, None]
    plain = net.synthesize(*arguments).prosody
    log_durations = net.duration_predictor(net.encoder(net.embedding(arguments[0]), valid), valid)
    for speed in (0.5, 2.0):
        found = net.synthesize(*arguments, controls=Controls(speed=speed)).prosody
        exact = ((log_durations.exp() - 1) / speed * valid).detach()
        assert (found.durations - exact).abs().max() <= 0.5 + 1e-4
        assert torch.equal(found.pitch, plain.pitch)
    higher = net.synthesize(*arguments, controls=Controls(pitch_shift=0.5)).prosody
    torch.testing.assert_close(higher.pitch, (plain.pitch + 0.5) * valid)
    louder = Controls(energy_scale=2.0, energy_shift=0.25)
    found = net.synthesize(*arguments, controls=louder).prosody
    torch.testing.assert_close(found.energy, (2 * plain.energy + 0.25) * valid)
    assert torch.equal(found.durations, plain.durations)
    one = Controls(pitch_shift=torch.tensor([[0.0], [1.0]]))
    found = net.synthesize(*arguments, controls=one).prosody
    assert torch.equal(found.pitch[0], plain.pitch[0])
    torch.testing.assert_close(found.pitch[1], plain.pitch[1] + 1)


def test_every_condition_reaches_the_voice() -> None:
    net, parts = make(speakers=3, languages=2, style=STYLE).eval(), first(batch())
    torch.manual_seed(1)
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


def test_the_recordings_own_style_is_used_in_training_and_analysis() -> None:
    net, parts = make(style=STYLE).eval(), batch()
    own = Conditions(style_mel=parts["mel"], style_mel_lengths=parts["mel_lengths"])
    prosody, log_p = net.analyse(**asked(parts))
    _, same = net.analyse(**asked(parts, own))
    assert torch.equal(log_p, same)
    other = Conditions(style_mel=parts["mel"] * 3, style_mel_lengths=parts["mel_lengths"])
    _, different = net.analyse(**asked(parts, other))
    assert not torch.equal(log_p.nan_to_num(), different.nan_to_num())
    assert prosody.durations.sum(1).tolist() == [11, 15]


def test_one_style_serves_a_whole_batch() -> None:
    net, parts = make(style=STYLE).eval(), batch()
    assert net.uses_style and not make().uses_style
    mel, lengths = parts["mel"][1:], parts["mel_lengths"][1:]
    one = Conditions(style_mel=mel, style_mel_lengths=lengths)
    each = Conditions(style_mel=mel.expand(2, -1, -1), style_mel_lengths=lengths.expand(2))
    said = [net.synthesize(parts["tokens"], parts["token_lengths"], c).wav for c in (one, each)]
    torch.testing.assert_close(said[0], said[1], atol=1e-5, rtol=0)


def test_a_given_style_is_kept() -> None:
    mel, lengths = torch.zeros(1, 3, 6), torch.tensor([3])
    given = Conditions(speaker=torch.tensor([1]), style_mel=mel, style_mel_lengths=lengths)
    assert given.with_own_style(mel + 1, lengths) is given
    own = Conditions(speaker=given.speaker, embedding=mel).with_own_style(mel, lengths)
    assert own.style_mel is mel and own.style_mel_lengths is lengths
    assert own.speaker is given.speaker and own.embedding is mel


def test_a_batch_with_conditions_speaks_as_its_utterances_alone() -> None:
    net, parts = make(speakers=3, style=STYLE).eval(), batch(loud=True)
    tokens, lengths = parts["tokens"], parts["token_lengths"]
    speaker = torch.tensor([2, 1])
    together = net.synthesize(tokens, lengths, Conditions(speaker=speaker))
    alone = net.synthesize(tokens[:1, :4], lengths[:1], Conditions(speaker=speaker[:1]))
    samples = int(alone.wav_lengths[0])
    torch.testing.assert_close(together.wav[0, :samples], alone.wav[0], atol=1e-5, rtol=0)


def state(net: Jets) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in net.state_dict().items()}


CONDITIONED = {
    "one speaker": ({}, {}, False),
    "speakers": ({"speakers": 3}, {"speaker": torch.tensor([0, 2])}, True),
    "languages": ({"languages": 2}, {"language": torch.tensor([0, 1])}, True),
    "style": ({"style": STYLE}, {}, True),
    "vector added": (
        {"speaker_embedding": {"size": 5}},
        {"embedding": torch.linspace(-1, 1, 10).view(2, 5)},
        True,
    ),
    "vector beside": (
        {"speaker_embedding": {"size": 5, "join": "concat"}},
        {"embedding": torch.linspace(-1, 1, 10).view(2, 5)},
        True,
    ),
}


@pytest.mark.parametrize("kind", CONDITIONED)
@pytest.mark.parametrize("generator", ["hifigan_v1", "istft"])
def test_what_the_tokens_are_told_reaches_the_generator(kind: str, generator: str) -> None:
    made, given, told = CONDITIONED[kind]
    if generator == "istft":
        made = {**made, "generator": ISTFT}
    plain = make(**made, condition_generator=False).eval()
    net = make(**made).eval()
    layer = net.generator.condition
    assert (layer is not None) == told and plain.generator.condition is None
    if layer is None:
        assert state(net).keys() == state(plain).keys()
        assert all(torch.equal(value, state(plain)[name]) for name, value in state(net).items())
        return
    heard: list[Tensor] = []
    layer.register_forward_pre_hook(lambda module, args: heard.append(args[0].squeeze(2)))
    conditions = Conditions(**given)
    net(**asked(batch(), conditions))
    net.synthesize(batch()["tokens"], batch()["token_lengths"], conditions)
    rest = {
        "speaker": given.get("speaker"),
        "language": given.get("language"),
        "embedding": given.get("embedding"),
    }
    parts = net.conditioning.read(
        **rest, mel=batch()["mel"] if made.get("style") else None,
        mel_lengths=batch()["mel_lengths"],
    )  # fmt: skip
    assert len(heard) == 2
    torch.testing.assert_close(heard[0], net.conditioning.summary(parts))
    neutral = net.conditioning.summary(net.conditioning.read(**rest))
    torch.testing.assert_close(heard[1], neutral)


def test_a_condition_moves_the_waveform_even_where_the_frames_are_the_same() -> None:
    net, parts = make(speakers=2).eval(), first(batch())
    with torch.no_grad():
        net.conditioning.speaker.weight.copy_(torch.eye(2, 8))
    prosody, _ = net.analyse(**asked(parts, Conditions(speaker=torch.tensor([0]))))
    net.decoder.register_forward_hook(lambda module, args, out: torch.ones_like(out))
    arguments = parts["tokens"], parts["token_lengths"]
    said = [
        net.synthesize(*arguments, Conditions(speaker=torch.tensor([i])), prosody=prosody).wav
        for i in (0, 1)
    ]
    assert (said[0] - said[1]).abs().max() > 1e-4


def test_one_style_is_told_to_the_generator_for_a_whole_batch() -> None:
    net, parts = make(style=STYLE, generator=ISTFT).eval(), batch(loud=True)
    tokens, lengths = parts["tokens"], parts["token_lengths"]
    together = net.synthesize(tokens, lengths)
    alone = net.synthesize(tokens[:1, :4], lengths[:1])
    samples = int(alone.wav_lengths[0])
    torch.testing.assert_close(together.wav[0, :samples], alone.wav[0], atol=1e-5, rtol=0)


def test_a_missing_speaker_is_named() -> None:
    net, parts = make(speakers=2), batch()
    with pytest.raises(ConfigError, match="speaker: this voice was trained with one"):
        net.synthesize(parts["tokens"], parts["token_lengths"])


def test_another_hop_is_refused_with_both_numbers() -> None:
    context = VoiceContext(audio=AudioConfig(hop=300), tokens=9)
    with pytest.raises(ConfigError) as caught:
        Jets(JetsConfig(), context)
    assert str(caught.value) == (
        "model.generator.upsampling: [8, 8, 2, 2] makes 256 samples a frame, "
        "but audio.hop is 300; the two must be equal"
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("istft", "model.generator.hop: 256 makes 256 samples a frame"),
        ("istftnet", "model.generator.upsampling: [8, 8] times transform_hop 4 makes 256 samples"),
    ],
)
def test_another_hop_is_refused_by_what_makes_it(name: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Jets(
            from_dict(JetsConfig, {"generator": name}),
            VoiceContext(audio=AudioConfig(hop=300), tokens=9),
        )
    assert said in str(caught.value)


def test_an_empty_segment_is_refused() -> None:
    with pytest.raises(ConfigError, match="segment: must be at least 1 frame, got 0"):
        JetsConfig(segment=0)


@pytest.mark.parametrize("name", GENERATORS.names())
def test_each_version_of_the_generator_speaks_whole_frames(name: str) -> None:
    settings = dataclasses.replace(GENERATORS.entry(name).config(), channels=16)
    config = dataclasses.replace(
        from_dict(JetsConfig, {**SMALL, "generator": "hifigan_v1"}),
        generator=Choice(name, settings),
    )
    audio = dataclasses.replace(AUDIO, sample_rate=24000, n_fft=1024, window=1024, hop=256)
    net = Jets(config, VoiceContext(audio=audio, tokens=9)).eval()
    given = Prosody(
        durations=torch.tensor([[2, 3]]), pitch=torch.zeros(1, 2), energy=torch.zeros(1, 2)
    )
    spoken = net.synthesize(torch.tensor([[1, 2]]), torch.tensor([2]), prosody=given)
    assert spoken.wav.shape == (1, 5 * 256) and spoken.wav_lengths.tolist() == [5 * 256]


def test_a_long_text_and_nothing_predicted_still_speak() -> None:
    net = make().eval()
    with torch.no_grad():
        net.duration_predictor.out.bias.fill_(-9.0)
    tokens = torch.randint(1, 9, (1, 700))
    spoken = net.synthesize(tokens, torch.tensor([700]))
    assert spoken.prosody.durations.tolist() == [[1] * 700]
    assert torch.isfinite(spoken.wav).all()


def test_bf16_keeps_alignment_and_predictions_sound() -> None:
    net, parts = make(), batch()
    with torch.autocast("cpu", torch.bfloat16):
        out = net(**asked(parts))
    assert out.log_p.dtype == torch.float32
    assert out.durations.sum(1).tolist() == [11, 15]
    assert torch.isfinite(out.fake).all() and torch.isfinite(out.path_log_p).all()


def test_a_voice_with_an_inverse_transform_trains_and_speaks() -> None:
    """A few steps towards a recording: the distance of spectra falls, every parameter moves."""
    net, parts = make(generator=ISTFT, segment=99, speakers=2), batch()
    conditions = Conditions(speaker=torch.tensor([0, 1]))
    loss = StftLoss(StftLossConfig(n_ffts=(32,), hops=(8,), windows=(32,)), AUDIO)
    real = 0.2 * torch.sin(torch.arange(15 * 8) * 0.7).expand(2, 1, -1)[..., : 11 * 8]
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    before, found = state(net), []
    for _ in range(50):
        out = net(**asked(parts, conditions))
        parts_of_loss = total(dataclasses.replace(out, fake=out.fake[..., :8]))
        distance = loss(out.fake, real)
        optimizer.zero_grad()
        (distance + 1e-3 * parts_of_loss).backward()
        optimizer.step()
        found.append(float(distance.detach()))
    assert found[-1] < 0.6 * found[0]
    for name, value in net.named_parameters():
        if not name.endswith("key.bias"):
            assert not torch.equal(value, before[name]), name
    spoken = net.eval().synthesize(parts["tokens"], parts["token_lengths"], conditions)
    assert torch.isfinite(spoken.wav).all() and spoken.wav.std() > 0.01
    assert (spoken.wav_lengths == spoken.prosody.durations.sum(1) * AUDIO.hop).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["istft", "istftnet"])
def test_a_packed_voice_with_an_inverse_transform_speaks_as_its_run(
    name: str, tiny_corpus: Any, tmp_path: Path
) -> None:
    """Through the real entry points: training against an STFT loss, a pack, the pack speaking."""
    from malsori.infer.pack import load_pack, write_pack
    from malsori.infer.voice import load_run
    from malsori.train.run import train

    sizes = {"istft": "{name: istft, channels: 16, hidden: 24, layers: 2}",
             "istftnet": "{name: istftnet, channels: 16, residual_kernels: [3],"
                         " residual_dilations: [[1]]}"}  # fmt: skip
    chosen = (f"model.generator={sizes[name]}", "training.steps=3", "training.validate_every=3")
    train(tiny_corpus.settings(*chosen, "task.reconstruction=stft"), tmp_path / "run")
    voice = load_run(tmp_path / "run", "last")
    write_pack(tmp_path / "run", tmp_path / "voice.zip", checkpoint="last")
    packed = load_pack(tmp_path / "voice.zip")
    tokens = torch.tensor([voice.tokens.encode(voice.tokens.symbols[5:15])])
    said = [v.model.synthesize(tokens, torch.tensor([10])).wav for v in (voice, packed)]
    assert said[0].abs().max() > 0 and torch.isfinite(said[0]).all()
    torch.testing.assert_close(said[1], said[0], atol=1e-6, rtol=1e-4)


SINGING: dict[str, Any] = {
    "generator": {**SMALL["generator"], "harmonics": 3},
    "melody": {"channels": 8, "kernel": 3, "dropout": 0},
}


def test_a_generator_with_harmonics_learns_melody() -> None:
    net, parts = make(**SINGING), batch()
    voiced = (torch.arange(15)[None] < torch.tensor([[9], [12]])).float()
    torch.manual_seed(0)
    out = net(**asked({**parts, "voiced": voiced}))
    assert out.melody is not None and {"frame_pitch", "voicing"} <= set(net.loss_weights)
    losses = [FRAME_PITCH.build(None)(out), VOICING.build(None)(out)]
    torch.stack([total(out), *losses]).sum().backward()
    for name, parameter in net.named_parameters():
        if not name.endswith("key.bias"):
            assert parameter.grad is not None and parameter.grad.abs().max() > 0, name
    with pytest.raises(ConfigError, match="which frames are voiced"):
        net(**asked(parts))


def test_a_generator_with_harmonics_speaks_alike_in_a_batch_and_higher_when_asked() -> None:
    net, parts = make(**SINGING).eval(), batch()
    arguments = parts["tokens"], parts["token_lengths"]
    with torch.no_grad():
        net.melody.voicing_predictor.out.bias.fill_(5.0)
        together = net.synthesize(*arguments)
        alone = net.synthesize(arguments[0][:1, :4], arguments[1][:1])
        assert torch.equal(together.wav, net.synthesize(*arguments).wav)  # nothing is drawn
        samples = int(alone.wav_lengths[0])
        # the last digit of a pitch adds up in the phase
        torch.testing.assert_close(together.wav[0, :samples], alone.wav[0], atol=5e-4, rtol=0)
        assert (together.wav[0, samples:] == 0).all()
        asked: list[Tensor] = []
        net.generator.source.register_forward_pre_hook(
            lambda module, given: asked.append(given[0].f0_hz)
        )
        for shift in (0.0, 1.0):
            net.synthesize(*arguments, controls=Controls(pitch_shift=shift))
    assert asked[1].median() > asked[0].median()


def test_frame_losses_count_what_is_there() -> None:
    melody = MelodyOutput(
        pitch=torch.tensor([[1.0, 2.0, 9.0, 9.0]]),
        pitch_target=torch.tensor([[0.0, 5.0, 0.0, 0.0]]),
        voicing=torch.tensor([[0.0, -30.0, 30.0, 30.0]]),
        voiced=torch.tensor([[1.0, 1.0, 0.0, 1.0]]),
        valid_frames=torch.tensor([[True, True, True, False]]),
    )
    output = SimpleNamespace(melody=melody)
    assert float(FRAME_PITCH.build(None)(output)) == pytest.approx((1 + 9) / 2)
    expected = (math.log(2) + 30 + 30) / 3
    assert float(VOICING.build(None)(output)) == pytest.approx(expected, rel=1e-5)
