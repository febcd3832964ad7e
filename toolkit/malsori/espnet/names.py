"""Which JETS module of ESPnet's is which of ours, module by module as the settings say.

Source: the parameter names of espnet2.gan_tts.jets and espnet2.gan_tts.hifigan, 202205 to 202511.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from torch import Tensor

from malsori.core.errors import MalsoriError
from malsori.espnet.layout import Layout
from malsori.models.jets import JetsConfig
from malsori.modules.conformer import ConformerConfig
from malsori.modules.discriminators import DiscriminatorConfig
from malsori.modules.hifigan import HifiganConfig
from malsori.modules.transformer import TransformerConfig

_ATTENTION = (
    ("self_attn.linear_q", "attention.query"),
    ("self_attn.linear_k", "attention.key"),
    ("self_attn.linear_v", "attention.value"),
    ("self_attn.linear_out", "attention.out"),
)
_FEED_FORWARD = (
    ("feed_forward.w_1", "feed_forward.expand"),
    ("feed_forward.w_2", "feed_forward.reduce"),
)
_TRANSFORMER = (
    *_ATTENTION,
    *_FEED_FORWARD,
    ("norm1", "attention_norm"),
    ("norm2", "feed_forward_norm"),
)
_CONFORMER = (
    *_ATTENTION,
    *_FEED_FORWARD,
    ("self_attn.linear_pos", "attention.position"),
    ("norm_mha", "attention_norm"),
    ("norm_ff", "feed_forward_norm"),
)
RELATIVE = (
    ("self_attn.pos_bias_u", "attention.content_bias"),
    ("self_attn.pos_bias_v", "attention.position_bias"),
)
"""Parameters of a conformer's block that are no module's weight or bias."""
_MACARON = (
    ("feed_forward_macaron.w_1", "macaron.expand"),
    ("feed_forward_macaron.w_2", "macaron.reduce"),
    ("norm_ff_macaron", "macaron_norm"),
)
_CONVOLUTION = (
    ("conv_module.pointwise_conv1", "convolution.expand"),
    ("conv_module.depthwise_conv", "convolution.depthwise"),
    ("conv_module.norm", "convolution.norm"),
    ("conv_module.pointwise_conv2", "convolution.reduce"),
    ("norm_conv", "convolution_norm"),
    ("norm_final", "norm"),
)
_ALIGNER = (
    ("alignment_module.t_conv1", "aligner.text_conv1"),
    ("alignment_module.t_conv2", "aligner.text_conv2"),
    ("alignment_module.f_conv1", "aligner.mel_conv1"),
    ("alignment_module.f_conv2", "aligner.mel_conv2"),
    ("alignment_module.f_conv3", "aligner.mel_conv3"),
)
_STYLE = (
    ("gst.ref_enc.gru", "conditioning.style.gru"),
    ("gst.stl.mha.linear_q", "conditioning.style.query"),
    ("gst.stl.mha.linear_k", "conditioning.style.key"),
    ("gst.stl.mha.linear_v", "conditioning.style.value"),
    ("gst.stl.mha.linear_out", "conditioning.style.out"),
)
_CONDITIONS = {
    "sid_emb": "conditioning.speaker",
    "lid_emb": "conditioning.language",
    "projection": "conditioning.embedding",
}
"""Of voices with several speakers, several languages, external speaker vectors."""


def jets_layout(config: JetsConfig, state: Mapping[str, Tensor]) -> Layout:
    """Return the layout of a model with these settings; ``state`` as for ``module_pairs``."""
    return Layout(
        modules=module_pairs(config, state),
        parameters=dict(parameter_pairs(config)),
        kernels=dict(feed_forward_kernels(config)),
        is_linear=lambda ours: is_linear(ours, config),
        is_normalised=lambda ours: ours.startswith("generator."),
    )


def module_pairs(config: JetsConfig, state: Mapping[str, Tensor]) -> dict[str, str]:
    """Return ESPnet's name of each module and ours.

    Args:
        config: Settings of the model.
        state: Tells which conditions there are: how many speakers and languages a voice has is not
            among the settings.
    """
    pairs = {"encoder.embed.0": "embedding"}
    for side, chosen in (("encoder", config.encoder), ("decoder", config.decoder)):
        for i, theirs, ours in block_pairs(chosen.config):
            pairs[f"{side}.encoders.{i}.{theirs}"] = f"{side}.blocks.{i}.{ours}"
        pairs[f"{side}.after_norm"] = f"{side}.norm"
    pairs |= dict(_ALIGNER)
    for theirs, ours in _CONDITIONS.items():
        if f"{theirs}.weight" in state or f"{ours}.weight" in state:
            pairs[theirs] = ours
    if config.style.tokens:
        pairs |= dict(_STYLE)
        for i in range(len(config.style.channels)):
            pairs[f"gst.ref_enc.convs.{3 * i}"] = f"conditioning.style.convs.{i}"
            pairs[f"gst.ref_enc.convs.{3 * i + 1}"] = f"conditioning.style.norms.{i}"
    for name, predictor in (
        ("duration", config.duration),
        ("pitch", config.pitch),
        ("energy", config.energy),
    ):
        for i in range(predictor.layers):
            pairs[f"{name}_predictor.conv.{i}.0"] = f"{name}_predictor.blocks.{i}.conv"
            pairs[f"{name}_predictor.conv.{i}.2"] = f"{name}_predictor.blocks.{i}.norm"
        pairs[f"{name}_predictor.linear"] = f"{name}_predictor.out"
    pairs |= {f"{name}_embed.0": f"{name}_embedding.conv" for name in ("pitch", "energy")}
    return pairs | dict(generator_pairs(config.generator.config, "generator"))


def block_pairs(config: TransformerConfig | ConformerConfig) -> Iterator[tuple[int, str, str]]:
    """Yield number, ESPnet's name and ours of each module of each block of a stack."""
    names: tuple[tuple[str, str], ...] = _TRANSFORMER
    if isinstance(config, ConformerConfig):
        names = _CONFORMER + (_MACARON if config.macaron else ())
        names += _CONVOLUTION if config.convolution else ()
    for i in range(config.layers):
        yield from ((i, theirs, ours) for theirs, ours in names)


def parameter_pairs(config: JetsConfig) -> Iterator[tuple[str, str]]:
    """Yield ESPnet's name and ours of each parameter that is no module's weight or bias."""
    for side, chosen, place in (("encoder", config.encoder, 1), ("decoder", config.decoder, 0)):
        stack = chosen.config
        if isinstance(stack, ConformerConfig):
            for i in range(stack.layers):
                for theirs, ours in RELATIVE:
                    yield f"{side}.encoders.{i}.{theirs}", f"{side}.blocks.{i}.{ours}"
        elif stack.positions == "scaled":
            yield f"{side}.embed.{place}.alpha", f"{side}.positions.scale"
    if config.style.tokens:
        yield "gst.stl.gst_embs", "conditioning.style.tokens"


def generator_pairs(config: HifiganConfig, root: str) -> Iterator[tuple[str, str]]:
    """Yield ESPnet's name, below ``root``, and ours of each convolution of HiFi-GAN's generator."""
    yield f"{root}.input_conv", "generator.input"
    yield f"{root}.output_conv.1", "generator.output"
    for stage in range(len(config.upsampling)):
        yield f"{root}.upsamples.{stage}.1", f"generator.upsamplers.{stage}"
        for j, dilations in enumerate(config.residual_dilations):
            block = stage * len(config.residual_dilations) + j
            for k in range(len(dilations)):
                theirs, ours = f"{root}.blocks.{block}", f"generator.residuals.{block}"
                yield f"{theirs}.convs1.{k}.1", f"{ours}.dilated.{k}"
                if config.paired:
                    yield f"{theirs}.convs2.{k}.1", f"{ours}.plain.{k}"


def discriminator_pairs(config: DiscriminatorConfig) -> Iterator[tuple[str, str]]:
    """Yield ESPnet's name and ours of each convolution of the discriminators."""
    layers = len(config.scale_strides) + 2
    for i in range(config.scales):
        for j in range(layers):
            yield f"msd.discriminators.{i}.layers.{j}.0", f"scales.{i}.layers.{j}"
        yield f"msd.discriminators.{i}.layers.{layers}", f"scales.{i}.score"
    for i in range(len(config.periods)):
        for j in range(len(config.period_strides)):
            yield f"mpd.discriminators.{i}.convs.{j}.0", f"periods.{i}.layers.{j}"
        yield f"mpd.discriminators.{i}.output_conv", f"periods.{i}.score"


def feed_forward_kernels(config: JetsConfig) -> Iterator[tuple[str, int]]:
    """Yield our name and kernel of each convolution in feed-forward parts."""
    for side, chosen in (("encoder", config.encoder), ("decoder", config.decoder)):
        stack = chosen.config
        parts = ["feed_forward"]
        if isinstance(stack, ConformerConfig) and stack.macaron:
            parts.append("macaron")
        for i in range(stack.layers):
            for part in parts:
                yield f"{side}.blocks.{i}.{part}.expand", stack.kernel
                yield f"{side}.blocks.{i}.{part}.reduce", stack.reduce_kernel or stack.kernel


def positionwise(config: JetsConfig) -> tuple[str, int]:
    """Return ESPnet's type and kernel of the feed-forward parts.

    Raises:
        MalsoriError: Encoder and decoder differ, or ESPnet has no such part.
    """
    encoder, decoder = config.encoder.config, config.decoder.config
    kernel, last = encoder.kernel, encoder.reduce_kernel or encoder.kernel
    if (kernel, last) != (decoder.kernel, decoder.reduce_kernel or decoder.kernel):
        raise MalsoriError(
            "model.decoder.kernel: ESPnet has one kernel of the feed-forward parts for encoder and "
            f"decoder, here they are {kernel}, {last} and {decoder.kernel}, "
            f"{decoder.reduce_kernel or decoder.kernel}"
        )
    if last == kernel == 1:
        between = {s.activation for s in (encoder, decoder) if isinstance(s, ConformerConfig)}
        if len(between) > 1:
            raise MalsoriError(
                "model.decoder.activation: ESPnet has one for encoder and decoder, here they are "
                f"{encoder.activation}, {decoder.activation}"
            )
        return ("conv1d" if between == {"relu"} else "linear"), 1
    if last == kernel:
        return "conv1d", kernel
    if last != 1:
        raise MalsoriError(
            f"model.encoder.reduce_kernel: ESPnet has {kernel} or 1 beside kernel {kernel}, "
            f"not {last}"
        )
    return "conv1d-linear", kernel


def is_linear(ours: str, config: JetsConfig) -> bool:
    """Return whether a feed-forward convolution of ours is a linear layer in ESPnet."""
    kind, _ = positionwise(config)
    return kind == "linear" or (kind == "conv1d-linear" and ours.endswith("reduce"))


def never_read(name: str) -> bool:
    """Return whether ESPnet's JETS generator never reads a tensor of its own.

    Tables of positions were kept in files until 2020; the global condition of HiFi-GAN is built
    where ``generator_global_channels`` asks for it, and never given anything.
    """
    return name.endswith(".pe") or name.startswith("generator.global_conv.")
