"""Generators that the original HiFi-GAN's code trained: its weights and ``config.json`` as ours.

Nothing in the files is trusted: weights are read without pickled code, settings as plain JSON, and
what they ask for is compared with the weights before any model is built.

Names there and here: ``conv_pre`` → ``input``, ``ups.I`` → ``upsamplers.I``, ``conv_post`` →
``output``, ``resblocks.I.convs1.J`` and ``resblocks.I.convs.J`` → ``residuals.I.dilated.J``,
``resblocks.I.convs2.J`` → ``residuals.I.plain.J``; its weight norm (``weight_g``, ``weight_v``) is
folded.

Source: the layout of the files that github.com/jik876/hifi-gan publishes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from malsori.core.config import from_dict, to_dict
from malsori.core.errors import ConfigError, MalsoriError
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.statistics import Statistics
from malsori.modules.hifigan import HifiganConfig, HifiganV2Config, HifiganV3Config
from malsori.packs.archive import MEGABYTE
from malsori.packs.format import VoiceFiles
from malsori.packs.plain_files import file_content, json_content
from malsori.packs.settings import value_of
from malsori.packs.torch_weights import folded, load_state

LARGEST_WEIGHTS = 2048 * MEGABYTE
VERSIONS = {
    "hifigan_v1": HifiganConfig,
    "hifigan_v2": HifiganV2Config,
    "hifigan_v3": HifiganV3Config,
}
PAIRED = {"1": True, "2": False}
"""Kinds of residual block by their number in ``config.json``."""
NAMES = (
    (r"conv_pre", "generator.input"),
    (r"conv_post", "generator.output"),
    (r"ups\.(\d+)", r"generator.upsamplers.\1"),
    (r"resblocks\.(\d+)\.convs1?\.(\d+)", r"generator.residuals.\1.dilated.\2"),
    (r"resblocks\.(\d+)\.convs2\.(\d+)", r"generator.residuals.\1.plain.\2"),
)
"""Layers there, and here within a vocoder."""
WANTED = "a generator, such as generator_v1 or g_02500000, not its discriminators, do_02500000"


def read_hifigan(path: Path, config: Path | None = None) -> VoiceFiles:
    """Return the vocoder in a file of weights.

    Args:
        path: ``generator_v1``, ``g_02500000``: a state dict, or one under ``generator``.
        config: Its ``config.json``; that beside ``path`` by default.

    Raises:
        MalsoriError: A file is missing, damaged or of something else; one line that names it.
    """
    content = file_content(path, LARGEST_WEIGHTS)
    beside = config if config is not None else path.parent / "config.json"
    if config is None and not beside.exists():
        raise MalsoriError(f"{path}: no config.json beside it; name it with --config")
    description = _description(beside)
    try:
        weights = our_weights(load_state(content, ("generator",)))
    except MalsoriError as error:
        raise MalsoriError(f"{path}: {error} (wanted: {WANTED})") from error
    return VoiceFiles(
        origin=str(path),
        description=description,
        weights=weights,
        statistics=Statistics.neutral(description["audio"]["mel_bands"]),
        files={},
        meta={
            "imported_from": {
                "toolkit": "HiFi-GAN",
                "weights": path.name,
                "weights_sha256": hashlib.sha256(content).hexdigest(),
            }
        },
    )


def _description(path: Path) -> dict[str, Any]:
    """Return the settings in a ``config.json`` as a vocoder's."""
    tree = json_content(path)
    rate = value_of(tree, "sampling_rate", path)
    highest = value_of(tree, "fmax", path)
    audio = {
        "sample_rate": rate,
        "n_fft": value_of(tree, "n_fft", path),
        "window": value_of(tree, "win_size", path),
        "hop": value_of(tree, "hop_size", path),
        "mel_bands": value_of(tree, "num_mels", path),
        "mel_low_hz": value_of(tree, "fmin", path),
        "mel_high_hz": rate / 2 if highest is None and isinstance(rate, int) else highest,
    }
    try:
        settings = from_dict(AudioConfig, audio, "audio")
    except ConfigError as error:
        raise MalsoriError(f"{path}: {error}") from error
    model = {"name": "hifigan", "mel": "hifigan", "generator": generator_settings(tree, path)}
    return {"audio": to_dict(settings), "task": {"name": "vocoder"}, "model": model}


def generator_settings(tree: Any, path: Path) -> dict[str, Any]:
    """Return our settings, name included, for those of a generator in ``tree``.

    Args:
        tree: With ``resblock``, ``upsample_rates`` and the like.
        path: Where it was read, for messages.

    Raises:
        MalsoriError: One is missing, or there is no such generator; the line names it.
    """
    kind = str(value_of(tree, "resblock", path))
    if kind not in PAIRED:
        raise MalsoriError(f"{path}: resblock: {kind!r} is not one of {', '.join(PAIRED)}")
    sizes = {
        "channels": value_of(tree, "upsample_initial_channel", path),
        "upsampling": value_of(tree, "upsample_rates", path),
        "upsampling_kernels": value_of(tree, "upsample_kernel_sizes", path),
        "residual_kernels": value_of(tree, "resblock_kernel_sizes", path),
        "residual_dilations": value_of(tree, "resblock_dilation_sizes", path),
        "paired": PAIRED[kind],
    }
    try:
        generator = from_dict(HifiganConfig, sizes, "generator")
    except ConfigError as error:
        raise MalsoriError(f"{path}: {error}") from error
    _refuse_other_shapes(generator, path)
    return _named(generator)


def _refuse_other_shapes(generator: HifiganConfig, path: Path) -> None:
    """Refuse what the original computes otherwise than we do."""
    for factor, kernel in zip(generator.upsampling, generator.upsampling_kernels, strict=True):
        if (kernel - factor) % 2:
            raise MalsoriError(
                f"{path}: upsample_kernel_sizes: {kernel} less its rate {factor} is odd; the "
                "original then makes a sample too many"
            )


def _named(generator: HifiganConfig) -> dict[str, Any]:
    """Return the settings under the name of the version whose they are, or of the nearest."""
    sizes = to_dict(generator)
    for name, version in VERSIONS.items():
        if to_dict(version()) == sizes:
            return {"name": name, **sizes}
    return {"name": "hifigan_v1" if generator.paired else "hifigan_v3", **sizes}


def our_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights by our names, weight norm folded."""
    ours = {}
    for name, tensor in folded(state).items():
        layer, _, what = name.rpartition(".")
        ours[f"{our_name(layer, name)}.{what}"] = tensor
    return ours


def our_name(layer: str, name: str) -> str:
    """Return our name of a layer; ``name`` is for messages."""
    for theirs, here in NAMES:
        found = re.fullmatch(theirs, layer)
        if found is not None:
            return found.expand(here)
    raise MalsoriError(f"{name!r} is no part of a HiFi-GAN generator")
