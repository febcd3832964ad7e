"""Generators that end in an inverse transform: against NumPy, torch.istft, their parts alone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from malsori.core.errors import ConfigError
from malsori.modules import GENERATORS
from malsori.modules.excitation import Melody
from malsori.modules.istft import (
    InverseStft,
    IstftConfig,
    IstftGenerator,
    IstftnetConfig,
    IstftnetGenerator,
)
from malsori.modules.lengths import valid_positions
from malsori.modules.weight_norm import fold_weight_norm

TINY = IstftConfig(channels=8, hidden=12, layers=2, kernel=3, n_fft=16, hop=4)
HYBRID = IstftnetConfig(
    channels=8,
    upsampling=(4, 2),
    upsampling_kernels=(8, 4),
    residual_kernels=(3, 5),
    residual_dilations=((1, 3), (1, 2)),
    initial_std=0.3,
    n_fft=8,
    transform_hop=2,
)
Generator = IstftGenerator | IstftnetGenerator


def make(config: Any = TINY, condition: int = 0) -> Generator:
    """Return a generator whose weights are large enough to be heard."""
    torch.manual_seed(4)
    kind = IstftGenerator if isinstance(config, IstftConfig) else IstftnetGenerator
    net = kind(config, 5, condition).eval()
    if isinstance(net, IstftGenerator):
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.add_(0.3 * torch.randn(parameter.shape))
    return net


BOTH = pytest.mark.parametrize("config", [TINY, HYBRID], ids=["istft", "istftnet"])


def slow_inverse(predicted: np.ndarray, n_fft: int, hop: int) -> np.ndarray:
    """Return samples, (T · hop,), of log magnitudes and phases, (T, 2F), frame by frame."""
    frames, bins = len(predicted), n_fft // 2 + 1
    loudest = n_fft / 2
    magnitude = 1 / (np.exp(-predicted[:, :bins]) + 1 / loudest)
    spectra = magnitude * np.exp(1j * predicted[:, bins:])
    window = 0.5 - 0.5 * np.cos(2 * math.pi * np.arange(n_fft) / n_fft)
    wav, weight = np.zeros((2, (frames - 1) * hop + n_fft))
    for t, spectrum in enumerate(spectra):
        place = slice(t * hop, t * hop + n_fft)
        wav[place] += np.fft.irfft(spectrum, n_fft) * window
        weight[place] += window**2
    first = (n_fft - hop) // 2
    kept = slice(first, first + frames * hop)
    return np.clip(wav[kept] / weight[kept], -1, 1)


def slow_norm(x: np.ndarray, norm: nn.LayerNorm) -> np.ndarray:
    mean, deviation = x.mean(1, keepdims=True), np.sqrt(x.var(1, keepdims=True) + 1e-6)
    return (x - mean) / deviation * array(norm.weight) + array(norm.bias)


def slow_conv(x: np.ndarray, conv: nn.Conv1d) -> np.ndarray:
    """Return a convolution over frames of (T, C), for groups of 1 or of all channels."""
    weight, pad = array(conv.weight), conv.padding[0]
    x = np.pad(x, ((pad, pad), (0, 0)))
    out = np.zeros((len(x) - weight.shape[2] + 1, weight.shape[0]))
    for t in range(len(out)):
        for k in range(weight.shape[2]):
            if conv.groups == 1:
                out[t] += weight[:, :, k] @ x[t + k]
            else:
                out[t] += weight[:, 0, k] * x[t + k]
    return out + array(conv.bias)


def array(x: Tensor) -> np.ndarray:
    return x.detach().numpy().astype(np.float64)


def slow_linear(x: np.ndarray, layer: nn.Linear) -> np.ndarray:
    return x @ array(layer.weight).T + array(layer.bias)


def test_samples_are_those_of_the_papers_formula() -> None:
    net, frames = make(condition=3), torch.randn(1, 7, 5)
    condition = torch.randn(1, 3)
    assert net.condition is not None
    told = array(net.condition.weight)[:, :, 0] @ array(condition[0]) + array(net.condition.bias)
    x = slow_norm(slow_conv(array(frames[0]), net.input) + told, net.norm)
    for block in net.blocks:
        y = slow_linear(slow_norm(slow_conv(x, block.depthwise), block.norm), block.expand)
        y = y * np.vectorize(lambda v: 0.5 * (1 + math.erf(v / math.sqrt(2))))(y)
        x = x + array(block.scale) * slow_linear(y, block.reduce)
    predicted = slow_linear(slow_norm(x, net.output_norm), net.output)
    found = array(net(frames, condition))[0, 0]
    assert 0.05 < found.std() < 1
    np.testing.assert_allclose(found, slow_inverse(predicted, 16, 4), atol=1e-5)


def test_the_stack_starts_as_the_papers() -> None:
    net = IstftGenerator(IstftConfig(), 80)
    assert all(float(block.scale[0].detach()) == 1 / 8 for block in net.blocks)
    for part in net.modules():
        if isinstance(part, (nn.Conv1d, nn.Linear)):
            assert 0.018 < float(part.weight.detach().std()) < 0.021
            assert (part.bias == 0).all()
    frames = torch.randn(1, 20, 80)
    assert 0.001 < float(net(frames).detach().std()) < 0.2


@pytest.mark.parametrize(
    ("name", "width", "millions"), [("istft", 100, 13.5), ("istftnet", 80, 13.26)]
)
def test_sizes_are_the_papers(name: str, width: int, millions: float) -> None:
    """Vocos on 100 mel bands: 13.5 M; iSTFTNet V1-C8C8I on 80: 13.26 M."""
    entry = GENERATORS.entry(name)
    with torch.device("meta"):
        net = entry.build(entry.config(), width=width)
        assert net(torch.empty(1, 3, width)).shape == (1, 1, 3 * 256)
    count = sum(parameter.numel() for parameter in net.parameters()) / 1e6
    assert count == pytest.approx(millions, abs=0.04)


transforms = st.integers(1, 9).flatmap(
    lambda hop: st.tuples(st.integers(max(hop, 2), 3 * hop + 2).map(lambda n: 2 * n), st.just(hop))
)


@given(transforms, st.integers(1, 6), st.floats(-20, 20), st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_the_inverse_transform_is_numpys(
    sizes: tuple[int, int], frames: int, level: float, seed: int
) -> None:
    n_fft, hop = sizes
    random = np.random.default_rng(seed)
    predicted = random.normal(0, 1, (2, frames, n_fft + 2))
    predicted[:, :, : n_fft // 2 + 1] += level  # quieter than anything, louder than full scale
    found = InverseStft(n_fft, hop).eval()(torch.from_numpy(predicted).float())
    assert found.shape == (2, 1, frames * hop)
    for row in range(2):
        expected = slow_inverse(predicted[row], n_fft, hop)
        np.testing.assert_allclose(array(found[row, 0]), expected, atol=2e-4)


@pytest.mark.parametrize(("n_fft", "hop"), [(1024, 256), (16, 4), (300, 120), (64, 32)])
def test_the_inverse_transform_is_pytorchs_own(n_fft: int, hop: int) -> None:
    """Which knows no frame's hop but from the first centre to the last."""
    predicted = torch.randn(2, 9, n_fft + 2) - 1
    log_magnitude, phase = predicted.chunk(2, dim=2)
    magnitude = 1 / ((-log_magnitude).exp() + 2 / n_fft)
    expected = torch.istft(
        torch.polar(magnitude, phase).transpose(1, 2), n_fft, hop, window=torch.hann_window(n_fft)
    )
    found = InverseStft(n_fft, hop)(predicted)[:, 0, hop // 2 :][:, : expected.shape[1]]
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)


def test_a_recordings_spectra_give_the_recording() -> None:
    at = torch.arange(0, 41 * 64)
    wav = 0.4 * torch.sin(0.05 * at) + 0.2 * torch.sin(0.31 * at)
    spectrum = torch.stft(wav, 256, 64, window=torch.hann_window(256), return_complex=True).T
    loudest = 128
    log_magnitude = (spectrum.abs().clamp_min(1e-9) / loudest).logit() + math.log(loudest)
    predicted = torch.cat([log_magnitude, spectrum.angle()], dim=1)[None]
    found = InverseStft(256, 64).eval()(predicted)[0, 0, 32:]
    torch.testing.assert_close(found[: len(wav) - 64], wav[: len(found)][: len(wav) - 64],
                               atol=1e-4, rtol=0)  # fmt: skip


@pytest.mark.parametrize("value", [-1e30, -200.0, 200.0, 1e30])
def test_any_prediction_gives_finite_samples_and_gradients(value: float) -> None:
    predicted = torch.full((1, 4, 18), value)
    predicted[..., 9:] = 1e4
    predicted.requires_grad_()
    inverse = InverseStft(16, 4)
    inverse(predicted).sum().backward()
    assert torch.isfinite(predicted.grad).all()
    with torch.no_grad():
        trained, spoken = inverse(predicted), inverse.eval()(predicted)
    assert torch.isfinite(trained).all() and trained.abs().max() <= 2 * 16
    assert torch.equal(spoken, trained.clamp(-1, 1))


def test_loud_magnitudes_still_learn() -> None:
    predicted = torch.zeros(1, 4, 18)
    predicted[..., :9] = 8.0  # e^8 is 370 times the loudest
    predicted.requires_grad_()
    (InverseStft(16, 4)(predicted) * torch.randn(16)).sum().backward()
    assert predicted.grad.abs().max() > 1e-4


@BOTH
@given(st.integers(1, 9))
@settings(max_examples=9, deadline=None)
def test_the_output_is_exactly_hop_times_as_long(config: Any, frames: int) -> None:
    net = make(config)
    assert net.hop == config.hop == (4 if config is TINY else 16)
    assert net(torch.zeros(1, frames, 5)).shape == (1, 1, frames * net.hop)


@BOTH
@pytest.mark.parametrize("condition", [0, 3])
def test_a_batch_gives_the_samples_of_its_parts_alone(config: Any, condition: int) -> None:
    net = make(config, condition)
    conditions = torch.randn(3, condition) if condition else None
    lengths = (1, 4, 9)
    batch = torch.full((3, 9, 5), 1e3)  # loud padding
    for row, length in enumerate(lengths):
        batch[row, :length] = torch.randn(length, 5)
    together = net(batch, conditions, valid_positions(torch.tensor(lengths), 9))
    for row, length in enumerate(lengths):
        own = conditions[row : row + 1] if condition else None
        alone = net(batch[row : row + 1, :length], own)
        samples = length * net.hop
        assert alone.shape[2] == samples and alone.std() > 0.01
        torch.testing.assert_close(together[row, :, :samples], alone[0], atol=1e-5, rtol=0)
        reach = samples + (16 if config is TINY else 8)  # the last frame's window
        assert (together[row, :, reach:] == 0).all()


@BOTH
def test_one_condition_serves_a_whole_batch_and_is_heard(config: Any) -> None:
    net, frames = make(config, 3), torch.randn(2, 6, 5)
    one = torch.randn(1, 3)
    torch.testing.assert_close(net(frames, one), net(frames, one.expand(2, 3)))
    assert (net(frames, one) - net(frames, one + 1)).abs().max() > 1e-3


@BOTH
def test_every_parameter_learns(config: Any) -> None:
    net = make(config, condition=3).train()
    wav = net(torch.randn(2, 6, 5), torch.randn(2, 3))
    (wav * torch.randn(wav.shape)).sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


@BOTH
def test_bf16_inverts_in_fp32(config: Any) -> None:
    net, frames = make(config), torch.randn(1, 6, 5)
    with torch.autocast("cpu", torch.bfloat16):
        found = net(frames)
    assert found.dtype == torch.float32
    seen: list[Tensor] = []
    net.inverse.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    with torch.autocast("cpu", torch.bfloat16):
        found = net(frames)
    assert seen[0].dtype in (torch.bfloat16, torch.float32)
    torch.testing.assert_close(found, net.inverse(seen[0].float()), atol=1e-6, rtol=0)


@BOTH
def test_folded_weights_speak_as_the_trained_ones(config: Any) -> None:
    net, frames = make(config), torch.randn(1, 6, 5)
    before = net(frames)
    assert fold_weight_norm(net) is net
    torch.testing.assert_close(net(frames), before, atol=1e-6, rtol=1e-5)
    assert not any("parametrizations" in name for name in net.state_dict())
    assert not any("inverse" in name for name in net.state_dict())  # its tables are no weights


def test_the_hybrid_is_hifigan_up_to_its_spectra() -> None:
    net, frames = make(HYBRID), torch.randn(1, 6, 5)
    seen: list[Tensor] = []
    net.output.register_forward_hook(lambda module, given, out: seen.append(out))
    found = array(net(frames))[0, 0]
    (predicted,) = seen  # (B, 2F, T · 8)
    assert predicted.shape == (1, 10, 48) and found.std() > 0.01
    np.testing.assert_allclose(found, slow_inverse(array(predicted[0].T), 8, 2), atol=1e-5)


def test_the_hybrid_colours_harmonics() -> None:
    torch.manual_seed(4)
    config = IstftnetConfig(**{**vars(HYBRID), "harmonics": 2})
    net, frames = IstftnetGenerator(config, 5, sample_rate=8000).eval(), torch.randn(2, 6, 5)
    low = Melody(torch.full((2, 6), 100.0), torch.ones(2, 6))
    wav = net(frames, melody=low)
    assert wav.shape == (2, 1, 96)
    high = Melody(torch.full((2, 6), 150.0), torch.ones(2, 6))
    assert (net(frames, melody=high) - wav).abs().max() > 1e-3
    valid = valid_positions(torch.tensor([3, 6]), 6)
    together = net(frames, None, valid, low)[0, :, :48]
    alone = net(frames[:1, :3], melody=Melody(low.f0_hz[:1, :3], low.voiced[:1, :3]))[0]
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("kind", "changes", "said"),
    [
        (IstftConfig, {"n_fft": 400}, r"n_fft: must be even, .* twice hop \(256\), got 400"),
        (IstftConfig, {"n_fft": 1025}, r"n_fft: must be even, .*, got 1025"),
        (IstftConfig, {"n_fft": 2, "hop": 1}, r"n_fft: must be even, at least 4 .*, got 2"),
        (IstftConfig, {"kernel": 4}, "kernel: must be odd, got 4"),
        (IstftConfig, {"layers": 0}, r"layers: must be in \[1, 256\], got 0"),
        (IstftnetConfig, {"n_fft": 6}, r"n_fft: must be .* twice transform_hop \(4\), got 6"),
        (IstftnetConfig, {"channels": 10}, "channels: 10 cannot be halved 2 times"),
    ],
)
def test_impossible_sizes_are_refused(kind: Any, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        kind(**changes)


@pytest.mark.slow
@BOTH
def test_exporters_see_plain_operations_at_any_length(config: Any) -> None:
    net = fold_weight_norm(make(config))
    frames = torch.export.Dim("frames", min=2, max=5000)
    exported = torch.export.export(net, (torch.randn(1, 7, 5),), dynamic_shapes=({1: frames},))
    names = " ".join(str(node.target) for node in exported.graph.nodes)
    assert not any(word in names for word in ("complex", "fft", "polar", "autocast"))
    other = torch.randn(1, 33, 5)
    torch.testing.assert_close(exported.module()(other), net(other))
