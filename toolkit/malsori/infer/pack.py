"""Packed voices: one zip that speaks, and that is safe to open from a stranger.

Opening never executes anything from a pack: weights are safetensors, names come from the closed
registries, only known members are read, their sizes are capped and their hashes verified.
"""

from __future__ import annotations

import hashlib
import json
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from torch import Tensor

from malsori.core.config import read_tree, to_dict
from malsori.core.errors import MalsoriError
from malsori.core.files import atomic_write, read_json
from malsori.core.log import get_logger
from malsori.core.version import VERSION
from malsori.dsp.statistics import Statistics
from malsori.infer.voice import (
    Voice,
    assemble,
    averaged_player,
    checkpoint_names,
    load_run,
    name_list,
    value_of,
)

log = get_logger(__name__)

FORMAT_VERSION = 1
MEGABYTE = 1 << 20
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
DEEPEST = 32
"""Mappings and lists within each other in a pack's YAML files."""
UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError),
    *(NotImplementedError, RuntimeError, ValueError),  # zipfile's for what it does not support
)
REQUIRED = ("meta.yaml", "config.yaml", "tokens.txt", "stats.json", "model.safetensors")
SENTENCES = {"ko": "안녕하세요. 만나서 반갑습니다.", "en": "Hello. Nice to meet you."}
"""What a fresh pack is made to say, by the language of its front end."""


@dataclass(frozen=True, kw_only=True)
class Licences:
    """What a pack says of rights; unknown where its maker does not say."""

    weights: str = "unknown"
    data: str = "unknown"


def write_pack(
    folder: Path,
    out: Path,
    checkpoint: str = "best",
    licences: Licences | None = None,
    with_training: bool = False,
) -> None:
    """Pack the voice of a run folder.

    Args:
        folder: ``exp/NAME``.
        out: Zip to write.
        checkpoint: best, last, average, step-N.
        licences: Of weights and data.
        with_training: Add the discriminator, so that others can go on training.

    Raises:
        MalsoriError: Nothing was trained there, or a file cannot be written.
    """
    from safetensors.torch import save

    voice = load_run(folder, checkpoint)
    model: Any = voice.model
    tree, names = read_tree(folder / "config.yaml"), read_json(folder / "names.json")
    config = {
        "audio": to_dict(voice.audio),
        "task": {"name": value_of(tree.get("task"), "name", folder / "config.yaml")},
        "model": tree["model"],
        "tokenizer": to_dict(voice.tokenizer.config),
        **names,
    }
    members = {
        "config.yaml": yaml.safe_dump(config, sort_keys=False, allow_unicode=True).encode(),
        "stats.json": (folder / "stats.json").read_bytes(),
        "model.safetensors": save({n: t.contiguous() for n, t in model.state_dict().items()}),
    }
    for name in ("tokens.txt", "bpe.model", "lexicon.tsv"):
        if (folder / name).exists():
            members[name] = (folder / name).read_bytes()
    if with_training:
        members["training.safetensors"] = save(_training_weights(folder, checkpoint))
    meta = _meta(voice, tree, folder, checkpoint, licences or Licences(), members)
    text = yaml.safe_dump(meta, sort_keys=False, allow_unicode=True)
    with atomic_write(out, "wb") as file, zipfile.ZipFile(file, "w") as archive:
        for name, content in {"meta.yaml": text.encode(), **members}.items():
            packed = zipfile.ZIP_STORED if name.endswith(".safetensors") else zipfile.ZIP_DEFLATED
            info = zipfile.ZipInfo(name)  # no time of day in it
            info.external_attr = 0o100644 << 16  # what unzip gives the file
            archive.writestr(info, content, packed)


def load_pack(path: Path, device: str = "cpu") -> Voice:
    """Return the voice of a pack.

    Raises:
        MalsoriError: It is no pack, damaged, or holds what a pack may not hold.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    members = read_members(path, skip=("training.safetensors",))
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
    _checked_meta(path, members["meta.yaml"], hashes)
    description = _mapping(path, "config.yaml", members["config.yaml"])
    for key in ("audio", "model", "tokenizer"):
        _refuse_foreign_code(path, value_of(description, key, path / "config.yaml"))
    for key in ("speakers", "languages"):
        name_list(description, key, path / "config.yaml")
    try:
        weights = load(members["model.safetensors"])
    except SafetensorError as error:
        raise MalsoriError(f"{path}: model.safetensors is damaged: {error}") from error
    try:
        statistics = Statistics.from_json(json.loads(members["stats.json"]), f"{path}: stats.json")
    except (ValueError, RecursionError) as error:
        raise MalsoriError(f"{path}: stats.json is not JSON: {error}") from error
    with tempfile.TemporaryDirectory() as folder:
        for name in ("tokens.txt", "bpe.model", "lexicon.tsv"):
            if name in members:
                (Path(folder) / name).write_bytes(members[name])
        return assemble(
            description, weights, statistics, Path(folder), str(path), device, trusted=False
        )


def read_meta(path: Path) -> dict[str, Any]:
    """Return a pack's ``meta.yaml``, with the hashes of all members verified, none kept in memory.

    Raises:
        MalsoriError: It is no pack, or damaged.
    """
    with _opened(path) as (archive, infos):
        hashes = {}
        for name, info in infos.items():
            total = hashlib.sha256()
            for chunk in _chunks(path, archive, info):
                total.update(chunk)
            hashes[name] = total.hexdigest()
        content = b"".join(_chunks(path, archive, infos["meta.yaml"]))
    return _checked_meta(path, content, hashes)


def read_sizes(path: Path) -> dict[str, int]:
    """Return the size of every member in bytes, unpacked."""
    with _opened(path) as (_, infos):
        return {name: info.file_size for name, info in infos.items()}


def read_tokens(path: Path) -> list[str]:
    """Return the symbols that a pack's voice reads."""
    with _opened(path) as (archive, infos):
        content = b"".join(_chunks(path, archive, infos["tokens.txt"]))
    return content.decode("utf-8", "replace").split()


def read_members(path: Path, skip: tuple[str, ...] = ()) -> dict[str, bytes]:
    """Return the content of a pack's members but ``skip``, refusing whatever a pack may not hold.

    Raises:
        MalsoriError: Not a zip, cut off, an unknown, absolute or climbing name, a link, a member
            given twice, too large, or missing.
    """
    with _opened(path) as (archive, infos):
        return {
            name: b"".join(_chunks(path, archive, info))
            for name, info in infos.items()
            if name not in skip
        }


@contextmanager
def _opened(path: Path) -> Iterator[tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]]:
    """Open a pack and check its table of contents; nothing is unpacked yet."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos: dict[str, zipfile.ZipInfo] = {}
            for info in archive.infolist():
                _check_member(path, info, infos)
                infos[info.filename] = info
            missing = [name for name in REQUIRED if name not in infos]
            if missing:
                raise MalsoriError(f"{path}: not a malsori pack: {missing[0]} is missing")
            yield archive, infos
    except FileNotFoundError:
        raise MalsoriError(f"{path}: no such file") from None
    except UNREADABLE as error:
        raise MalsoriError(f"{path}: not a readable pack: {error}") from error


def _checked_meta(path: Path, content: bytes, members: Mapping[str, str]) -> dict[str, Any]:
    """Return the meta data in ``content`` after checking its version and the members' hashes."""
    meta = _mapping(path, "meta.yaml", content)
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
        if name not in members and name != "training.safetensors":
            raise MalsoriError(f"{path}: {name} is missing, which meta.yaml lists; damaged")
    return meta


def speak_from_pack(path: Path, sentence: str | None, out: Path) -> str:
    """Open a pack in an empty folder, speak one sentence with it into ``out``, return the sentence.

    Raises:
        MalsoriError: The pack does not speak.
    """
    from malsori.dsp import audio
    from malsori.infer.synthesizer import Synthesizer

    voice = load_pack(path)
    text = sentence or SENTENCES.get(voice.tokenizer.frontend.language, SENTENCES["en"])
    spoken = Synthesizer(voice)(text)
    if not spoken.seconds or not abs(spoken.audio).max() > 0:
        raise MalsoriError(f"{path}: the packed voice is silent")
    audio.write(out, spoken.audio, spoken.sample_rate)
    return text


def download(name: str) -> Path:
    """Return the pack of a Hugging Face repository, fetched by huggingface_hub if it is there.

    Raises:
        MalsoriError: No such file, and it cannot be fetched.
    """
    if name.count("/") != 1 or name.endswith(".zip") or name.startswith((".", "/")):
        raise MalsoriError(f"{name}: no such file")
    try:
        from huggingface_hub import hf_hub_download  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise MalsoriError(
            f"{name}: no such file; to fetch voices by repository id: pip install huggingface_hub"
        ) from None
    try:
        return Path(hf_hub_download(name, "voice.malsori.zip"))
    except Exception as error:  # its errors have no common class
        raise MalsoriError(f"{name}: cannot be fetched: {error}") from error


def _meta(
    voice: Voice,
    tree: Mapping[str, Any],
    folder: Path,
    checkpoint: str,
    licences: Licences,
    members: Mapping[str, bytes],
) -> dict[str, Any]:
    names = checkpoint_names(folder, checkpoint)
    paths = [folder / "checkpoints" / name / "state.json" for name in names]
    states = [(read_json(path), path) for path in paths]
    record = read_json(folder / "run.json")
    return {
        "format_version": FORMAT_VERSION,
        "malsori": VERSION,
        "task": value_of(tree["task"], "name", folder / "config.yaml"),
        "model": value_of(tree["model"], "name", folder / "config.yaml"),
        "language": voice.tokenizer.frontend.language,
        "sample_rate": voice.audio.sample_rate,
        "speakers": list(voice.speakers),
        "licences": {"code": "Apache-2.0", "data": licences.data, "weights": licences.weights},
        "training": {
            "checkpoints": [
                {
                    "step": value_of(state, "step", path),
                    value_of(state, "metric_name", path): value_of(state, "metric", path),
                }
                for state, path in states
            ],
            "seed": value_of(tree, "seed", folder / "config.yaml"),
            "commit": record.get("commit"),
            "packages": record.get("packages"),
            "data": record.get("hashes"),
        },
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in members.items()},
    }


def _training_weights(folder: Path, checkpoint: str) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    name = checkpoint_names(folder, checkpoint)[0]  # of an average the best one's
    checkpoint_folder = folder / "checkpoints" / name
    players = load_file(checkpoint_folder / "players.safetensors")
    speaking = averaged_player(checkpoint_folder)
    return {n: t for n, t in players.items() if not n.startswith(speaking)}


def _check_member(path: Path, info: zipfile.ZipInfo, found: Container[str]) -> None:
    name = info.filename
    if name not in LARGEST:
        raise MalsoriError(f"{path}: holds {name!r}, which is no part of a pack; refused")
    if name in found:
        raise MalsoriError(f"{path}: holds {name!r} twice; refused")
    kind = info.external_attr >> 16
    if kind & 0o170000 not in (0, 0o100000):
        raise MalsoriError(f"{path}: {name!r} is a link or no plain file; refused")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise MalsoriError(f"{path}: {name!r} is compressed in a way that no pack is; refused")
    if info.file_size > LARGEST[name]:
        raise MalsoriError(
            f"{path}: {name} would be {info.file_size / MEGABYTE:.0f} MB, more than "
            f"{LARGEST[name] // MEGABYTE} MB; refused"
        )


def _chunks(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """Yield a member's content piece by piece, never more of it than its header says."""
    left = info.file_size
    with archive.open(info) as member:
        while chunk := member.read(min(left + 1, MEGABYTE)):
            left -= len(chunk)
            if left < 0:
                break
            yield chunk
    if left:
        raise MalsoriError(f"{path}: {info.filename} is not as long as it claims; refused")


def _mapping(path: Path, name: str, content: bytes) -> dict[str, Any]:
    try:
        depth = 0
        for event in yaml.parse(content, yaml.SafeLoader):  # stops before anything is built
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST or isinstance(event, yaml.AliasEvent):
                raise MalsoriError(f"{path}: {name} has aliases or is nested too deep; refused")
        tree = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise MalsoriError(f"{path}: {name} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(tree, dict):
        raise MalsoriError(f"{path}: {name} is not a mapping; the pack is damaged")
    return tree


def _refuse_foreign_code(path: Path, tree: Any) -> None:
    """Refuse values of the form ``package.module:ENTRY``: a pack chooses from our tables only.

    Registries take a component as ``name: x`` or as ``x`` alone: no string may have a colon.
    """
    if isinstance(tree, str) and ":" in tree:
        raise MalsoriError(f"{path}: names code outside of malsori ({tree!r}); refused")
    if isinstance(tree, dict):
        tree = list(tree.values())
    if isinstance(tree, list):
        for value in tree:
            _refuse_foreign_code(path, value)
