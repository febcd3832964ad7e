"""ESPnet's settings and weights of VITS: each mapped, checked, or known to be of no effect."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from malsori.core.config import from_dict, to_dict
from malsori.core.errors import MalsoriError
from malsori.dsp.audio_config import AudioConfig
from malsori.espnet import defaults
from malsori.espnet.export_settings import discriminator_params
from malsori.espnet.export_vits import linear_settings, vits_params
from malsori.espnet.settings import EspnetSettings, read_settings
from malsori.espnet.weights import from_espnet, split_state, to_espnet
from malsori.models.vits import Vits, VitsConfig
from malsori.models.voice import VoiceContext

BASE: dict[str, Any] = {"tts": "vits", "tts_conf": {"sampling_rate": 24000}}


def settings(params: dict[str, Any] | None = None, **top: Any) -> EspnetSettings:
    tree = {**BASE, **top}
    if params is not None:
        tree["tts_conf"] = {**tree["tts_conf"], "generator_params": params}
    return read_settings(tree, 50, "c.yaml")


def test_the_published_recipe_is_our_default_model() -> None:
    found = settings()
    assert isinstance(found.model, VitsConfig) and found.name == "vits"
    assert to_dict(found.model) == to_dict(VitsConfig())
    assert (found.audio.n_fft, found.audio.hop, found.audio.sample_rate) == (1024, 256, 24000)
    assert (found.audio.mel_low_hz, found.audio.mel_high_hz) == (0, 12000)
    assert (found.speakers, found.languages) == (1, 1) and found.discriminator is not None
    assert settings(tts_conf={}).audio.sample_rate == 22050


def test_our_table_of_defaults_is_espnets(espnet: ModuleType) -> None:
    from espnet2.gan_tts.vits.generator import VITSGenerator
    from espnet2.gan_tts.vits.vits import VITS
    from espnet2.tts.feats_extract.linear_spectrogram import LinearSpectrogram

    def of(made: Callable[..., Any]) -> dict[str, Any]:
        parameters = inspect.signature(made).parameters.values()
        return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}

    no_effect = set(defaults.VITS_GENERATOR_NO_EFFECT)
    generator, vits = of(VITSGenerator), of(VITS)
    assert set(generator) == set(defaults.VITS) | no_effect | {"aux_channels"}
    for own in (generator, vits["generator_params"]):
        assert {k: v for k, v in own.items() if k in defaults.VITS} == defaults.VITS
    known = {"sampling_rate", "generator_type", "generator_params"}
    known |= {"discriminator_type", "discriminator_params"}
    assert set(vits) == known | set(defaults.VITS_NO_EFFECT)
    assert vits["discriminator_params"] == defaults.DISCRIMINATOR_WITHOUT_PARAMS
    assert of(LinearSpectrogram) == defaults.LINEAR


def test_every_setting_of_the_task_is_known(
    espnet: ModuleType, caplog: pytest.LogCaptureFixture
) -> None:
    from espnet2.tasks.gan_tts import GANTTSTask

    read_settings({**GANTTSTask.get_default_config(), **BASE}, 50, "c.yaml")
    assert not caplog.records


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"hidden": 3}, "tts_conf.generator_params.hidden: unknown"),
        ({"hidden_channels": "wide"}, "hidden_channels: expected int, got 'wide'"),
        ({"vocabs": 49}, "vocabs: 49, but there are 50 tokens"),
        ({"aux_channels": 80}, "aux_channels: 80, but there are 513 bins"),
        ({"spks": 3}, "global_channels: -1, but the voice has speakers"),
        ({"spk_embed_dim": 3}, "global_channels: -1, but the voice has speakers"),
        ({"text_encoder_normalize_before": False}, "text_encoder_normalize_before: False"),
        ({"text_encoder_activation_type": "relu"}, "text_encoder_activation_type: 'relu'"),
        ({"text_encoder_positional_encoding_layer_type": "abs_pos"}, "layer_type: 'abs_pos'"),
        ({"text_encoder_self_attention_layer_type": "selfattn"}, "layer_type: 'selfattn'"),
        ({"text_encoder_positional_encoding_layer_type": "legacy_rel_pos"}, "'rel_selfattn'"),
        ({"text_encoder_positionwise_layer_type": "moe"}, "positionwise_layer_type: 'moe'"),
        ({"text_encoder_positionwise_conv_kernel_size": 4}, "kernel: must be odd, got 4"),
        ({"use_only_mean_in_flow": False}, "use_only_mean_in_flow: False"),
        ({"flow_layers": 0}, "layers: must be in"),
        ({"posterior_encoder_stacks": 3}, "cycles: 3 does not divide layers 16"),
        ({"decoder_kernel_size": 5}, "decoder_kernel_size: 5"),
        ({"decoder_upsample_scales": [8, 8, 4]}, "decoder_upsample_kernel_sizes"),
        ({"decoder_upsample_scales": [8, 8], "decoder_upsample_kernel_sizes": [16, 16]}, "hop"),
        ({"stochastic_duration_predictor_flows": 1}, "couplings: must be in"),
    ],
)
def test_what_we_do_not_have_is_refused_by_name(params: dict[str, Any], told: str) -> None:
    with pytest.raises(MalsoriError) as caught:
        settings(params)
    assert told in str(caught.value) and str(caught.value).startswith("c.yaml: "), caught.value
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("top", "told"),
    [
        ({"feats_extract": "fbank"}, "feats_extract: 'fbank' is not supported, only 'linear_spec"),
        ({"feats_extract_conf": {"window": "hamming"}}, "window: 'hamming'"),
        ({"feats_extract_conf": {"fs": 24000}}, "feats_extract_conf.fs: unknown"),
        ({"normalize": "global_mvn"}, "normalize: 'global_mvn' is not supported, only None"),
        ({"pitch_extract": "dio"}, "pitch_extract: 'dio'"),
        ({"odim": 513}, "odim: 513"),
        ({"tts_conf": {"generator_type": "jets_generator"}}, "generator_type: 'jets_generator'"),
        ({"tts_conf": {"lambda_align": 1}}, "tts_conf.lambda_align: unknown"),
        ({"tts_conf": {"sampling_rate": 900}}, "sample_rate: 900 Hz is too low"),
    ],
)
def test_other_audio_and_losses_are_refused_by_name(top: dict[str, Any], told: str) -> None:
    with pytest.raises(MalsoriError) as caught:
        settings(**top)
    assert told in str(caught.value), str(caught.value)


ODD: tuple[Any, ...] = (
    None, True, -1, 0, 1, 10**9, 2.5, float("nan"), "", "x:y", [], [0], [[]], [[-1]], {}, {"a": 1},
)  # fmt: skip


def complaint(params: dict[str, Any]) -> str:
    """Return why settings are refused; nothing if they are not. Other errors go through."""
    try:
        settings(params)
    except MalsoriError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("key", sorted(defaults.VITS))
def test_odd_values_end_in_one_line(key: str) -> None:
    for value in ODD:
        told = complaint({"global_channels": 4, "spks": 3, key: value})
        assert "\n" not in told and len(told) < 400


BACK: dict[str, dict[str, Any]] = {
    "published": {},
    "linear": {"text_encoder_positionwise_layer_type": "linear", "segment_size": 16},
    "legacy": {
        "text_encoder_positional_encoding_layer_type": "legacy_rel_pos",
        "text_encoder_self_attention_layer_type": "legacy_rel_selfattn",
        "text_encoder_positionwise_layer_type": "conv1d-linear",
        "text_encoder_positionwise_conv_kernel_size": 5,
    },
    "told": {"spks": 7, "langs": 3, "spk_embed_dim": 12, "global_channels": 9},
    "sizes": {
        "hidden_channels": 16, "text_encoder_ffn_expand": 3, "use_conformer_conv_in_text_encoder":
        False, "posterior_encoder_stacks": 2, "posterior_encoder_base_dilation": 2,
        "flow_flows": 3, "stochastic_duration_predictor_flows": 2,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", BACK)
def test_settings_there_and_back(name: str) -> None:
    found = settings(BACK[name])
    back = vits_params(found.model, found.speakers, found.languages)
    tts = {**BASE["tts_conf"], "generator_params": back}
    tts["discriminator_params"] = discriminator_params(found.discriminator)
    tree = {**BASE, **linear_settings(found.audio), "tts_conf": tts}
    again = read_settings(yaml.safe_load(yaml.safe_dump(tree)), 50, "c.yaml")
    assert again == found


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"duration": "plain"}, "model.duration: 'plain', but ESPnet's VITS has 'stochastic' only"),
        ({"encoder": {"hidden": 100}}, "model.encoder.hidden: 100"),
        ({"encoder": "relative_transformer"}, "model.encoder.name: 'relative_transformer', but"),
        ({"encoder": {"zero_triu": True}}, "model.encoder.zero_triu: true"),
        ({"encoder": {"kernel": 3, "reduce_kernel": 5}}, "model.encoder.reduce_kernel"),
        ({"posterior": {"channels": 64}}, "model.posterior.channels: 64"),
        ({"flow": {"network": {"channels": 64}}}, "model.flow.network.channels: 64"),
        ({"flow": {"network": {"layers": 4, "cycles": 2}}}, "model.flow.network.cycles: 2"),
        ({"duration_flow": {"bins": 8}}, "model.duration_flow.bins: 8"),
        ({"duration_flow": {"channels": 64}}, "model.duration_flow.channels: 64"),
        ({"generator": "hifigan_v3"}, "model.generator.paired: false"),
        ({"generator": "istft"}, "model.generator.name: 'istft', but ESPnet has HiFi-GAN only"),
        ({"speaker_embedding": {"size": 4, "join": "concat"}}, "speaker_embedding.join: 'concat'"),
    ],
)
def test_what_espnet_cannot_express(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(MalsoriError) as caught:
        vits_params(from_dict(VitsConfig, changes), 1, 1)
    assert told in str(caught.value) and "\n" not in str(caught.value)


NETWORK = {"layers": 2, "channels": 8, "kernel": 3}
SMALL: dict[str, Any] = {
    "width": 8,
    "condition": 5,
    "encoder": {"layers": 1, "hidden": 16},
    "posterior": NETWORK,
    "flow": {"couplings": 2, "network": NETWORK},
    "duration_flow": {"channels": 8, "couplings": 2, "layers": 2},
    "generator": {
        "channels": 8, "upsampling": [4, 2], "upsampling_kernels": [8, 4],
        "residual_kernels": [3], "residual_dilations": [[1, 3]],
    },
}  # fmt: skip
AUDIO = AudioConfig(sample_rate=8000, n_fft=64, window=64, hop=8, mel_bands=6, mel_high_hz=4000)


def weights(
    speakers: int = 1, languages: int = 1, **changes: Any
) -> tuple[VitsConfig, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    config = from_dict(VitsConfig, {**SMALL, **changes})
    context = VoiceContext(audio=AUDIO, tokens=9, speakers=speakers, languages=languages)
    return config, Vits(config, context).state_dict()


stacks = st.fixed_dictionaries(
    {
        "layers": st.integers(0, 2),
        "hidden": st.just(16),
        "macaron": st.booleans(),
        "convolution": st.sampled_from([0, 3]),
        "kernel": st.sampled_from([1, 3]),
        "reduce_kernel": st.sampled_from([None, 1]),
        "activation": st.sampled_from(["relu", "swish"]),
    }
)


@hypothesis_settings(max_examples=20, deadline=None)
@given(
    stack=stacks,
    speakers=st.sampled_from([1, 3]),
    languages=st.sampled_from([1, 2]),
    vector=st.sampled_from([0, 4]),
    couplings=st.integers(1, 3),
    layers=st.integers(1, 3),
)
def test_weights_there_and_back(
    stack: dict[str, Any], speakers: int, languages: int, vector: int, couplings: int, layers: int
) -> None:
    flow = {"couplings": couplings, "network": {**NETWORK, "layers": layers}}
    config, ours = weights(
        speakers, languages, encoder=stack, flow=flow, speaker_embedding={"size": vector}
    )
    theirs = to_espnet(ours, config)
    assert len(theirs) == len(ours)
    parts = split_state({f"tts.generator.{name}": t for name, t in theirs.items()}, "vits")
    assert set(parts.generator) == set(theirs) and not parts.unused
    back = from_espnet(parts.generator, config)
    assert set(back) == set(ours)
    for name, tensor in ours.items():
        torch.testing.assert_close(back[name], tensor, rtol=0, atol=0)


def test_a_residual_half_that_nothing_reads_stays_behind() -> None:
    config, ours = weights()
    theirs = to_espnet(ours, config)
    for layer, outputs in ((0, 16), (1, 16)):
        name = f"flow.flows.2.encoder.conv_layers.{layer}.conv1x1_out.weight_v"
        assert theirs[name].shape == (outputs, 8, 1)
    loud = {
        n: torch.cat([9.0 + t[: len(t) // 2], t[len(t) // 2 :]])
        if ".conv_layers.1.conv1x1_out." in n
        else t
        for n, t in theirs.items()
    }
    back = from_espnet(loud, config)
    assert any(not torch.equal(loud[n], theirs[n]) for n in theirs)
    for name, tensor in ours.items():
        assert torch.equal(back[name], tensor), name


def test_layers_that_are_told_of_nobody_stay_behind() -> None:
    config, ours = weights(3)
    theirs = {n: t for n, t in to_espnet(ours, config).items() if n != "global_emb.weight"}
    parts = split_state(theirs, "vits")
    assert {n.split(".")[-2] for n in parts.unused} == {"global_conv", "conv1x1_glo"}
    assert set(from_espnet(parts.generator, config)) == set(weights()[1])


def test_what_has_no_partner_is_named() -> None:
    config, ours = weights()
    theirs = to_espnet(ours, config)
    with pytest.raises(MalsoriError, match=r"^unknown weights: flow\.flows\.8\.input_conv\.bias"):
        from_espnet({**theirs, "flow.flows.8.input_conv.bias": torch.ones(1)}, config)
    for name in ("duration_predictor.flows.0.m", "text_encoder.proj"):
        left = {n: t for n, t in theirs.items() if not n.startswith(name)}
        with pytest.raises(MalsoriError, match=f"^missing weights: {name}"):
            from_espnet(left, config)
    with pytest.raises(MalsoriError, match="no weights of one VITS generator"):
        split_state({"text_encoder.proj.weight": torch.ones(1)}, "vits")
    with pytest.raises(MalsoriError, match=r"'tts\.other' is no weight that a VITS model has"):
        split_state({f"tts.generator.{n}": t for n, t in theirs.items()} | {"tts.other":
                    torch.ones(1)}, "vits")  # fmt: skip
