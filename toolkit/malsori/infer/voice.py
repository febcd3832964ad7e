"""A voice: a trained model with all that it needs to read text and speak."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from malsori.core.config import build, from_dict, read_choice, read_tree
from malsori.core.errors import ConfigError, MalsoriError
from malsori.core.files import read_json
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.statistics import Statistics
from malsori.models import MODELS
from malsori.models.voice import VoiceContext, VoiceModel
from malsori.modules.weight_norm import fold_weight_norm
from malsori.text.tokenizer import Tokenizer, TokenizerConfig
from malsori.text.tokens import TokenList

UNBUILDABLE = (
    *(RuntimeError, ValueError, ArithmeticError, TypeError, LookupError, MemoryError),
    AssertionError,
)
"""What PyTorch and Python raise for settings that no model can be built with."""


@dataclass(frozen=True, kw_only=True)
class Voice:
    """A model ready to speak: on its device, in evaluation mode, weight norm folded."""

    model: VoiceModel
    tokenizer: Tokenizer
    tokens: TokenList
    audio: AudioConfig
    statistics: Statistics
    speakers: tuple[str, ...]
    languages: tuple[str, ...]
    origin: str
    """Where it was loaded from, for messages."""

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        module: Any = self.model
        return next(module.parameters()).device  # type: ignore[no-any-return]

    def index(self, kind: str, name: str | None) -> int:
        """Return the index of a speaker or language; the first for None.

        Raises:
            MalsoriError: The voice does not have it.
        """
        names = self.speakers if kind == "speaker" else self.languages
        if name is None:
            return 0
        if name not in names:
            raise MalsoriError(f"{self.origin}: no {kind} {name!r}; known: {', '.join(names)}")
        return names.index(name)


def load_run(folder: Path, checkpoint: str = "best", device: str = "cpu") -> Voice:
    """Return the voice of a run folder.

    Args:
        folder: ``exp/NAME``.
        checkpoint: best, last, average (of the best ones that were kept), or step-N.
        device: Where it shall speak.

    Raises:
        MalsoriError: Nothing was trained there, or a file is missing or damaged.
    """
    if not (folder / "config.yaml").exists():
        raise MalsoriError(f"{folder}: not a run folder (no config.yaml); run stage 4 first")
    tree = read_tree(folder / "config.yaml")
    names = folder / "names.json"
    read_names = read_json(names)
    description = {
        "audio": value_of(tree, "audio", folder / "config.yaml"),
        "model": value_of(tree, "model", folder / "config.yaml"),
        "tokenizer": read_tree(folder / "tokenizer.yaml"),
        "speakers": name_list(read_names, "speakers", names),
        "languages": name_list(read_names, "languages", names),
    }
    weights = checkpoint_weights(folder, checkpoint)
    statistics = Statistics.load(folder / "stats.json")
    return assemble(description, weights, statistics, folder, str(folder), device)


def value_of(tree: Any, key: str, path: Path) -> Any:
    """Return what ``tree``, read from ``path``, holds for ``key``.

    Raises:
        MalsoriError: It is no mapping, or has no such key.
    """
    if not isinstance(tree, Mapping) or key not in tree:
        raise MalsoriError(f"{path}: has no {key!r}; the file is damaged")
    return tree[key]


def name_list(tree: Any, key: str, path: Path) -> list[str]:
    """Return the list of names that ``tree``, read from ``path``, holds for ``key``.

    Raises:
        MalsoriError: There is none, or it is no list of texts.
    """
    names = value_of(tree, key, path)
    if not (isinstance(names, list) and names and all(isinstance(name, str) for name in names)):
        raise MalsoriError(f"{path}: {key} is no list of names; the file is damaged")
    return names


def assemble(
    description: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    statistics: Statistics,
    folder: Path,
    origin: str,
    device: str = "cpu",
    trusted: bool = True,
) -> Voice:
    """Return a voice from its parts.

    Args:
        description: Audio, model and tokenizer settings, speakers and languages.
        weights: Of the model, weight norm folded or not.
        statistics: Of the training features.
        folder: Where ``tokens.txt`` and the tokenizer's files are.
        origin: Named in errors.
        device: Where it shall speak.
        trusted: False compares names and shapes before anything of the model takes memory, so that
            a stranger's settings ask for no more than their weights.

    Raises:
        MalsoriError: Settings and weights do not make a voice; the line names ``origin``.
    """
    tokens = TokenList.load(folder / "tokens.txt")
    with _blaming(origin):
        audio = from_dict(AudioConfig, description["audio"], "audio")
        settings = from_dict(TokenizerConfig, description["tokenizer"], "tokenizer")
        choice = read_choice(MODELS, description["model"], "model")
        context = VoiceContext(
            audio=audio,
            tokens=len(tokens),
            speakers=len(description["speakers"]),
            languages=len(description["languages"]),
        )
        if not trusted:
            with torch.device("meta"):  # shapes without memory
                _check_shapes(build(MODELS, choice, context=context), weights, origin)
        model: nn.Module = build(MODELS, choice, context=context)
    load_weights(model, weights, origin)
    try:
        module = model.eval().requires_grad_(False).to(torch.device(device))
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"device: {device!r} cannot be used here: {str(error).splitlines()[0]}"
        ) from error
    speaking: Any = module
    return Voice(
        model=speaking,
        tokenizer=Tokenizer(local_files(settings, folder), folder.absolute()),
        tokens=tokens,
        audio=audio,
        statistics=statistics,
        speakers=tuple(description["speakers"]),
        languages=tuple(description["languages"]),
        origin=origin,
    )


def local_files(settings: TokenizerConfig, folder: Path) -> TokenizerConfig:
    """Return the settings with lexicon and piece model as they are called beside the voice."""
    return replace(
        settings,
        lexicon="lexicon.tsv" if settings.lexicon and (folder / "lexicon.tsv").exists() else None,
        bpe_model="bpe.model" if settings.type == "bpe" else None,
    )


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], origin: str) -> None:
    """Put weights into ``model`` and fold its weight norm, whichever of the two they come in.

    Raises:
        MalsoriError: Names or shapes differ, such as with another token list.
    """
    _check_shapes(model, weights, origin)
    model.load_state_dict(dict(weights))
    fold_weight_norm(model)


def _check_shapes(model: nn.Module, weights: Mapping[str, Tensor], origin: str) -> None:
    """Refuse weights whose names or shapes differ, after folding ``model`` if they are folded."""
    if not any("parametrizations" in name for name in weights):
        fold_weight_norm(model)
    expected = model.state_dict()
    for name in sorted({*expected, *weights}):
        if name not in weights or name not in expected:
            where = "the weights" if name not in weights else "the model"
            raise MalsoriError(f"{origin}: {name!r} is not in {where}; config and weights differ")
        if weights[name].shape != expected[name].shape:
            hint = ": tokens.txt is of another model" if name == "embedding.weight" else ""
            raise MalsoriError(
                f"{origin}: {name} has shape {list(weights[name].shape)} in the weights and "
                f"{list(expected[name].shape)} in the model{hint}"
            )


@contextmanager
def _blaming(origin: str) -> Iterator[None]:
    """Turn whatever a voice's settings may break into one line that names ``origin``."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{origin}: {error}") from error
    except UNBUILDABLE as error:
        told = (str(error).splitlines() or [type(error).__name__])[0]
        raise MalsoriError(f"{origin}: its settings make no model: {told}") from error


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
    checkpoints = folder / "checkpoints"
    chosen = checkpoint_names(folder, checkpoint)
    if not chosen or not all((checkpoints / name).is_dir() for name in chosen):
        there = ", ".join(sorted(path.name for path in checkpoints.glob("step-*"))) or "none"
        raise MalsoriError(f"{checkpoints}: no checkpoint {checkpoint!r}; there: {there}")
    found = [_speaking_weights(checkpoints / name) for name in chosen]
    if len(found) == 1:
        return found[0]
    return {
        name: torch.stack([weights[name].double() for weights in found]).mean(0).to(tensor.dtype)
        for name, tensor in found[0].items()
    }


def averaged_player(path: Path) -> str:
    """Return the prefix of the player that speaks, ``generator/``, in a checkpoint's tensors."""
    state = read_json(path / "state.json")
    player = state.get("averaged") if isinstance(state, dict) else None
    return f"{player or 'generator'}/"  # older checkpoints do not say


def _speaking_weights(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        averaged = load_file(path / "average.safetensors")
        if averaged:
            return averaged
        players = load_file(path / "players.safetensors")
    except (OSError, SafetensorError) as error:
        raise MalsoriError(f"{path}: damaged ({error}); choose another --checkpoint") from error
    prefix = averaged_player(path)
    return {n[len(prefix) :]: t for n, t in players.items() if n.startswith(prefix)}
