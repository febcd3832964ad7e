"""Which VITS module of ESPnet's is which of ours, module by module as the settings say.

Source: the parameter names of espnet2.gan_tts.vits, espnet2.gan_tts.wavenet and
espnet2.gan_tts.hifigan, 202111 to 202511.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from torch import Tensor

from malsori.core.errors import ConfigError
from malsori.espnet.layout import Layout
from malsori.espnet.names import RELATIVE, block_pairs, generator_pairs
from malsori.models.vits import VitsConfig
from malsori.modules.conformer import ConformerConfig
from malsori.modules.wavenet import WaveNetConfig

CONDITIONS = {
    "global_emb": "conditioning.speaker",
    "lang_emb": "conditioning.language",
    "spemb_proj": "conditioning.embedding",
}
"""Of voices with several speakers, several languages, external speaker vectors."""
_GLOBAL = re.compile(r"(?:^|\.)(?:global_conv|conv1x1_glo)\.")
"""Layers that read one of these; ESPnet builds them wherever ``global_channels`` is given."""
_SEPARABLE = (
    ("0", "depthwise"),
    ("2", "depthwise_norm"),
    ("5", "pointwise"),
    ("7", "pointwise_norm"),
)
_WAVENET = re.compile(r"\.stack\.layers\.")


def stack_of(config: VitsConfig) -> ConformerConfig:
    """Return the settings of the text encoder's stack.

    Raises:
        ConfigError: It is no conformer, as ESPnet's is.
    """
    encoder = config.encoder.config
    if not isinstance(encoder, ConformerConfig):
        raise ConfigError(
            f"model.encoder.name: {config.encoder.name!r}, but ESPnet's VITS has 'conformer' only"
        )
    return encoder


def vits_layout(config: VitsConfig, state: Mapping[str, Tensor]) -> Layout:
    """Return the layout of a model with these settings; ``state`` as for ``module_pairs``."""
    return Layout(
        modules=module_pairs(config, state),
        parameters=dict(parameter_pairs(config)),
        kernels=dict(feed_forward_kernels(config)),
        is_linear=lambda ours: is_linear(ours, config),
        is_normalised=is_normalised,
        halved=halved(config),
    )


def module_pairs(config: VitsConfig, state: Mapping[str, Tensor]) -> dict[str, str]:
    """Return ESPnet's name of each module and ours.

    Args:
        config: Settings of the model.
        state: By either side's names; tells which conditions there are, which are not among the
            settings.
    """
    pairs = {"text_encoder.emb": "embedding", "text_encoder.proj": "text.output"}
    for i, theirs, ours in block_pairs(stack_of(config)):
        pairs[f"text_encoder.encoder.encoders.{i}.{theirs}"] = f"text.stack.blocks.{i}.{ours}"
    pairs["text_encoder.encoder.after_norm"] = "text.stack.norm"
    told = {t: o for t, o in CONDITIONS.items() if f"{t}.weight" in state or f"{o}.weight" in state}
    pairs |= told
    pairs |= dict(_coupling("posterior_encoder", "posterior", config.posterior, bool(told)))
    for i in range(config.flow.couplings):
        here = f"flow.couplings.{i}"
        pairs |= dict(_coupling(f"flow.flows.{2 * i}", here, config.flow.network, bool(told)))
    pairs |= dict(_durations(config, bool(told)))
    pairs |= dict(generator_pairs(config.generator.config, "decoder"))
    return pairs | ({"decoder.global_conv": "generator.condition"} if told else {})


def _coupling(
    theirs: str, ours: str, config: WaveNetConfig, told: bool
) -> Iterator[tuple[str, str]]:
    """Yield the names within a WaveNet between two convolutions."""
    yield f"{theirs}.input_conv", f"{ours}.input"
    yield f"{theirs}.proj", f"{ours}.output"
    for i in range(config.layers):
        layer, here = f"{theirs}.encoder.conv_layers.{i}", f"{ours}.stack.layers.{i}"
        yield f"{layer}.conv", f"{here}.gated"
        yield f"{layer}.conv1x1_out", f"{here}.out"
        if told:
            yield f"{layer}.conv1x1_glo", f"{here}.condition"


def _durations(config: VitsConfig, told: bool) -> Iterator[tuple[str, str]]:
    """Yield the names within the stochastic duration predictor."""
    root, here = "duration_predictor", "duration_flow"
    layers = config.duration_flow.layers
    yield f"{root}.pre", f"{here}.input"
    yield f"{root}.proj", f"{here}.output"
    yield f"{root}.post_pre", f"{here}.duration_input"
    yield f"{root}.post_proj", f"{here}.duration_output"
    if told:
        yield f"{root}.global_conv", f"{here}.condition"
    yield from _separable(f"{root}.dds", f"{here}.network", layers)
    yield from _separable(f"{root}.post_dds", f"{here}.duration_network", layers)
    for flows, flow in (("flows", "flow"), ("post_flows", "posterior")):
        for i in range(config.duration_flow.couplings):
            theirs = f"{root}.{flows}.{2 * i + 1}"  # an affine map first, a flip behind each
            ours = f"{here}.{flow}.couplings.{i}"
            yield f"{theirs}.input_conv", f"{ours}.input"
            yield f"{theirs}.proj", f"{ours}.output"
            yield from _separable(f"{theirs}.dds_conv", f"{ours}.network", layers)


def _separable(theirs: str, ours: str, layers: int) -> Iterator[tuple[str, str]]:
    for i in range(layers):
        for number, name in _SEPARABLE:
            yield f"{theirs}.convs.{i}.{number}", f"{ours}.layers.{i}.{name}"


def parameter_pairs(config: VitsConfig) -> Iterator[tuple[str, str]]:
    """Yield ESPnet's name and ours of each parameter that is no module's weight or bias."""
    for i in range(stack_of(config).layers):
        for theirs, ours in RELATIVE:
            yield f"text_encoder.encoder.encoders.{i}.{theirs}", f"text.stack.blocks.{i}.{ours}"
    for flows, flow in (("flows", "flow"), ("post_flows", "posterior")):
        for theirs, ours in (("m", "shift"), ("logs", "log_scale")):
            yield f"duration_predictor.{flows}.0.{theirs}", f"duration_flow.{flow}.{ours}"


def feed_forward_kernels(config: VitsConfig) -> Iterator[tuple[str, int]]:
    """Yield our name and kernel of each convolution in feed-forward parts."""
    stack = stack_of(config)
    for i in range(stack.layers):
        for part in ("feed_forward", "macaron") if stack.macaron else ("feed_forward",):
            yield f"text.stack.blocks.{i}.{part}.expand", stack.kernel
            yield f"text.stack.blocks.{i}.{part}.reduce", stack.reduce_kernel or stack.kernel


def positionwise(config: VitsConfig) -> tuple[str, int]:
    """Return ESPnet's type and kernel of the feed-forward parts.

    Raises:
        ConfigError: ESPnet has no such part.
    """
    stack = stack_of(config)
    kernel, last = stack.kernel, stack.reduce_kernel or stack.kernel
    if last == kernel == 1:
        return ("linear" if stack.activation == "swish" else "conv1d"), 1
    if last not in (kernel, 1):
        raise ConfigError(
            f"model.encoder.reduce_kernel: ESPnet has {kernel} or 1 beside kernel {kernel}, "
            f"not {last}"
        )
    return ("conv1d" if last == kernel else "conv1d-linear"), kernel


def is_linear(ours: str, config: VitsConfig) -> bool:
    """Return whether a feed-forward convolution of ours is a linear layer in ESPnet."""
    kind, _ = positionwise(config)
    return kind == "linear" or (kind == "conv1d-linear" and ours.endswith("reduce"))


def is_normalised(ours: str) -> bool:
    """Return whether a convolution of ours has weight norm."""
    return ours.startswith("generator.") or _WAVENET.search(ours) is not None


def halved(config: VitsConfig) -> Collection[str]:
    """Return our names of what ESPnet has twice the outputs of, of which it reads the second half.

    The last layer of a WaveNet there has a residual path, which leads nowhere.
    """
    last = config.flow.network.layers - 1
    couplings = (f"flow.couplings.{i}.stack.layers.{last}" for i in range(config.flow.couplings))
    posterior = f"posterior.stack.layers.{config.posterior.layers - 1}"
    return frozenset(f"{layer}.out" for layer in (posterior, *couplings))


def never_read(name: str, state: Mapping[str, Tensor]) -> bool:
    """Return whether ESPnet's VITS generator with these weights never reads one of them."""
    told = any(f"{condition}.weight" in state for condition in CONDITIONS)
    return name.endswith(".pe") or (not told and _GLOBAL.search(name) is not None)
