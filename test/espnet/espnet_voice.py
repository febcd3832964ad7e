"""Real ESPnet voices of tiny size, saved as ESPnet saves them, and what they say."""

from __future__ import annotations

import argparse
import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

TOKENS = ["<blank>", "<unk>", *"abcdefghijkl", ".", "<sos/eos>"]
RATE, HOP, BANDS = 8000, 64, 20
PARAMS: dict[str, Any] = {
    "adim": 16,
    "elayers": 2,
    "eunits": 24,
    "dlayers": 1,
    "dunits": 20,
    "positionwise_conv_kernel_size": 3,
    "duration_predictor_chans": 16,
    "energy_predictor_chans": 12,
    "pitch_predictor_chans": 12,
    "generator_channels": 16,
    "generator_upsample_scales": [8, 8],
    "generator_upsample_kernel_sizes": [16, 16],
    "generator_resblock_kernel_sizes": [3, 5],
    "generator_resblock_dilations": [[1, 3], [1, 2]],
}
VITS_PARAMS: dict[str, Any] = {
    "hidden_channels": 16,
    "text_encoder_ffn_expand": 2,
    "text_encoder_blocks": 2,
    "decoder_channels": 16,
    "decoder_upsample_scales": [8, 8],
    "decoder_upsample_kernel_sizes": [16, 16],
    "decoder_resblock_kernel_sizes": [3, 5],
    "decoder_resblock_dilations": [[1, 3], [1, 2]],
    "posterior_encoder_layers": 2,
    "flow_layers": 2,
}
STYLE: dict[str, Any] = {
    "use_gst": True,
    "gst_tokens": 5,
    "gst_heads": 2,
    "gst_conv_layers": 2,
    "gst_conv_chans_list": [4, 6],
    "gst_gru_units": 10,
}
DISCRIMINATOR: dict[str, Any] = {
    "scales": 2,
    "follow_official_norm": False,
    "scale_discriminator_params": {
        "kernel_sizes": [5, 9, 5, 3],
        "channels": 8,
        "max_downsample_channels": 16,
        "max_groups": 4,
        "downsample_scales": [2, 1],
    },
    "periods": [2, 3],
    "period_discriminator_params": {"channels": 4, "max_downsample_channels": 4},
}
STFT = {"fs": RATE, "n_fft": 256, "hop_length": HOP}
CONFIG: dict[str, Any] = {
    "token_list": TOKENS,
    "token_type": "phn",
    "g2p": None,
    "cleaner": None,
    "feats_extract": "fbank",
    "feats_extract_conf": {**STFT, "n_mels": BANDS, "fmin": 60, "fmax": 3800, "win_length": 200},
    "normalize": "global_mvn",
    "pitch_extract": "dio",
    "pitch_extract_conf": {**STFT, "use_token_averaged_f0": False, "f0max": 500, "f0min": 70},
    "pitch_normalize": "global_mvn",
    "energy_extract": "energy",
    "energy_extract_conf": {**STFT, "use_token_averaged_energy": False, "win_length": 200},
    "energy_normalize": "global_mvn",
    "tts": "jets",
}
VITS_CONFIG: dict[str, Any] = {
    "feats_extract": "linear_spectrogram",
    "feats_extract_conf": {"n_fft": 256, "hop_length": HOP, "win_length": 200},
    **dict.fromkeys(
        ("normalize", "pitch_extract", "pitch_normalize", "energy_extract", "energy_normalize")
    ),
    "tts": "vits",
}
STATS = "exp/tts_stats_raw/train"
NAME = "exp/tts_train_jets_raw"


@dataclass(frozen=True)
class EspnetVoice:
    """A voice as its recipe leaves it: ``root/exp/NAME`` and ``root/exp/STATS``."""

    root: Path
    generator_params: dict[str, Any]
    how: dict[str, Any] = field(default_factory=dict)
    """What else ESPnet's inference is told, such as how much noise."""

    @property
    def config(self) -> Path:
        return self.root / NAME / "config.yaml"

    @property
    def weights(self) -> Path:
        return self.root / NAME / "train.total_count.ave_5best.pth"

    def pack(self, out: Path) -> Path:
        """Write a model-zoo zip with ESPnet's own packer."""
        from espnet2.main_funcs.pack_funcs import pack

        with inside(self.root):
            pack(
                files={"model_file": self.weights.relative_to(self.root)},
                yaml_files={"train_config": self.config.relative_to(self.root)},
                option=[f"{STATS}/{kind}_stats.npz" for kind in ("feats", "pitch", "energy")],
                outpath=out,
            )
        return out

    def say(self, ids: list[int], **conditions: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return waveform (S,) and durations (N,) of ESPnet's own inference."""
        from espnet2.bin.tts_inference import Text2Speech

        with inside(self.root):
            speaker = Text2Speech(train_config=self.config, model_file=self.weights, **self.how)
        said = speaker(torch.tensor(ids), **conditions)
        return said["wav"].numpy(), said["duration"].numpy()


def make(root: Path, seed: int = 1, config: Any = None, **params: Any) -> EspnetVoice:
    """Return a voice with drawn weights, its config printed by ESPnet's own task."""
    from espnet2.tasks.gan_tts import GANTTSTask
    from espnet2.utils.yaml_no_alias_safe_dump import yaml_no_alias_safe_dump

    vits = (config or {}).get("tts") == "vits"
    (root / NAME).mkdir(parents=True)
    write_statistics(root / STATS)
    torch.manual_seed(seed)
    generator = {**(VITS_PARAMS if vits else PARAMS), **params}
    tree = GANTTSTask.get_default_config() | CONFIG
    for kind, name in (("feats", "normalize"), ("pitch", "pitch_normalize"),
                       ("energy", "energy_normalize")):  # fmt: skip
        tree[f"{name}_conf"] = {"stats_file": f"{STATS}/{kind}_stats.npz"}
    tree["tts_conf"] = {
        "sampling_rate": RATE,
        "generator_params": generator,
        "discriminator_params": DISCRIMINATOR,
    }
    tree |= config or {}
    arguments = argparse.Namespace(**tree)
    with inside(root):
        model = GANTTSTask.build_model(arguments)
    draw(model)
    voice = EspnetVoice(root, generator)
    with voice.config.open("w", encoding="utf-8") as file:  # as its task does, after building
        yaml_no_alias_safe_dump(vars(arguments), file, indent=4, sort_keys=False)
    torch.save(model.state_dict(), voice.weights)
    return voice


def draw(model: torch.nn.Module) -> None:
    """Give a model lively weights: speech that is heard, tokens of some frames each."""
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith(("running_var", "weight_g")):
                tensor.uniform_(0.6, 1.4)
            elif name.endswith("alpha"):
                tensor.fill_(0.8)
            elif "tts.generator" in name and tensor.is_floating_point():
                tensor.add_(0.1 * torch.randn_like(tensor))
            if name.endswith("running_mean"):
                tensor.add_(0.3 * torch.randn_like(tensor))
            if name.endswith("duration_predictor.linear.bias"):
                tensor.fill_(1.7)
            if name.endswith("duration_predictor.linear.weight"):
                tensor.mul_(0.4)
            if name.endswith("duration_predictor.flows.0.m"):
                tensor.fill_(-1.2)  # log durations about 1.2


def make_vits(root: Path, seed: int = 1, **params: Any) -> EspnetVoice:
    """Return a VITS voice with drawn weights that speaks without noise."""
    voice = make(root, seed, VITS_CONFIG, **params)
    return replace(voice, how={"noise_scale": 0.0, "noise_scale_dur": 0.0})


def write_statistics(folder: Path) -> None:
    """Write files of sums as ESPnet's statistics stage does."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(3)
    for kind, size in (("feats", BANDS), ("pitch", 1), ("energy", 1)):
        values = random.normal(2.0, 0.7, (50, size)).astype(np.float32)
        np.savez(folder / f"{kind}_stats.npz", count=50, sum=values.sum(0),
                 sum_square=(values**2).sum(0))  # fmt: skip


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Work in a folder: ESPnet's configs have paths from the recipe's."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
