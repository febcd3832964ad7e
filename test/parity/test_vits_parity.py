"""Our parts of VITS with ESPnet's weights compute what ESPnet's do: values, gradients, alignments.

Padding never enters the posterior encoder, the flow and the duration predictor of either side, so
that what is compared includes padded batches as they are. ESPnet's text encoder is its conformer,
whose convolutions read padding: it is compared with ``masked=False``, as test_conformer_parity.py
does. Where else ESPnet differs: the last layer of each of its WaveNets has a residual half that
nothing reads (its weights' gradient is 0); on ties its search stays with the later token.
"""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from test_conformer_parity import compare
from torch import Tensor, nn
from vits_pair import (
    BINS,
    TOKENS,
    WIDTH,
    column,
    compare_gradients,
    make_durations,
    make_flow,
    make_posterior,
    make_text,
    speakers,
)

from malsori.losses.prior import prior_divergence
from malsori.modules.lengths import valid_positions
from malsori.modules.prior_search import prior_log_likelihood, search_prior

LENGTHS = ([9, 4, 1], [1], [7, 7], [30, 17])
CONDITIONS = pytest.mark.parametrize("condition", [0, 5], ids=["alone", "speaker"])


@CONDITIONS
@pytest.mark.parametrize(
    "sizes", [{}, {"layers": 6, "kernel": 3, "dilation": 2, "cycles": 2}], ids=["vits", "dilated"]
)
def test_posterior_encoder(espnet: object, sizes: dict[str, int], condition: int) -> None:
    ours, theirs = make_posterior(condition, **sizes)
    for lengths in map(torch.tensor, LENGTHS):
        valid = valid_positions(lengths, int(lengths.max()))
        x, who = 3 * torch.randn(*valid.shape, BINS), speakers(len(lengths), condition)
        torch.manual_seed(0)
        expected = theirs(x.mT, lengths, g=column(who))
        torch.manual_seed(0)
        noise = torch.randn(len(lengths), WIDTH, valid.shape[1]).mT
        found = ours(x, valid, who, noise)
        weights = torch.randn(3, *found.sample.shape)
        for name, own, other in zip(("sample", "mean", "scale"), found, expected, strict=False):
            compare(own, other.mT, 1e-5, name)
        sum((p * w).sum() for p, w in zip(found, weights, strict=True)).backward()
        sum((p.mT * w).sum() for p, w in zip(expected[:3], weights, strict=True)).backward()
        compare_gradients(ours, theirs)


@CONDITIONS
@pytest.mark.parametrize("couplings", [1, 4])
def test_flow_both_ways(espnet: object, couplings: int, condition: int) -> None:
    ours, theirs = make_flow(condition, couplings)
    for lengths, inverse in itertools.product(map(torch.tensor, LENGTHS), (False, True)):
        valid = valid_positions(lengths, int(lengths.max()))
        x = torch.randn(*valid.shape, WIDTH) * valid[..., None]
        who = speakers(len(lengths), condition)
        mask = valid[:, None].float()
        inputs = [x.clone().requires_grad_() for _ in range(2)]
        found = (ours.inverse if inverse else ours)(inputs[0], valid, who)
        expected = theirs(inputs[1].mT, mask, g=column(who), inverse=inverse).mT
        compare(found, expected, 1e-5, "output")
        weights = torch.randn(found.shape)
        (found * weights).sum().backward()
        (expected * weights).sum().backward()
        compare(inputs[0].grad * valid[..., None], inputs[1].grad * valid[..., None], 1e-4, "input")
        compare_gradients(ours, theirs)


@CONDITIONS
def test_stochastic_durations_both_ways(espnet: object, condition: int) -> None:
    ours, theirs = make_durations(condition)
    for lengths in map(torch.tensor, LENGTHS):
        valid = valid_positions(lengths, int(lengths.max()))
        mask = valid[:, None].float()
        hidden, who = torch.randn(*valid.shape, WIDTH), speakers(len(lengths), condition)
        durations = torch.randint(1, 12, valid.shape) * valid
        torch.manual_seed(0)
        expected = theirs(hidden.mT, mask, w=durations[:, None].float(), g=column(who))
        torch.manual_seed(0)
        noise = torch.randn(len(lengths), 2, valid.shape[1]).mT
        found = ours(hidden, valid, durations, who, noise)
        compare(found, expected, 1e-5, "bound")
        weights = torch.randn(found.shape)
        (found * weights).sum().backward()
        (expected * weights).sum().backward()
        compare_gradients(ours, theirs)
        torch.manual_seed(1)
        expected = theirs(hidden.mT, mask, g=column(who), inverse=True, noise_scale=0.8)
        torch.manual_seed(1)
        noise = torch.randn(len(lengths), 2, valid.shape[1]).mT
        compare(ours.inverse(hidden, valid, who, noise, 0.8), expected, 1e-5, "log durations")


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize(("macaron", "convolution"), [(True, 0), (True, 7), (False, 0)], ids=str)
def test_text_encoder(espnet: object, macaron: bool, convolution: int, kernel: int) -> None:
    ours, theirs = make_text(macaron, convolution, kernel)
    ours.eval()
    theirs.eval()
    for lengths in map(torch.tensor, LENGTHS):
        valid = valid_positions(lengths, int(lengths.max()))
        tokens = torch.randint(1, TOKENS, valid.shape) * valid
        hidden, mean, log_scale, mask = theirs(tokens, lengths)
        expected = (hidden * mask, mean, log_scale)  # its encoding of padding is not masked
        found = ours(tokens, valid)
        weights = torch.randn(3, *found.mean.shape)
        for name, own, other in zip(found._fields, found, expected, strict=True):
            compare(own, other.mT, 1e-5, name)
        sum((p * w).sum() for p, w in zip(found, weights, strict=True)).backward()
        sum((p.mT * w).sum() for p, w in zip(expected, weights, strict=True)).backward()
        compare_gradients(ours, theirs, ("key.bias", "depthwise.bias"))


def espnet_search(log_p: Tensor, tokens: Tensor, frames: Tensor) -> Tensor:
    """Return the durations that ESPnet's search finds, without compiling it, (B, N)."""
    from espnet2.gan_tts.vits import monotonic_align

    search = monotonic_align.maximum_path_each_numba.py_func
    values, paths = log_p.numpy().copy(), np.zeros(log_p.shape, dtype=np.int32)
    for path, value, t, n in zip(paths, values, frames.tolist(), tokens.tolist(), strict=True):
        search(path, value, t, n)
    return torch.from_numpy(paths).sum(1)


def test_search(espnet: object) -> None:
    random = torch.Generator().manual_seed(3)
    for _ in range(30):
        tokens = torch.randint(1, 12, (3,), generator=random)
        frames = tokens + torch.randint(0, 30, (3,), generator=random)
        sizes = (3, int(frames.max())), (3, int(tokens.max()))
        z = torch.randn(*sizes[0], WIDTH, generator=random)
        mean = torch.randn(*sizes[1], WIDTH, generator=random)
        log_scale = 0.3 * torch.randn(*sizes[1], WIDTH, generator=random)
        found, _ = search_prior(z, mean, log_scale, tokens, frames)
        log_p = prior_log_likelihood(z, mean, log_scale)
        assert torch.equal(found, espnet_search(log_p, tokens, frames).long())


@CONDITIONS
def test_all_parts_together(
    espnet: object, condition: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything of ESPnet's generator that comes before the waveform, in one forward pass."""
    from espnet2.gan_tts.vits.generator import VITSGenerator

    ours = {
        "text_encoder": make_text(),
        "posterior_encoder": make_posterior(condition),
        "flow": make_flow(condition),
        "duration_predictor": make_durations(condition),
    }
    theirs = VITSGenerator(
        vocabs=TOKENS,
        aux_channels=BINS,
        hidden_channels=WIDTH,
        spk_embed_dim=condition or None,
        global_channels=condition or -1,
        segment_size=2,
        text_encoder_blocks=1,
        decoder_channels=8,
        decoder_upsample_scales=[2, 2],
        decoder_upsample_kernel_sizes=[4, 4],
        decoder_resblock_kernel_sizes=[3],
        decoder_resblock_dilations=[[1]],
    )
    for name, (_, part) in ours.items():
        setattr(theirs, name, part)
    theirs.maximum_path = lambda log_p, mask: _path(log_p, mask)
    theirs.eval()
    text, posterior, flow, durations_net = (own.eval() for own, _ in ours.values())
    tokens, frames = torch.tensor([5, 3]), torch.tensor([19, 11])
    ids = torch.randint(1, TOKENS, (2, 5)) * valid_positions(tokens, 5)
    spectrogram, vectors = torch.rand(2, 19, BINS), torch.randn(2, condition or 1)
    noises = torch.randn(2, 19, WIDTH), torch.randn(2, 5, 2)
    with monkeypatch.context() as patched:  # its text encoder draws, too
        patched.setattr(torch, "randn_like", lambda mean: noises[0].mT)
        patched.setattr(torch, "randn", lambda *size: noises[1].mT)
        _, bound, paths, _, _, _, latents = theirs(
            ids, tokens, spectrogram.mT, frames, spembs=vectors if condition else None
        )
    valid, heard = valid_positions(tokens, 5), valid_positions(frames, 19)
    unit = nn.functional.normalize(vectors)
    who = theirs.spemb_proj(unit) if condition else None
    prior = text(ids, valid)
    drawn = posterior(spectrogram, heard, who, noises[0])
    z = flow(drawn.sample, heard, who)
    durations, _ = search_prior(z, prior.mean, prior.log_scale, tokens, frames)
    assert torch.equal(durations, paths[:, 0].sum(1).long())
    for name, found, expected in zip(
        ("sample", "z"), (drawn.sample, z), (latents[0], latents[1]), strict=True
    ):
        compare(found, expected.mT, 1e-5, name)
    found = durations_net(prior.hidden, valid, durations, who, noises[1])
    compare(found, bound * tokens.sum(), 1e-5, "bound")


def test_distance_to_the_prior(espnet: object) -> None:
    from espnet2.gan_tts.vits.loss import KLDivergenceLoss

    valid = valid_positions(torch.tensor([9, 4]), 9)
    names = ("z", "posterior_log_scale", "prior_mean", "prior_log_scale")
    parts = {name: torch.randn(2, 9, WIDTH) for name in names}
    for part in parts.values():
        part.requires_grad_()
    found = prior_divergence(SimpleNamespace(**parts, valid_frames=valid))
    gradients = torch.autograd.grad(found, list(parts.values()))
    expected = KLDivergenceLoss()(*(p.mT for p in parts.values()), valid[:, None])
    compare(found, expected, 1e-5, "divergence")
    for name, own, other in zip(
        names, gradients, torch.autograd.grad(expected, list(parts.values())), strict=True
    ):
        compare(own, other, 1e-4, name)


def test_the_defaults_have_as_many_parameters(espnet: object) -> None:
    from espnet2.gan_tts.vits.generator import VITSGenerator

    from malsori.dsp.audio_config import AudioConfig
    from malsori.models.vits import Vits, VitsConfig
    from malsori.models.voice import VoiceContext

    theirs = VITSGenerator(vocabs=80, spks=3, global_channels=256)
    with torch.device("meta"):
        ours = Vits(VitsConfig(), VoiceContext(audio=AudioConfig(), tokens=80, speakers=3))
    sizes = [sum(p.numel() for p in net.parameters()) for net in (ours, theirs)]
    unread = 5 * 192 * (192 + 1 + 1)  # the half of five last layers: directions, gains, biases
    assert sizes[0] + unread == sizes[1]


def _path(log_p: Tensor, mask: Tensor) -> Tensor:
    """Return the path of ``espnet_search``, (B, T, N), as ESPnet's generator asks for it."""
    tokens, frames = mask.sum(2)[:, 0].long(), mask.sum(1)[:, 0].long()
    durations = espnet_search(log_p.contiguous(), tokens, frames)
    ends = durations.cumsum(1)[:, None]
    at = torch.arange(log_p.shape[1])[None, :, None]
    return ((at < ends) & (at >= ends - durations[:, None])).float()
