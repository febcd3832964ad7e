"""Every model in its task as the reference recipe has it, and how large its parts are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import nn

from malsori.core.config import Choice, build
from malsori.core.errors import ConfigError
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.statistics import Statistics
from malsori.models import MODELS
from malsori.models.voice import VoiceContext
from malsori.tasks import TASKS, TRAINED_BY
from malsori.tasks.task import Task, TaskContext

TOKENS = 80
"""Symbols in the token list of a reference task: about as many as a language has sounds."""


class Sizes(NamedTuple):
    """Parameters of a model and of what it is trained with."""

    parts: Mapping[str, int]
    """Of each part of the model, in the order of its code; parts without any are left out."""
    beside: Mapping[str, int]
    """Of the other players, which nobody needs after training."""


def reference_task(model: str) -> Task:
    """Return the task of a model for one speaker, everything by default; it has shapes, no values.

    Args:
        model: Name in ``MODELS``.

    Raises:
        ConfigError: There is no such model, or it is not known which task trains it.
    """
    entry = MODELS.entry(model)
    if model not in TRAINED_BY:
        raise ConfigError(f"model {model!r}: no task named for it; known: {', '.join(TRAINED_BY)}")
    name, audio = TRAINED_BY[model], AudioConfig()
    context = TaskContext(
        model=Choice(model, entry.config()),
        voice=VoiceContext(audio=audio, tokens=TOKENS),
        statistics=Statistics.neutral(audio.mel_bands),
    )
    with torch.device("meta"):
        task: Task = build(TASKS, Choice(name, TASKS.entry(name).config()), context=context)
    return task


def sizes(model: str) -> Sizes:
    """Return the sizes of a model by default, for one speaker and ``TOKENS`` tokens."""
    task = reference_task(model)
    beside: dict[str, Any] = dict(task.players)
    speaking = beside.pop(task.averaged)
    parts = {name: parameters(part) for name, part in speaking.named_children()}
    return Sizes(
        parts={name: size for name, size in parts.items() if size},
        beside={name: parameters(player) for name, player in beside.items()},
    )


def parameters(part: nn.Module) -> int:
    """Return the numbers that are learnt."""
    return sum(weights.numel() for weights in part.parameters())
