"""An imported voice says what ESPnet's own inference says."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import espnet_voice
import numpy as np
import pytest
import torch

from malsori.espnet.pack_reader import read_espnet
from malsori.infer.pack import load_pack, write_voice
from malsori.infer.request import style_of
from malsori.infer.synthesizer import Synthesizer
from malsori.models.voice import Conditions

IDS = [3, 7, 2, 9, 14, 5, 5, 13, 4, 12, 6]
TOLERANCE = 1e-5  # the contract is 1e-4 at full scale 1; measured 1.2e-6
CONFORMER = {"encoder_type": "conformer", "decoder_type": "conformer"}
VOICES: dict[str, dict[str, Any]] = {
    "transformer": {},
    "plain": {"use_scaled_pos_enc": False, "aheads": 4},
    "linear": {"positionwise_layer_type": "linear"},
    "conv1d_linear": {"positionwise_layer_type": "conv1d-linear"},
    "kernel_1": {"positionwise_conv_kernel_size": 1},
    "unpaired": {"generator_use_additional_convs": False, "pitch_embed_kernel_size": 1},
    "folded": {"generator_use_weight_norm": False},
    "odd_factors": {
        "generator_upsample_scales": [4, 16], "generator_upsample_kernel_sizes": [8, 32],
    },
    "conformer": {**CONFORMER, "conformer_rel_pos_type": "latest"},
    "conformer_legacy": CONFORMER,
    "conformer_zero_triu": {**CONFORMER, "conformer_rel_pos_type": "latest", "zero_triu": True},
    "conformer_bare": {
        **CONFORMER, "use_macaron_style_in_conformer": False, "use_cnn_in_conformer": False,
    },
    "conformer_linear": {**CONFORMER, "positionwise_layer_type": "linear"},
    "conformer_kernel_1": {**CONFORMER, "positionwise_conv_kernel_size": 1},
    "conformer_conv1d_linear_1": {
        **CONFORMER, "positionwise_layer_type": "conv1d-linear", "positionwise_conv_kernel_size": 1,
    },
    "mixed": {"encoder_type": "conformer", "conformer_rel_pos_type": "latest"},
    "speakers": {"spks": 4, "langs": 3},
    "embedding_add": {"spk_embed_dim": 6},
    "embedding_concat": {"spk_embed_dim": 6, "spk_embed_integration_type": "concat"},
    "style": espnet_voice.STYLE,
    "everything": {
        **espnet_voice.STYLE, "spks": 3, "langs": 2, "spk_embed_dim": 5, **CONFORMER,
        "spk_embed_integration_type": "concat", "conformer_rel_pos_type": "latest",
    },
}  # fmt: skip


def imported(voice: espnet_voice.EspnetVoice, out: Path, **how: Any) -> Synthesizer:
    write_voice(read_espnet(voice.pack(out.with_name("zoo.zip")), **how), out)
    return Synthesizer(load_pack(out))


def both(
    voice: espnet_voice.EspnetVoice, speaker: Synthesizer, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return what ESPnet and the imported voice say; their durations are equal."""
    params, theirs, ours = voice.generator_params, {}, Conditions()
    tree: dict[str, Any] = {}
    if params.get("spks"):
        theirs["sids"], tree["speaker"] = torch.tensor([2]), torch.tensor([2])
    if params.get("langs"):
        theirs["lids"], tree["language"] = torch.tensor([1]), torch.tensor([1])
    if params.get("spk_embed_dim"):
        vector = torch.randn(params["spk_embed_dim"], generator=torch.Generator().manual_seed(2))
        theirs["spembs"], tree["embedding"] = vector, vector[None]
    if params.get("use_gst"):
        wav = 0.3 * torch.randn(6000, generator=torch.Generator().manual_seed(4))
        theirs["speech"] = wav
        style = style_of(speaker.voice, wav.numpy())
        tree |= {
            "style_mel": style.style_mel, "style_mel_lengths": style.style_mel_lengths,
        }  # fmt: skip
    ours = Conditions(**tree)
    wav, durations = voice.say(IDS, **theirs)
    tokens = torch.tensor([IDS])
    with torch.inference_mode():
        said = speaker.voice.model.synthesize(tokens, torch.tensor([len(IDS)]), ours)
    np.testing.assert_array_equal(said.prosody.durations[0].numpy(), durations)
    assert durations.sum() > len(IDS) and np.ptp(durations) > 0
    return wav, said.wav[0].numpy()


@pytest.mark.parametrize("name", VOICES)
def test_says_what_espnet_says(name: str, espnet: ModuleType, tmp_path: Path) -> None:
    voice = espnet_voice.make(tmp_path / "recipe", **VOICES[name])
    speaker = imported(voice, tmp_path / "voice.malsori.zip")
    theirs, ours = both(voice, speaker)
    assert np.abs(theirs).max() > 0.05 and np.abs(theirs).std() > 0.01
    assert np.abs(theirs - ours).max() <= TOLERANCE
