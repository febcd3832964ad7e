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
from collections.abc import Mapping
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
from malsori.infer.voice import Voice, assemble, checkpoint_names, load_run

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
        "task": {"name": tree["task"]["name"]},
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
    check_meta(path, members)
    description = _mapping(path, "config.yaml", members["config.yaml"])
    for key in ("audio", "model", "tokenizer"):
        if key not in description:
            raise MalsoriError(f"{path}: config.yaml has no {key!r}; the pack is damaged")
        _refuse_foreign_code(path, description[key])
    for key in ("speakers", "languages"):
        names = description.get(key)
        if not (isinstance(names, list) and names and all(isinstance(n, str) for n in names)):
            raise MalsoriError(f"{path}: config.yaml: {key} is no list of names; damaged")
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
        return assemble(description, weights, statistics, Path(folder), str(path), device)


def read_meta(path: Path) -> dict[str, Any]:
    """Return a pack's ``meta.yaml``, with the hashes of all members verified."""
    members = read_members(path)
    return check_meta(path, members)


def read_members(path: Path, skip: tuple[str, ...] = ()) -> dict[str, bytes]:
    """Return the content of a pack's members, refusing whatever a pack may not hold.

    Raises:
        MalsoriError: Not a zip, cut off, an unknown, absolute or climbing name, a link, a member
            given twice, too large, or missing.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            found: dict[str, bytes] = {}
            for info in archive.infolist():
                _check_member(path, info, found)
                if info.filename not in skip:
                    found[info.filename] = _read_capped(path, archive, info)
    except FileNotFoundError:
        raise MalsoriError(f"{path}: no such file") from None
    except UNREADABLE as error:
        raise MalsoriError(f"{path}: not a readable pack: {error}") from error
    missing = [name for name in REQUIRED if name not in found]
    if missing:
        raise MalsoriError(f"{path}: not a malsori pack: {missing[0]} is missing")
    return found


def check_meta(path: Path, members: Mapping[str, bytes]) -> dict[str, Any]:
    """Return the meta data after checking the format's version and every member's hash."""
    meta = _mapping(path, "meta.yaml", members["meta.yaml"])
    version = meta.get("format_version")
    if version != FORMAT_VERSION:
        raise MalsoriError(
            f"{path}: format version {version!r}, this malsori reads {FORMAT_VERSION}: update it"
        )
    hashes = meta.get("sha256")
    if not isinstance(hashes, dict):
        raise MalsoriError(f"{path}: meta.yaml has no hashes; the pack is damaged")
    for name, content in members.items():
        if name != "meta.yaml" and hashes.get(name) != hashlib.sha256(content).hexdigest():
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
    states = [read_json(folder / "checkpoints" / name / "state.json") for name in names]
    record = read_json(folder / "run.json")
    return {
        "format_version": FORMAT_VERSION,
        "malsori": VERSION,
        "task": tree["task"]["name"],
        "model": tree["model"]["name"],
        "language": voice.tokenizer.frontend.language,
        "sample_rate": voice.audio.sample_rate,
        "speakers": list(voice.speakers),
        "licences": {"code": "Apache-2.0", "data": licences.data, "weights": licences.weights},
        "training": {
            "checkpoints": [
                {"step": state["step"], state["metric_name"]: state["metric"]} for state in states
            ],
            "seed": tree["seed"],
            "commit": record.get("commit"),
            "packages": record.get("packages"),
            "data": record.get("hashes"),
        },
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in members.items()},
    }


def _training_weights(folder: Path, checkpoint: str) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    name = checkpoint_names(folder, checkpoint)[0]  # of an average the best one's
    players = load_file(folder / "checkpoints" / name / "players.safetensors")
    return {n: t for n, t in players.items() if not n.startswith("generator/")}


def _check_member(path: Path, info: zipfile.ZipInfo, found: Mapping[str, bytes]) -> None:
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


def _read_capped(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Return a member's content, never more of it than its header says."""
    with archive.open(info) as member:
        content = member.read(info.file_size + 1)
    if len(content) != info.file_size:
        raise MalsoriError(f"{path}: {info.filename} is not as long as it claims; refused")
    return content


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
