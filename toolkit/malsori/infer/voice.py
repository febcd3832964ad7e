"""A voice: a trained model with all that it needs to read text and speak."""

from __future__ import annotations

from collections.abc import Mapping
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
    names = read_json(folder / "names.json")
    tokenizer = read_tree(folder / "tokenizer.yaml")
    description = {
        "audio": tree["audio"],
        "model": tree["model"],
        "tokenizer": tokenizer,
        "speakers": names["speakers"],
        "languages": names["languages"],
    }
    weights = checkpoint_weights(folder, checkpoint)
    statistics = Statistics.load(folder / "stats.json")
    return assemble(description, weights, statistics, folder, str(folder), device)


def assemble(
    description: Mapping[str, Any],
    weights: Mapping[str, Tensor],
    statistics: Statistics,
    folder: Path,
    origin: str,
    device: str = "cpu",
) -> Voice:
    """Return a voice from its parts.

    Args:
        description: Audio, model and tokenizer settings, speakers and languages.
        weights: Of the model, weight norm folded or not.
        statistics: Of the training features.
        folder: Where ``tokens.txt`` and the tokenizer's files are.
        origin: Named in errors.
        device: Where it shall speak.
    """
    audio = from_dict(AudioConfig, description["audio"], "audio")
    tokens = TokenList.load(folder / "tokens.txt")
    context = VoiceContext(
        audio=audio,
        tokens=len(tokens),
        speakers=len(description["speakers"]),
        languages=len(description["languages"]),
    )
    model: nn.Module = build(
        MODELS, read_choice(MODELS, description["model"], "model"), context=context
    )
    load_weights(model, weights, origin)
    settings = from_dict(TokenizerConfig, description["tokenizer"], "tokenizer")
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
    model.load_state_dict(dict(weights))
    fold_weight_norm(model)


def checkpoint_names(folder: Path, checkpoint: str) -> list[str]:
    """Return the folders that best, last, average or step-N stand for; none if there is no such."""
    if checkpoint not in ("best", "last", "average"):
        return [checkpoint]
    pointer = folder / "checkpoints" / checkpoint
    return pointer.read_text(encoding="utf-8").split() if pointer.exists() else []


def checkpoint_weights(folder: Path, checkpoint: str) -> dict[str, Tensor]:
    """Return the averaged generator weights of a checkpoint, or their mean over the best ones.

    Raises:
        MalsoriError: There is no such checkpoint, or it is damaged.
    """
    checkpoints = folder / "checkpoints"
    chosen = checkpoint_names(folder, checkpoint)
    if not chosen or not all((checkpoints / name).is_dir() for name in chosen):
        there = ", ".join(sorted(path.name for path in checkpoints.glob("step-*"))) or "none"
        raise MalsoriError(f"{checkpoints}: no checkpoint {checkpoint!r}; there: {there}")
    found = [_generator_weights(checkpoints / name) for name in chosen]
    if len(found) == 1:
        return found[0]
    return {
        name: torch.stack([weights[name].double() for weights in found]).mean(0).to(tensor.dtype)
        for name, tensor in found[0].items()
    }


def _generator_weights(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        averaged = load_file(path / "average.safetensors")
        if averaged:
            return averaged
        players = load_file(path / "players.safetensors")
    except (OSError, SafetensorError) as error:
        raise MalsoriError(f"{path}: damaged ({error}); choose another --checkpoint") from error
    prefix = "generator/"
    return {n[len(prefix) :]: t for n, t in players.items() if n.startswith(prefix)}
