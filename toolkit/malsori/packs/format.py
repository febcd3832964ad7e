"""The packed voice: which members it has, and how they are read from a stranger's file.

Opening never executes anything from a pack: weights are safetensors, names come from the closed
registries, only known members are read, their sizes are capped and their hashes verified.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from malsori.core.config import from_dict
from malsori.core.errors import ConfigError, MalsoriError
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.statistics import Statistics
from malsori.packs.archive import MEGABYTE, UNREADABLE, Archive, Rules, open_archive
from malsori.packs.settings import (
    name_list,
    optional_name,
    plain_mapping,
    refuse_foreign_code,
    value_of,
)
from malsori.text.tokens import TokenList

if TYPE_CHECKING:
    from torch import Tensor

FORMAT_VERSION = 1
LARGEST = {
    "meta.yaml": 1 * MEGABYTE,
    "config.yaml": 1 * MEGABYTE,
    "tokens.txt": 8 * MEGABYTE,
    "stats.json": 1 * MEGABYTE,
    "bpe.model": 64 * MEGABYTE,
    "lexicon.tsv": 256 * MEGABYTE,
    "model.safetensors": 4096 * MEGABYTE,
    "training.safetensors": 8192 * MEGABYTE,
}
"""The members of a pack and how large each may be."""
REQUIRED = ("meta.yaml", "config.yaml", "model.safetensors")
REQUIRED_TO_READ = ("tokens.txt", "stats.json")
"""What is there as well if the voice reads text, as its config tells by having a tokenizer."""
TEXT_FILES = ("tokens.txt", "bpe.model", "lexicon.tsv")
"""What a voice reads text with."""
TRAINING = "training.safetensors"
RULES = Rules(largest=LARGEST.get, required=REQUIRED)
GRAPHS = ("acoustic.onnx", "latent.onnx", "generator.onnx")
"""In place of weights what ONNX Runtime runs, in this order; ``latent`` of models that draw."""
ONNX_RULES = Rules(
    largest=(
        {name: size for name, size in LARGEST.items() if not name.endswith(".safetensors")}
        | dict.fromkeys(GRAPHS, 2048 * MEGABYTE)
    ).get,
    required=("meta.yaml", "config.yaml", *REQUIRED_TO_READ, "acoustic.onnx", "generator.onnx"),
    kind="ONNX voice",
)
ONNX = "onnx"
"""What meta.yaml calls the format of such a file; it says nothing for packs with weights."""


@dataclass(frozen=True, kw_only=True)
class VoiceFiles:
    """All of a voice, read and checked one by one, not yet put together."""

    origin: str
    """Where it was read, for messages."""
    description: dict[str, Any]
    """Audio and model settings; if it reads text those of its tokenizer, speakers and languages and
    the encoder of the speaker vectors that it was trained with; of a pack also the task."""
    weights: dict[str, Tensor]
    """Of the model that speaks; in packs the weight norm is folded."""
    statistics: Statistics
    """Of the training features; neutral if it normalises nothing."""
    files: dict[str, bytes]
    """Token list, and the tokenizer's piece model and lexicon if it has them, by name."""
    training: dict[str, Tensor] = field(default_factory=dict)
    """Of the players that do not speak, by ``player/name``; empty if they are not there."""
    meta: dict[str, Any] = field(default_factory=dict)
    """Version, licences and provenance of a pack."""

    @property
    def reads_text(self) -> bool:
        """Whether it has tokens, speakers and statistics; a vocoder has none of them."""
        return "tokenizer" in self.description

    def names(self, kind: str) -> list[str]:
        """Return the names of its ``speakers`` or ``languages``; one without a name for none."""
        return list(self.description[kind]) if self.reads_text else [""]

    def tokens(self) -> TokenList:
        """Return the symbols that the voice reads; the empty list if it reads none.

        Raises:
            TextError: It is no token list.
        """
        if not self.reads_text:
            return TokenList.of(())
        if "tokens.txt" not in self.files:
            raise MalsoriError(f"{self.origin}: tokens.txt is missing")
        return TokenList.parse(self.files["tokens.txt"], f"{self.origin}: tokens.txt")


def read_pack(path: Path, training: bool = False) -> VoiceFiles:
    """Return everything that a pack holds.

    Args:
        path: ``voice.malsori.zip``.
        training: Read the weights of the players that do not speak, too.

    Raises:
        MalsoriError: It is no pack, damaged, or holds what a pack may not hold.
    """
    if is_onnx(path):
        raise MalsoriError(
            f"{path}: a voice for ONNX Runtime, which 'malsori synthesize' speaks with; this needs "
            "the pack that it was exported from (voice.malsori.zip)"
        )
    with opened(path) as archive:
        members = {n: archive.read(n) for n in archive.infos if training or n != TRAINING}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
    meta = _checked_meta(path, members["meta.yaml"], hashes)
    description = plain_mapping(path, "config.yaml", members["config.yaml"])
    config = path / "config.yaml"
    for key in ("audio", "model"):
        refuse_foreign_code(path, value_of(description, key, config))
    if "tokenizer" in description:
        statistics = _of_text(path, description, members)
    else:
        statistics = neutral_statistics(description, config)
    return VoiceFiles(
        origin=str(path),
        description=description,
        weights=_tensors(path, "model.safetensors", members["model.safetensors"]),
        statistics=statistics,
        files={name: members[name] for name in TEXT_FILES if name in members},
        training=_tensors(path, TRAINING, members[TRAINING]) if TRAINING in members else {},
        meta=meta,
    )


def is_onnx(path: str | Path) -> bool:
    """Return whether a file is a voice for ONNX Runtime: whether its members look like that."""
    try:
        with zipfile.ZipFile(path) as file:
            return GRAPHS[0] in file.namelist()
    except UNREADABLE:
        return False


@dataclass(frozen=True, kw_only=True)
class OnnxFiles:
    """All of a voice for ONNX Runtime, read and checked."""

    origin: str
    """Where it was read, for messages."""
    description: dict[str, Any]
    """Settings of audio, model and tokenizer, speakers and languages."""
    graphs: dict[str, bytes]
    """By name, ``acoustic`` first."""
    statistics: Statistics
    files: dict[str, bytes]
    """Token list, and the tokenizer's piece model and lexicon if it has them, by name."""
    meta: dict[str, Any]


def read_onnx(path: Path) -> OnnxFiles:
    """Return everything that a voice for ONNX Runtime holds.

    Raises:
        MalsoriError: It is none, damaged, or holds what such a file may not hold.
    """
    with opened(path) as archive:
        members = {name: archive.read(name) for name in archive.infos}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
    meta = _checked_meta(path, members["meta.yaml"], hashes)
    if meta.get("format") != ONNX:
        raise MalsoriError(f"{path}: meta.yaml does not say format: {ONNX}; the file is damaged")
    description = plain_mapping(path, "config.yaml", members["config.yaml"])
    for key in ("audio", "model", "tokenizer"):
        refuse_foreign_code(path, value_of(description, key, path / "config.yaml"))
    return OnnxFiles(
        origin=str(path),
        description=description,
        graphs={Path(n).stem: members[n] for n in GRAPHS if n in members},
        statistics=_of_text(path, description, members),
        files={name: members[name] for name in TEXT_FILES if name in members},
        meta=meta,
    )


def neutral_statistics(description: Mapping[str, Any], path: Path) -> Statistics:
    """Return what normalises nothing, for the mel bands in settings that were read from ``path``.

    Raises:
        ConfigError: The audio settings are none.
    """
    audio = value_of(description, "audio", path)
    try:
        return Statistics.neutral(from_dict(AudioConfig, audio, "audio").mel_bands)
    except ConfigError as error:
        raise ConfigError(f"{path.parent}: {error}") from error


def _of_text(
    path: Path, description: Mapping[str, Any], members: Mapping[str, bytes]
) -> Statistics:
    """Return the statistics of a pack that reads text, after checking all that this takes."""
    for name in REQUIRED_TO_READ:
        if name not in members:
            raise MalsoriError(f"{path}: not a whole pack: {name} is missing")
    refuse_foreign_code(path, description["tokenizer"])
    for key in ("speakers", "languages"):
        name_list(description, key, path / "config.yaml")
    refuse_foreign_code(path, optional_name(description, "speaker_encoder", path / "config.yaml"))
    try:
        return Statistics.from_json(json.loads(members["stats.json"]), f"{path}: stats.json")
    except (ValueError, RecursionError) as error:
        raise MalsoriError(f"{path}: stats.json is not JSON: {error}") from error


def read_meta(path: Path) -> dict[str, Any]:
    """Return a pack's ``meta.yaml``, with the hashes of all members verified, none kept in memory.

    Raises:
        MalsoriError: It is no pack, or damaged.
    """
    with opened(path) as archive:
        hashes = {name: archive.sha256(name) for name in archive.infos}
        content = archive.read("meta.yaml")
    return _checked_meta(path, content, hashes)


def read_sizes(path: Path) -> dict[str, int]:
    """Return the size of every member in bytes, unpacked."""
    with opened(path) as archive:
        return archive.sizes()


def read_tokens(path: Path) -> list[str]:
    """Return the symbols that a pack's voice reads; none for a vocoder."""
    with opened(path) as archive:
        if "tokens.txt" not in archive.infos:
            return []
        return archive.read("tokens.txt").decode("utf-8", "replace").split()


def read_members(path: Path, skip: tuple[str, ...] = ()) -> dict[str, bytes]:
    """Return the content of a pack's members but ``skip``, refusing whatever a pack may not hold.

    Raises:
        MalsoriError: Not a zip, cut off, an unknown, absolute or climbing name, a link, a member
            given twice, too large, or missing.
    """
    with opened(path) as archive:
        return {name: archive.read(name) for name in archive.infos if name not in skip}


def opened(path: Path) -> AbstractContextManager[Archive]:
    """Open a pack, or a voice for ONNX Runtime, by its rules; see ``open_archive``."""
    return open_archive(path, ONNX_RULES if is_onnx(path) else RULES)


def _checked_meta(path: Path, content: bytes, members: Mapping[str, str]) -> dict[str, Any]:
    """Return the meta data in ``content`` after checking its version and the members' hashes."""
    meta = plain_mapping(path, "meta.yaml", content)
    version = meta.get("format_version")
    if version != FORMAT_VERSION:
        raise MalsoriError(
            f"{path}: format version {version!r}, this malsori reads {FORMAT_VERSION}: update it"
        )
    hashes = meta.get("sha256")
    if not isinstance(hashes, dict):
        raise MalsoriError(f"{path}: meta.yaml has no hashes; the pack is damaged")
    for name, found in members.items():
        if name != "meta.yaml" and hashes.get(name) != found:
            raise MalsoriError(
                f"{path}: {name} does not have the hash that meta.yaml gives; damaged"
            )
    for name in hashes:
        if name not in members and name != TRAINING:
            raise MalsoriError(f"{path}: {name} is missing, which meta.yaml lists; damaged")
    return meta


def _tensors(path: Path, name: str, content: bytes) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(content)
    except SafetensorError as error:
        raise MalsoriError(f"{path}: {name} is damaged: {error}") from error
