"""Speaker vectors: the network by its formulas, the encoder by what its package makes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.core.errors import ConfigError, MalsoriError
from malsori.dsp import audio
from malsori.dsp.audio import AudioError
from malsori.modules import speaker_encoder
from malsori.modules.speaker_encoder import (
    Resemblyzer,
    ResemblyzerConfig,
    SpeakerNetwork,
)

RATE = 16000
CORPORA = Path(__file__).parents[2] / "egs"
LARGEST = {
    246: 0.216929, 132: 0.211811, 136: 0.206330, 150: 0.191156,
    218: 0.176206, 146: 0.169026, 126: 0.166335, 10: 0.163844,
}  # fmt: skip
"""The largest numbers that resemblyzer 0.1.4's own code makes of ``voice()`` at -20 dB."""


def voice(seconds: float = 1.6, hz: float = 120.0) -> np.ndarray:
    """Return rising harmonics that swell three times a second, float32 (S,)."""
    times = np.arange(round(seconds * RATE)) / RATE
    wav = sum(
        0.1 / k * np.sin(2 * np.pi * hz * k * times * (1 + 0.05 * times)) for k in range(1, 30)
    )
    return (wav * (0.6 + 0.4 * np.sin(2 * np.pi * 3 * times))).astype(np.float32)


@pytest.fixture(scope="module")
def encoder() -> Resemblyzer:
    """Return the encoder; skipped where its weights are not installed."""
    if importlib.util.find_spec("resemblyzer") is None:
        pytest.skip("resemblyzer is not there: run tools/installers/install_speakers.sh")
    return Resemblyzer.load(ResemblyzerConfig())


def test_the_network_is_its_formulas() -> None:
    torch.manual_seed(0)
    net = SpeakerNetwork(3, 4, 5, 2).double()
    mel = torch.randn(2, 6, 3, dtype=torch.float64)
    x = mel.numpy()
    weights = {name: tensor.detach().numpy() for name, tensor in net.state_dict().items()}

    def sigmoid(value: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-value))

    for layer in range(2):
        w, u, b, c = (
            weights[f"lstm.{name}_l{layer}"]
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        state, cell, states = np.zeros((2, 4)), np.zeros((2, 4)), []
        for t in range(6):
            gates = np.split(x[:, t] @ w.T + b + state @ u.T + c, 4, axis=1)
            cell = sigmoid(gates[1]) * cell + sigmoid(gates[0]) * np.tanh(gates[2])
            state = sigmoid(gates[3]) * np.tanh(cell)
            states.append(state)
        x = np.stack(states, axis=1)
    raw = np.maximum(x[:, -1] @ weights["linear.weight"].T + weights["linear.bias"], 0)
    expected = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    np.testing.assert_allclose(net(mel).detach().numpy(), expected, atol=1e-12)


def test_every_parameter_gets_a_gradient_and_windows_do_not_see_each_other() -> None:
    torch.manual_seed(0)
    net = SpeakerNetwork(3, 8, 6)
    mel = torch.randn(4, 5, 3)
    net(mel).cumsum(1).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())
    torch.testing.assert_close(net(mel)[2:3], net(mel[2:3]))


def test_one_window_is_what_the_package_makes(encoder: Resemblyzer) -> None:
    vector = encoder.embed(voice())
    assert vector.dtype == np.float32 and vector.shape == (encoder.size,)
    assert {i: pytest.approx(v, abs=2e-6) for i, v in LARGEST.items()} == {
        i: float(vector[i]) for i in np.argsort(-vector)[:8]
    }


@given(db=st.floats(-30, 20), seconds=st.floats(0.5, 5))
@settings(max_examples=10, deadline=None)
def test_the_level_changes_nothing_and_the_length_is_one(
    encoder: Resemblyzer, db: float, seconds: float
) -> None:
    wav = voice(seconds)
    vector = encoder.embed(wav)
    np.testing.assert_allclose(np.linalg.norm(vector), 1, atol=1e-6)
    np.testing.assert_array_equal(vector, encoder.embed(wav))
    np.testing.assert_allclose(encoder.embed(wav * np.float32(10 ** (db / 20))), vector, atol=1e-5)


def test_voices_are_told_apart_and_silence_changes_little(
    encoder: Resemblyzer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the two embedded corpora one is a woman's, the other a synthesiser's."""
    human = [
        audio.read(path, RATE)[0] for path in sorted(CORPORA.glob("*ljspeech/corpus/wavs/*"))[:4]
    ]
    robot = [audio.read(path, RATE)[0] for path in sorted(CORPORA.glob("*kss/corpus/1/*.wav"))[:4]]
    ours, theirs = (np.stack([encoder.embed(wav) for wav in wavs]) for wavs in (human, robot))
    same = np.concatenate([(v @ v.T)[np.triu_indices(4, 1)] for v in (ours, theirs)])
    assert len(human) == len(robot) == 4 and same.min() > (ours @ theirs.T).max() + 0.05
    gap = np.zeros(2 * RATE, np.float32)
    quarter = len(human[0]) // 4
    sums = np.convolve(np.square(human[0]), np.ones(RATE // 20), "same")
    pause = quarter + int(sums[quarter:-quarter].argmin())
    longer = np.concatenate([gap, human[0][:pause], gap, human[0][pause:], gap])
    assert float(encoder.embed(longer) @ ours[0]) > 0.9
    monkeypatch.setattr(speaker_encoder, "LONGEST_SILENCE", 60.0)
    assert float(encoder.embed(longer) @ ours[0]) < 0.85, "it would, were it left"


def test_a_short_utterance_is_repeated(encoder: Resemblyzer) -> None:
    wav = voice(0.8)
    np.testing.assert_allclose(encoder.embed(wav), encoder.embed(np.tile(wav, 2)), atol=1e-5)


def test_more_windows_than_are_read_at_a_time(
    encoder: Resemblyzer, monkeypatch: pytest.MonkeyPatch
) -> None:
    wav = voice(6.0)
    together = encoder.embed(wav)
    monkeypatch.setattr(speaker_encoder, "WINDOWS", 2)
    np.testing.assert_allclose(encoder.embed(wav), together, atol=1e-6)


@pytest.mark.parametrize(
    ("wav", "said"),
    [
        (np.zeros(0, np.float32), "silent: no sample passes -60 dB"),
        (np.zeros(RATE, np.float32), "silent: no sample passes -60 dB"),
        (voice(0.2), "0.20 s of speech; a vector needs 0.4 s"),
    ],
)
def test_too_little_speech_is_refused(encoder: Resemblyzer, wav: Any, said: str) -> None:
    with pytest.raises(AudioError, match=said):
        encoder.embed(wav)


def test_without_the_package_one_line_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MalsoriError) as caught:
        Resemblyzer.load(ResemblyzerConfig())
    line = str(caught.value)
    assert line.startswith("speaker encoder 'resemblyzer': the package resemblyzer")
    assert line.endswith("is not installed: tools/installers/install_speakers.sh")


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found)
    for content in (None, b"other weights"):
        if content is not None:
            (tmp_path / "pretrained.pt").write_bytes(content)
        with pytest.raises(MalsoriError, match=r"pretrained\.pt: not the weights of resemblyzer"):
            Resemblyzer.load(ResemblyzerConfig())


def test_a_device_that_is_not_there_is_named(encoder: Resemblyzer) -> None:
    with pytest.raises(ConfigError, match="device: 'cuda:77' cannot be used here"):
        Resemblyzer.load(ResemblyzerConfig(), device="cuda:77")
