"""A voice: a trained model with all that it needs to read text and speak."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from malsori.core.config import Choice, build, from_dict, read_choice
from malsori.core.errors import ConfigError, MalsoriError
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.griffin_lim import GriffinLim
from malsori.dsp.statistics import Statistics
from malsori.infer.reading import ReadingVoice
from malsori.models import MODELS
from malsori.models.composed import ComposedModel
from malsori.models.voice import (
    AcousticModel,
    SpeakingModel,
    VoiceContext,
    embedding_size,
    speaking_part,
)
from malsori.modules.weight_norm import fold_weight_norm
from malsori.packs.run_folder import read_run
from malsori.text.tokenizer import Tokenizer, TokenizerConfig
from malsori.text.tokens import TokenList

UNBUILDABLE = (
    *(RuntimeError, ValueError, ArithmeticError, TypeError, LookupError, MemoryError),
    AssertionError,
)
"""What PyTorch and Python raise for settings that no model can be built with."""
WORDLESS = (
    "a vocoder, which reads no text; it makes waveforms of mel spectrograms: "
    "'malsori decode --model … --data FOLDER --out DIR'"
)
"""What is told of a model without a text front end."""


@dataclass(frozen=True, kw_only=True)
class Voice(ReadingVoice):
    """A model ready to speak: on its device, in evaluation mode, weight norm folded."""

    model: SpeakingModel
    """One that makes mels is there with what makes them audible, as a ``ComposedModel``."""

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.network.parameters()).device

    @property
    def network(self) -> nn.Module:
        """What was trained: the model, or the part of it that speaks to a vocoder."""
        model: Any = self.model
        return model.acoustic if isinstance(model, ComposedModel) else model  # type: ignore[no-any-return]

    @property
    def speaks(self) -> bool:
        """Whether the model makes waveforms from tokens; one that only aligns does not."""
        return isinstance(self.model, SpeakingModel)

    @property
    def is_provisional(self) -> bool:
        """Whether no trained network makes its mels audible, but Griffin-Lim."""
        return isinstance(self.model, ComposedModel) and self.model.is_provisional


def load_run(folder: Path, checkpoint: str = "best", device: str = "cpu") -> Voice:
    """Return the voice of a run folder.

    Args:
        folder: ``exp/NAME``.
        checkpoint: best, last, average (of the best ones that were kept), or step-N.
        device: Where it shall speak.

    Raises:
        MalsoriError: Nothing was trained there, or a file is missing or damaged.
    """
    read = read_run(folder, checkpoint)
    return assemble(read.description, read.weights, read.statistics, folder, read.origin, device)


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
    if "tokenizer" not in description:
        raise MalsoriError(f"{origin}: {WORDLESS}")
    tokens = TokenList.load(folder / "tokens.txt")
    with blaming(origin):
        audio = from_dict(AudioConfig, description["audio"], "audio")
        settings = from_dict(TokenizerConfig, description["tokenizer"], "tokenizer")
        choice = read_choice(MODELS, description["model"], "model")
        context = VoiceContext(
            audio=audio,
            tokens=len(tokens),
            speakers=len(description["speakers"]),
            languages=len(description["languages"]),
            pitch_mean=statistics.pitch_mean,
            pitch_std=statistics.pitch_std,
        )
    model = built_model(choice, context, weights, origin, device, trusted)
    if isinstance(model, AcousticModel):  # until a vocoder is named
        model = ComposedModel(model, GriffinLim(audio), statistics).to(torch.device(device))
    return Voice(
        model=model,
        tokenizer=Tokenizer(local_files(settings, folder), folder.absolute()),
        tokens=tokens,
        audio=audio,
        statistics=statistics,
        speakers=tuple(description["speakers"]),
        languages=tuple(description["languages"]),
        origin=origin,
        embedding_size=embedding_size(choice.config),
        speaker_encoder=description.get("speaker_encoder"),
    )


def built_model(
    choice: Choice,
    context: VoiceContext,
    weights: Mapping[str, Tensor],
    origin: str,
    device: str = "cpu",
    trusted: bool = True,
) -> Any:
    """Return a model with its weights, ready to be used on ``device``; see ``assemble``.

    Raises:
        MalsoriError: Settings and weights do not make a model; the line names ``origin``.
    """
    with blaming(origin):
        if not trusted:
            refuse_foreign_model(choice.name, origin)
            with torch.device("meta"):  # shapes without memory
                _check_shapes(build(MODELS, choice, context=context), weights, origin)
        model: nn.Module = build(MODELS, choice, context=context)
    load_weights(speaking_part(model), weights, origin)
    try:
        return model.eval().requires_grad_(False).to(torch.device(device))
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"device: {device!r} cannot be used here: {str(error).splitlines()[0]}"
        ) from error


def refuse_foreign_model(name: str, origin: str) -> None:
    """Refuse a model whose code comes with an extra: packs speak wherever malsori is.

    Raises:
        MalsoriError: The model ``name`` is such a one.
    """
    extra = MODELS.entry(name).extra
    if extra:
        raise MalsoriError(
            f"{origin}: {name} is code of the extra [{extra}], and packs hold malsori's own models "
            "only; 'malsori import-espnet' (in Python malsori.espnet) turns ESPnet's weights into "
            "such a voice"
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
def blaming(origin: str) -> Iterator[None]:
    """Turn whatever a voice's settings may break into one line that names ``origin``."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(f"{origin}: {error}") from error
    except UNBUILDABLE as error:
        told = (str(error).splitlines() or [type(error).__name__])[0]
        raise MalsoriError(f"{origin}: its settings make no model: {told}") from error
