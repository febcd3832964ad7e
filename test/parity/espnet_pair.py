"""ESPnet's JETS and ours with the same weights, in one process."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from malsori.core.config import build, from_dict, read_choice
from malsori.data.batch import Batch, Utterance, collate
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.statistics import Statistics
from malsori.espnet.weights import discriminator_to_espnet, to_espnet
from malsori.models import MODELS
from malsori.models.jets import JetsConfig
from malsori.models.voice import VoiceContext
from malsori.modules.discriminators import DiscriminatorConfig
from malsori.tasks import TASKS
from malsori.tasks.gan_tts import GanTts
from malsori.tasks.task import TaskContext

BANDS, HOP, TOKENS = 12, 16, 11
AUDIO = AudioConfig(
    sample_rate=8000, n_fft=64, window=64, hop=HOP, mel_bands=BANDS, mel_low_hz=0, mel_high_hz=4000
)
STATISTICS = Statistics(
    mel_mean=(-1.0,) * BANDS,
    mel_std=(0.7,) * BANDS,
    pitch_mean=5.0,
    pitch_std=0.3,
    energy_mean=1.0,
    energy_std=1.5,
)
OURS: dict[str, Any] = {
    "name": "jets",
    "width": 16,
    "encoder": {"layers": 2, "hidden": 24, "dropout": 0},
    "decoder": {"layers": 1, "hidden": 24, "dropout": 0},
    "duration": {"channels": 20, "dropout": 0},
    "pitch": {"layers": 3, "channels": 18, "kernel": 5, "dropout": 0, "detach": True},
    "energy": {"channels": 20, "dropout": 0},
    "prior": "published",
    "padding": "seen",
    "condition_generator": False,
    "generator": {
        "channels": 16,
        "upsampling": [4, 4],
        "upsampling_kernels": [8, 8],
        "residual_kernels": [3, 7],
        "residual_dilations": [[1, 3], [1, 3]],
        "initial_std": 0.2,
    },
    "segment": 6,
}
THEIRS: dict[str, Any] = {
    "adim": 16,
    "aheads": 2,
    "elayers": 2,
    "eunits": 24,
    "dlayers": 1,
    "dunits": 24,
    "positionwise_layer_type": "conv1d",
    "positionwise_conv_kernel_size": 3,
    **{
        f"transformer_{stack}_{part}dropout_rate": 0.0
        for stack in ("enc", "dec")
        for part in ("", "positional_", "attn_")
    },
    "duration_predictor_layers": 2,
    "duration_predictor_chans": 20,
    "duration_predictor_kernel_size": 3,
    "duration_predictor_dropout_rate": 0.0,
    "pitch_predictor_layers": 3,
    "pitch_predictor_chans": 18,
    "pitch_predictor_kernel_size": 5,
    "pitch_predictor_dropout": 0.0,
    "pitch_embed_kernel_size": 1,
    "pitch_embed_dropout": 0.0,
    "stop_gradient_from_pitch_predictor": True,
    "energy_predictor_layers": 2,
    "energy_predictor_chans": 20,
    "energy_predictor_kernel_size": 3,
    "energy_predictor_dropout": 0.0,
    "energy_embed_kernel_size": 1,
    "energy_embed_dropout": 0.0,
    "generator_channels": 16,
    "generator_upsample_scales": [4, 4],
    "generator_upsample_kernel_sizes": [8, 8],
    "generator_resblock_kernel_sizes": [3, 7],
    "generator_resblock_dilations": [[1, 3], [1, 3]],
    "segment_size": 6,
}
OUR_JUDGES: dict[str, Any] = {
    "scales": 2,
    "scale_channels": 8,
    "scale_max_channels": 16,
    "scale_max_groups": 4,
    "scale_strides": [2, 2],
    "periods": [2, 3],
    "period_channels": 4,
    "period_max_channels": 8,
    "period_strides": [3, 1],
    "period_score_kernel": 2,
}
THEIR_JUDGES: dict[str, Any] = {
    "scales": 2,
    "scale_discriminator_params": {
        "kernel_sizes": [15, 41, 5, 3],
        "channels": 8,
        "max_downsample_channels": 16,
        "max_groups": 4,
        "downsample_scales": [2, 2],
        "nonlinear_activation": "LeakyReLU",
        "nonlinear_activation_params": {"negative_slope": 0.1},
    },
    "follow_official_norm": False,
    "periods": [2, 3],
    "period_discriminator_params": {
        "kernel_sizes": [5, 3],
        "channels": 4,
        "max_downsample_channels": 8,
        "downsample_scales": [3, 1],
        "nonlinear_activation": "LeakyReLU",
        "nonlinear_activation_params": {"negative_slope": 0.1},
    },
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    """One model twice."""

    ours: GanTts
    theirs: Any
    """ESPnet's ``JETS``."""
    config: JetsConfig
    judges: DiscriminatorConfig

    def renamed(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return tensors named as our generator's parameters by ESPnet's names."""
        return to_espnet(tensors, self.config)

    def judges_renamed(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return tensors named as our discriminators' parameters by ESPnet's names."""
        return discriminator_to_espnet(tensors, self.judges)


def make_pair(
    ours: Mapping[str, Any], theirs: Mapping[str, Any], speakers: int = 1, languages: int = 1
) -> Pair:
    """Return ours with random weights and ESPnet's with the same.

    Args:
        ours: Settings of our model that differ from ``OURS``.
        theirs: The same in ESPnet's words.
        speakers: Known to both.
        languages: Known to both.
    """
    from espnet2.gan_tts.jets import JETS

    torch.manual_seed(5)
    context = TaskContext(
        model=read_choice(MODELS, {**OURS, **ours}, "model"),
        voice=VoiceContext(audio=AUDIO, tokens=TOKENS, speakers=speakers, languages=languages),
        statistics=STATISTICS,
    )
    settings = {
        "name": "gan_tts",
        "discriminator": OUR_JUDGES,
        "reconstruction": {"name": "mel", "n_fft": 64, "mel_bands": 10},
    }
    task: GanTts = build(TASKS, read_choice(TASKS, settings, "task"), context=context)
    loosen(task)
    params = {
        **THEIRS,
        "spks": speakers if speakers > 1 else -1,
        "langs": languages if languages > 1 else -1,
        **theirs,
    }
    mel = {
        "fs": 8000, "n_fft": 64, "hop_length": HOP, "n_mels": 10, "fmin": 0, "fmax": None,
        "log_base": None,
    }  # fmt: skip
    reference = JETS(
        idim=TOKENS,
        odim=BANDS,
        sampling_rate=8000,
        generator_params=params,
        discriminator_params=THEIR_JUDGES,
        mel_loss_params=mel,
        cache_generator_outputs=True,
    )
    judges = from_dict(DiscriminatorConfig, OUR_JUDGES)
    pair = Pair(ours=task, theirs=reference, config=context.model.config, judges=judges)
    copy(pair)
    return pair


def copy(pair: Pair) -> None:
    """Give ESPnet's the weights of ours; every tensor of both takes part."""
    pair.theirs.generator.load_state_dict(pair.renamed(pair.ours.model.state_dict()))
    pair.theirs.discriminator.load_state_dict(
        pair.judges_renamed(pair.ours.discriminator.state_dict())
    )


def loosen(task: nn.Module) -> None:
    """Move every weight off its initial value: norms and biases of 1 and 0 would hide mistakes."""
    with torch.no_grad():
        for name, parameter in task.named_parameters():
            if parameter.dim() <= 1 or name.endswith("original0"):
                parameter.add_(0.2 * torch.rand_like(parameter))


def speech(
    frames: tuple[int, ...], tokens: tuple[int, ...], speakers: int = 1, embedding: int = 0
) -> Batch:
    """Return random utterances of so many frames and tokens.

    Args:
        frames: Of each.
        tokens: Of each.
        speakers: Speakers among them.
        embedding: Size of external speaker vectors.
    """
    random = np.random.default_rng(4)
    utterances = []
    for i, (length, count) in enumerate(zip(frames, tokens, strict=True)):
        more: dict[str, Any] = {}
        if embedding:
            more["embedding"] = random.normal(0, 1, embedding).astype(np.float32)
        utterances.append(
            Utterance(
                id=f"u{i}",
                tokens=random.integers(1, TOKENS, count),
                wav=random.normal(0, 0.2, (length - 1) * HOP + 5).astype(np.float32),
                log_f0=random.normal(5, 0.3, length).astype(np.float32),
                speaker=i % speakers,
                language=(i + 1) % speakers,
                **more,
            )
        )
    return collate(utterances)


def gradients(module: nn.Module) -> dict[str, Tensor]:
    """Return the gradient of every parameter; zeros where there is none."""
    return {
        name: torch.zeros_like(p) if p.grad is None else p.grad
        for name, p in module.named_parameters()
    }


def assert_near(ours: Tensor, theirs: Tensor, relative: float, name: str) -> None:
    """Hold that two tensors differ by at most ``relative`` times the largest value."""
    assert ours.shape == theirs.shape, f"{name}: {list(ours.shape)} and {list(theirs.shape)}"
    finite = torch.isfinite(theirs)
    assert torch.equal(finite, torch.isfinite(ours)), f"{name}: not finite in the same places"
    ours, theirs = ours[finite].detach().double(), theirs[finite].detach().double()
    if not ours.numel():
        return
    size = float(theirs.abs().max().clamp_min(1e-6))
    apart = float((ours - theirs).abs().max())
    assert apart <= relative * size, f"{name}: {apart:.2e} apart at a size of {size:.2e}"
