"""Features of a batch: normalised once, the same each time, nothing from padding."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from malsori.core.errors import ConfigError
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.statistics import Statistics
from malsori.modules.features import FeatureExtractor

AUDIO = AudioConfig(sample_rate=8000, n_fft=64, window=64, hop=16, mel_bands=6, mel_high_hz=4000)
STATISTICS = Statistics(
    mel_mean=(-1.0, -2.0, -3.0, -4.0, -5.0, -6.0),
    mel_std=(1.0, 0.5, 2.0, 1.0, 3.0, 1.0),
    pitch_mean=5.0,
    pitch_std=0.25,
    energy_mean=2.0,
    energy_std=4.0,
)
COMPUTED = ("mel", "mel_lengths", "pitch", "energy")


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    torch.manual_seed(7)
    wav, lengths = torch.randn(2, 200) * 0.1, torch.tensor([101, 200])
    log_f0 = torch.rand(2, 13) + 4.5
    return wav, lengths, log_f0


def test_features_are_the_same_twice_and_the_batch_is_unchanged() -> None:
    """Normalising in place would normalise the second turn's features twice (B1)."""
    extract = FeatureExtractor(AUDIO, STATISTICS)
    given = batch()
    before = [part.clone() for part in given]
    first, second = extract(*given), extract(*given)
    for name in COMPUTED:
        assert torch.equal(getattr(first, name), getattr(second, name))
    for now, then in zip(given, before, strict=True):
        assert torch.equal(now, then)


def test_features_are_normalised() -> None:
    extract = FeatureExtractor(AUDIO, STATISTICS)
    wav, lengths, log_f0 = batch()
    found = extract(wav, lengths, log_f0)
    mel, energy = extract.spectrogram(wav, lengths)
    assert found.mel_lengths.tolist() == [7, 13]
    expected = (mel[1].numpy() - np.array(STATISTICS.mel_mean)) / np.array(STATISTICS.mel_std)
    np.testing.assert_allclose(found.mel[1], expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.pitch[1], (log_f0[1] - 5) / 0.25, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found.energy[1], (energy[1] - 2) / 4, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shortest_wav", [None, 101])
def test_a_window_is_no_longer_than_the_shortest_recording(shortest_wav: int | None) -> None:
    found = FeatureExtractor(AUDIO, STATISTICS)(*batch(), shortest_wav=shortest_wav)
    assert [found.window(size) for size in (4, 7, 64)] == [4, 7, 7]
    assert found.shortest == (shortest_wav and 7)


def test_padding_is_0_and_an_utterance_alone_is_the_same() -> None:
    extract = FeatureExtractor(AUDIO, STATISTICS)
    wav, lengths, log_f0 = batch()
    wav[0, 101:], log_f0[0, 7:] = 1e3, -1e3  # loud padding
    together = extract(wav, lengths, log_f0)
    alone = extract(wav[:1, :101], lengths[:1], log_f0[:1, :7])
    for name in ("mel", "pitch", "energy"):
        ours, theirs = getattr(together, name)[0], getattr(alone, name)[0]
        torch.testing.assert_close(ours[:7], theirs, atol=1e-5, rtol=1e-5)
        assert (ours[7:] == 0).all(), name  # the mean, not some −25 deviations (B14)


@given(
    st.lists(
        st.tuples(st.integers(1, 90), st.sampled_from([0.0, 1e-8, 0.1, 1.0, 1e4])),
        min_size=1,
        max_size=3,
    ),
    st.integers(0, 2**31),
)
@settings(max_examples=25, deadline=None)
def test_features_are_normalised_numbers_at_any_length_and_level(
    utterances: list[tuple[int, float]], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.tensor([length for length, _ in utterances])
    frames = int(lengths.max()) // 16 + 1
    wav = torch.full((len(utterances), int(lengths.max())), 1e5)  # loud padding
    for row, (length, level) in zip(wav, utterances, strict=True):
        row[:length] = torch.randn(length, generator=generator) * level
    log_f0 = torch.rand(len(utterances), frames + 2, generator=generator) * 3 + 4
    extract = FeatureExtractor(AUDIO, STATISTICS)
    found = extract(wav, lengths, log_f0)
    assert found.mel.shape == (len(utterances), frames, 6)
    for i, length in enumerate(lengths.tolist()):
        own = length // 16 + 1
        assert int(found.mel_lengths[i]) == own
        mel, energy = extract.spectrogram(wav[i : i + 1, :length], lengths[i : i + 1])
        expected = {
            "mel": (mel[0].numpy() - np.array(STATISTICS.mel_mean)) / np.array(STATISTICS.mel_std),
            "pitch": (log_f0[i, :own].numpy() - 5) / 0.25,
            "energy": (energy[0].numpy() - 2) / 4,
        }
        for name, values in expected.items():
            part = getattr(found, name)[i].numpy()
            np.testing.assert_allclose(part[:own], values, rtol=1e-3, atol=1e-3)
            assert np.isfinite(part).all() and (part[own:] == 0).all()


def test_features_stay_in_fp32_under_autocast_and_carry_no_gradient() -> None:
    extract = FeatureExtractor(AUDIO, STATISTICS)
    given = batch()
    plain = extract(*given)
    with torch.autocast("cpu", torch.bfloat16):
        cast = extract(*given)
    for name in COMPUTED:
        x, y = getattr(plain, name), getattr(cast, name)
        assert torch.equal(x, y) and x.dtype == y.dtype and not y.requires_grad


def test_nothing_of_it_is_saved_in_checkpoints() -> None:
    assert not FeatureExtractor(AUDIO, STATISTICS).state_dict()


def test_statistics_of_other_bands_are_refused() -> None:
    audio = AudioConfig(sample_rate=8000, mel_high_hz=4000, mel_bands=20)
    with pytest.raises(ConfigError, match="mel_bands: 20, but the statistics have 6 bands"):
        FeatureExtractor(audio, STATISTICS)
