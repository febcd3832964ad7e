"""Names and shapes of JETS and VITS weights in ESPnet and here, both ways.

Modules are paired one by one from the settings, so that whatever has no partner is found, on
either side. Five things differ in form:

- weight norm: ESPnet has ``weight_g`` and ``weight_v``, PyTorch's present one ``original0`` and
  ``original1``, and a pack has it folded into ``weight``;
- linear layers of a feed-forward part are convolutions of kernel 1 here;
- a conformer's convolutions of kernel 1 with ReLU are convolutions of kernel 3 here, whose outer
  taps are 0 (with kernel 1 the part would be the one with Swish); in VITS the activation is set;
- the last layer of a WaveNet has outputs that nothing reads; here they do not exist;
- names that ESPnet has changed over the years.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from malsori.core.errors import MalsoriError
from malsori.espnet import names as jets_names
from malsori.espnet import vits_names
from malsori.espnet.layout import Layout
from malsori.espnet.names import discriminator_pairs
from malsori.models.jets import JetsConfig
from malsori.models.vits import VitsConfig
from malsori.modules.discriminators import DiscriminatorConfig

Weights = dict[str, Tensor]
ModelConfig = JetsConfig | VitsConfig

GAIN, DIRECTION = "parametrizations.weight.original0", "parametrizations.weight.original1"
OLD_GAIN, OLD_DIRECTION = "weight_g", "weight_v"
SHOWN_NAMES = 8
"""Names listed in an error."""

_OLD_NAMES = (
    ("encoder.input_layer.", "encoder.embed."),
    ("encoder.norm.", "encoder.after_norm."),
    ("decoder.input_layer.", "decoder.embed."),
    ("decoder.norm.", "decoder.after_norm."),
)
"""What ESPnet renames itself while it loads."""

ROOTS = {"jets": "alignment_module.t_conv1.weight", "vits": "text_encoder.emb.weight"}
"""What every generator of a model has; what stands before it is the prefix of all its names."""


class Parts(NamedTuple):
    """A file of weights, taken apart; names without their prefixes."""

    generator: Weights
    discriminator: Weights
    statistics: Weights
    """``normalize.mean`` and the like: what ESPnet normalises features with."""
    unused: list[str]
    """Names of tensors that speech does not need: filters of losses and features."""


def from_espnet(state: Mapping[str, Tensor], config: ModelConfig) -> Weights:
    """Return the weights of our ``Jets`` or ``Vits`` for those of ESPnet's generator.

    Args:
        state: By ESPnet's names, without prefix; weight norm in any of its forms, or folded.
        config: Settings of the model.

    Returns:
        Weights by our names, with weight norm as PyTorch's parametrisation has it.

    Raises:
        MalsoriError: Names without a partner, on either side; the line lists them.
    """
    layout = _layout(config, state)
    found, unknown = _paired(_renamed(state), layout.modules, layout.parameters)
    missing = [t for t, ours in layout.modules.items() if ours not in found.modules]
    _refuse_unpaired(unknown, missing + [n for n in layout.parameters if n not in found.single])
    weights = {layout.parameters[name]: tensor for name, tensor in found.single.items()}
    for ours, leaves in found.modules.items():
        if ours in layout.kernels and "weight" in leaves:
            leaves["weight"] = _as_convolution(leaves["weight"], layout.kernels[ours])
        if ours in layout.halved:
            leaves = {leaf: tensor[len(tensor) // 2 :] for leaf, tensor in leaves.items()}
        if layout.is_normalised(ours):
            leaves = _normalised(leaves)
        weights |= {f"{ours}.{leaf}": tensor for leaf, tensor in leaves.items()}
    return weights


def to_espnet(weights: Mapping[str, Tensor], config: ModelConfig) -> Weights:
    """Return the weights of ESPnet's generator for those of our ``Jets`` or ``Vits``.

    Args:
        weights: By our names, weight norm there or folded.
        config: Settings of the model.

    Returns:
        Weights by ESPnet's names, without prefix, with ``weight_g`` and ``weight_v``.

    Raises:
        MalsoriError: Names without a partner, on either side; the line lists them.
    """
    layout = _layout(config, weights)
    pairs = {ours: theirs for theirs, ours in layout.modules.items()}
    exact = {ours: theirs for theirs, ours in layout.parameters.items()}
    found, unknown = _paired(weights, pairs, exact)
    missing = [ours for ours, theirs in pairs.items() if theirs not in found.modules]
    _refuse_unpaired(unknown, missing + [name for name in exact if name not in found.single])
    state = {exact[name]: tensor for name, tensor in found.single.items()}
    for ours, theirs in pairs.items():
        leaves = found.modules[theirs]
        if ours in layout.kernels and layout.is_linear(ours):
            leaves["weight"] = leaves["weight"].squeeze(-1)
        if layout.is_normalised(ours):
            leaves = _old_normalised(leaves)
        if ours in layout.halved:
            leaves = {leaf: _with_unread_half(leaf, tensor) for leaf, tensor in leaves.items()}
        state |= {f"{theirs}.{leaf}": tensor for leaf, tensor in leaves.items()}
    return state


def _layout(config: ModelConfig, state: Mapping[str, Tensor]) -> Layout:
    if isinstance(config, VitsConfig):
        return vits_names.vits_layout(config, state)
    return jets_names.jets_layout(config, state)


def _with_unread_half(leaf: str, tensor: Tensor) -> Tensor:
    """Return the tensor behind as many outputs that are 0; their direction may be any."""
    fill = torch.ones_like if leaf == OLD_DIRECTION else torch.zeros_like
    return torch.cat([fill(tensor), tensor])


def discriminator_from_espnet(state: Mapping[str, Tensor], config: DiscriminatorConfig) -> Weights:
    """Return the weights of our ``Discriminators`` for those of ESPnet's ensemble.

    Args:
        state: By ESPnet's names, without prefix; weight norm in any form, or none.
        config: Settings of the ensemble.

    Raises:
        MalsoriError: Names without a partner, on either side; the line lists them.
    """
    pairs = dict(discriminator_pairs(config))
    found, unknown = _paired(state, pairs, {})
    _refuse_unpaired(unknown, [t for t, ours in pairs.items() if ours not in found.modules])
    return {
        f"{ours}.{leaf}": tensor
        for ours, leaves in found.modules.items()
        for leaf, tensor in _normalised(leaves).items()
    }


def discriminator_to_espnet(weights: Mapping[str, Tensor], config: DiscriminatorConfig) -> Weights:
    """Return the weights of ESPnet's ensemble, with ``weight_g``, for those of ours.

    Args:
        weights: By our names.
        config: Settings of the ensemble.

    Raises:
        MalsoriError: Names without a partner, on either side; the line lists them.
    """
    pairs = {ours: theirs for theirs, ours in discriminator_pairs(config)}
    found, unknown = _paired(weights, pairs, {})
    _refuse_unpaired(unknown, [o for o, theirs in pairs.items() if theirs not in found.modules])
    return {
        f"{theirs}.{leaf}": tensor
        for theirs, leaves in found.modules.items()
        for leaf, tensor in _old_normalised(leaves).items()
    }


def split_state(state: Mapping[str, Tensor], model: str = "jets") -> Parts:
    """Return the parts of a whole ESPnet model's state.

    Args:
        state: By ESPnet's names with whatever prefix: ``tts.generator.``, ``generator.``,
            ``module.tts.generator.`` or none.
        model: Which one it is of, jets or vits.

    Raises:
        MalsoriError: There is no such generator in it.
    """
    root = ROOTS[model]
    roots = [name[: -len(root)] for name in state if name.endswith(root)]
    if len(roots) != 1 or (roots[0] and not roots[0].endswith(".")):
        raise MalsoriError(f"holds no weights of one {model.upper()} generator ({root!r})")
    generator_prefix = roots[0]
    model_prefix = generator_prefix.removesuffix("generator.")
    parts = Parts({}, {}, {}, [])
    judged = f"{model_prefix}discriminator." if generator_prefix else None
    top = model_prefix.removesuffix("tts.")
    for name, tensor in state.items():
        if judged is not None and name.startswith(judged):
            parts.discriminator[name[len(judged) :]] = tensor
        elif name.startswith(tuple(f"{top}{kind}normalize." for kind in ("", "pitch_", "energy_"))):
            parts.statistics[name[len(top) :]] = tensor
        elif _only_trains(name[len(model_prefix) :]) or _only_trains(name[len(top) :]):
            parts.unused.append(name)
        elif name.startswith(generator_prefix):
            parts.generator[name[len(generator_prefix) :]] = tensor
        else:
            raise MalsoriError(f"{name!r} is no weight that a {model.upper()} model has")
    for name in [n for n in parts.generator if _never_read(n, model, parts.generator)]:
        del parts.generator[name]
        parts.unused.append(generator_prefix + name)
    return parts


def _never_read(name: str, model: str, state: Mapping[str, Tensor]) -> bool:
    """Return whether ESPnet's generator never reads a tensor of its own."""
    if model == "vits":
        return vits_names.never_read(name, state)
    return jets_names.never_read(name)


def _only_trains(name: str) -> bool:
    """Return whether a tensor belongs to a loss or to feature extraction."""
    return name.startswith(
        ("mel_loss.", "feats_extract.", "pitch_extract.", "energy_extract.", "predictor.")
    )


def _renamed(state: Mapping[str, Tensor]) -> Weights:
    """Return the weights under the names that ESPnet gives them today."""
    renamed = {}
    for name, tensor in state.items():
        for old, new in _OLD_NAMES:
            if name.startswith(old):
                name = new + name[len(old) :]
        renamed[name] = tensor
    return renamed


class _Found(NamedTuple):
    """Weights under the partner's module names."""

    modules: dict[str, Weights]
    """Module, then leaf such as ``weight``."""
    single: Weights
    """Parameters that are paired by themselves, under their own names."""


def _paired(
    state: Mapping[str, Tensor], pairs: Mapping[str, str], exact: Mapping[str, str]
) -> tuple[_Found, list[str]]:
    """Return the weights by the partners of their modules, and the names without one."""
    found, unknown = _Found({}, {}), []
    for name, tensor in state.items():
        module, leaf = _split(name)
        if name in exact:
            found.single[name] = tensor
        elif module in pairs:
            found.modules.setdefault(pairs[module], {})[leaf] = tensor
        else:
            unknown.append(name)
    return found, unknown


def _split(name: str) -> tuple[str, str]:
    module, parametrised, leaf = name.partition(".parametrizations.")
    if parametrised:
        return module, f"parametrizations.{leaf}"
    module, _, leaf = name.rpartition(".")
    return module, leaf


def _refuse_unpaired(unknown: list[str], missing: list[str]) -> None:
    for names, told in ((unknown, "unknown weights"), (missing, "missing weights")):
        if names:
            shown = ", ".join(names[:SHOWN_NAMES])
            more = f" and {len(names) - SHOWN_NAMES} more" if len(names) > SHOWN_NAMES else ""
            raise MalsoriError(f"{told}: {shown}{more}; config and weights differ")


def _as_convolution(weight: Tensor, kernel: int) -> Tensor:
    """Return a linear layer's or a smaller kernel's weight as one of ``kernel`` taps."""
    if weight.dim() == 2:
        weight = weight[..., None]
    outer = kernel - weight.shape[2]
    return F.pad(weight, (outer // 2, outer // 2)) if outer > 0 and outer % 2 == 0 else weight


def _normalised(leaves: Weights) -> Weights:
    """Return a convolution's weights with the weight norm as PyTorch's parametrisation has it."""
    leaves = dict(leaves)
    if OLD_GAIN in leaves and OLD_DIRECTION in leaves:
        leaves[GAIN], leaves[DIRECTION] = leaves.pop(OLD_GAIN), leaves.pop(OLD_DIRECTION)
    elif "weight" in leaves:
        leaves[GAIN], leaves[DIRECTION] = _gain_and_direction(leaves.pop("weight"))
    return leaves


def _old_normalised(leaves: Weights) -> Weights:
    """Return a convolution's weights with the weight norm as ESPnet has it."""
    leaves = _normalised(leaves)
    leaves[OLD_GAIN], leaves[OLD_DIRECTION] = leaves.pop(GAIN), leaves.pop(DIRECTION)
    return leaves


def _gain_and_direction(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Return gain, (C, 1, …), and direction, (C, …), of a plain weight; of 0 any direction does."""
    gain = weight.flatten(1).norm(dim=1).view(-1, *[1] * (weight.dim() - 1))
    return gain, torch.where(gain > 0, weight, torch.ones_like(weight))
