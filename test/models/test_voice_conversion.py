"""Voice conversion of VITS and VAEJETS: whose voice it is, and that nothing else changes."""

from __future__ import annotations

from typing import Any

import pytest
import test_vaejets
import test_vits
import torch
from recorded import asked
from test_jets import STYLE
from torch import Tensor

from malsori.core.errors import ConfigError
from malsori.models.jets import Jets
from malsori.models.latent import carry_over, seeded_noise
from malsori.models.voice import Conditions, ConvertingModel
from malsori.modules.features import Features

HOP = 8
HARMONICS = {"melody": {"channels": 8, "kernel": 3, "dropout": 0}}
KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "vits": (test_vits, {}),
    "vits, singing": (
        test_vits,
        {"generator": {**test_vits.SMALL["generator"], "harmonics": 3}, **HARMONICS},
    ),
    "vaejets": (test_vaejets, {}),
    "vaejets, singing": (test_vaejets, test_vaejets.SINGING),
}
EVERY = pytest.mark.parametrize("kind", KINDS)


def make(kind: str, **changes: Any) -> Any:
    """Return a small voice of three speakers."""
    module, own = KINDS[kind]
    return module.make(speakers=3, **own, **changes).eval()


def recordings(loud: bool = False) -> Features:
    """Return two recordings of 10 and 14 hops, 11 and 15 frames, for either model."""
    parts = test_vaejets.batch(loud) | {
        name: value for name, value in test_vits.batch(loud).items() if name.startswith("wav")
    }
    features: Features = asked(parts)["features"]
    return features


def first(features: Features) -> Features:
    """Return the first recording alone."""
    lengths = {"mel_lengths": features.mel_lengths[:1], "wav_lengths": features.wav_lengths[:1]}
    frames = {n: getattr(features, n)[:1, :11] for n in ("mel", "pitch", "energy", "voiced")}
    return Features(**frames, **lengths, wav=features.wav[:1, : 10 * HOP])


def who(*speakers: int) -> Conditions:
    return Conditions(speaker=torch.tensor(speakers))


def spectrum(net: Any, features: Features) -> Tensor:
    """Return what the posterior hears of recordings."""
    if hasattr(net, "spectrogram"):
        return net.spectrogram(features.wav, features.wav_lengths)
    return features.mel


@EVERY
@torch.inference_mode()
def test_from_a_speaker_to_itself_is_the_posterior_made_audible(kind: str) -> None:
    net, features = make(kind, noise_seed=5), first(recordings())
    assert isinstance(net, ConvertingModel) and not hasattr(Jets, "convert")
    made = net.convert(features, who(2), who(2))
    assert made.wav.shape == (1, 10 * HOP) and made.wav_lengths.tolist() == [10 * HOP]
    told = net.conditioning.speaker.weight[2:]
    valid = torch.ones(1, 11, dtype=torch.bool)
    channels = net.flow.couplings[0].output.weight.shape[0] * 2
    noise = torch.randn(11, channels, generator=torch.Generator().manual_seed(5))
    latent = net.posterior(spectrum(net, features), valid, told, noise[None]).sample
    melody = None
    if net.melody is not None:
        sung = net.melody.beside(0, latent, features.mel_lengths) if kind[:4] == "vits" else None
        pitch, voiced = (
            (features.pitch, features.voiced)
            if sung is None
            else (sung.pitch, (sung.voicing > 0).float())
        )
        melody = net.melody.spoken(pitch, voiced)
    expected = net.generator(latent, told, melody=melody)[:, 0, : 10 * HOP]
    torch.testing.assert_close(made.wav, expected, atol=5e-4 if melody else 1e-5, rtol=0)
    assert expected.std() > 0.01


@EVERY
@torch.inference_mode()
def test_both_speakers_matter(kind: str) -> None:
    net, features = make(kind), first(recordings())
    made = {
        (source, target): net.convert(features, who(source), who(target)).wav
        for source in (0, 1)
        for target in (0, 1, 2)
    }
    for source, target in made:
        for other in made:
            if other > (source, target):
                assert (made[other] - made[source, target]).abs().max() > 1e-3, (other, source)
    again = net.convert(features, who(0), who(2)).wav
    assert torch.equal(again, made[0, 2])  # what is drawn depends on the seed alone


@EVERY
@torch.inference_mode()
def test_a_batch_converts_as_its_recordings_alone(kind: str) -> None:
    net, features = make(kind), recordings(loud=True)
    together = net.convert(features, who(0, 1), who(2, 0))
    assert together.wav.shape == (2, 14 * HOP)
    alone = net.convert(first(features), who(0), who(2))
    singing = 5e-4 if net.melody is not None else 1e-5  # the last digit adds up in the phase
    torch.testing.assert_close(together.wav[0, : 10 * HOP], alone.wav[0], atol=singing, rtol=0)
    assert not together.wav[0, 10 * HOP :].any()


@torch.inference_mode()
def test_there_and_back_again() -> None:
    """The prior's space is nobody's: from A to B, and that latent from B to A, is A's own."""
    net, features = make("vaejets"), recordings()
    valid = torch.arange(15)[None] < features.mel_lengths[:, None]
    a, b = net.conditioning.speaker.weight[:2, None]
    noise = seeded_noise(features.mel_lengths, 6, 0)
    own = carry_over(net.posterior, net.flow, features.mel, valid, (a, a), noise)
    other = carry_over(net.posterior, net.flow, features.mel, valid, (a, b), noise)
    assert (other - own).abs().max() > 1e-2
    back = net.flow.inverse(net.flow(other, valid, b), valid, a)
    torch.testing.assert_close(back, own, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["vits, singing", "vaejets, singing"])
@torch.inference_mode()
def test_a_shift_moves_what_is_sung_and_nothing_else(kind: str) -> None:
    net, features = make(kind), first(recordings())
    sung: list[Tensor] = []
    net.generator.source.register_forward_pre_hook(lambda module, given: sung.append(given[0]))
    frames: list[Tensor] = []
    net.generator.register_forward_pre_hook(lambda module, given: frames.append(given[0]))
    for shift in (0.0, 0.4):
        net.convert(features, who(0), who(1), shift)
    ratio = (sung[1].f0_hz / sung[0].f0_hz).log() / net.melody.std
    torch.testing.assert_close(ratio, torch.full_like(ratio, 0.4), atol=1e-4, rtol=0)
    assert torch.equal(sung[0].voiced, sung[1].voiced) and torch.equal(*frames)


@torch.inference_mode()
def test_a_voice_with_styles_keeps_the_recording_s() -> None:
    net, features = make("vaejets", style=STYLE), recordings()
    own = {"style_mel": features.mel, "style_mel_lengths": features.mel_lengths}
    plain = net.convert(features, who(0, 1), who(1, 2))
    told = [Conditions(speaker=torch.tensor(s), **own) for s in ([0, 1], [1, 2])]
    assert torch.equal(net.convert(features, *told).wav, plain.wav)
    other = Conditions(speaker=torch.tensor([1, 2]), **own | {"style_mel": features.mel.flip(1)})
    assert not torch.equal(net.convert(features, told[0], other).wav, plain.wav)


@pytest.mark.parametrize("kind", ["vits", "vaejets"])
def test_a_speaker_that_is_not_named(kind: str) -> None:
    features = recordings()
    for told in ((who(0, 0), Conditions()), (Conditions(), who(0, 0))):
        with pytest.raises(ConfigError, match="speaker: this voice was trained with one"):
            make(kind).convert(features, *told)


def test_noise_of_an_utterance_is_its_own_and_the_state_stays() -> None:
    before = torch.get_rng_state()
    noise = seeded_noise(torch.tensor([4, 9]), 3, 7)
    assert torch.equal(before, torch.get_rng_state()) and noise.shape == (2, 9, 3)
    assert torch.equal(noise[:1, :4], seeded_noise(torch.tensor([4]), 3, 7))
    assert not noise[0, 4:].any() and not torch.equal(
        noise, seeded_noise(torch.tensor([4, 9]), 3, 8)
    )
    assert abs(float(seeded_noise(torch.tensor([9999]), 3, 0).std()) - 1) < 0.02
