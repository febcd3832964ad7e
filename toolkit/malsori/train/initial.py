"""Where the first weights come from: a packed voice or another run, in place of chance.

What a voice's weights were trained for has to fit: audio and model settings are compared before any
data is read. What they are rows of is mapped by name: tokens, speakers, languages.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from malsori.core.config import from_dict, read_choice, to_dict
from malsori.core.errors import ConfigError, MalsoriError
from malsori.core.files import read_json, sha256
from malsori.core.log import get_logger
from malsori.data.dataset import Names
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.statistics import Statistics
from malsori.models import MODELS
from malsori.packs.ancestry import RECORD, ancestry, texts
from malsori.packs.format import VoiceFiles, read_pack
from malsori.packs.run_folder import checkpoint_names, read_run, weights_hash
from malsori.packs.settings import refuse_foreign_code
from malsori.tasks import TASKS
from malsori.tasks.task import Task
from malsori.text.tokens import TokenList
from malsori.train.checkpoint import Checkpoints
from malsori.train.config import TrainConfig
from malsori.train.mapping import (
    Mapped,
    add_embedding,
    drop_embedding,
    map_rows,
    match_condition,
    names_mapped,
    unfold_weight_norm,
)

log = get_logger(__name__)

FREE_AUDIO = ("f0_low_hz", "f0_high_hz")
"""Audio settings that may differ: where F0 is looked for changes no input of the network."""
FREE_MODEL = (
    *("segment", "prior", "padding", "detach", "initialisation", "initial_std"),
    "condition_generator",  # its layer is matched as embeddings are
    *("dropout", "position_dropout", "attention_dropout"),
)
"""Model settings that may differ: what the network says, one utterance at a time, does not depend
on them."""
EMBEDDINGS = {
    "tokens": "embedding.weight",
    "speakers": "conditioning.speaker.weight",
    "languages": "conditioning.language.weight",
}
"""Tensors whose rows have names."""
FAR = 3.0
"""Standard deviations between two corpora's means from which on a warning is due."""


@dataclass(frozen=True, kw_only=True)
class Base:
    """A voice to start from, whose settings fit."""

    files: VoiceFiles
    tokens: TokenList
    record: dict[str, Any]
    """What the run keeps of its origin."""


def is_resumed(folder: Path) -> bool:
    """Return whether a run folder has a whole checkpoint, from which it goes on."""
    return bool(Checkpoints(folder / "checkpoints").steps())


def recorded(folder: Path) -> dict[str, Any] | None:
    """Return what a run that goes on keeps of its origin; None for one that began by chance."""
    path = folder / "run.json"
    if not (is_resumed(folder) and path.exists()):
        return None
    record = read_json(path)
    found = record.get(RECORD) if isinstance(record, dict) else None
    return found if isinstance(found, dict) else None


def open_base(config: TrainConfig, folder: Path) -> Base | None:
    """Return the voice that ``init_from`` names, compared with the run's settings; None for none.

    A run that has checkpoints goes on from them; ``init_from`` is then not read.

    Raises:
        ConfigError: A setting differs that decides what the weights mean.
        MalsoriError: There is no such voice, or it is damaged.
    """
    if is_resumed(folder):
        _tell_ignored(config.init_from, recorded(folder), folder)
        return None
    if config.init_from is None:
        return None
    path = Path(config.init_from)
    files, record = _read(path)
    _compare_audio(config.audio, files)
    _compare_model(config, files)
    _compare_players(config, files)
    if len(files.statistics.mel_mean) != config.audio.mel_bands:
        raise MalsoriError(
            f"{path}: stats.json has {len(files.statistics.mel_mean)} mel bands, but its audio "
            f"settings say {config.audio.mel_bands}; damaged"
        )
    licences = record["licences"]
    told = ", ".join(f"{key} {value}" for key, value in licences.items()) or "unknown"
    log.info("starts from %s (sha256 %.12s…; licences: %s)", path, record["sha256"], told)
    return Base(files=files, tokens=files.tokens(), record={"init_from": str(path), **record})


def start_from(base: Base, task: Task, tokens: TokenList, names: Names) -> dict[str, Any]:
    """Give the players of ``task`` the weights of ``base``, and return what is kept of that.

    Args:
        base: From ``open_base``.
        task: Its players are freshly initialised, and on the CPU.
        tokens: The run's.
        names: The run's speakers and languages.

    Raises:
        MalsoriError: A tensor is missing, not known, of another shape or not finite.
    """
    record = dict(base.record)
    files, origin = base.files, base.files.origin
    speaking = task.players[task.averaged]
    weights = dict(files.weights)
    listed: dict[str, tuple[Sequence[str], Sequence[str]]] = {
        "tokens": (base.tokens.symbols, tokens.symbols),
        "speakers": (files.names("speakers"), names.speakers),
        "languages": (files.names("languages"), names.languages),
    }
    for kind, (before, after) in listed.items():
        mapped = _map(kind, weights, speaking.state_dict(), before, after, origin)
        log.info("%s: %s", kind, mapped)
        record[kind] = dataclasses.asdict(mapped)
    matched = match_condition(weights, speaking.state_dict(), origin)
    if matched:
        log.info("condition: %s", matched)
    _fill(speaking, weights, f"{origin}: {task.averaged}")
    record["players"] = {task.averaged: "given"}
    for player, module in task.players.items():
        if player != task.averaged:
            record["players"][player] = _fill_other(player, module, files)
    strangers = {name.partition("/")[0] for name in files.training} - set(task.players)
    for player in sorted(strangers):
        log.warning("%s: has a player %r, which this task does not know; left out", origin, player)
    return record


def report_statistics(own: Statistics, base: Base) -> None:
    """Log how far the corpus lies from what the weights know, in the base's deviations."""
    known = base.files.statistics
    bands = [
        (mine - theirs) / spread
        for mine, theirs, spread in zip(own.mel_mean, known.mel_mean, known.mel_std, strict=True)
    ]
    distances = {
        "pitch": (own.pitch_mean - known.pitch_mean) / known.pitch_std,
        "energy": (own.energy_mean - known.energy_mean) / known.energy_std,
        "mel": max(bands, key=abs),
    }
    told = ", ".join(f"{name} {distance:+.1f}" for name, distance in distances.items())
    log.info("statistics are the base's; the corpus lies from them by (in deviations): %s", told)
    for name, distance in distances.items():
        if abs(distance) > FAR:
            log.warning("%s is %.1f deviations from the base's mean: expect it to take longer; "
                        "are the recordings' levels alike?", name, distance)  # fmt: skip


def _read(path: Path) -> tuple[VoiceFiles, dict[str, Any]]:
    """Return a voice and its name, hash, licences and ancestors."""
    if not path.exists():
        raise ConfigError(f"init_from: {path}: no such pack or run folder")
    if path.is_dir():
        files = read_run(path, "best", training=True)
        record: dict[str, Any] = {
            "name": path.resolve().name,
            "checkpoint": checkpoint_names(path, "best")[0],
            "sha256": weights_hash(path, "best"),
        }
        run = path / "run.json"
        earlier = read_json(run).get(RECORD) if run.exists() else None
        return files, record | {"licences": {}, "ancestors": ancestry(earlier)}
    files = read_pack(path, training=True)
    training = files.meta.get("training")
    earlier = training.get("fine_tuned_from") if isinstance(training, dict) else None
    return files, {
        "name": path.name,
        "sha256": sha256(path),
        "licences": texts(files.meta.get("licences")),
        "ancestors": ancestry(earlier),
    }


def _tell_ignored(init_from: str | None, record: Mapping[str, Any] | None, folder: Path) -> None:
    if init_from is None:
        return
    began = f"it began from {record['init_from']}" if record else "it began without one"
    log.info("%s: goes on from its own checkpoint; init_from is not read (%s)", folder, began)


def _compare_audio(audio: AudioConfig, files: VoiceFiles) -> None:
    try:
        theirs = dataclasses.asdict(from_dict(AudioConfig, files.description["audio"], "audio"))
    except ConfigError as error:
        raise ConfigError(f"{files.origin}: {error}") from error
    for name, value in dataclasses.asdict(audio).items():
        if name not in FREE_AUDIO and theirs[name] != value:
            raise ConfigError(
                f"audio.{name}: {value}, but init_from: {files.origin} speaks with {theirs[name]}; "
                f"set it to that, and run stage 3 again"
            )


def _compare_model(config: TrainConfig, files: VoiceFiles) -> None:
    try:
        theirs = read_choice(MODELS, files.description["model"], "model")
    except ConfigError as error:
        raise ConfigError(f"{files.origin}: {error}") from error
    _compare(to_dict(config.model), to_dict(theirs), "model", files.origin)


def _compare_players(config: TrainConfig, files: VoiceFiles) -> None:
    """Compare settings of the players that do not speak, where the voice has them and tells them.

    Where it does not tell, the shapes are compared when the weights are put in.
    """
    players = {name.partition("/")[0] for name in files.training}
    told = files.description.get("task")
    if not isinstance(told, Mapping) or told.get("name") != config.task.name:
        return
    own = to_dict(config.task)
    if config.task.name not in TASKS.names() or not players & told.keys() & own.keys():
        return
    refuse_foreign_code(Path(files.origin), told)
    try:
        theirs = to_dict(read_choice(TASKS, told, "task"))
    except ConfigError as error:
        raise ConfigError(f"{files.origin}: {error}") from error
    for player in sorted(players & told.keys() & own.keys()):
        hint = f", or start from a pack without its {player}"
        _compare(own[player], theirs[player], f"task.{player}", files.origin, hint)


def _compare(ours: Any, theirs: Any, path: str, origin: str, hint: str = "") -> None:
    """Refuse settings that differ and may not, with the words that set them right."""
    here, there = flat(ours, path), flat(theirs, path)
    different = [
        key
        for key in [*here, *(key for key in there if key not in here)]
        if here.get(key) != there.get(key) and key.rpartition(".")[2] not in FREE_MODEL
    ]
    if not different:
        return
    first = different[0]
    wanted = " ".join(f"{key}={_written(there[key])}" for key in different if key in there)
    raise ConfigError(
        f"{first}: {here.get(first)}, but init_from: {origin} has {there.get(first)}; "
        f"to start from it set {wanted}{hint}"
    )


def flat(tree: object, path: str = "") -> dict[str, object]:
    """Return nested settings as ``key.path`` to value."""
    if not isinstance(tree, dict):
        return {path: tree}
    found: dict[str, object] = {}
    for key, value in tree.items():
        found |= flat(value, f"{path}.{key}" if path else str(key))
    return found


def _written(value: object) -> str:
    """Return a value as an override on the command line has it."""
    return "null" if value is None else str(value).replace(" ", "")


def _map(
    kind: str,
    weights: dict[str, Tensor],
    own: Mapping[str, Tensor],
    before: Sequence[str],
    after: Sequence[str],
    origin: str,
) -> Mapped:
    """Map the rows of one kind of name, with or without an embedding before and after."""
    tensor = EMBEDDINGS[kind]
    if tensor in weights and tensor in own:
        return map_rows(weights, own, tensor, before, after, origin)
    if kind != "tokens" and tensor in own:
        return add_embedding(weights, own, tensor, before, after)
    if kind != "tokens" and tensor in weights:
        return drop_embedding(weights, tensor, before, after, origin)
    if list(before) != list(after) and (kind == "tokens" or max(len(before), len(after)) > 1):
        raise MalsoriError(
            f"{origin}: other {kind} than this run's, and this model has no {tensor} whose rows "
            "could be mapped"
        )
    return names_mapped(before, after)


def _fill(module: nn.Module, weights: Mapping[str, Tensor], origin: str) -> None:
    """Put weights into ``module``; every mismatch is an error that names the first."""
    found, expected = unfold_weight_norm(module, weights, origin), module.state_dict()
    for name in sorted({*expected, *found}):
        if name not in found or name not in expected:
            where = "the weights" if name not in found else "the model"
            raise MalsoriError(f"{origin}: {name!r} is not in {where}; of another model")
        if found[name].shape != expected[name].shape:
            raise MalsoriError(
                f"{origin}: {name} has shape {list(found[name].shape)} in the weights and "
                f"{list(expected[name].shape)} in the model"
            )
        found[name] = found[name].to(expected[name].dtype)
        if not torch.isfinite(found[name]).all():
            raise MalsoriError(f"{origin}: {name} is not finite; the voice is damaged")
    module.load_state_dict(found)


def _fill_other(player: str, module: nn.Module, files: VoiceFiles) -> str:
    """Give a player that does not speak its weights if there are any; return what was done."""
    prefix = f"{player}/"
    weights = {n[len(prefix) :]: t for n, t in files.training.items() if n.startswith(prefix)}
    if not weights:
        log.warning("%s: has no %s; it starts by chance, so keep the learning rate low (a pack "
                    "made with --with-training has it)", files.origin, player)  # fmt: skip
        return "fresh"
    try:
        _fill(module, weights, f"{files.origin}: {player}")
    except MalsoriError as error:
        raise MalsoriError(
            f"{error}; set task.{player} as it was trained, or start from a pack made without "
            "--with-training: it then starts by chance"
        ) from error
    return "given"
