"""Speech made window by window is the speech made at once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from malsori.core.config import Choice, from_dict
from malsori.core.registry import Entry
from malsori.dsp import windowing
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.statistics import Statistics
from malsori.models.composed import ComposedModel
from malsori.models.fastspeech2 import FastSpeech2, FastSpeech2Config
from malsori.models.jets import Jets, JetsConfig
from malsori.models.plan import PlanningModel
from malsori.models.vaejets import VaeJets, VaeJetsConfig
from malsori.models.vits import Vits, VitsConfig
from malsori.models.vocoder import Vocoder, VocoderConfig
from malsori.models.voice import Prosody, Speech, VoiceContext
from malsori.modules import GENERATORS

AUDIO = AudioConfig(sample_rate=24000, mel_bands=6)
CONTEXT = VoiceContext(audio=AUDIO, tokens=9)
STACK: dict[str, Any] = {"layers": 1, "hidden": 12, "dropout": 0}
FRONT: dict[str, Any] = {
    "width": 8, "encoder": STACK, "duration": {"channels": 8}, "energy": {"channels": 8},
    "pitch": {"layers": 1, "channels": 8},
}  # fmt: skip
NETWORK = {"layers": 2, "channels": 8, "kernel": 3}
FLOW = {"couplings": 2, "network": NETWORK}
NAMES = [*GENERATORS.names(), "hifigan_v3, 4 harmonics", "istftnet, 4 harmonics"]


def small(name: str) -> tuple[Entry, Any]:
    """Return a generator of the registry and its settings, few channels, all else as it is."""
    name, _, sung = name.partition(", ")
    entry = GENERATORS.entry(name)
    config = entry.config()
    if name == "istft":
        return entry, replace(config, channels=16, hidden=24)
    harmonics = int(sung.split()[0]) if sung else 0
    return entry, replace(config, channels=16, initial_std=None, harmonics=harmonics)


def build(kind: str, generator: str = "hifigan_v3, 4 harmonics") -> PlanningModel:
    """Return a small model with a generator of the registry."""
    torch.manual_seed(1)
    made = Choice(generator.partition(", ")[0], small(generator)[1])
    if kind == "jets":
        tree = {**FRONT, "decoder": STACK}
        return Jets(replace(from_dict(JetsConfig, tree), generator=made), CONTEXT).eval()
    if kind == "vaejets":
        tree = {**FRONT, "decoder": STACK, "latent": 8, "posterior": NETWORK, "flow": FLOW}
        return VaeJets(replace(from_dict(VaeJetsConfig, tree), generator=made), CONTEXT).eval()
    if kind == "vits":
        tree = {
            "width": 8, "encoder": {**STACK, "kernel": 3}, "posterior": NETWORK, "flow": FLOW,
            "duration": "plain", "duration_predictor": {"channels": 8},
        }  # fmt: skip
        return Vits(replace(from_dict(VitsConfig, tree), generator=made), CONTEXT).eval()
    made = Choice("hifigan_v1", replace(small("hifigan_v1")[1], initial_std=0.1))
    acoustic = FastSpeech2(from_dict(FastSpeech2Config, {**FRONT, "decoder": STACK}), CONTEXT)
    vocoder = Vocoder(VocoderConfig(generator=made), CONTEXT)
    statistics = Statistics(
        mel_mean=[0.0] * 6, mel_std=[1.0] * 6, pitch_mean=5.3, pitch_std=0.3,
        energy_mean=0.0, energy_std=1.0,
    )  # fmt: skip
    return ComposedModel(acoustic.eval(), vocoder.eval(), statistics).eval()


def spoken(model: PlanningModel, rows: int = 1) -> Speech:
    """Return about 150 frames of speech, the second utterance a third as long as the first."""
    tokens = torch.arange(1, 9).repeat(rows, 1)
    durations = torch.tensor([[20] * 8, [9] * 5 + [0] * 3])[:rows]
    zero = torch.zeros(rows, 8)
    given = Prosody(durations=durations, pitch=zero, energy=zero)
    lengths = torch.tensor([8, 5])[:rows]
    with torch.inference_mode():
        return model.synthesize(tokens, lengths, prosody=given)


def in_windows(
    monkeypatch: pytest.MonkeyPatch, model: PlanningModel, rows: int
) -> tuple[Tensor, Tensor]:
    """Return what is spoken at once, and in windows of some 30 frames."""
    at_once = spoken(model, rows)
    calls: list[int] = []
    plain = model.sound
    monkeypatch.setattr(
        model, "sound", lambda plan, valid: (calls.append(1), plain(plan, valid))[1]
    )
    monkeypatch.setattr("malsori.models.plan.usual_size", lambda context: 30)
    windowed = spoken(model, rows)
    assert len(calls) == 5
    assert windowed.wav_lengths.tolist() == at_once.wav_lengths.tolist()
    return at_once.wav, windowed.wav


@pytest.mark.parametrize("name", NAMES)
def test_context_is_what_samples_hang_on(name: str) -> None:
    """No frame beyond it changes a sample, and at it one does."""
    torch.manual_seed(0)
    entry, config = small(name)
    net = entry.build(replace(config, **({} if name == "istft" else {"harmonics": 0})), width=4)
    frames = torch.randn(1, 2 * config.context + 9, 4, requires_grad=True)
    at = config.context + 4
    samples = net.eval()(frames)[0, 0, at * config.hop : (at + 1) * config.hop]
    (gradient,) = torch.autograd.grad(samples @ torch.randn(config.hop), frames)
    heard = gradient[0].abs().sum(1).nonzero().flatten() - at
    assert config.context == max(-int(heard.min()), int(heard.max()))


@pytest.mark.parametrize("rows", [1, 2])
@pytest.mark.parametrize("name", NAMES)
def test_windows_of_every_generator(monkeypatch: pytest.MonkeyPatch, name: str, rows: int) -> None:
    at_once, windowed = in_windows(monkeypatch, build("jets", name), rows)
    assert at_once.abs().max() > 1e-3
    torch.testing.assert_close(windowed, at_once, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kind", ["vaejets", "vits", "fastspeech2"])
def test_windows_of_every_model(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    at_once, windowed = in_windows(monkeypatch, build(kind), 2)
    assert at_once.abs().max() > 1e-3
    torch.testing.assert_close(windowed, at_once, atol=1e-5, rtol=0)


def test_without_context_it_would_be_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = build("jets")
    model.context = 2
    at_once, windowed = in_windows(monkeypatch, model, 1)
    assert (windowed - at_once).abs().max() > 1e-4


def test_phases_run_through_all_windows() -> None:
    """A window that began its sines anew would sing another phase."""
    model: Any = build("jets")
    plan = model.plan(torch.arange(1, 9)[None], torch.tensor([8]))
    excitation = plan.excitation
    whole = model.generator.source(excitation)
    hop, frames = AUDIO.hop, plan.frames.shape[1]
    part = plan.window(frames // 2, frames)
    assert part.frame_lengths.tolist() == [frames - frames // 2]
    made = model.generator.source(part.excitation)
    assert torch.equal(made, whole[..., frames // 2 * hop :])


def test_memory_is_bounded_by_windows_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = build("jets")
    seen: list[int] = []
    model.generator.register_forward_pre_hook(lambda module, given: seen.append(given[0].shape[1]))
    tokens, durations = torch.ones(1, 30, dtype=torch.long), torch.full((1, 30), 50)
    zero = torch.zeros(1, 30)
    with torch.inference_mode():
        made = model.synthesize(
            tokens,
            torch.tensor([30]),
            prosody=Prosody(durations=durations, pitch=zero, energy=zero),
        )
    assert made.wav_lengths.tolist() == [1500 * AUDIO.hop]
    most = 1.5 * windowing.usual_size(model.context) + 2 * model.context
    assert len(seen) > 3 and max(seen) <= most
