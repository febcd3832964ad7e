"""An imported VITS voice says what ESPnet's own inference says; an exported one as well."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import espnet_voice
import numpy as np
import pytest
import torch
import yaml
from test_espnet_export import unpacked
from test_espnet_import import IDS, TOLERANCE, both

from malsori.espnet.pack_reader import read_espnet
from malsori.espnet.pack_writer import write_espnet
from malsori.infer.pack import load_pack, write_voice
from malsori.infer.synthesizer import Synthesizer
from malsori.models.voice import Conditions
from malsori.packs.format import read_pack

VOICES: dict[str, dict[str, Any]] = {
    "conformer": {},
    "linear": {"text_encoder_positionwise_layer_type": "linear"},
    "conv1d": {"text_encoder_positionwise_conv_kernel_size": 3},
    "conv1d_linear": {
        "text_encoder_positionwise_layer_type": "conv1d-linear",
        "text_encoder_positionwise_conv_kernel_size": 3,
    },
    "bare": {
        "use_macaron_style_in_text_encoder": False, "use_conformer_conv_in_text_encoder": False,
        "text_encoder_attention_heads": 4,
    },
    "legacy": {
        "text_encoder_positional_encoding_layer_type": "legacy_rel_pos",
        "text_encoder_self_attention_layer_type": "legacy_rel_selfattn",
    },
    "sizes": {
        "posterior_encoder_layers": 4, "posterior_encoder_stacks": 2,
        "posterior_encoder_base_dilation": 2, "posterior_encoder_kernel_size": 3,
        "flow_flows": 3, "flow_kernel_size": 3, "flow_base_dilation": 2, "flow_layers": 3,
        "stochastic_duration_predictor_flows": 3,
        "stochastic_duration_predictor_dds_conv_layers": 2,
        "stochastic_duration_predictor_kernel_size": 5, "segment_size": 16,
        "decoder_upsample_scales": [4, 16], "decoder_upsample_kernel_sizes": [8, 32],
    },
    "folded": {
        "use_weight_norm_in_decoder": False, "use_weight_norm_in_flow": False,
        "use_weight_norm_in_posterior_encoder": False,
    },
    "unread": {"global_channels": 6},
    "speakers": {"global_channels": 6, "spks": 4},
    "everything": {"global_channels": 6, "spks": 4, "langs": 3, "spk_embed_dim": 5},
}  # fmt: skip


QUICK = ("linear", "sizes", "everything")


def imported(
    voice: espnet_voice.EspnetVoice, out: Path, noise: float = 0.0, duration_noise: float = 0.0
) -> Synthesizer:
    read = read_espnet(voice.pack(out.with_name("zoo.zip")))
    read.description["model"] |= {"noise": noise, "duration_noise": duration_noise}
    write_voice(read, out)
    return Synthesizer(load_pack(out))


@pytest.mark.parametrize("name", VOICES)
def test_says_what_espnet_says(name: str, espnet: ModuleType, tmp_path: Path) -> None:
    voice = espnet_voice.make_vits(tmp_path / "recipe", **VOICES[name])
    speaker = imported(voice, tmp_path / "voice.malsori.zip")
    theirs, ours = both(voice, speaker)
    assert np.abs(theirs).max() > 0.05 and np.abs(theirs).std() > 0.01
    assert np.abs(theirs - ours).max() <= TOLERANCE


def test_the_same_noise_is_drawn_into_the_same_speech(
    espnet: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    voice = espnet_voice.make_vits(tmp_path / "recipe", global_channels=6, spks=4)
    speaker = imported(voice, tmp_path / "voice.malsori.zip", 0.667, 0.8)
    voice = replace(voice, how={})
    randn = torch.randn

    def drawn(positions: int, channels: int) -> torch.Tensor:
        noise = randn(positions, channels, generator=torch.Generator().manual_seed(0))
        return noise.T[None]

    tokens = torch.tensor([IDS])
    with torch.inference_mode():  # ours draws it with a seed of its own
        who = Conditions(speaker=torch.tensor([2]))
        said = speaker.voice.model.synthesize(tokens, torch.tensor([len(IDS)]), who)
    monkeypatch.setattr(torch, "randn", lambda batch, channels, n: drawn(n, channels))
    monkeypatch.setattr(torch, "randn_like", lambda mean: drawn(mean.shape[2], mean.shape[1]))
    theirs, durations = voice.say(IDS, sids=torch.tensor([2]))
    np.testing.assert_array_equal(said.prosody.durations[0].numpy(), durations)
    quiet = replace(voice, how={"noise_scale": 0.0}).say(IDS, sids=torch.tensor([2]))[0]
    assert np.abs(theirs - quiet).max() > 0.01
    assert np.abs(theirs - said.wav[0].numpy()).max() <= TOLERANCE


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in VOICES]
)
def test_there_and_back(name: str, espnet: ModuleType, tmp_path: Path) -> None:
    voice = espnet_voice.make_vits(tmp_path / "recipe", seed=5, **VOICES[name])
    speaker = imported(voice, tmp_path / "voice.malsori.zip")
    write_espnet(read_pack(tmp_path / "voice.malsori.zip"), tmp_path / "back.zip")
    back = unpacked(tmp_path / "back.zip", tmp_path / "back", voice.generator_params)
    theirs, ours = both(replace(back, how=voice.how), speaker)
    assert np.abs(theirs - ours).max() <= TOLERANCE


def test_every_weight_of_espnets_model_is_there(espnet: ModuleType, tmp_path: Path) -> None:
    """Older versions of ESPnet load strictly: a name more or less is an error there."""
    from espnet2.tasks.tts import TTSTask

    voice = espnet_voice.make_vits(tmp_path / "recipe", **VOICES["everything"])
    imported(voice, tmp_path / "voice.malsori.zip")
    write_espnet(read_pack(tmp_path / "voice.malsori.zip"), tmp_path / "back.zip")
    back = unpacked(tmp_path / "back.zip", tmp_path / "back")
    with espnet_voice.inside(back.root):
        config = yaml.safe_load(back.config.read_text(encoding="utf-8"))
        theirs = TTSTask.build_model(argparse.Namespace(**config)).state_dict()
    ours = torch.load(back.weights, weights_only=True)
    assert set(theirs) == set(ours)
    assert all(torch.isfinite(tensor).all() for tensor in ours.values())
    for name in theirs:
        assert theirs[name].shape == ours[name].shape, name


def test_discriminators_go_along(espnet: ModuleType, tmp_path: Path) -> None:
    voice = espnet_voice.make_vits(tmp_path / "recipe")
    write_voice(read_espnet(voice.pack(tmp_path / "zoo.zip"), training=True), tmp_path / "v.zip")
    write_espnet(read_pack(tmp_path / "v.zip", training=True), tmp_path / "back.zip")
    back = unpacked(tmp_path / "back.zip", tmp_path / "back")
    first, last = (torch.load(v.weights, weights_only=True) for v in (voice, back))
    assert set(first) == set(last)
    for name in (n for n in first if n.startswith("tts.discriminator.")):
        torch.testing.assert_close(first[name], last[name], rtol=0, atol=0)
