"""Small models of every kind that speaks, with random weights."""

from __future__ import annotations

from typing import Any

import torch

from malsori.core.config import build, from_dict, read_choice
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.statistics import Statistics
from malsori.models import MODELS
from malsori.models.composed import ComposedModel
from malsori.models.voice import VoiceContext
from malsori.modules.weight_norm import fold_weight_norm

TOKENS, SPEAKERS, LANGUAGES, VECTOR = 30, 3, 2, 6
AUDIO = from_dict(
    AudioConfig,
    {
        **{"sample_rate": 8000, "n_fft": 256, "window": 256, "hop": 64},
        **{"mel_bands": 20, "mel_high_hz": 4000},
    },
    "audio",
)
GENERATORS: dict[str, dict[str, Any]] = {
    "v3": {
        **{"name": "hifigan_v3", "channels": 16, "initial_std": 0.2},
        **{"upsampling": [4, 4, 4], "upsampling_kernels": [8, 8, 8]},
    },
    "v1": {
        **{"name": "hifigan_v1", "channels": 16, "initial_std": 0.2, "harmonics": 3},
        **{"upsampling": [4, 4, 2, 2], "upsampling_kernels": [8, 8, 4, 4]},
    },
    "istft": {
        **{"name": "istft", "channels": 16, "hidden": 24, "layers": 2, "n_fft": 256, "hop": 64}
    },
    "istftnet": {
        **{"name": "istftnet", "channels": 16, "initial_std": 0.2},
        **{"upsampling": [4, 4], "upsampling_kernels": [8, 8]},
    },
}
_STACK = {"layers": 2, "hidden": 16}
_SMALL = {"layers": 1, "channels": 16}
_FRONT: dict[str, Any] = {
    **{"width": 16, "encoder": _STACK, "decoder": _STACK},
    **{"duration": _SMALL, "energy": _SMALL, "pitch": {**_SMALL, "detach": True}},
}
_JETS = {"name": "jets", **_FRONT, "generator": GENERATORS["v3"]}
_NETWORK = {"layers": 2, "channels": 16}
_VAEJETS = {
    **{**_JETS, "name": "vaejets", "latent": 8, "posterior": _NETWORK},
    **{"flow": {"network": _NETWORK}, "melody": _SMALL},
}
_VITS = {
    **{"name": "vits", "width": 16, "condition": 8, "posterior": _NETWORK},
    **{"encoder": {"name": "conformer", **_STACK}, "flow": {"network": _NETWORK}},
    **{"duration_flow": {"channels": 16}, "duration_predictor": _SMALL, "melody": _SMALL},
    "generator": GENERATORS["v3"],
}
_MEL = {"name": "fastspeech2", **_FRONT}
_FRAMES = {**_SMALL, "kernel": 3}


def _stacks(name: str, **settings: Any) -> dict[str, Any]:
    stack = {"name": name, **_STACK, **settings}
    return {**_JETS, "encoder": stack, "decoder": stack}


MODELS_BY_NAME: dict[str, tuple[dict[str, Any], bool]] = {
    **{
        f"jets {n}": ({**_JETS, "generator": GENERATORS[n]}, False)
        for n in ("v3", "istft", "istftnet")
    },
    "jets of several, harmonics": (
        {**_JETS, "melody": _SMALL, "generator": GENERATORS["v1"]},
        True,
    ),
    "jets vectors, style": (
        {
            **_JETS,
            "speaker_embedding": {"size": VECTOR, "join": "concat"},
            "style": {"tokens": 3, "heads": 2},
        },
        False,
    ),
    "jets conformer": (_stacks("conformer"), False),
    "jets legacy conformer": (_stacks("conformer", positions="legacy"), False),
    "jets fastformer": (_stacks("fastformer"), False),
    "jets relative": (_stacks("relative_transformer"), False),
    "vaejets of several": ({**_VAEJETS, "generator": GENERATORS["v1"]}, True),
    "vits": (_VITS, False),
    "vits of several, harmonics": ({**_VITS, "generator": GENERATORS["v1"]}, True),
    "vits log": ({**_VITS, "duration": "log"}, False),
    "fastspeech2 frames": ({**_MEL, "pitch": {**_FRAMES, "level": "frame"}}, False),
    "fastspeech2 of several": (_MEL, True),
}
"""Settings, and whether there are several speakers and languages."""


def make(name: str) -> Any:
    """Return a model that speaks, some frames a token, ready to be exported."""
    tree, several = MODELS_BY_NAME[name]
    context = VoiceContext(
        audio=AUDIO,
        tokens=TOKENS,
        speakers=SPEAKERS if several else 1,
        languages=LANGUAGES if several else 1,
    )
    torch.manual_seed(5)
    model = ready(build(MODELS, read_choice(MODELS, tree, "model"), context=context))
    for part, parameter in model.named_parameters():
        if "flow" in part:  # the identity at first
            parameter.add_(0.1 * torch.randn_like(parameter))
    durations = model.duration_predictor
    if durations is not None:
        durations.out.weight.mul_(0.1)
        durations.out.bias.fill_(1.5)
    if tree["name"] != "fastspeech2":
        return model
    settings = {"name": "hifigan", "generator": GENERATORS["v3"]}
    vocoder = build(MODELS, read_choice(MODELS, settings, "model"), context=context)
    return ComposedModel(model, ready(vocoder), Statistics.neutral(AUDIO.mel_bands)).eval()


def ready(model: torch.nn.Module) -> Any:
    """Return it as a voice has it."""
    return fold_weight_norm(model).eval().requires_grad_(False)
