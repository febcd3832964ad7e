"""A voice as an ESPnet model-zoo zip, with which ESPnet's ``Text2Speech`` speaks."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from malsori.core.config import from_dict, read_choice
from malsori.core.errors import MalsoriError
from malsori.core.files import atomic_write
from malsori.core.log import get_logger
from malsori.core.version import VERSION
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.mel import mel_filters
from malsori.espnet.export_settings import (
    NO_ENSEMBLE,
    audio_settings,
    discriminator_params,
    generator_params,
)
from malsori.espnet.export_vits import linear_settings, vits_params
from malsori.espnet.statistics import KINDS, espnet_buffers, espnet_files
from malsori.espnet.text import espnet_tokenizer
from malsori.espnet.weights import discriminator_to_espnet, to_espnet
from malsori.models import MODELS
from malsori.models.jets import JetsConfig
from malsori.models.vits import VitsConfig
from malsori.modules.discriminators import DiscriminatorConfig
from malsori.packs.format import VoiceFiles
from malsori.text.tokenizer import BPE_FILE, LEXICON_FILE, TOKENS_FILE, TokenizerConfig
from malsori.text.tokens import TokenList

log = get_logger(__name__)

FOLDER, STATS = "exp/tts_malsori", "exp/tts_stats/train"
CONFIG, WEIGHTS = f"{FOLDER}/config.yaml", f"{FOLDER}/model.pth"
VERSION_WRITTEN = "202511"
"""Of ESPnet, whose config this is."""
LOSS_MEL = {"n_fft": 1024, "bands": 80}
"""ESPnet's mel loss, whose filters it keeps among the weights."""
PLAIN_TIME = (1980, 1, 1, 0, 0, 0)


def write_espnet(read: VoiceFiles, out: Path) -> None:
    """Write an ESPnet pack.

    Args:
        read: A pack or the voice of a run folder; its discriminators go along if they are there
            and ESPnet has such ones.
        out: Zip to write.

    Raises:
        MalsoriError: The voice is neither of JETS nor of VITS, or has what ESPnet cannot express;
            one line that names it.
    """
    try:
        config, state = _converted(read)
    except MalsoriError as error:
        raise MalsoriError(f"{read.origin}: {error}") from error
    buffer = io.BytesIO()
    torch.save(state, buffer)
    members = {
        CONFIG: yaml.safe_dump(config, sort_keys=False, allow_unicode=True).encode(),
        WEIGHTS: buffer.getvalue(),
    }
    if config["normalize"] is not None:
        files = espnet_files(read.statistics)
        members |= {f"{STATS}/{name}": data for name, data in files.items()}
    for key, table in (("speakers", "spk2sid"), ("languages", "lang2lid")):
        names = read.description[key]
        if len(names) > 1:
            lines = [f"{name} {i}\n" for i, name in enumerate(names)]
            members[f"{STATS}/{table}"] = "".join(lines).encode()
    if config["bpemodel"] is not None:
        members[config["bpemodel"]] = read.files[BPE_FILE]
    meta = {
        "espnet": VERSION_WRITTEN,
        "files": {"model_file": WEIGHTS},
        "yaml_files": {"train_config": CONFIG},
        "exported_by": f"malsori {VERSION}",
        "licences": read.meta.get("licences", "unknown"),
    }
    first = yaml.safe_dump(meta, sort_keys=False, allow_unicode=True).encode()
    with atomic_write(out, "wb") as file, zipfile.ZipFile(file, "w") as archive:
        for name, content in {"meta.yaml": first, **members}.items():
            packed = zipfile.ZIP_STORED if name.endswith(".pth") else zipfile.ZIP_DEFLATED
            info = zipfile.ZipInfo(name, PLAIN_TIME)
            info.external_attr = 0o100644 << 16
            archive.writestr(info, content, packed)


def _converted(read: VoiceFiles) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return ESPnet's config and the state of its whole model."""
    model = read_choice(MODELS, read.description["model"], "model").config
    if not isinstance(model, (JetsConfig, VitsConfig)):
        told = read.description["model"].get("name")
        raise MalsoriError(f"model.name: {told!r}, but only 'jets' and 'vits' go to ESPnet")
    audio = from_dict(AudioConfig, read.description["audio"], "audio")
    tokenizer = from_dict(TokenizerConfig, read.description["tokenizer"], "tokenizer")
    symbols = TokenList.parse(read.files[TOKENS_FILE], TOKENS_FILE).symbols
    speakers, languages = (len(read.description[key]) for key in ("speakers", "languages"))
    if isinstance(model, JetsConfig):
        name, params = "jets", generator_params(model, speakers, languages)
        features = {**audio_settings(audio), **_normalisation()}
        kept = {**_filters(audio), **_buffers(read)}
    else:
        name, params = "vits", vits_params(model, speakers, languages)
        features = {**linear_settings(audio), **dict.fromkeys(KINDS.values())}
        kept = _loss_filters(audio)
    if LEXICON_FILE in read.files:
        log.warning("%s: ESPnet has no lexicon; %s stays behind", read.origin, LEXICON_FILE)
    ensemble, judges = _discriminators(read)
    config = {
        "version": VERSION_WRITTEN,
        "token_list": list(symbols),
        "odim": None,
        "model_conf": {},
        "use_preprocessor": True,
        "bpemodel": f"{FOLDER}/{BPE_FILE}" if tokenizer.type == "bpe" else None,
        "non_linguistic_symbols": None,
        **_text(tokenizer, read.origin),
        **features,
        "tts": name,
        "tts_conf": _tts_conf(name, params, ensemble, audio),
    }
    generator = to_espnet(read.weights, model)
    state = {f"tts.generator.{name}": tensor for name, tensor in generator.items()}
    state |= {f"tts.discriminator.{name}": tensor for name, tensor in judges.items()}
    return config, _plain({**state, **kept})


def _tts_conf(
    name: str, params: dict[str, Any], ensemble: dict[str, Any], audio: AudioConfig
) -> dict[str, Any]:
    return {
        "sampling_rate": audio.sample_rate,
        "generator_type": f"{name}_generator",
        "generator_params": params,
        "discriminator_type": "hifigan_multi_scale_multi_period_discriminator",
        "discriminator_params": ensemble,
        "mel_loss_params": {
            "fs": audio.sample_rate,
            "n_fft": LOSS_MEL["n_fft"],
            "hop_length": audio.hop,
            "n_mels": LOSS_MEL["bands"],
            "fmin": 0,
            "fmax": None,
            "log_base": None,
        },
    }


def _plain(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors that own what they hold, so that nothing else is saved with them."""
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in state.items()}


def _text(tokenizer: TokenizerConfig, origin: str) -> dict[str, Any]:
    tree = espnet_tokenizer(tokenizer)
    if tree["token_type"] == "phn" and tree["g2p"] is None:
        told = tokenizer.missing or f"the front end {tokenizer.frontend!r}"
        log.warning("%s: nothing in ESPnet does what %s does: give it tokens as text, with spaces "
                    "between", origin, told)  # fmt: skip
    return tree


def _normalisation() -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for kind, name in KINDS.items():
        file = "feats" if kind == "mel" else kind
        tree[name] = "global_mvn"
        tree[f"{name}_conf"] = {"stats_file": f"{STATS}/{file}_stats.npz"}
    return tree


def _discriminators(read: VoiceFiles) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return ESPnet's settings and weights of the ensemble; an empty one where that cannot be."""
    weights = {
        name.removeprefix("discriminator/"): tensor
        for name, tensor in read.training.items()
        if name.startswith("discriminator/")
    }
    task = read.description.get("task")
    settings = task.get("discriminator") if isinstance(task, Mapping) else None
    if not weights or not isinstance(settings, Mapping):
        return NO_ENSEMBLE, {}
    config = from_dict(DiscriminatorConfig, settings, "task.discriminator")
    params = discriminator_params(config)
    if params is None:
        log.warning("%s: ESPnet has no period discriminators of this kind (their last kernel is "
                    "odd): they stay behind", read.origin)  # fmt: skip
        return NO_ENSEMBLE, {}
    return params, discriminator_to_espnet(weights, config)


def _filters(audio: AudioConfig) -> dict[str, Tensor]:
    """Return the mel filters that ESPnet keeps among the weights of JETS."""
    features = mel_filters(
        audio.sample_rate, audio.n_fft, audio.mel_bands, audio.mel_low_hz, audio.mel_high_hz
    )
    return {
        "feats_extract.logmel.melmat": torch.from_numpy(features.T.copy()),
        **_loss_filters(audio),
    }


def _loss_filters(audio: AudioConfig) -> dict[str, Tensor]:
    rate = audio.sample_rate
    loss = mel_filters(rate, LOSS_MEL["n_fft"], LOSS_MEL["bands"], 0.0, rate / 2)
    return {"tts.mel_loss.wav_to_mel.logmel.melmat": torch.from_numpy(loss.T.copy())}


def _buffers(read: VoiceFiles) -> dict[str, Tensor]:
    buffers = espnet_buffers(read.statistics)
    return {name: torch.from_numpy(numbers.copy()) for name, numbers in buffers.items()}
