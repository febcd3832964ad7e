"""From VITS's settings to ESPnet's; what ESPnet cannot express is refused by name."""

from __future__ import annotations

from typing import Any

from malsori.core.errors import ConfigError
from malsori.dsp.audio_config import AudioConfig
from malsori.espnet.export_settings import hifigan_params
from malsori.espnet.vits_names import positionwise, stack_of
from malsori.models.vits import VitsConfig
from malsori.modules.conformer import ConformerConfig
from malsori.modules.wavenet import WaveNetConfig


def vits_params(config: VitsConfig, speakers: int, languages: int) -> dict[str, Any]:
    """Return the arguments of ESPnet's ``VITSGenerator`` for a model of ours.

    Args:
        config: Settings of the model.
        speakers: Known speakers.
        languages: Known languages.

    Raises:
        ConfigError: ESPnet has no such model; the line names the setting.
    """
    embedding = config.speaker_embedding
    if embedding.size and embedding.join != "add":
        raise ConfigError(
            f"model.speaker_embedding.join: {embedding.join!r}, but ESPnet's VITS has 'add' only"
        )
    told = speakers > 1 or languages > 1 or embedding.size > 0
    return {
        "hidden_channels": config.width,
        "global_channels": config.condition if told else -1,
        "spks": speakers if speakers > 1 else None,
        "langs": languages if languages > 1 else None,
        "spk_embed_dim": embedding.size or None,
        **_encoder(config),
        **_wavenet("posterior_encoder", "posterior", config.posterior, config.width),
        "posterior_encoder_stacks": config.posterior.cycles,
        **_flow(config),
        **_durations(config),
        **_generator(config),
        "segment_size": config.segment,
    }


def linear_settings(audio: AudioConfig) -> dict[str, Any]:
    """Return the settings of ESPnet's linear spectrum."""
    return {
        "feats_extract": "linear_spectrogram",
        "feats_extract_conf": {
            "n_fft": audio.n_fft,
            "hop_length": audio.hop,
            "win_length": audio.window,
        },
    }


def _encoder(config: VitsConfig) -> dict[str, Any]:
    stack = stack_of(config)
    if stack.hidden % config.width:
        raise ConfigError(
            f"model.encoder.hidden: {stack.hidden}, but ESPnet's VITS has multiples of its width "
            f"{config.width} only"
        )
    if stack.zero_triu:
        raise ConfigError("model.encoder.zero_triu: true, but ESPnet's VITS does not have it")
    kind, kernel = positionwise(config)
    legacy = "legacy_" if stack.positions == "legacy" else ""
    prefix = "text_encoder"
    return {
        f"{prefix}_attention_heads": stack.heads,
        f"{prefix}_ffn_expand": stack.hidden // config.width,
        f"{prefix}_blocks": stack.layers,
        f"{prefix}_positionwise_layer_type": kind,
        f"{prefix}_positionwise_conv_kernel_size": kernel,
        f"{prefix}_positional_encoding_layer_type": f"{legacy}rel_pos",
        f"{prefix}_self_attention_layer_type": f"{legacy}rel_selfattn",
        f"{prefix}_conformer_kernel_size": stack.convolution or ConformerConfig().convolution,
        f"use_macaron_style_in_{prefix}": stack.macaron,
        f"use_conformer_conv_in_{prefix}": stack.convolution > 0,
        **{
            f"{prefix}_{part}dropout_rate": stack.dropout if share is None else share
            for part, share in (
                ("", stack.dropout),
                ("positional_", stack.position_dropout),
                ("attention_", stack.attention_dropout),
            )
        },
    }


def _wavenet(prefix: str, ours: str, config: WaveNetConfig, width: int) -> dict[str, Any]:
    if config.channels != width:
        raise ConfigError(
            f"model.{ours}.channels: {config.channels}, but ESPnet's VITS has its width, {width}"
        )
    return {
        f"{prefix}_kernel_size": config.kernel,
        f"{prefix}_layers": config.layers,
        f"{prefix}_base_dilation": config.dilation,
        f"{prefix}_dropout_rate": config.dropout,
    }


def _flow(config: VitsConfig) -> dict[str, Any]:
    network = config.flow.network
    if network.cycles != 1:
        raise ConfigError(
            f"model.flow.network.cycles: {network.cycles}, but ESPnet's flow has 1 only"
        )
    sizes = _wavenet("flow", "flow.network", network, config.width)
    return {"flow_flows": config.flow.couplings, **sizes}


def _durations(config: VitsConfig) -> dict[str, Any]:
    flow, prefix = config.duration_flow, "stochastic_duration_predictor"
    if config.duration != "stochastic":
        raise ConfigError(
            f"model.duration: {config.duration!r}, but ESPnet's VITS has 'stochastic' only"
        )
    for name, value, only in (("channels", flow.channels, config.width), ("bins", flow.bins, 10)):
        if value != only:
            raise ConfigError(
                f"model.duration_flow.{name}: {value}, but ESPnet's VITS has {only} only"
            )
    return {
        f"{prefix}_kernel_size": flow.kernel,
        f"{prefix}_dropout_rate": flow.dropout,
        f"{prefix}_flows": flow.couplings,
        f"{prefix}_dds_conv_layers": flow.layers,
    }


def _generator(config: VitsConfig) -> dict[str, Any]:
    params = hifigan_params(config.generator, "decoder")
    if not config.generator.config.paired:
        raise ConfigError("model.generator.paired: false, but ESPnet's VITS has true only")
    return params
