"""A voice from an ESPnet model-zoo zip or a plain ``exp/`` folder.

Nothing in it is trusted: members are read by the rules of ``packs/archive.py``, YAML as plain data,
arrays and weights without pickled code, and what the settings ask for is compared with the weights
before any model is built.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from torch import Tensor

from malsori.core.config import to_dict
from malsori.core.errors import MalsoriError
from malsori.core.log import get_logger
from malsori.dsp.statistics import Statistics
from malsori.espnet import defaults
from malsori.espnet.section import Section
from malsori.espnet.settings import EspnetSettings, check_model, read_settings
from malsori.espnet.statistics import read_statistics
from malsori.espnet.text import read_tokens, tokenizer_settings
from malsori.espnet.weights import discriminator_from_espnet, from_espnet, split_state
from malsori.packs.archive import MEGABYTE, Rules, open_archive
from malsori.packs.format import VoiceFiles
from malsori.packs.settings import plain_mapping
from malsori.packs.torch_weights import load_state
from malsori.text.tokenizer import BPE_FILE, TOKENS_FILE

log = get_logger(__name__)

WEIGHTS = 8192 * MEGABYTE
LARGEST = {".pth": WEIGHTS, ".yaml": 8 * MEGABYTE, ".npz": 16 * MEGABYTE}
"""How large a file may be, by the end of its name; others are hardly ever read."""
LARGEST_OTHER = 256 * MEGABYTE
RULES = Rules(
    largest=lambda name: LARGEST.get(PurePosixPath(name).suffix, LARGEST_OTHER),
    folders=True,
    kind="ESPnet pack",
)
PREFERRED = (
    r".*\.ave_(\d+)best\.pth",
    r".*\.ave\.pth",
    r".*\.best\.pth",
    r"(\d+)epoch\.pth",
    r"latest\.pth",
    r"checkpoint\.pth",
    r".*\.pth",
)
"""Files of weights, the best choice first; of several the one with the largest number."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """The files of a zip or folder, by their names with slashes."""

    origin: str
    """For messages."""
    names: Sequence[str]
    read: Callable[[str], bytes]
    above: Path | None = None
    """Of a folder: itself, so that files named from the recipe's place are found."""

    def beside(self, wanted: str) -> bytes | None:
        """Return the content of a file that a config names, None if it is not there.

        A config has paths as they were in training: the file is the one whose path ends with the
        most of that, its own name at least.
        """
        parts = PurePosixPath(wanted).parts
        for start in range(len(parts)):
            tail = "/".join(parts[start:])
            ending = [n for n in self.names if n == tail or n.endswith(f"/{tail}")]
            if ending:
                return self.read(min(ending, key=len))
        return self._above(wanted)

    def _above(self, wanted: str) -> bytes | None:
        """Return a file outside of ``exp/NAME``, as paths in ESPnet's recipes start two above."""
        path = PurePosixPath(wanted)
        if self.above is None or path.is_absolute() or ".." in path.parts:
            return None
        for folder in list(self.above.absolute().parents)[:2]:
            if (folder / path).is_file():
                return _read_file(folder / path)
        return None


def read_espnet(
    path: Path, weights: str | None = None, training: bool = False, frontend: str | None = None
) -> VoiceFiles:
    """Return the voice in an ESPnet pack, by our names, its weight norm still there.

    Args:
        path: Model-zoo zip, or folder with ``config.yaml`` and ``*.pth``.
        weights: Name of the file of weights to take instead of the best choice.
        training: Take the discriminators too.
        frontend: Our text front end to use instead of the one that fits best.

    Raises:
        MalsoriError: It is no such pack, damaged, neither of JETS nor of VITS, or has what we do
            not support; one line that names it.
    """
    with _opened(path) as source:
        found = _manifest(source)
        origin = f"{path}: {found.config}"
        config = plain_mapping(path, found.config, source.read(found.config))
        top = Section(config, defaults.CONFIG, "")
        with _blaming(origin):
            model = check_model(top)
            symbols = read_tokens(_token_list(config, source))
            settings = read_settings(config, len(symbols), origin)
        chosen = _chosen(source, found, weights)
        content = source.read(chosen)
        with _blaming(f"{path}: {chosen}"):
            parts = split_state(load_state(content), model)
            ours = from_espnet(parts.generator, settings.model)
            judges = _discriminators(parts.discriminator, settings) if training else {}
        if parts.unused:
            log.info("%s: not needed for speech: %s", path, ", ".join(parts.unused))
        with _blaming(origin):
            bpe = _pieces(config, source)
            tokenizer = tokenizer_settings(top, symbols, bpe is not None, frontend)
            bands = settings.audio.mel_bands
            statistics = Statistics.neutral(bands)  # VITS normalises nothing
            if model == "jets":
                statistics = read_statistics(top, source.beside, parts.statistics, bands)
            speakers = _ids(source, "spk2sid", settings.speakers)
            languages = _ids(source, "lang2lid", settings.languages)
    files = {TOKENS_FILE: "".join(f"{symbol}\n" for symbol in symbols).encode()}
    if bpe is not None and tokenizer.type == "bpe":
        files[BPE_FILE] = bpe
    imported_from = {
        "toolkit": "ESPnet",
        "version": found.version or config.get("version"),
        "weights": chosen,
        "weights_sha256": hashlib.sha256(content).hexdigest(),
    }
    return VoiceFiles(
        origin=str(path),
        description={
            "audio": to_dict(settings.audio),
            "task": _task(settings, training),
            "model": {"name": settings.name, **to_dict(settings.model)},
            "tokenizer": to_dict(tokenizer),
            "speakers": speakers,
            "languages": languages,
        },
        weights=ours,
        statistics=statistics,
        files=files,
        training=judges,
        meta={"imported_from": imported_from},
    )


@contextmanager
def _opened(path: Path) -> Iterator[Source]:
    if path.is_dir():
        root = path.resolve()
        inside = [f for f in sorted(path.rglob("*")) if f.is_file()]
        names = {
            f.relative_to(path).as_posix(): f for f in inside if f.resolve().is_relative_to(root)
        }
        yield Source(
            origin=str(path),
            names=list(names),
            read=lambda name: _read_file(names[name]),
            above=path,
        )
        return
    if path.suffix not in (".zip", "") and path.exists() and not zipfile.is_zipfile(path):
        raise MalsoriError(f"{path}: neither a zip nor a folder with config.yaml")
    with open_archive(path, RULES) as archive:
        yield Source(origin=str(path), names=list(archive.infos), read=archive.read)


def _read_file(path: Path) -> bytes:
    most = LARGEST.get(path.suffix, LARGEST_OTHER)
    try:
        if path.stat().st_size > most:
            raise MalsoriError(f"{path}: larger than {most // MEGABYTE} MB; refused")
        return path.read_bytes()
    except OSError as error:
        raise MalsoriError(f"{path}: cannot be read: {error.strerror or error}") from error


@dataclass(frozen=True, kw_only=True)
class _Manifest:
    """Where config and weights are."""

    config: str
    weights: str | None
    version: str | None


def _manifest(source: Source) -> _Manifest:
    """Return what ``meta.yaml`` says, or what is plainly there."""
    origin = Path(source.origin)
    configs = sorted(
        (n for n in source.names if PurePosixPath(n).name == "config.yaml"),
        key=lambda name: (name.count("/"), name),
    )
    if "meta.yaml" in source.names:
        meta = plain_mapping(origin, "meta.yaml", source.read("meta.yaml"))
        config = _named(meta, "yaml_files", "train_config")
        weights = _named(meta, "files", "model_file")
        version = meta.get("espnet")
        for name in (config, weights):
            if name is not None and name not in source.names:
                raise MalsoriError(f"{origin}: {name} is missing, which meta.yaml lists")
        if config is not None:
            return _Manifest(
                config=config, weights=weights, version=str(version) if version else None
            )
    if not configs:
        raise MalsoriError(f"{origin}: no ESPnet pack: it has no config.yaml")
    return _Manifest(config=configs[0], weights=None, version=None)


def _named(meta: Mapping[str, Any], group: str, key: str) -> str | None:
    names = meta.get(group)
    name = names.get(key) if isinstance(names, Mapping) else None
    return name if isinstance(name, str) else None


def _chosen(source: Source, manifest: _Manifest, wanted: str | None) -> str:
    """Return the file of weights to read; the choice is logged."""
    folder = str(PurePosixPath(manifest.config).parent)
    there = [n for n in source.names if n.endswith(".pth")]
    if wanted is not None:
        found = [n for n in there if wanted in (n, PurePosixPath(n).name)]
        if not found:
            raise MalsoriError(
                f"{source.origin}: no weights {wanted!r}; there: {', '.join(there) or 'none'}"
            )
        return found[0]
    if manifest.weights is not None:
        log.info("%s: weights %s, as meta.yaml says", source.origin, manifest.weights)
        return manifest.weights
    beside = [n for n in there if str(PurePosixPath(n).parent) == folder] or there
    for pattern in PREFERRED:
        matches = {n: m for n in beside if (m := re.fullmatch(pattern, PurePosixPath(n).name))}
        if matches:
            name = max(matches, key=lambda n: (int((*matches[n].groups(), 0)[0]), n))
            log.info("%s: weights %s of %s (--weights picks another)",
                     source.origin, name, ", ".join(beside))  # fmt: skip
            return name
    raise MalsoriError(f"{source.origin}: no weights: it has no *.pth")


def _token_list(config: Mapping[str, Any], source: Source) -> Any:
    """Return the token list in the config, or in the file that it names."""
    value = config.get("token_list")
    if not isinstance(value, str):
        return value
    content = source.beside(value)
    if content is None:
        raise MalsoriError(f"token_list: {value} is missing")
    try:
        lines = content.decode("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise MalsoriError(f"token_list: {value} is not UTF-8") from error
    return [line[:1] + line[1:].rstrip() for line in lines if line]  # a space may be a token


def _pieces(config: Mapping[str, Any], source: Source) -> bytes | None:
    name = config.get("bpemodel")
    return source.beside(name) if isinstance(name, str) else None


def _ids(source: Source, table: str, count: int) -> list[str]:
    """Return the names of speakers or languages by their ids; the id itself where none is known."""
    names = [str(i) for i in range(count)]
    content = source.beside(table)
    if content is None:
        if count > 1:
            log.info("%s: no %s: names are 0 to %d; ESPnet's recipes keep 0 for unknown ones",
                     source.origin, table, count - 1)  # fmt: skip
        return names
    for line in content.decode("utf-8", "replace").splitlines():
        name, _, number = line.strip().rpartition(" ")
        if name and number.isdecimal() and int(number) < count:
            names[int(number)] = name
    if len(set(names)) != count:
        raise MalsoriError(f"{source.origin}: {table}: a name is there twice")
    return names


def _task(settings: EspnetSettings, training: bool) -> dict[str, Any]:
    task: dict[str, Any] = {"name": "gan_tts"}
    if training:
        task["discriminator"] = to_dict(settings.discriminator)
    return task


def _discriminators(state: Mapping[str, Tensor], settings: EspnetSettings) -> dict[str, Tensor]:
    if not state:
        raise MalsoriError("holds no discriminators; leave out --with-training")
    if settings.discriminator is None:
        raise MalsoriError(f"{settings.discriminator_problem}; leave out --with-training")
    found = discriminator_from_espnet(state, settings.discriminator)
    return {f"discriminator/{name}": tensor for name, tensor in found.items()}


@contextmanager
def _blaming(origin: str) -> Iterator[None]:
    """Let errors name the file that they are about."""
    try:
        yield
    except MalsoriError as error:
        named = str(error).startswith(origin.partition(": ")[0])
        raise MalsoriError(str(error) if named else f"{origin}: {error}") from error
