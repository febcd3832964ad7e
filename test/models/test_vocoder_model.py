"""A vocoder is the original HiFi-GAN's generator, its mel included, and keeps padding out."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_hifigan import SIZES, hifigan_mel, plain_generator
from torch import Tensor

from malsori.core.config import build, read_choice
from malsori.core.errors import ConfigError
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.mel import HifiganSpectrogram, Spectrogram
from malsori.models import MODELS
from malsori.models.vocoder import Vocoder, VocoderConfig, VocodingModel, vocode
from malsori.models.voice import VoiceContext
from malsori.modules import GENERATORS
from malsori.modules.weight_norm import fold_weight_norm
from malsori.packs.hifigan import our_weights

AUDIO = AudioConfig(
    sample_rate=8000, n_fft=64, window=64, hop=16, mel_bands=6, mel_low_hz=0, mel_high_hz=4000
)
TINY: dict[str, Any] = {
    "channels": 8,
    "upsampling": [4, 4],
    "upsampling_kernels": [8, 8],
    "residual_kernels": [3, 5],
    "residual_dilations": [[1, 3], [1, 2]],
    "initial_std": 0.2,
}


def make(audio: AudioConfig = AUDIO, **model: Any) -> Vocoder:
    torch.manual_seed(4)
    chosen = read_choice(MODELS, {"name": "hifigan", "generator": TINY, **model}, "model")
    return build(MODELS, chosen, context=VoiceContext(audio=audio, tokens=2))


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("version", ["hifigan_v1", "hifigan_v2", "hifigan_v3"])
def test_it_computes_what_the_original_does(version: str) -> None:
    audio = AudioConfig(sample_rate=22050, mel_low_hz=0.0, mel_high_hz=8000.0)
    model = make(audio, generator=version, mel="hifigan").eval()
    state, run = plain_generator(SIZES[version], seed=3)
    fold_weight_norm(model).load_state_dict(our_weights(state))
    mel = noise(2, 9, 80) * 2 - 4
    expected = run(mel.transpose(1, 2))
    with torch.no_grad():
        found = model(mel / math.log(10))
    assert expected.std() > 0.02
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("samples", [5000, 256 * 7, 700])
def test_its_mel_is_the_originals(samples: int) -> None:
    audio = AudioConfig(sample_rate=22050, mel_low_hz=0.0, mel_high_hz=8000.0)
    wav = 0.1 * noise(1, samples)
    wav[:, samples // 2 :] *= 1e-4  # down to the floor
    mel, _ = HifiganSpectrogram(audio)(wav, torch.tensor([samples]))
    expected = hifigan_mel(wav, 22050, 1024, 80, 256, 1024, 0, 8000)  # (1, M, T)
    assert mel.shape[1] == samples // 256 == expected.shape[2]
    torch.testing.assert_close(mel * math.log(10), expected.transpose(1, 2), atol=2e-4, rtol=1e-5)


def test_centred_frames_are_those_of_every_other_model() -> None:
    wav = 0.1 * noise(1, 150)
    found = make().analyse(wav, torch.tensor([150]))
    mel, _ = Spectrogram(AUDIO)(wav, torch.tensor([150]))
    assert torch.equal(found.mel, mel) and found.lengths.tolist() == [AUDIO.frames(150)]


def test_the_floor_is_seen_and_nothing_below_it() -> None:
    model = make().eval()
    quiet = torch.full((1, 5, 6), -5.0)
    assert torch.equal(model(quiet), model(quiet - 3))
    assert not torch.equal(model(quiet), model(quiet + 1))


@pytest.mark.parametrize("name", GENERATORS.names())
def test_every_generator_makes_a_hop_of_samples_a_frame(name: str) -> None:
    audio = AudioConfig(mel_bands=8)
    small = {"channels": 16} if name.startswith("hifigan") else {}
    model = make(audio, generator={"name": name, **small}).eval()
    with torch.no_grad():
        made = vocode(model, noise(2, 5, 8), torch.tensor([5, 3]))
    assert made.wav.shape == (2, 5 * 256) and made.wav_lengths.tolist() == [1280, 768]
    assert torch.isfinite(made.wav).all() and not made.wav[1, 768:].any()


@settings(max_examples=20, deadline=None)
@given(lengths=st.lists(st.integers(1, 90), min_size=2, max_size=3), mel=st.booleans())
def test_padding_never_reaches_real_samples(lengths: list[int], mel: bool) -> None:
    model = make(mel="hifigan" if mel else "centred").eval()
    wavs = [0.3 * noise(1, length, seed=i) for i, length in enumerate(lengths)]
    batch = torch.full((len(wavs), max(lengths)), 1e3)  # loud padding
    for row, wav in zip(batch, wavs, strict=True):
        row[: wav.shape[1]] = wav[0]
    with torch.no_grad():
        together = vocode(model, *model.analyse(batch, torch.tensor(lengths)))
        for i, wav in enumerate(wavs):
            alone = vocode(model, *model.analyse(wav, torch.tensor([lengths[i]])))
            end = int(alone.wav_lengths[0])
            assert int(together.wav_lengths[i]) == end
            torch.testing.assert_close(together.wav[i, :end], alone.wav[0], atol=1e-5, rtol=1e-4)


def test_every_parameter_learns() -> None:
    model = make()
    model(noise(2, 5, 6)).square().mean().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_it_is_a_vocoder_and_keeps_no_buffer_among_its_weights() -> None:
    model = make()
    assert isinstance(model, VocodingModel)
    assert all(name.startswith("generator.") for name in model.state_dict())


def test_other_bands_are_refused() -> None:
    with pytest.raises(ConfigError, match="mel: needs 6 bands, got 5"):
        make()(torch.zeros(1, 3, 5))


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ({"segment": 0}, r"segment: must be in \[1, 65536\], got 0"),
        ({"generator": {**TINY, "harmonics": 4}}, "generator.harmonics: .* set 0, got 4"),
        ({"generator": {**TINY, "upsampling": [4, 2]}}, "makes 8 samples a frame, .*hop is 16"),
        ({"mel": "hifi"}, "mel"),
    ],
)
def test_settings_that_make_no_sense_are_named(model: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make(**model)


def test_defaults_are_version_1() -> None:
    assert VocoderConfig().generator.name == "hifigan_v1" and VocoderConfig().segment == 32
