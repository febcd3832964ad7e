"""Names and forms of JETS weights, both ways, without ESPnet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from malsori.core.config import from_dict
from malsori.core.errors import MalsoriError
from malsori.dsp.audio_config import AudioConfig
from malsori.espnet.names import positionwise
from malsori.espnet.weights import (
    DIRECTION,
    GAIN,
    discriminator_from_espnet,
    discriminator_to_espnet,
    from_espnet,
    split_state,
    to_espnet,
)
from malsori.models.jets import Jets, JetsConfig
from malsori.models.voice import VoiceContext
from malsori.modules.discriminators import DiscriminatorConfig, Discriminators
from malsori.modules.weight_norm import fold_weight_norm

SMALL: dict[str, Any] = {
    "width": 8,
    "encoder": {"layers": 2, "hidden": 6},
    "decoder": {"layers": 1, "hidden": 4},
    "duration": {"channels": 4, "layers": 1},
    "pitch": {"channels": 4, "layers": 3},
    "energy": {"channels": 4, "layers": 0},
    "condition_generator": False,
    "generator": {
        "channels": 8, "upsampling": [4], "upsampling_kernels": [8],
        "residual_kernels": [3, 5], "residual_dilations": [[1, 2], [1]],
    },
}  # fmt: skip
AUDIO = AudioConfig(
    sample_rate=8000, n_fft=16, window=16, hop=4, mel_bands=5, mel_low_hz=0, mel_high_hz=4000
)


def config(**changes: Any) -> JetsConfig:
    return from_dict(JetsConfig, SMALL | changes)


def net(chosen: JetsConfig, **known: int) -> Jets:
    torch.manual_seed(0)
    return Jets(chosen, VoiceContext(audio=AUDIO, tokens=7, **known))


CONFORMER = {"name": "conformer", "layers": 2, "hidden": 6}
kinds = st.fixed_dictionaries(
    {
        "encoder": st.sampled_from([SMALL["encoder"], CONFORMER]),
        "decoder": st.sampled_from([SMALL["decoder"], {**CONFORMER, "macaron": False}]),
        "style": st.sampled_from(
            [{}, {"tokens": 3, "heads": 2, "channels": [2, 3], "gru_units": 4, "norm": "batch"}]
        ),
        "speaker_embedding": st.sampled_from([{}, {"size": 3}, {"size": 3, "join": "concat"}]),
    }
)


@settings(max_examples=25, deadline=None)
@given(
    kind=kinds,
    speakers=st.sampled_from([1, 3]),
    languages=st.sampled_from([1, 2]),
    kernels=st.sampled_from([(3, None), (5, 1), (1, None)]),
)
def test_there_and_back_changes_nothing(
    kind: dict[str, Any], speakers: int, languages: int, kernels: tuple[int, int | None]
) -> None:
    sized = {"kernel": kernels[0], "reduce_kernel": kernels[1]}
    kind = {**kind, "encoder": kind["encoder"] | sized, "decoder": kind["decoder"] | sized}
    chosen = config(**kind)
    ours = net(chosen, speakers=speakers, languages=languages).state_dict()
    theirs = to_espnet(ours, chosen)
    assert len(theirs) == len(ours)
    back = from_espnet(theirs, chosen)
    assert set(back) == set(ours)
    for name, tensor in ours.items():
        torch.testing.assert_close(back[name], tensor, rtol=0, atol=0)


def old_norm(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return state


def new_norm(state: dict[str, Tensor]) -> dict[str, Tensor]:
    names = {"weight_g": GAIN, "weight_v": DIRECTION}
    return {
        n.removesuffix(last) + names[last] if (last := n.rpartition(".")[2]) in names else n: t
        for n, t in state.items()
    }


def folded(state: dict[str, Tensor]) -> dict[str, Tensor]:
    plain = {n: t for n, t in state.items() if not n.endswith(("weight_g", "weight_v"))}
    for name in [n for n in state if n.endswith("weight_g")]:
        module = name.removesuffix("weight_g")
        gain, direction = state[name], state[f"{module}weight_v"]
        norm = direction.flatten(1).norm(dim=1).view_as(gain)
        plain[f"{module}weight"] = direction * gain / norm
    return plain


@pytest.mark.parametrize("form", [old_norm, new_norm, folded])
def test_weight_norm_in_all_its_forms(form: Callable[..., dict[str, Tensor]]) -> None:
    chosen = config()
    first = net(chosen)
    state = form(to_espnet(first.state_dict(), chosen))
    second = net(chosen)
    second.load_state_dict(from_espnet(state, chosen))
    fold_weight_norm(first), fold_weight_norm(second)
    for name, tensor in first.state_dict().items():
        torch.testing.assert_close(second.state_dict()[name], tensor, rtol=1e-6, atol=1e-8)


def test_a_folded_model_gets_its_weight_norm_back() -> None:
    chosen = config()
    ours = fold_weight_norm(net(chosen)).state_dict()
    theirs = to_espnet(ours, chosen)
    assert any(name.endswith("weight_g") for name in theirs)
    again = net(chosen)
    again.load_state_dict(from_espnet(theirs, chosen))
    for name, tensor in fold_weight_norm(again).state_dict().items():
        torch.testing.assert_close(tensor, ours[name], rtol=1e-6, atol=1e-8)


def test_a_weight_of_zeros_stays_one() -> None:
    chosen = config()
    state = to_espnet(fold_weight_norm(net(chosen)).state_dict(), chosen)
    zero = state["generator.input_conv.weight_v"].clone()
    for part in ("weight_g", "weight_v"):
        del state[f"generator.input_conv.{part}"]
    state["generator.input_conv.weight"] = torch.zeros_like(zero)
    again = net(chosen)
    again.load_state_dict(from_espnet(state, chosen))
    assert not fold_weight_norm(again).generator.input.weight.any()


@pytest.mark.parametrize("prefix", ["tts.", "", "module.tts.", "model.tts.", "module."])
def test_prefixes(prefix: str) -> None:
    chosen = config()
    generator = to_espnet(net(chosen).state_dict(), chosen)
    top = prefix.removesuffix("tts.")
    whole = {f"{prefix}generator.{name}": tensor for name, tensor in generator.items()}
    whole[f"{prefix}discriminator.mpd.x"] = torch.ones(1)
    whole[f"{prefix}mel_loss.wav_to_mel.logmel.melmat"] = torch.ones(1)
    whole[f"{top}pitch_normalize.mean"] = torch.ones(1)
    whole[f"{top}feats_extract.logmel.melmat"] = torch.ones(1)
    parts = split_state(whole)
    assert set(parts.generator) == set(generator)
    assert set(parts.discriminator) == {"mpd.x"}
    assert set(parts.statistics) == {"pitch_normalize.mean"}
    assert len(parts.unused) == 2
    assert split_state(generator).generator == generator  # a bare generator


def test_names_that_espnet_renames_itself() -> None:
    chosen = config()
    ours = net(chosen).state_dict()
    old = {
        n.replace("encoder.embed.", "encoder.input_layer.").replace("after_norm", "norm"): t
        for n, t in to_espnet(ours, chosen).items()
    }
    old["encoder.embed.1.pe"] = torch.zeros(1, 5000, 8)
    old["generator.global_conv.weight"] = torch.zeros(8, 2, 1)
    parts = split_state(old)
    assert sorted(parts.unused) == ["encoder.embed.1.pe", "generator.global_conv.weight"]
    assert set(from_espnet(parts.generator, chosen)) == set(ours)


def test_relu_of_kernel_1_in_a_conformer() -> None:
    """Kernel 1 would be the feed-forward with Swish here; kernel 3 with zeros outside is ReLU."""
    stack = {**CONFORMER, "kernel": 3, "reduce_kernel": 1}
    chosen = config(encoder=stack, decoder=stack)
    state = to_espnet(net(chosen).state_dict(), chosen)
    name = "encoder.encoders.0.feed_forward.w_1.weight"
    state[name] = state[name][..., 1:2].clone()
    found = from_espnet(state, chosen)["encoder.blocks.0.feed_forward.expand.weight"]
    assert found.shape[2] == 3 and not found[..., [0, 2]].any()
    torch.testing.assert_close(found[..., 1], state[name][..., 0])


def test_what_has_no_partner_is_named() -> None:
    chosen = config()
    ours = net(chosen).state_dict()
    theirs = to_espnet(ours, chosen)
    with pytest.raises(MalsoriError, match=r"^unknown weights: encoder\.extra\.weight; "):
        from_espnet({**theirs, "encoder.extra.weight": torch.ones(1)}, chosen)
    many = {f"encoder.extra{i}.weight": torch.ones(1) for i in range(11)}
    with pytest.raises(MalsoriError, match=r"and 3 more; config and weights differ$"):
        from_espnet({**theirs, **many}, chosen)
    with pytest.raises(MalsoriError, match=r"^missing weights: encoder\.embed\.1\.alpha"):
        from_espnet({n: t for n, t in theirs.items() if not n.endswith("er.embed.1.alpha")}, chosen)
    with pytest.raises(MalsoriError, match=r"^unknown weights: extra\.weight"):
        to_espnet({**ours, "extra.weight": torch.ones(1)}, chosen)
    with pytest.raises(MalsoriError, match=r"^missing weights: encoder\.positions\.scale"):
        to_espnet({n: t for n, t in ours.items() if n != "encoder.positions.scale"}, chosen)
    with pytest.raises(MalsoriError, match="no weights of one JETS generator"):
        split_state({"encoder.weight": torch.ones(1)})
    with pytest.raises(MalsoriError, match="no weights of one JETS generator"):
        split_state({f"{p}.{n}": t for p in ("a", "b") for n, t in theirs.items()})


@pytest.mark.parametrize("form", [old_norm, new_norm, folded])
def test_discriminators(form: Callable[..., dict[str, Tensor]]) -> None:
    chosen = DiscriminatorConfig(
        scales=2, scale_channels=8, scale_max_channels=16, scale_max_groups=4,
        scale_strides=(2, 1), periods=(2, 3), period_channels=4, period_max_channels=8,
        period_score_kernel=2,
    )  # fmt: skip
    torch.manual_seed(0)
    ours = Discriminators(chosen)
    theirs = form(discriminator_to_espnet(ours.state_dict(), chosen))
    back = discriminator_from_espnet(theirs, chosen)
    again = Discriminators(chosen)
    again.load_state_dict(back)
    wav = torch.randn(1, 1, 500)
    for one, other in zip(ours.judge(wav), again.judge(wav), strict=True):
        torch.testing.assert_close(one[-1], other[-1])
    with pytest.raises(MalsoriError, match=r"unknown weights: msd\.x\.weight"):
        discriminator_from_espnet({**theirs, "msd.x.weight": torch.ones(1)}, chosen)
    with pytest.raises(MalsoriError, match=r"missing weights: mpd\.discriminators\.1\.output_conv"):
        discriminator_from_espnet(
            {n: t for n, t in theirs.items() if not n.startswith("mpd.discriminators.1.output")},
            chosen,
        )


def test_kinds_of_feed_forward() -> None:
    for kernel, reduce_kernel, kind in (
        (3, None, ("conv1d", 3)), (3, 3, ("conv1d", 3)), (5, 1, ("conv1d-linear", 5)),
        (1, None, ("linear", 1)), (1, 1, ("linear", 1)),
    ):  # fmt: skip
        stack = {"layers": 1, "kernel": kernel, "reduce_kernel": reduce_kernel}
        assert positionwise(config(encoder=stack, decoder=stack)) == kind
    with pytest.raises(MalsoriError, match=r"model\.decoder\.kernel"):
        positionwise(config(encoder={"kernel": 3}, decoder={"kernel": 5}))
    stack = {"kernel": 3, "reduce_kernel": 5}
    with pytest.raises(MalsoriError, match=r"model\.encoder\.reduce_kernel.*not 5"):
        positionwise(config(encoder=stack, decoder=stack))
