"""The voice in a run folder ``exp/NAME``: which checkpoint, and its weights."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from malsori.core.config import read_tree
from malsori.core.errors import MalsoriError
from malsori.core.files import read_json, sha256
from malsori.dsp.statistics import Statistics
from malsori.packs.format import TEXT_FILES, VoiceFiles
from malsori.packs.settings import name_list, value_of


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
    read_names = read_json(names)
    description = {
        "audio": value_of(tree, "audio", path),
        "model": value_of(tree, "model", path),
        "tokenizer": read_tree(folder / "tokenizer.yaml"),
        "speakers": name_list(read_names, "speakers", names),
        "languages": name_list(read_names, "languages", names),
    }
    if "task" in tree:
        description["task"] = tree["task"]
    return VoiceFiles(
        origin=str(folder),
        description=description,
        weights=checkpoint_weights(folder, checkpoint),
        statistics=Statistics.load(folder / "stats.json"),
        files={n: (folder / n).read_bytes() for n in TEXT_FILES if (folder / n).exists()},
        training=training_weights(folder, checkpoint) if training else {},
    )


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
