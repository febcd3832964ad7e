"""What ESPnet's settings of a JETS voice are here."""

from __future__ import annotations

from typing import Any

from malsori.core.config import from_dict
from malsori.core.errors import ConfigError
from malsori.dsp.audio_config import AudioConfig
from malsori.espnet import defaults
from malsori.espnet.section import Section
from malsori.espnet.shared_settings import (
    SLOPE,
    agree_with_data,
    check_stft,
    counted,
    hifigan,
    sample_rate,
)
from malsori.models.jets import JetsConfig


def jets_audio(top: Section) -> AudioConfig:
    """Return the audio settings; mel, pitch and energy have to agree on them."""
    top.only("odim", None)
    top.only("feats_extract", "fbank")
    mel = Section(top.raw("feats_extract_conf") or {}, defaults.MEL, "feats_extract_conf")
    rate = sample_rate(mel)
    n_fft, hop = mel.take("n_fft", int), mel.take("hop_length", int)
    window = mel.maybe("win_length", int) or n_fft
    low, high = mel.maybe("fmin", float), mel.maybe("fmax", float)
    mel.only("log_base", 10.0, 10)
    mel.only("htk", False)
    check_stft(mel)
    bands = mel.take("n_mels", int)
    mel.close()
    f0 = _check_pitch(top, rate, hop)
    _check_energy(top, rate, n_fft, window, hop)
    return AudioConfig(
        sample_rate=rate,
        n_fft=n_fft,
        window=window,
        hop=hop,
        mel_bands=bands,
        mel_low_hz=0.0 if low is None else low,
        mel_high_hz=rate / 2 if high is None else high,
        **f0,
    )


def _check_pitch(top: Section, rate: int, hop: int) -> dict[str, float]:
    """Return the range of F0, empty where the config extracts none."""
    top.only("pitch_extract", None, "dio")
    given = top.raw("pitch_extract_conf") or {}
    if top.raw("pitch_extract") is None:
        return {}
    pitch = Section(given, defaults.PITCH, "pitch_extract_conf")
    _agree(pitch, "hop_length", hop)
    if sample_rate(pitch) != rate:
        raise ConfigError(f"pitch_extract_conf.fs: {pitch.raw('fs')}, but mel is made at {rate}")
    pitch.only("use_continuous_f0", True)
    pitch.only("use_log_f0", True)
    pitch.ignore(("n_fft", "use_token_averaged_f0", "reduction_factor"))
    low, high = pitch.take("f0min", float), pitch.take("f0max", float)
    pitch.close()
    return {"f0_low_hz": low, "f0_high_hz": high}


def _check_energy(top: Section, rate: int, n_fft: int, window: int, hop: int) -> None:
    top.only("energy_extract", None, "energy")
    given = top.raw("energy_extract_conf") or {}
    if top.raw("energy_extract") is None:
        return
    energy = Section(given, defaults.ENERGY, "energy_extract_conf")
    _agree(energy, "hop_length", hop)
    _agree(energy, "n_fft", n_fft)
    if (energy.maybe("win_length", int) or n_fft) != window:
        raise ConfigError(
            f"energy_extract_conf.win_length: {energy.raw('win_length')}, but mel has {window}"
        )
    if sample_rate(energy) != rate:
        raise ConfigError(f"energy_extract_conf.fs: {energy.raw('fs')}, but mel is made at {rate}")
    check_stft(energy)
    energy.ignore(("use_token_averaged_energy", "reduction_factor"))
    energy.close()


def _agree(section: Section, key: str, value: int) -> None:
    found = section.take(key, int)
    if found != value:
        raise ConfigError(f"{section.path}.{key}: {found}, but feats_extract_conf has {value}")


def jets_model(tts: Section, tokens: int, audio: AudioConfig) -> tuple[JetsConfig, int, int]:
    """Return the model's settings, and how many speakers and languages it knows."""
    given = tts.raw("generator_params")
    left_out = defaults.GENERATOR_WITHOUT_PARAMS if given is None else defaults.GENERATOR
    params = Section({} if given is None else given, left_out, "tts_conf.generator_params")
    agree_with_data(params, "idim", tokens, "tokens in the list")
    agree_with_data(params, "odim", audio.mel_bands, "mel bands")
    tree = {
        "width": params.take("adim", int),
        "encoder": _stack(params, "encoder"),
        "decoder": _stack(params, "decoder"),
        "duration": _predictor(params, "duration", "duration_predictor_dropout_rate", None),
        "pitch": _predictor(params, "pitch", "pitch_predictor_dropout"),
        "energy": _predictor(params, "energy", "energy_predictor_dropout"),
        "pitch_embedding": _embedding(params, "pitch"),
        "energy_embedding": _embedding(params, "energy"),
        "prior": "published",
        "initialisation": "espnet",
        "generator": _hifigan(params),
        "condition_generator": False,
        "segment": params.take("segment_size", int),
        "style": _style(params),
        "speaker_embedding": _speaker_embedding(params),
    }
    speakers, languages = counted(params)
    for key, value in (
        ("encoder_normalize_before", True),
        ("decoder_normalize_before", True),
        ("encoder_concat_after", False),
        ("decoder_concat_after", False),
    ):
        params.only(key, value)
    params.ignore(defaults.GENERATOR_NO_EFFECT)
    params.ignore(defaults.GENERATOR)  # what only another kind of stack or no style would read
    params.close()
    try:
        return from_dict(JetsConfig, tree, "model"), speakers, languages
    except ConfigError as error:
        raise ConfigError(f"tts_conf.generator_params: {error}") from error


def _stack(params: Section, side: str) -> dict[str, Any]:
    """Return the settings of encoder or decoder."""
    short = side[:3]
    kind = params.raw(f"{side}_type")
    params.only(f"{side}_type", "transformer", "conformer")
    tree: dict[str, Any] = {
        "name": kind,
        "layers": params.take(f"{side[0]}layers", int),
        "heads": params.take("aheads", int),
        "hidden": params.take(f"{side[0]}units", int),
        "dropout": params.take(f"transformer_{short}_dropout_rate", float),
        "position_dropout": params.take(f"transformer_{short}_positional_dropout_rate", float),
        "attention_dropout": params.take(f"transformer_{short}_attn_dropout_rate", float),
        **_feed_forward(params, kind == "conformer"),
    }
    if kind == "conformer":
        return tree | _conformer(params, side)
    scaled = params.take("use_scaled_pos_enc", bool)
    return tree | {"positions": "scaled" if scaled else "plain"}


def _feed_forward(params: Section, conformer: bool) -> dict[str, Any]:
    """Return the kernels of the feed-forward parts.

    In a conformer only linear layers have Swish between them, so that convolutions of kernel 1 are
    written as kernel 3; see ``weights.py``.
    """
    params.only("positionwise_layer_type", "conv1d", "conv1d-linear", "linear")
    kind, kernel = params.raw("positionwise_layer_type"), 1
    if kind != "linear":
        kernel = params.take("positionwise_conv_kernel_size", int)
    if conformer and kernel == 1 and kind != "linear":
        return {"kernel": 3, "reduce_kernel": 1}
    return {"kernel": kernel, "reduce_kernel": 1 if kind == "conv1d-linear" else None}


def _conformer(params: Section, side: str) -> dict[str, Any]:
    params.only("conformer_activation_type", "swish")
    params.only("conformer_rel_pos_type", "latest", "legacy")
    legacy = params.raw("conformer_rel_pos_type") == "legacy"
    older = ("legacy_rel_pos", "legacy_rel_selfattn") if legacy else ()
    params.only("conformer_pos_enc_layer_type", "rel_pos", *older[:1])
    params.only("conformer_self_attn_layer_type", "rel_selfattn", *older[1:])
    zero = params.take("zero_triu", bool)
    kernel = params.take(f"conformer_{side[:3]}_kernel_size", int)
    return {
        "convolution": kernel if params.take("use_cnn_in_conformer", bool) else 0,
        "macaron": params.take("use_macaron_style_in_conformer", bool),
        "positions": "legacy" if legacy else "relative",
        # JETS gives it to the encoder alone, and legacy attention never gets it
        "zero_triu": zero and side == "encoder" and not legacy,
    }


def _predictor(
    params: Section, name: str, dropout: str, detach: str | None = "stop_gradient_from"
) -> dict[str, Any]:
    tree = {
        "layers": params.take(f"{name}_predictor_layers", int),
        "channels": params.take(f"{name}_predictor_chans", int),
        "kernel": params.take(f"{name}_predictor_kernel_size", int),
        "dropout": params.take(dropout, float),
    }
    if detach is not None:
        tree["detach"] = params.take(f"{detach}_{name}_predictor", bool)
    return tree


def _embedding(params: Section, name: str) -> dict[str, Any]:
    return {
        "kernel": params.take(f"{name}_embed_kernel_size", int),
        "dropout": params.take(f"{name}_embed_dropout", float),
    }


def _hifigan(params: Section) -> dict[str, Any]:
    params.only("generator_out_channels", 1)
    params.only("generator_bias", True)
    params.only("generator_nonlinear_activation", "LeakyReLU")
    params.only("generator_nonlinear_activation_params", SLOPE)
    return hifigan(params, "generator", params.take("generator_use_additional_convs", bool))


def _style(params: Section) -> dict[str, Any]:
    if not params.take("use_gst", bool):
        return {}
    params.only("gst_conv_kernel_size", 3)
    params.only("gst_conv_stride", 2)
    params.only("gst_gru_layers", 1)
    channels = params.sizes("gst_conv_chans_list")
    if params.take("gst_conv_layers", int) != len(channels):
        raise ConfigError(
            f"{params.path}.gst_conv_layers: {params.raw('gst_conv_layers')}, but "
            f"gst_conv_chans_list has {len(channels)}"
        )
    return {
        "tokens": params.take("gst_tokens", int),
        "heads": params.take("gst_heads", int),
        "channels": channels,
        "gru_units": params.take("gst_gru_units", int),
        "norm": "batch",
    }


def _speaker_embedding(params: Section) -> dict[str, Any]:
    size = params.maybe("spk_embed_dim", int) or 0
    if size <= 0:
        return {}
    params.only("spk_embed_integration_type", "add", "concat")
    return {"size": size, "join": params.raw("spk_embed_integration_type")}
