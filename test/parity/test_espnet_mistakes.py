"""ESPnet's known mistakes (`jets.md`, B1 to B15), shown in ESPnet and absent here.

B2, B4 and B8 are about its command line, controls and criterion, and have no counterpart to run.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from espnet_pair import AUDIO, OURS, THEIRS, make_pair, speech

from malsori.core.config import from_dict
from malsori.core.errors import ConfigError
from malsori.models.jets import Jets, JetsConfig
from malsori.models.voice import VoiceContext
from malsori.modules.alignment import beta_binomial_log_prior
from malsori.modules.discriminators import DiscriminatorConfig, Discriminators
from malsori.modules.lengths import random_starts
from malsori.modules.upsampling import gaussian_upsample

pytestmark = pytest.mark.usefixtures("espnet")


def test_b1_features_are_normalised_once(tmp_path: Path) -> None:
    from espnet2.layers.global_mvn import GlobalMVN

    np.savez(tmp_path / "stats.npz", count=10, sum=np.array([50.0]), sum_square=np.array([300.0]))
    normalise = GlobalMVN(tmp_path / "stats.npz")
    handed_in = torch.full((1, 4, 1), 7.0)
    once = normalise(handed_in, torch.tensor([4]))[0].clone()
    twice = normalise(handed_in, torch.tensor([4]))[0]
    assert not torch.equal(once, twice)  # theirs works in place
    pair, batch = make_pair({}, {}), speech((12,), (5,))
    before = batch.log_f0.clone()
    first = pair.ours.features(batch.wav, batch.wav_lengths, batch.log_f0)
    second = pair.ours.features(batch.wav, batch.wav_lengths, batch.log_f0)
    assert torch.equal(batch.log_f0, before) and torch.equal(first.pitch, second.pitch)


def test_b3_a_batch_is_as_long_as_its_longest_not_as_their_sum() -> None:
    from espnet2.gan_tts.jets.length_regulator import GaussianUpsampling

    hidden, durations = torch.randn(2, 3, 4), torch.tensor([[2, 1, 3], [1, 1, 1]])
    assert GaussianUpsampling()(hidden, durations).shape[1] == 9
    pair = make_pair({}, {})
    net = pair.ours.model.eval()
    with torch.no_grad():
        spoken = net.synthesize(torch.randint(1, 9, (2, 3)), torch.tensor([3, 3]))
    frames = spoken.prosody.durations.sum(1)
    assert spoken.wav.shape[1] == int(frames.max()) * net.hop
    out = gaussian_upsample(
        hidden, durations, torch.tensor([3, 3]), durations.sum(1), int(durations.sum(1).max())
    )
    assert out.shape[1] == 6


def test_b5_the_last_window_is_drawn_too() -> None:
    from espnet2.gan_tts.utils.get_random_segments import get_random_segments

    lengths = torch.full((4000,), 9)
    torch.manual_seed(0)
    _, theirs = get_random_segments(torch.zeros(4000, 1, 9), lengths.clone(), 6)
    assert set(theirs.tolist()) == {0, 1, 2}
    assert set(random_starts(lengths, 6).tolist()) == {0, 1, 2, 3}


def test_b6_an_utterance_shorter_than_the_segment_trains() -> None:
    from espnet2.gan_tts.utils.get_random_segments import get_random_segments

    with pytest.raises(RuntimeError):
        get_random_segments(torch.zeros(1, 1, 4), torch.tensor([4]), 6)
    pair, batch = make_pair({}, {}), speech((4, 20), (3, 6))
    output, real = pair.ours._generate(batch)
    assert output.segment == 4 and output.fake.shape == real.shape


def test_b7_weight_norm_keeps_hifigans_initial_weights() -> None:
    from espnet2.gan_tts.jets.generator import JETSGenerator

    torch.manual_seed(0)
    theirs = JETSGenerator(idim=9, odim=12, **{**THEIRS, "generator_channels": 64}).generator
    gains = theirs.upsamples[0][1].weight_g
    assert 0.3 < float((gains < 0).float().mean()) < 0.7  # half of them negative
    context = VoiceContext(audio=AUDIO, tokens=9)
    for kind, proper in (("proper", True), ("espnet", False)):
        generator = {**OURS["generator"], "channels": 64, "initial_std": 0.01}
        tree = {**OURS, "generator": generator, "initialisation": kind}
        del tree["name"]
        layer = Jets(from_dict(JetsConfig, tree), context).generator.upsamplers[0]
        ours = layer.parametrizations.weight.original0
        assert bool((ours > 0).all()) == proper
        if proper:
            assert float(layer.weight.std()) == pytest.approx(0.01, rel=0.05)
        else:
            assert ours.shape == gains.shape
            assert float(ours.std()) == pytest.approx(float(gains.std()), rel=0.5)


def test_b10_rows_of_the_prior_sum_to_one() -> None:
    from espnet2.gan_tts.jets.alignments import AlignmentModule

    tokens, frames = torch.tensor([20]), torch.tensor([50])
    theirs = AlignmentModule(8, 12)._generate_prior(tokens, frames).exp().sum(-1)
    assert theirs.min() < 0.3 and theirs.max() <= 1.001
    published = beta_binomial_log_prior(tokens, frames, 20, 50, "published").exp().sum(-1)
    torch.testing.assert_close(published, theirs.float(), rtol=1e-5, atol=1e-6)
    proper = beta_binomial_log_prior(tokens, frames, 20, 50, "proper").exp().sum(-1)
    torch.testing.assert_close(proper, torch.ones(1, 50), rtol=1e-5, atol=1e-5)


def test_b11_fewer_frames_than_tokens_pass_there() -> None:
    """Here stage 3 rejects them with the reason: test/data/test_stats.py."""
    from espnet2.gan_tts.jets.alignments import viterbi_decode
    from espnet2.gan_tts.jets.loss import ForwardSumLoss

    log_p = torch.randn(1, 4, 7).log_softmax(-1)
    tokens, frames = torch.tensor([7]), torch.tensor([4])
    assert float(ForwardSumLoss()(log_p, tokens, frames)) == 0.0
    durations, _ = viterbi_decode(log_p, tokens, frames)
    assert (durations[0, :3] == 0).all()


def test_b12_the_period_discriminator_has_hifigans_kernel() -> None:
    pair = make_pair({}, {})
    theirs = pair.theirs.discriminator.mpd.discriminators[0].output_conv
    assert tuple(theirs.kernel_size) == (2, 1)
    assert Discriminators(DiscriminatorConfig()).periods[0].score.kernel_size == (3, 1)


def test_b14_padded_f0_is_no_outlier() -> None:
    from espnet2.tts.feats_extract.dio import Dio

    batch = speech((12, 30), (5, 6))
    lengths = torch.tensor([12, 30])
    theirs, _ = Dio(fs=8000, hop_length=16, use_token_averaged_f0=False)(
        batch.wav, batch.wav_lengths, lengths
    )
    assert (theirs[0, 12:] == 0).all()  # log F0 of 0: 1 Hz
    pair = make_pair({}, {})
    ours = pair.ours.features(batch.wav, batch.wav_lengths, batch.log_f0)
    assert (ours.pitch[0, 12:] == 0).all()  # normalised: the mean
    assert (batch.log_f0[0, 12:] == batch.log_f0[0, 11]).all()


def test_settings_name_the_differences() -> None:
    config = from_dict(JetsConfig, {})
    assert (config.prior, config.padding, config.initialisation) == ("proper", "masked", "proper")
    with pytest.raises(ConfigError, match="padding"):
        from_dict(JetsConfig, {"padding": "leaky"})
