"""What ESPnet's settings of a VITS voice are here."""

from __future__ import annotations

from typing import Any

from malsori.core.config import from_dict
from malsori.core.errors import ConfigError
from malsori.dsp.audio_config import AudioConfig
from malsori.espnet import defaults
from malsori.espnet.section import Section
from malsori.espnet.shared_settings import agree_with_data, check_stft, counted, hifigan
from malsori.models.vits import VitsConfig

UNUSED = ("normalize", "pitch_extract", "pitch_normalize", "energy_extract", "energy_normalize")
"""What a VITS voice does without: it reads the linear spectrum as it is."""


def vits_audio(top: Section, rate: int) -> AudioConfig:
    """Return the audio settings; the mel bands are those of ESPnet's mel loss.

    Args:
        top: The config.
        rate: ``tts_conf.sampling_rate``: the linear spectrum does not know it.
    """
    top.only("odim", None)
    top.only("feats_extract", "linear_spectrogram")
    for key in UNUSED:
        top.only(key, None)
    linear = Section(top.raw("feats_extract_conf") or {}, defaults.LINEAR, "feats_extract_conf")
    n_fft, hop = linear.take("n_fft", int), linear.take("hop_length", int)
    window = linear.maybe("win_length", int) or n_fft
    check_stft(linear)
    linear.close()
    return AudioConfig(
        sample_rate=rate,
        n_fft=n_fft,
        window=window,
        hop=hop,
        mel_low_hz=0.0,
        mel_high_hz=rate / 2,
    )


def vits_model(tts: Section, tokens: int, audio: AudioConfig) -> tuple[VitsConfig, int, int]:
    """Return the model's settings, and how many speakers and languages it knows."""
    given = tts.raw("generator_params")
    params = Section({} if given is None else given, defaults.VITS, "tts_conf.generator_params")
    agree_with_data(params, "vocabs", tokens, "tokens in the list")
    agree_with_data(params, "aux_channels", audio.n_fft // 2 + 1, "bins in the linear spectrum")
    width = params.take("hidden_channels", int)
    speakers, languages = counted(params)
    embedding = max(params.maybe("spk_embed_dim", int) or 0, 0)
    condition = params.take("global_channels", int)
    if condition <= 0 and (speakers > 1 or languages > 1 or embedding):
        raise ConfigError(
            f"{params.path}.global_channels: {condition}, but the voice has speakers or languages"
        )
    tree = {
        "width": width,
        **({"condition": condition} if condition > 0 else {}),
        "encoder": _encoder(params, width),
        "posterior": _wavenet(params, "posterior_encoder", width),
        "flow": _flow(params, width),
        "duration": "stochastic",
        "duration_flow": _durations(params, width),
        "generator": hifigan(params, "decoder", paired=True),
        "segment": params.take("segment_size", int),
        "speaker_embedding": {"size": embedding},
    }
    params.ignore(defaults.VITS_GENERATOR_NO_EFFECT)
    params.ignore(defaults.VITS)  # what only another kind of text encoder would read
    params.close()
    try:
        return from_dict(VitsConfig, tree, "model"), speakers, languages
    except ConfigError as error:
        raise ConfigError(f"tts_conf.generator_params: {error}") from error


def _encoder(params: Section, width: int) -> dict[str, Any]:
    """Return the settings of the conformer over tokens."""
    params.only("text_encoder_normalize_before", True)
    params.only("text_encoder_activation_type", "swish")
    legacy = params.raw("text_encoder_positional_encoding_layer_type") == "legacy_rel_pos"
    kind = "legacy_" if legacy else ""
    params.only("text_encoder_positional_encoding_layer_type", f"{kind}rel_pos")
    params.only("text_encoder_self_attention_layer_type", f"{kind}rel_selfattn")
    convolution = params.take("text_encoder_conformer_kernel_size", int)
    return {
        "layers": params.take("text_encoder_blocks", int),
        "heads": params.take("text_encoder_attention_heads", int),
        "hidden": width * params.take("text_encoder_ffn_expand", int),
        **_feed_forward(params),
        "convolution": convolution
        if params.take("use_conformer_conv_in_text_encoder", bool)
        else 0,
        "macaron": params.take("use_macaron_style_in_text_encoder", bool),
        "positions": "legacy" if legacy else "relative",
        "dropout": params.take("text_encoder_dropout_rate", float),
        "position_dropout": params.take("text_encoder_positional_dropout_rate", float),
        "attention_dropout": params.take("text_encoder_attention_dropout_rate", float),
    }


def _feed_forward(params: Section) -> dict[str, Any]:
    """Return kernels and activation: linear layers have Swish between them, convolutions ReLU."""
    key = "text_encoder_positionwise_layer_type"
    params.only(key, "conv1d", "conv1d-linear", "linear")
    kind = params.raw(key)
    if kind == "linear":
        return {"kernel": 1, "reduce_kernel": None, "activation": "swish"}
    return {
        "kernel": params.take("text_encoder_positionwise_conv_kernel_size", int),
        "reduce_kernel": 1 if kind == "conv1d-linear" else None,
        "activation": "relu",
    }


def _wavenet(params: Section, prefix: str, width: int, cycles: int | None = None) -> dict[str, Any]:
    return {
        "layers": params.take(f"{prefix}_layers", int),
        "channels": width,
        "kernel": params.take(f"{prefix}_kernel_size", int),
        "dilation": params.take(f"{prefix}_base_dilation", int),
        "cycles": params.take(f"{prefix}_stacks", int) if cycles is None else cycles,
        "dropout": params.take(f"{prefix}_dropout_rate", float),
    }


def _flow(params: Section, width: int) -> dict[str, Any]:
    params.only("use_only_mean_in_flow", True)
    network = _wavenet(params, "flow", width, cycles=1)
    return {"couplings": params.take("flow_flows", int), "network": network}


def _durations(params: Section, width: int) -> dict[str, Any]:
    prefix = "stochastic_duration_predictor"
    return {
        "channels": width,
        "couplings": params.take(f"{prefix}_flows", int),
        "layers": params.take(f"{prefix}_dds_conv_layers", int),
        "kernel": params.take(f"{prefix}_kernel_size", int),
        "dropout": params.take(f"{prefix}_dropout_rate", float),
    }
