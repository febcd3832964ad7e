"""The voice in a run folder ``exp/NAME``: which checkpoint, and its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from malsori.core.config import read_tree
from malsori.core.errors import MalsoriError
from malsori.core.files import read_json, sha256
from malsori.dsp.statistics import Statistics
from malsori.packs.ancestry import RECORD, ancestry
from malsori.packs.format import TEXT_FILES, VoiceFiles, neutral_statistics
from malsori.packs.settings import name_list, optional_name, value_of
from malsori.tasks import TASKS
from malsori.tasks.task import Material, TaskConfig


def read_run(folder: Path, checkpoint: str = "best", training: bool = False) -> VoiceFiles:
    """Return everything that the voice of a run folder is made of.

    Args:
        folder: ``exp/NAME``.
        checkpoint: best, last, average (of the best ones that were kept), or step-N.
        training: Read the weights of the players that do not speak, too.

    Raises:
        MalsoriError: Nothing was trained there, or a file is missing or damaged.
    """
    path, names = folder / "config.yaml", folder / "names.json"
    if not path.exists():
        raise MalsoriError(f"{folder}: not a run folder (no config.yaml); run stage 4 first")
    tree = read_tree(path)
    description = {key: value_of(tree, key, path) for key in ("audio", "model")}
    if "task" in tree:
        description["task"] = tree["task"]
    if trained_on(tree, path) == "speech":
        read_names = read_json(names)
        description |= {
            "tokenizer": read_tree(folder / "tokenizer.yaml"),
            "speakers": name_list(read_names, "speakers", names),
            "languages": name_list(read_names, "languages", names),
        }
        encoder = optional_name(read_names, "speaker_encoder", names)
        description |= {"speaker_encoder": encoder} if encoder else {}
        statistics = Statistics.load(folder / "stats.json")
    else:
        statistics = neutral_statistics(description, path)
    return VoiceFiles(
        origin=str(folder),
        description=description,
        weights=checkpoint_weights(folder, checkpoint),
        statistics=statistics,
        files={n: (folder / n).read_bytes() for n in TEXT_FILES if (folder / n).exists()},
        training=training_weights(folder, checkpoint) if training else {},
    )


def trained_on(tree: Any, path: Path) -> Material:
    """Return what the task in a run's settings ``tree``, read from ``path``, is trained on."""
    if "task" not in tree:  # older runs do not say
        return "speech"
    task = tree["task"]
    name = task if isinstance(task, str) else value_of(task, "name", path)
    config: TaskConfig = TASKS.entry(name).config()
    return config.material


def checkpoint_names(folder: Path, checkpoint: str) -> list[str]:
    """Return the folders that best, last, average or step-N stand for; none if there is no such."""
    if checkpoint not in ("best", "last", "average"):
        return [checkpoint]
    pointer = folder / "checkpoints" / checkpoint
    return pointer.read_text(encoding="utf-8").split() if pointer.exists() else []


def checkpoint_weights(folder: Path, checkpoint: str) -> dict[str, Tensor]:
    """Return the speaking player's weights in a checkpoint, or their mean over the best ones.

    Raises:
        MalsoriError: There is no such checkpoint, or it is damaged.
    """
    found = [_speaking_weights(path) for path in _checkpoint_folders(folder, checkpoint)]
    if len(found) == 1:
        return found[0]
    return {
        name: torch.stack([weights[name].double() for weights in found]).mean(0).to(tensor.dtype)
        for name, tensor in found[0].items()
    }


def training_weights(folder: Path, checkpoint: str) -> dict[str, Tensor]:
    """Return the weights of the players that do not speak, by ``player/name``.

    Of an average those of the best checkpoint.

    Raises:
        MalsoriError: There is no such checkpoint, or it is damaged.
    """
    path = _checkpoint_folders(folder, checkpoint)[0]
    speaking = averaged_player(path)
    players = _load(path, "players")
    return {name: t for name, t in players.items() if not name.startswith(speaking)}


def weights_hash(folder: Path, checkpoint: str) -> str:
    """Return the SHA-256 of the file that the voice's weights come from; of an average the best."""
    path = _checkpoint_folders(folder, checkpoint)[0]
    return sha256(path / f"{'average' if _load(path, 'average') else 'players'}.safetensors")


def provenance(folder: Path, checkpoint: str) -> dict[str, Any]:
    """Return where the weights of a checkpoint come from, as a pack tells it.

    Raises:
        MalsoriError: A file of the run is missing or damaged.
    """
    config = folder / "config.yaml"
    paths = [
        folder / "checkpoints" / name / "state.json"
        for name in checkpoint_names(folder, checkpoint)
    ]
    states = [(read_json(path), path) for path in paths]
    record = read_json(folder / "run.json")
    bases = ancestry(record.get(RECORD))
    return {
        "checkpoints": [
            {
                "step": value_of(state, "step", path),
                value_of(state, "metric_name", path): value_of(state, "metric", path),
            }
            for state, path in states
        ],
        "seed": value_of(read_tree(config), "seed", config),
        "commit": record.get("commit"),
        "packages": record.get("packages"),
        "data": record.get("hashes"),
        **({"fine_tuned_from": bases} if bases else {}),
    }


def averaged_player(path: Path) -> str:
    """Return the prefix of the player that speaks, ``generator/``, in a checkpoint's tensors."""
    state = read_json(path / "state.json")
    player = state.get("averaged") if isinstance(state, dict) else None
    return f"{player or 'generator'}/"  # older checkpoints do not say


def _checkpoint_folders(folder: Path, checkpoint: str) -> list[Path]:
    checkpoints = folder / "checkpoints"
    chosen = checkpoint_names(folder, checkpoint)
    if not chosen or not all((checkpoints / name).is_dir() for name in chosen):
        there = ", ".join(sorted(path.name for path in checkpoints.glob("step-*"))) or "none"
        raise MalsoriError(f"{checkpoints}: no checkpoint {checkpoint!r}; there: {there}")
    return [checkpoints / name for name in chosen]


def _speaking_weights(path: Path) -> dict[str, Tensor]:
    averaged = _load(path, "average")
    if averaged:
        return averaged
    prefix = averaged_player(path)
    players = _load(path, "players")
    return {n[len(prefix) :]: t for n, t in players.items() if n.startswith(prefix)}


def _load(path: Path, name: str) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path / f"{name}.safetensors")
    except (OSError, SafetensorError) as error:
        raise MalsoriError(f"{path}: damaged ({error}); choose another --checkpoint") from error
