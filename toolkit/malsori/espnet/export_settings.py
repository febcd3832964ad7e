"""From our settings to ESPnet's training config; what ESPnet cannot express is refused by name.

Of VITS: ``export_vits.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from malsori.core.config import Choice
from malsori.core.errors import ConfigError
from malsori.dsp.audio_config import AudioConfig
from malsori.espnet.names import positionwise
from malsori.models.jets import JetsConfig
from malsori.modules.conformer import ConformerConfig
from malsori.modules.discriminators import DiscriminatorConfig
from malsori.modules.hifigan import HifiganConfig
from malsori.modules.predictors import PredictorConfig
from malsori.modules.transformer import TransformerConfig

STACKS = ("transformer", "conformer")
"""Encoders and decoders that ESPnet has."""
NO_ENSEMBLE: dict[str, Any] = {"scales": 0, "follow_official_norm": False, "periods": []}
"""Discriminators of a voice that speaks only: none, so that nothing is missing in its weights."""


def generator_params(config: JetsConfig, speakers: int, languages: int) -> dict[str, Any]:
    """Return the arguments of ESPnet's ``JETSGenerator`` for a model of ours.

    Args:
        config: Settings of the model.
        speakers: Known speakers.
        languages: Known languages.

    Raises:
        ConfigError: ESPnet has no such model; the line names the setting.
    """
    encoder, decoder = config.encoder.config, config.decoder.config
    _refuse_stacks(config)
    _same("heads", encoder.heads, decoder.heads)
    kind, kernel = positionwise(config)
    return {
        "adim": config.width,
        "aheads": encoder.heads,
        "elayers": encoder.layers,
        "eunits": encoder.hidden,
        "dlayers": decoder.layers,
        "dunits": decoder.hidden,
        "positionwise_layer_type": kind,
        "positionwise_conv_kernel_size": kernel,
        "encoder_type": config.encoder.name,
        "decoder_type": config.decoder.name,
        **_stacks(encoder, decoder),
        **_dropouts("enc", encoder),
        **_dropouts("dec", decoder),
        **_predictor("duration", config.duration, "duration_predictor_dropout_rate"),
        **_predictor("pitch", config.pitch, "pitch_predictor_dropout"),
        **_predictor("energy", config.energy, "energy_predictor_dropout"),
        "stop_gradient_from_pitch_predictor": config.pitch.detach,
        "stop_gradient_from_energy_predictor": config.energy.detach,
        "pitch_embed_kernel_size": config.pitch_embedding.kernel,
        "pitch_embed_dropout": config.pitch_embedding.dropout,
        "energy_embed_kernel_size": config.energy_embedding.kernel,
        "energy_embed_dropout": config.energy_embedding.dropout,
        **hifigan_params(config.generator, "generator"),
        "generator_use_additional_convs": config.generator.config.paired,
        "segment_size": config.segment,
        **_style(config),
        **_conditions(config, speakers, languages),
    }


def audio_settings(audio: AudioConfig) -> dict[str, Any]:
    """Return the settings of ESPnet's feature extractors.

    Raises:
        ConfigError: A frequency is no whole number, which ESPnet wants.
    """
    stft = {
        "fs": audio.sample_rate,
        "n_fft": audio.n_fft,
        "hop_length": audio.hop,
        "win_length": audio.window,
    }
    whole = {
        key: _whole(name, value)
        for key, name, value in (
            ("fmin", "mel_low_hz", audio.mel_low_hz),
            ("fmax", "mel_high_hz", audio.mel_high_hz),
            ("f0min", "f0_low_hz", audio.f0_low_hz),
            ("f0max", "f0_high_hz", audio.f0_high_hz),
        )
    }
    return {
        "feats_extract": "fbank",
        "feats_extract_conf": {
            **stft,
            "n_mels": audio.mel_bands,
            "fmin": whole["fmin"],
            "fmax": whole["fmax"],
        },
        "pitch_extract": "dio",
        "pitch_extract_conf": {
            "fs": audio.sample_rate,
            "n_fft": audio.n_fft,
            "hop_length": audio.hop,
            "f0min": whole["f0min"],
            "f0max": whole["f0max"],
            "use_token_averaged_f0": False,
        },
        "energy_extract": "energy",
        "energy_extract_conf": {**stft, "use_token_averaged_energy": False},
    }


def discriminator_params(config: DiscriminatorConfig) -> dict[str, Any] | None:
    """Return the arguments of ESPnet's ensemble; None where it has no such one.

    The kernel of its period discriminators' last layer is even (``jets.md``, B12).
    """
    if config.period_score_kernel % 2:
        return None
    return {
        "scales": config.scales,
        "scale_discriminator_params": {
            "kernel_sizes": list(config.scale_kernels),
            "channels": config.scale_channels,
            "max_downsample_channels": config.scale_max_channels,
            "max_groups": config.scale_max_groups,
            "downsample_scales": list(config.scale_strides),
        },
        "follow_official_norm": False,
        "periods": list(config.periods),
        "period_discriminator_params": {
            "kernel_sizes": [config.period_kernel, config.period_score_kernel + 1],
            "channels": config.period_channels,
            "downsample_scales": list(config.period_strides),
            "max_downsample_channels": config.period_max_channels,
        },
    }


def _refuse_stacks(config: JetsConfig) -> None:
    for side, chosen in (("encoder", config.encoder), ("decoder", config.decoder)):
        if chosen.name not in STACKS:
            raise ConfigError(
                f"model.{side}.name: {chosen.name!r}, but ESPnet has {' and '.join(STACKS)} only"
            )


def _stacks(
    encoder: TransformerConfig | ConformerConfig, decoder: TransformerConfig | ConformerConfig
) -> dict[str, Any]:
    """Return the settings that ESPnet has once for both stacks."""
    transformers = [s for s in (encoder, decoder) if isinstance(s, TransformerConfig)]
    conformers = [s for s in (encoder, decoder) if isinstance(s, ConformerConfig)]
    tree: dict[str, Any] = {}
    if transformers:
        _same("positions", transformers[0].positions, transformers[-1].positions)
        tree["use_scaled_pos_enc"] = transformers[0].positions == "scaled"
    if not conformers:
        return tree
    first, last = conformers[0], conformers[-1]
    _same("positions", first.positions, last.positions)
    _same("macaron", first.macaron, last.macaron)
    _same("convolution", first.convolution > 0, last.convolution > 0)
    if isinstance(decoder, ConformerConfig) and decoder.zero_triu:
        raise ConfigError("model.decoder.zero_triu: ESPnet has it for the encoder only")
    for short, stack in (("enc", encoder), ("dec", decoder)):
        if isinstance(stack, ConformerConfig) and stack.convolution:
            tree[f"conformer_{short}_kernel_size"] = stack.convolution
    return tree | {
        "conformer_rel_pos_type": "latest" if first.positions == "relative" else "legacy",
        "conformer_pos_enc_layer_type": "rel_pos",
        "conformer_self_attn_layer_type": "rel_selfattn",
        "conformer_activation_type": "swish",
        "use_macaron_style_in_conformer": first.macaron,
        "use_cnn_in_conformer": first.convolution > 0,
        "zero_triu": isinstance(encoder, ConformerConfig) and encoder.zero_triu,
    }


def _dropouts(short: str, stack: TransformerConfig | ConformerConfig) -> Mapping[str, float]:
    own = {"positional_": stack.position_dropout, "attn_": stack.attention_dropout, "": None}
    return {
        f"transformer_{short}_{part}dropout_rate": stack.dropout if value is None else value
        for part, value in own.items()
    }


def _predictor(name: str, config: PredictorConfig, dropout: str) -> dict[str, Any]:
    return {
        f"{name}_predictor_layers": config.layers,
        f"{name}_predictor_chans": config.channels,
        f"{name}_predictor_kernel_size": config.kernel,
        dropout: config.dropout,
    }


def hifigan_params(chosen: Choice, prefix: str) -> dict[str, Any]:
    """Return the settings of ESPnet's waveform generator, whose names begin with ``prefix``.

    Raises:
        ConfigError: ESPnet has no such generator; the line names the setting.
    """
    generator = chosen.config
    if not isinstance(generator, HifiganConfig) or generator.outputs != 1:
        raise ConfigError(f"model.generator.name: {chosen.name!r}, but ESPnet has HiFi-GAN only")
    if generator.harmonics:
        raise ConfigError(
            f"model.generator.harmonics: {generator.harmonics}, but ESPnet's generator has none"
        )
    if generator.upsampling_kernels != tuple(2 * factor for factor in generator.upsampling):
        raise ConfigError(
            f"model.generator.upsampling_kernels: {list(generator.upsampling_kernels)}, but ESPnet "
            "has kernels of twice the factors only"
        )
    return {
        f"{prefix}_channels": generator.channels,
        f"{prefix}_upsample_scales": list(generator.upsampling),
        f"{prefix}_upsample_kernel_sizes": list(generator.upsampling_kernels),
        f"{prefix}_resblock_kernel_sizes": list(generator.residual_kernels),
        f"{prefix}_resblock_dilations": [list(d) for d in generator.residual_dilations],
    }


def _style(config: JetsConfig) -> dict[str, Any]:
    style = config.style
    if not style.tokens:
        return {"use_gst": False}
    if style.norm != "batch":
        raise ConfigError(
            f"model.style.norm: {style.norm!r}, but ESPnet's style encoder has 'batch' only"
        )
    return {
        "use_gst": True,
        "gst_tokens": style.tokens,
        "gst_heads": style.heads,
        "gst_conv_layers": len(style.channels),
        "gst_conv_chans_list": list(style.channels),
        "gst_gru_units": style.gru_units,
    }


def _conditions(config: JetsConfig, speakers: int, languages: int) -> dict[str, Any]:
    """Return how many speakers and languages there are, unless the waveform generator is told."""
    told = {
        "several speakers": speakers > 1,
        "several languages": languages > 1,
        "speaker vectors": config.speaker_embedding.size > 0,
        "style tokens": config.style.tokens > 0,
    }
    if config.condition_generator and any(told.values()):
        kinds = ", ".join(name for name, there in told.items() if there)
        raise ConfigError(
            f"model.condition_generator: true, and the voice has {kinds}, but ESPnet's waveform "
            "generator is told nothing; train with model.condition_generator=false"
        )
    return {
        "spks": speakers if speakers > 1 else None,
        "langs": languages if languages > 1 else None,
        "spk_embed_dim": config.speaker_embedding.size or None,
        "spk_embed_integration_type": config.speaker_embedding.join,
    }


def _same(name: str, encoder: object, decoder: object) -> None:
    if encoder != decoder:
        raise ConfigError(
            f"model.decoder.{name}: {decoder!r}, but ESPnet has one for encoder and decoder, and "
            f"the encoder's is {encoder!r}"
        )


def _whole(name: str, value: float) -> int:
    if value != int(value):
        raise ConfigError(f"audio.{name}: {value:g}, but ESPnet takes whole Hz only")
    return int(value)
