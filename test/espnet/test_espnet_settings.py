"""ESPnet's settings: each mapped, checked, or known to be of no effect."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from malsori.core.config import build, from_dict, to_dict
from malsori.core.errors import MalsoriError
from malsori.espnet import defaults
from malsori.espnet.export_settings import audio_settings, discriminator_params, generator_params
from malsori.espnet.section import Section
from malsori.espnet.settings import EspnetSettings, read_settings
from malsori.models import MODELS
from malsori.models.jets import JetsConfig
from malsori.train.config import COMPATIBILITY

BASE: dict[str, Any] = {
    "tts": "jets",
    "feats_extract": "fbank",
    "feats_extract_conf": {"fs": 24000},
    "normalize": "global_mvn",
    "tts_conf": {"sampling_rate": 24000, "generator_params": {}},
}
KSS: dict[str, Any] = {
    "adim": 256, "aheads": 2, "elayers": 4, "eunits": 1024, "dlayers": 4, "dunits": 1024,
    "positionwise_layer_type": "conv1d", "positionwise_conv_kernel_size": 3,
    "duration_predictor_layers": 2, "duration_predictor_chans": 256,
    "duration_predictor_kernel_size": 3, "use_masking": True,
    "encoder_normalize_before": True, "decoder_normalize_before": True,
    "encoder_type": "transformer", "decoder_type": "transformer",
    "conformer_rel_pos_type": "latest", "conformer_pos_enc_layer_type": "rel_pos",
    "conformer_self_attn_layer_type": "rel_selfattn", "conformer_activation_type": "swish",
    "use_macaron_style_in_conformer": True, "use_cnn_in_conformer": True,
    "conformer_enc_kernel_size": 7, "conformer_dec_kernel_size": 31, "init_type": "xavier_uniform",
    **{f"transformer_{stack}_{part}dropout_rate": 0.2
       for stack in ("enc", "dec") for part in ("", "positional_", "attn_")},
    "pitch_predictor_layers": 5, "pitch_predictor_chans": 256, "pitch_predictor_kernel_size": 5,
    "pitch_predictor_dropout": 0.5, "pitch_embed_kernel_size": 1, "pitch_embed_dropout": 0.0,
    "stop_gradient_from_pitch_predictor": True,
    "energy_predictor_layers": 2, "energy_predictor_chans": 256,
    "energy_predictor_kernel_size": 3, "energy_predictor_dropout": 0.5,
    "energy_embed_kernel_size": 1, "energy_embed_dropout": 0.0,
    "stop_gradient_from_energy_predictor": False,
    "generator_out_channels": 1, "generator_channels": 512, "generator_global_channels": -1,
    "generator_kernel_size": 7, "generator_upsample_scales": [8, 8, 2, 2],
    "generator_upsample_kernel_sizes": [16, 16, 4, 4],
    "generator_resblock_kernel_sizes": [3, 7, 11],
    "generator_resblock_dilations": [[1, 3, 5], [1, 3, 5], [1, 3, 5]],
    "generator_use_additional_convs": True, "generator_bias": True,
    "generator_nonlinear_activation": "LeakyReLU",
    "generator_nonlinear_activation_params": {"negative_slope": 0.1},
    "generator_use_weight_norm": True, "segment_size": 64, "idim": 50, "odim": 80,
}  # fmt: skip
"""The published recipe of JETS, as a trained model's config has it."""


def settings(params: dict[str, Any] | None = None, **top: Any) -> EspnetSettings:
    tree = {**BASE, **top}
    if params is not None:
        tree["tts_conf"] = {**tree["tts_conf"], "generator_params": params}
    return read_settings(tree, 50, "c.yaml")


def test_the_published_recipe_is_our_default_model() -> None:
    """All that the two toolkits may differ in is what ``compat: espnet`` sets."""
    found = settings(KSS)
    ours = to_dict(JetsConfig()) | COMPATIBILITY["espnet"]["model"]
    del ours["padding"]  # of one utterance nothing depends on it
    theirs = to_dict(found.model)
    del theirs["padding"]
    for side in ("encoder", "decoder"):
        assert theirs[side].pop("position_dropout") == ours[side].pop("dropout") == 0.2
        assert theirs[side].pop("attention_dropout") == theirs[side].pop("dropout") == 0.2
        for tree in (theirs, ours):
            tree[side] = {k: v for k, v in tree[side].items() if v is not None}
    assert theirs == ours
    assert found.audio.sample_rate == 24000 and found.audio.mel_high_hz == 7600
    assert (found.speakers, found.languages) == (1, 1)


KEYS_OF_202204 = """
config print_config log_level dry_run iterator_type output_dir ngpu seed num_workers num_att_plot
dist_backend dist_init_method dist_world_size dist_rank local_rank dist_master_addr
dist_master_port dist_launcher multiprocessing_distributed unused_parameters sharded_ddp
cudnn_enabled cudnn_benchmark cudnn_deterministic collect_stats write_collected_feats max_epoch
patience val_scheduler_criterion early_stopping_criterion best_model_criterion keep_nbest_models
nbest_averaging_interval grad_clip grad_clip_type grad_noise accum_grad no_forward_run resume
train_dtype use_amp log_interval use_matplotlib use_tensorboard use_wandb wandb_project wandb_id
wandb_entity wandb_name wandb_model_log_interval detect_anomaly pretrain_path init_param
ignore_init_mismatch freeze_param num_iters_per_epoch batch_size valid_batch_size batch_bins
valid_batch_bins train_shape_file valid_shape_file batch_type valid_batch_type fold_length
sort_in_batch sort_batch multiple_iterator chunk_length chunk_shift_ratio num_cache_chunks
train_data_path_and_name_and_type valid_data_path_and_name_and_type allow_variable_data_keys
max_cache_size max_cache_fd valid_max_cache_size optim optim_conf scheduler scheduler_conf optim2
optim2_conf scheduler2 scheduler2_conf generator_first token_list odim model_conf use_preprocessor
token_type bpemodel non_linguistic_symbols cleaner g2p required version distributed
"""
"""Those of the first published JETS voice (LJSpeech), besides features and model."""


def test_a_config_of_the_first_version_is_read(caplog: pytest.LogCaptureFixture) -> None:
    older: dict[str, Any] = dict.fromkeys(KEYS_OF_202204.split())
    pitch = {"reduction_factor": 1, "use_token_averaged_f0": False, "fs": 22050, "n_fft": 1024}
    energy = {"reduction_factor": 1, "use_token_averaged_energy": False, "win_length": None}
    tree = {
        **older,
        **BASE,
        "feats_extract_conf": {"fs": 22050, "fmin": 80, "fmax": 7600, "n_mels": 80},
        "tts_conf": {"sampling_rate": 22050, "generator_params": KSS, "lambda_align": 2.0},
        "pitch_extract": "dio",
        "pitch_extract_conf": pitch,
        "energy_extract": "energy",
        "energy_extract_conf": energy,
    }
    found = read_settings(tree, 50, "c.yaml")
    assert found.audio.sample_rate == 22050 and found.model.width == 256
    assert not caplog.records


def test_where_the_config_says_nothing_the_constructors_defaults_hold() -> None:
    """A given ``generator_params`` replaces JETS's own dictionary as a whole."""
    given = settings({"adim": 256}).model
    absent = read_settings({**BASE, "tts_conf": {"sampling_rate": 24000}}, 50, "c.yaml").model
    assert (given.pitch.layers, given.pitch.kernel, given.pitch.detach) == (2, 3, False)
    assert (absent.pitch.layers, absent.pitch.kernel, absent.pitch.detach) == (5, 5, True)
    assert (given.pitch_embedding.kernel, given.energy_embedding.kernel) == (9, 9)
    assert (absent.pitch_embedding.kernel, absent.energy_embedding.kernel) == (1, 1)
    assert given.encoder.config.kernel == absent.encoder.config.kernel == 1
    legacy = settings({"encoder_type": "conformer"}).model.encoder.config
    assert legacy.positions == "legacy" and legacy.kernel == 3 and legacy.reduce_kernel == 1


def test_the_discriminators_defaults_differ_likewise() -> None:
    absent = settings()
    assert absent.discriminator is not None and absent.discriminator.scales == 1
    assert absent.discriminator.period_score_kernel == 2
    tts = {**BASE["tts_conf"], "discriminator_params": {}}
    given = settings(tts_conf=tts)
    assert given.discriminator is None and "follow_official_norm" in given.discriminator_problem
    tts["discriminator_params"] = {"follow_official_norm": False}
    assert (settings(tts_conf=tts).discriminator or absent.discriminator).scales == 3


def test_our_table_of_defaults_is_espnets(espnet: ModuleType) -> None:
    from espnet2.gan_tts.hifigan import (
        HiFiGANMultiScaleMultiPeriodDiscriminator,
        HiFiGANPeriodDiscriminator,
        HiFiGANScaleDiscriminator,
    )
    from espnet2.gan_tts.jets.generator import JETSGenerator
    from espnet2.gan_tts.jets.jets import JETS
    from espnet2.layers.global_mvn import GlobalMVN
    from espnet2.tts.feats_extract.dio import Dio
    from espnet2.tts.feats_extract.energy import Energy
    from espnet2.tts.feats_extract.log_mel_fbank import LogMelFbank

    def of(made: Callable[..., Any]) -> dict[str, Any]:
        parameters = inspect.signature(made).parameters.values()
        return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}

    no_effect = set(defaults.GENERATOR_NO_EFFECT)
    generator = of(JETSGenerator)
    assert set(generator) == set(defaults.GENERATOR) | no_effect
    jets = of(JETS)
    own = jets["generator_params"]
    assert set(own) - {"idim", "odim"} == set(generator)
    for name, value in defaults.GENERATOR.items():
        assert generator[name] == value, name
        theirs, ours = own[name], defaults.GENERATOR_WITHOUT_PARAMS[name]
        assert (list(theirs) if isinstance(theirs, list) else theirs) == (
            list(ours) if isinstance(theirs, list) else ours
        ), name
    known = {"sampling_rate", "generator_type", "generator_params"}
    known |= {"discriminator_type", "discriminator_params"}
    assert set(jets) == known | set(defaults.JETS_NO_EFFECT)
    assert jets["discriminator_params"] == defaults.DISCRIMINATOR_WITHOUT_PARAMS
    ensemble = of(HiFiGANMultiScaleMultiPeriodDiscriminator)
    scale = {**of(HiFiGANScaleDiscriminator), **ensemble["scale_discriminator_params"]}
    assert {**ensemble, "scale_discriminator_params": scale} == defaults.DISCRIMINATOR
    assert of(HiFiGANScaleDiscriminator) == defaults.SCALE_DISCRIMINATOR
    assert of(HiFiGANPeriodDiscriminator) == {**defaults.PERIOD_DISCRIMINATOR, "period": 3}
    assert of(LogMelFbank) == defaults.MEL and of(GlobalMVN) == defaults.NORMALISATION
    for made, table, extra in (
        (Dio, defaults.PITCH, {"use_token_averaged_f0", "reduction_factor"}),
        (Energy, defaults.ENERGY, {"use_token_averaged_energy", "reduction_factor"}),
    ):
        assert {k: v for k, v in of(made).items() if k not in extra} == table


def test_every_setting_of_the_task_is_known(
    espnet: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    from espnet2.tasks.gan_tts import GANTTSTask

    tree = {**GANTTSTask.get_default_config(), **BASE}
    read_settings(tree, 50, "c.yaml")
    assert not caplog.records
    read_settings({**tree, "brand_new": 1}, 50, "c.yaml")
    assert "not read: brand_new" in caplog.text


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"adims": 3}, "tts_conf.generator_params.adims: unknown"),
        ({"adim": "wide"}, "adim: expected int, got 'wide'"),
        ({"adim": True}, "adim: expected int, got True"),
        ({"encoder_type": "mamba"}, "encoder_type: 'mamba' is not supported"),
        ({"decoder_type": "rnn"}, "decoder_type: 'rnn' is not supported"),
        ({"encoder_normalize_before": False}, "encoder_normalize_before: False"),
        ({"decoder_concat_after": True}, "decoder_concat_after: True"),
        ({"positionwise_layer_type": "moe"}, "positionwise_layer_type: 'moe'"),
        ({"positionwise_conv_kernel_size": 4}, "kernel: must be odd, got 4"),
        ({"aheads": 0}, "heads: must be in"),
        ({"encoder_type": "conformer", "conformer_activation_type": "relu"}, "'relu'"),
        ({"decoder_type": "conformer", "conformer_pos_enc_layer_type": "abs_pos"}, "'abs_pos'"),
        ({"decoder_type": "conformer", "conformer_self_attn_layer_type": "selfattn"}, "'selfattn'"),
        ({"encoder_type": "conformer", "conformer_rel_pos_type": "newest"}, "'newest'"),
        ({"generator_out_channels": 4}, "generator_out_channels: 4"),
        ({"generator_kernel_size": 5}, "generator_kernel_size: 5"),
        ({"generator_bias": False}, "generator_bias: False"),
        ({"generator_nonlinear_activation": "ReLU"}, "generator_nonlinear_activation: 'ReLU'"),
        ({"generator_nonlinear_activation_params": {"negative_slope": 0.2}}, "0.2"),
        ({"generator_upsample_scales": [8, 8, 4]}, "generator_upsample_kernel_sizes"),
        ({"generator_upsample_scales": "8"}, "expected a list of whole numbers, got '8'"),
        ({"generator_resblock_dilations": 3}, "expected a list of lists, got 3"),
        ({"use_gst": True, "gst_conv_kernel_size": 5}, "gst_conv_kernel_size: 5"),
        ({"use_gst": True, "gst_gru_layers": 2}, "gst_gru_layers: 2"),
        ({"use_gst": True, "gst_conv_layers": 3}, "gst_conv_layers: 3"),
        ({"spk_embed_dim": 4, "spk_embed_integration_type": "film"}, "'film'"),
        ({"idim": 49}, "idim: 49, but there are 50 tokens"),
        ({"odim": 79}, "odim: 79, but there are 80 mel bands"),
        ({"generator_upsample_scales": [8, 8], "generator_upsample_kernel_sizes": [16, 16]}, "hop"),
    ],
)
def test_what_we_do_not_have_is_refused_by_name(params: dict[str, Any], told: str) -> None:
    with pytest.raises(MalsoriError) as caught:
        settings(params)
    assert told in str(caught.value) and str(caught.value).startswith("c.yaml: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("top", "told"),
    [
        ({"feats_extract_conf": {"fs": 24000, "window": "hamming"}}, "window: 'hamming'"),
        ({"feats_extract_conf": {"fs": 24000, "log_base": None}}, "log_base: None"),
        ({"feats_extract_conf": {"fs": 24000, "htk": True}}, "htk: True"),
        ({"feats_extract_conf": {"fs": "fast"}}, "fs: expected a rate, got 'fast'"),
        ({"feats_extract_conf": {"fs": 24000, "nmels": 3}}, "feats_extract_conf.nmels: unknown"),
        ({"feats_extract_conf": [1]}, "feats_extract_conf: expected a mapping"),
        ({"pitch_extract": "dio"}, "pitch_extract_conf.fs: 22050"),
        ({"pitch_extract": "dio", "pitch_extract_conf": {"fs": 24000, "hop_length": 1}},
         "hop_length: 1, but"),
        ({"pitch_extract": "dio", "pitch_extract_conf": {"fs": 24000, "use_log_f0": False}},
         "use_log_f0: False"),
        ({"energy_extract": "energy", "energy_extract_conf": {"fs": 24000, "win_length": 9}},
         "win_length: 9"),
        ({"tts_conf": {"generator_type": "vits_generator"}}, "generator_type: 'vits_generator'"),
        ({"tts_conf": {"lambda_new": 1}}, "tts_conf.lambda_new: unknown"),
        ({"tts_conf": {"generator_params": 3}}, "generator_params: expected a mapping, got 3"),
    ],
)  # fmt: skip
def test_other_audio_and_losses_are_refused_by_name(top: dict[str, Any], told: str) -> None:
    with pytest.raises(MalsoriError) as caught:
        settings(**top)
    assert told in str(caught.value), str(caught.value)


ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1, 10**9, 2.5, float("nan"), "", "x:y", [], [0], [[]], [[-1]], {}, {"a": 1},
)  # fmt: skip


STACKS: dict[str, Any] = {"encoder_type": "conformer", "use_gst": True, "spk_embed_dim": 3}


def complaint(params: dict[str, Any] | None = None, **top: Any) -> str:
    """Return why settings are refused; nothing if they are not. Other errors go through."""
    try:
        settings(params, **top)
    except MalsoriError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("key", sorted({*KSS, *defaults.GENERATOR}))
def test_odd_values_end_in_one_line(key: str) -> None:
    """Whatever a config holds: settings, or an error that a person can read."""
    for value in ODD:
        told = complaint({**STACKS, key: value})
        assert "\n" not in told and len(told) < 400


@pytest.mark.parametrize("key", defaults.CONFIG)
def test_odd_values_at_the_top_end_in_one_line(key: str) -> None:
    for value in ODD:
        told = complaint(**{"pitch_extract": "dio", "energy_extract": "energy", key: value})
        assert "\n" not in told and len(told) < 400


def test_audio_settings(caplog: pytest.LogCaptureFixture) -> None:
    conf = {"fs": "22k", "fmin": None, "fmax": None, "win_length": 800, "n_mels": 40}
    audio = settings(feats_extract_conf=conf).audio
    assert (audio.sample_rate, audio.mel_low_hz, audio.mel_high_hz) == (22000, 0.0, 11000.0)
    assert (audio.window, audio.mel_bands) == (800, 40)
    assert "sampling_rate is 24000" in caplog.text
    pitch = {"fs": 24000, "f0min": 60, "f0max": 700}
    audio = settings(pitch_extract="dio", pitch_extract_conf=pitch).audio
    assert (audio.f0_low_hz, audio.f0_high_hz) == (60.0, 700.0)


@pytest.mark.parametrize(
    "params",
    [
        KSS,
        {"encoder_type": "conformer", "decoder_type": "conformer", "zero_triu": True,
         "conformer_rel_pos_type": "latest", "positionwise_layer_type": "linear"},
        {"decoder_type": "conformer", "use_scaled_pos_enc": False, "use_cnn_in_conformer": False,
         "positionwise_layer_type": "conv1d-linear", "positionwise_conv_kernel_size": 5},
        {"spks": 7, "langs": 3, "spk_embed_dim": 512, "spk_embed_integration_type": "concat"},
        {"use_gst": True, "gst_tokens": 6, "gst_conv_layers": 1, "gst_conv_chans_list": [8]},
    ],
)  # fmt: skip
def test_settings_there_and_back(params: dict[str, Any]) -> None:
    found = settings(params)
    back = generator_params(found.model, found.speakers, found.languages)
    tts = {"sampling_rate": 24000, "generator_params": back}
    assert found.discriminator is not None
    tts["discriminator_params"] = discriminator_params(found.discriminator)
    tree = {**BASE, **audio_settings(found.audio), "tts_conf": tts}
    again = read_settings(yaml.safe_load(yaml.safe_dump(tree)), 50, "c.yaml")
    assert again == found


@pytest.mark.parametrize(
    ("changes", "known", "told"),
    [
        ({}, (2, 1), "several speakers"),
        ({}, (1, 3), "several languages"),
        ({"speaker_embedding": {"size": 5}}, (1, 1), "speaker vectors"),
        ({"style": {"tokens": 4, "norm": "batch"}}, (4, 1), "several speakers, style tokens"),
    ],
)
def test_a_waveform_generator_that_is_told_stays_here(
    changes: dict[str, Any], known: tuple[int, int], told: str
) -> None:
    with pytest.raises(MalsoriError) as caught:
        generator_params(from_dict(JetsConfig, changes), *known)
    assert str(caught.value) == (
        f"model.condition_generator: true, and the voice has {told}, but ESPnet's waveform "
        "generator is told nothing; train with model.condition_generator=false"
    )
    generator_params(from_dict(JetsConfig, {**changes, "condition_generator": False}), *known)


@pytest.mark.parametrize("name", ["istft", "istftnet"])
def test_generators_that_espnet_has_not_stay_here(name: str) -> None:
    with pytest.raises(MalsoriError, match=rf"model\.generator\.name: '{name}', but ESPnet has"):
        generator_params(from_dict(JetsConfig, {"generator": name}), 1, 1)


def test_the_models_can_be_built() -> None:
    import torch

    from malsori.core.config import Choice
    from malsori.models.voice import VoiceContext

    found = settings({**KSS, "spks": 5})
    context = VoiceContext(audio=found.audio, tokens=50, speakers=found.speakers)
    with torch.device("meta"):
        net = build(MODELS, Choice("jets", found.model), context=context)
    assert sum(p.numel() for p in net.parameters()) > 30e6


def test_a_section_accounts_for_every_key(tmp_path: Path) -> None:
    section = Section({"a": 1, "b": 2, "c": 3}, {"d": 4.5}, "s")
    assert section.take("a", int) == 1 and section.take("a", float) == 1.0
    assert section.take("d", float) == 4.5 and section.maybe("e", int) is None
    section.ignore(["b"])
    assert section.left() == ["c"]
    with pytest.raises(MalsoriError, match=r"^s\.c: unknown"):
        section.close()
    section.only("c", 3)
    section.close()
    with pytest.raises(MalsoriError, match=r"^s\.c: 3 is not supported, only True$"):
        section.only("c", True)
