"""Names and shapes of the original VITS's weights as ours.

Layers are renamed one by one, so that whatever has no partner is found. What differs in form:

- attention's projections, and some of the plain duration predictor's, are convolutions of kernel 1
  there, linear layers here;
- one layer tells all layers of a WaveNet of the speaker, and adds a bias; here each layer has its
  own without a bias, which goes into the bias of the layer's convolution;
- a WaveNet sums its skip paths there; here the sum is divided by the root of their number, for
  which the layer behind it makes up;
- the generator's last convolution has no bias there, and one of 0 here.

Source: the state of ``SynthesizerTrn`` in the files of github.com/jaywalnut310/vits.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from malsori.core.errors import MalsoriError
from malsori.packs.hifigan import our_name as generator_name

Weights = dict[str, Tensor]

POSTERIOR_LAYERS, FLOW_LAYERS, COUPLINGS = 16, 4, 4
"""Sizes that are no settings there."""
EMBEDDING = "enc_p.emb.weight"
LEAVES = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}
_ATTENTION = r"enc_p\.encoder\.attn_layers\.(\d+)"
_BLOCK = r"text.stack.blocks.\1"
_SEPARABLE = (
    (r"convs_sep\.(\d+)", "depthwise"),
    (r"norms_1\.(\d+)", "depthwise_norm"),
    (r"convs_1x1\.(\d+)", "pointwise"),
    (r"norms_2\.(\d+)", "pointwise_norm"),
)
LAYERS: tuple[tuple[str, str], ...] = (
    (r"enc_p\.emb", "embedding"),
    (r"enc_p\.proj", "text.output"),
    (rf"{_ATTENTION}\.conv_q", rf"{_BLOCK}.attention.query"),
    (rf"{_ATTENTION}\.conv_k", rf"{_BLOCK}.attention.key"),
    (rf"{_ATTENTION}\.conv_v", rf"{_BLOCK}.attention.value"),
    (rf"{_ATTENTION}\.conv_o", rf"{_BLOCK}.attention.out"),
    (r"enc_p\.encoder\.norm_layers_1\.(\d+)", rf"{_BLOCK}.attention_norm"),
    (r"enc_p\.encoder\.norm_layers_2\.(\d+)", rf"{_BLOCK}.feed_forward_norm"),
    (r"enc_p\.encoder\.ffn_layers\.(\d+)\.conv_1", rf"{_BLOCK}.feed_forward.expand"),
    (r"enc_p\.encoder\.ffn_layers\.(\d+)\.conv_2", rf"{_BLOCK}.feed_forward.reduce"),
    (r"posterior\.pre", "posterior.input"),
    (r"posterior\.proj", "posterior.output"),
    (r"flow\.couplings\.(\d+)\.pre", r"flow.couplings.\1.input"),
    (r"flow\.couplings\.(\d+)\.post", r"flow.couplings.\1.output"),
    (r"(posterior|flow\.couplings\.\d+)\.enc\.in_layers\.(\d+)", r"\1.stack.layers.\2.gated"),
    (r"(posterior|flow\.couplings\.\d+)\.enc\.res_skip_layers\.(\d+)", r"\1.stack.layers.\2.out"),
    (r"plain\.conv_1", "duration_predictor.blocks.0.conv"),
    (r"plain\.norm_1", "duration_predictor.blocks.0.norm"),
    (r"plain\.conv_2", "duration_predictor.blocks.1.conv"),
    (r"plain\.norm_2", "duration_predictor.blocks.1.norm"),
    (r"plain\.proj", "duration_predictor.out"),
    (r"plain\.cond", "duration_condition"),
    (r"dp\.pre", "duration_flow.input"),
    (r"dp\.proj", "duration_flow.output"),
    (r"dp\.cond", "duration_flow.condition"),
    (r"dp\.post_pre", "duration_flow.duration_input"),
    (r"dp\.post_proj", "duration_flow.duration_output"),
    (r"dp\.(flow|posterior)\.(\d+)\.pre", r"duration_flow.\1.couplings.\2.input"),
    (r"dp\.(flow|posterior)\.(\d+)\.proj", r"duration_flow.\1.couplings.\2.output"),
    *((rf"dp\.convs\.{t}", rf"duration_flow.network.layers.\1.{o}") for t, o in _SEPARABLE),
    *(
        (rf"dp\.post_convs\.{t}", rf"duration_flow.duration_network.layers.\1.{o}")
        for t, o in _SEPARABLE
    ),
    *(
        (
            rf"dp\.(flow|posterior)\.(\d+)\.convs\.{t}",
            rf"duration_flow.\1.couplings.\2.network.layers.\3.{o}",
        )
        for t, o in _SEPARABLE
    ),
    (r"emb_g", "conditioning.speaker"),
    (r"dec\.cond", "generator.condition"),
)
"""Layers there, after ``_counted``, and here."""
LINEAR = re.compile(
    r".*\.attention\.(query|key|value|out)|duration_predictor\.out|duration_condition"
)
"""Our layers that are convolutions of kernel 1 there."""
PARAMETERS = (
    (rf"{_ATTENTION}\.emb_rel_k", rf"{_BLOCK}.attention.key_positions"),
    (rf"{_ATTENTION}\.emb_rel_v", rf"{_BLOCK}.attention.value_positions"),
    (r"dp\.flows\.0\.m", "duration_flow.flow.shift"),
    (r"dp\.flows\.0\.logs", "duration_flow.flow.log_scale"),
    (r"dp\.post_flows\.0\.m", "duration_flow.posterior.shift"),
    (r"dp\.post_flows\.0\.logs", "duration_flow.posterior.log_scale"),
)
"""Parameters that are no layer's weight or bias."""
SPEAKER_LAYERS = re.compile(r"(dec|dp)\.cond\.|.*\.enc\.cond_layer\.")
"""Those that are told of the speaker; in a voice of one they are told nothing."""


def our_weights(state: Mapping[str, Tensor], rows: Sequence[int | None], told: bool) -> Weights:
    """Return the weights by our names.

    Args:
        state: By the original's names, weight norm folded.
        rows: Where in its embedding each of our tokens is; None for one that it does not have.
        told: Whether there is more than one speaker.

    Raises:
        MalsoriError: A tensor has no partner, or another shape; the line names it.
    """
    plain = "dp.conv_1.weight" in state
    left = {
        _counted(name, plain): tensor
        for name, tensor in state.items()
        if told or not SPEAKER_LAYERS.match(name)
    }
    speaking = {n: left.pop(n) for n in [n for n in left if ".enc.cond_layer." in n]}
    ours = dict(_renamed(left))
    embedding = ours["embedding.weight"]
    blank = torch.zeros_like(embedding[0])
    ours["embedding.weight"] = torch.stack([blank if i is None else embedding[i] for i in rows])
    ours["generator.output.bias"] = torch.zeros(1)
    for root, layers in _wavenets():
        if told:
            ours |= _told(ours, speaking, root, layers)
        output = f"{root}.output.weight"
        if output in ours:
            ours[output] = ours[output] * math.sqrt(layers)
    return {name: tensor.contiguous() for name, tensor in ours.items()}


def _counted(name: str, plain: bool) -> str:
    """Return a name with flows counted alone: flips, which have no weights, count there as well.

    The names of the two duration predictors overlap; ``plain`` tells which one there is.
    """
    name = re.sub(r"^enc_q\.", "posterior.", name)
    if plain:
        name = re.sub(r"^dp\.", "plain.", name)
    found = re.match(r"flow\.flows\.(\d*[02468])\.", name)
    if found is not None:
        return f"flow.couplings.{int(found[1]) // 2}.{name[found.end() :]}"
    found = re.match(r"dp\.(post_)?flows\.(\d*[13579])\.", name)
    if found is not None:
        flow = "posterior" if found[1] else "flow"
        return f"dp.{flow}.{int(found[2]) // 2}.{name[found.end() :]}"
    return name


def _wavenets() -> Iterator[tuple[str, int]]:
    """Yield where each WaveNet is, by our names, and its layers."""
    yield "posterior", POSTERIOR_LAYERS
    yield from ((f"flow.couplings.{i}", FLOW_LAYERS) for i in range(COUPLINGS))


def _renamed(state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    for name, tensor in state.items():
        layer, _, leaf = name.rpartition(".")
        ours = _partner(name, PARAMETERS)
        if ours is not None:
            flat = ".attention." in ours  # heads share them
            yield ours, tensor.squeeze(0) if flat else tensor
            continue
        ours = _partner(layer, LAYERS)
        if ours is not None and leaf in LEAVES:
            linear = leaf == "weight" and LINEAR.fullmatch(ours) is not None
            yield f"{ours}.{LEAVES[leaf]}", tensor.squeeze(-1) if linear else tensor
        elif layer.startswith("dec.") and leaf in ("weight", "bias"):
            yield f"{generator_name(layer.removeprefix('dec.'), name)}.{leaf}", tensor
        else:
            raise MalsoriError(f"{name!r} is no part of the original VITS")


def _partner(name: str, table: Sequence[tuple[str, str]]) -> str | None:
    for theirs, here in table:
        found = re.fullmatch(theirs, name)
        if found is not None:
            return found.expand(here)
    return None


def _told(ours: Weights, speaking: Weights, root: str, layers: int) -> Weights:
    """Return what tells the layers of a WaveNet of the speaker, and their biases with its own."""
    names = {leaf: f"{root}.enc.cond_layer.{leaf}" for leaf in ("weight", "bias")}
    for name in names.values():
        if name not in speaking or not speaking[name].dim():
            raise MalsoriError(f"{name.replace('posterior.', 'enc_q.')} is missing")
    weights, biases = (speaking[name].chunk(layers) for name in names.values())
    if len(weights) != layers or len(biases) != layers:
        raise MalsoriError(f"{names['weight']}: not a part for each of {layers} layers")
    found = {}
    for i, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        layer = f"{root}.stack.layers.{i}"
        before = ours.get(f"{layer}.gated.bias")
        if before is None or before.shape != bias.shape:
            raise MalsoriError(f"{names['bias']}: does not fit layer {i}")
        found[f"{layer}.condition.weight"] = weight
        found[f"{layer}.gated.bias"] = before + bias
    return found
