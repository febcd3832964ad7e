"""A voice as ONNX graphs: ``acoustic``, ``latent`` for models that draw, ``generator``.

The first reads tokens and says durations and frames, the last makes samples of frames, of a whole
utterance or of any window of one, by way of the decoder's last block where it comes late. Every
tensor has a name, and a graph is fed by the names of its inputs, so that the one behind reads what
the one before it made.

Axes: B utterances, N tokens, T frames of a window, "all" of the utterance, S = T · hop samples.
"""

from __future__ import annotations

import copy
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from malsori.core.errors import MalsoriError
from malsori.infer.onnx_convolutions import with_flat, with_matrices
from malsori.infer.onnx_parts import (
    Generator,
    JetsAcoustic,
    JetsGenerator,
    Latent,
    MelAcoustic,
    Named,
    Part,
    VaeJetsAcoustic,
    VitsAcoustic,
)
from malsori.models.composed import ComposedModel
from malsori.models.fastspeech2 import FastSpeech2
from malsori.models.jets import Jets
from malsori.models.vaejets import VaeJets
from malsori.models.vits import Vits
from malsori.modules.istft import IstftGenerator
from malsori.modules.lengths import valid_positions
from malsori.modules.long_short import LongShort
from malsori.modules.reformer import Reformer

OPSET = 17
"""Of ONNX: the first with a layer norm."""
AXES: Mapping[str, tuple[str, ...]] = {
    **{"tokens": ("B", "N"), "token_lengths": ("B",), "durations": ("B", "N")},
    **dict.fromkeys(("speed", "pitch_shift", "energy_scale", "energy_shift"), ("B", "N")),
    **{"speaker": ("B",), "language": ("B",), "embedding": ("B",), "condition": ("B",)},
    **{"duration_noise": ("B", "N"), "noise": ("B", "T")},
    **{"frames": ("B", "T"), "mean": ("B", "T"), "spread": ("B", "T")},
    **{"source": ("B", "", "S"), "wav": ("B", "S")},
    **{"keys": ("B", "", "all"), "values": ("B", "", "all"), "valid": ("B", "all")},
}
"""Axes of each tensor that may have any length; the empty name is of one that may not."""
EXACT = ("/inverse/", "generator/output/", "predictor")
"""Parts of names of matrix products that are never calculated with whole numbers."""
EXAMPLE_TOKENS = 7
"""Tokens of the longer of the two utterances that are traced; a graph takes any number."""


class ExportError(MalsoriError):
    """A voice cannot be exported, whatever is done again."""


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A part of a voice, and an example to trace it with."""

    name: str
    part: Part
    example: Named
    """Its inputs, by name."""

    def to_onnx(self) -> bytes:
        """Return the graph as an ONNX file.

        Raises:
            ExportError: PyTorch cannot write it.
        """
        axes = {
            name: {i: axis for i, axis in enumerate(AXES[name]) if axis}
            for name in (*self.part.inputs, *self.part.outputs)
        }
        file = io.BytesIO()
        try:
            with warnings.catch_warnings():  # it warns of every number that a trace makes fixed
                warnings.simplefilter("ignore")
                torch.onnx.export(
                    self.part,
                    tuple(self.example.values()),
                    file,  # type: ignore[arg-type]
                    dynamo=False,
                    opset_version=OPSET,
                    input_names=list(self.part.inputs),
                    output_names=list(self.part.outputs),
                    dynamic_axes=axes,
                )
        except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
            told = str(error).strip().splitlines()[0]
            raise ExportError(f"cannot be exported to ONNX: {self.name}: {told}") from error
        return file.getvalue()


def graphs(model: nn.Module, matrices: bool = False) -> Iterator[Graph]:
    """Yield the graphs of a voice in the order in which they are run.

    Args:
        model: That speaks: on the CPU, in evaluation mode, weight norm folded.
        matrices: Write the convolutions of feed-forward parts as matrix products, for
            ``in_whole_numbers``.

    Raises:
        ExportError: It cannot be; one line that says why.
    """
    model = copy.deepcopy(model)
    (with_matrices if matrices else with_flat)(model)
    if matrices and isinstance(model, Jets) and not isinstance(model.generator, IstftGenerator):
        model.decodes_late = False  # else its rounding would hang on the window
    known = _example(model)
    for name, part in _parts(model):
        example = {key: known[key] for key in part.inputs}
        with torch.no_grad():
            known |= dict(zip(part.outputs, part(*example.values()), strict=True))
        if "mean" in part.outputs:
            known["noise"] = torch.ones_like(known["mean"])
        yield Graph(name=name, part=part.eval(), example=example)


def in_whole_numbers(content: bytes) -> bytes:
    """Return a graph whose large matrix products are calculated with 8-bit whole numbers.

    Weights are rounded once, what they are multiplied with each time it is there, to steps of a
    256th of its range. What is left exact: spectra, whose quiet parts such steps would drown, and
    what is predicted of tokens.

    Args:
        content: ONNX file.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    graph = onnx.load_from_string(content)
    exact = [n.name for n in graph.graph.node if any(part in n.name for part in EXACT)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "whole.onnx"
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)  # it recommends steps that change nothing here
        try:
            quantize_dynamic(
                graph,
                path,
                per_channel=True,
                weight_type=QuantType.QInt8,
                op_types_to_quantize=["MatMul"],
                nodes_to_exclude=exact,
            )
        finally:
            logging.disable(before)
        return path.read_bytes()


def _parts(model: nn.Module) -> Iterator[tuple[str, Part]]:
    for part in model.modules():
        if isinstance(part, (LongShort, Reformer)):
            raise ExportError(
                f"cannot be exported to ONNX: {type(part).__name__} cuts a text into pieces whose "
                "number depends on it; the other stacks can"
            )
    if isinstance(model, Jets):
        yield "acoustic", JetsAcoustic(model)
        yield "generator", JetsGenerator(model)
        return
    if isinstance(model, VaeJets):
        yield "acoustic", VaeJetsAcoustic(model)
    elif isinstance(model, Vits):
        yield "acoustic", VitsAcoustic(model)
    elif isinstance(model, ComposedModel) and isinstance(model.acoustic, FastSpeech2):
        yield "acoustic", MelAcoustic(model)
        if not model.is_provisional:
            yield "generator", Generator(model.vocoder, False)  # type: ignore[arg-type]
        return
    else:
        raise ExportError(f"cannot be exported to ONNX: {type(model).__name__} is no such model")
    if isinstance(model, (VaeJets, Vits)):
        yield "latent", Latent(model)
    yield "generator", Generator(model.generator, model.generator.condition is not None)


def _example(model: Any) -> Named:
    """Return tensors of the kinds that any graph may read, two utterances of different lengths."""
    front = model.acoustic if isinstance(model, ComposedModel) else model
    size, lengths = EXAMPLE_TOKENS, torch.tensor([EXAMPLE_TOKENS, EXAMPLE_TOKENS - 2])
    tokens = torch.arange(2 * size).view(2, size) % (front.embedding.num_embeddings - 1) + 1
    linear, numbers = front.conditioning.embedding, 1
    if linear is not None:
        beside = linear.out_features if front.conditioning.joined == "concat" else 0
        numbers = linear.in_features - beside
    whole, none = torch.ones(2, size), torch.zeros(2, size)
    return {
        "tokens": tokens * valid_positions(lengths, size),
        "token_lengths": lengths,
        "speed": whole,
        "pitch_shift": none,
        "energy_scale": whole,
        "energy_shift": none,
        "speaker": torch.zeros(2, dtype=torch.long),
        "language": torch.zeros(2, dtype=torch.long),
        "embedding": torch.ones(2, numbers),
        "duration_noise": torch.zeros(2, size, 2),
    }
