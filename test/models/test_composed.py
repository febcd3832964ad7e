"""A voice of two parts: the mel is put back to scale, and the vocoder hears nothing else."""

from __future__ import annotations

from typing import Any

import torch
from test_fastspeech2 import AUDIO, batch, make
from torch import Tensor, nn

from malsori.dsp.griffin_lim import GriffinLim
from malsori.dsp.statistics import Statistics
from malsori.models.composed import ComposedModel
from malsori.models.voice import AligningModel, Controls, SpeakingModel

STATISTICS = Statistics(
    mel_mean=(-1.0, -2.0, -3.0, -4.0, -5.0, -6.0),
    mel_std=(0.5,) * 6,
    pitch_mean=5.0,
    pitch_std=0.3,
    energy_mean=1.0,
    energy_std=1.0,
)


class Echo(nn.Module):
    """A vocoder whose samples are the mel's second band."""

    segment, hop, context, spectrogram = 1, AUDIO.hop, 0, None

    def analyse(self, wav: Tensor, wav_lengths: Tensor) -> Any:
        raise NotImplementedError

    def forward(self, mel: Tensor, valid: Tensor | None = None) -> Tensor:
        return mel[:, None, :, 1].repeat_interleave(self.hop, -1)


def test_the_mel_is_as_it_was_before_it_was_normalised() -> None:
    net, parts = make().eval(), batch()
    tokens, lengths = parts["tokens"], parts["token_lengths"]
    voice = ComposedModel(net, Echo(), STATISTICS)
    how = Controls(speed=1.5)
    said, speech = (
        net.recite(tokens, lengths, controls=how),
        voice.synthesize(tokens, lengths, controls=how),
    )
    frames = said.mel_lengths.tolist()
    assert speech.wav_lengths.tolist() == [16 * count for count in frames]
    assert speech.mel is not None
    for row, count in enumerate(frames):
        expected = said.mel[row, :count] * 0.5 - torch.arange(1, 7)
        torch.testing.assert_close(speech.mel[row, :count], expected)
        assert not speech.mel[row, count:].any() and not speech.wav[row, 16 * count :].any()
        torch.testing.assert_close(speech.wav[row, : 16 * count : 16], expected[:, 1])
    assert torch.equal(speech.prosody.durations, said.prosody.durations)


def test_it_speaks_and_aligns_as_others_do() -> None:
    voice = ComposedModel(make(), Echo(), STATISTICS)
    assert isinstance(voice, SpeakingModel) and isinstance(voice, AligningModel)
    assert not voice.uses_style and not voice.is_provisional
    assert ComposedModel(make(), GriffinLim(AUDIO), STATISTICS).is_provisional


def test_griffin_lim_lets_a_batch_speak_as_its_utterances_alone() -> None:
    net, parts = make("wavelet").eval(), batch(loud=True)
    tokens, lengths = parts["tokens"], parts["token_lengths"]
    voice = ComposedModel(net, GriffinLim(AUDIO, iterations=3), STATISTICS)
    together = voice.synthesize(tokens, lengths)
    for row, count in enumerate(lengths.tolist()):
        alone = voice.synthesize(tokens[row : row + 1, :count], lengths[row : row + 1])
        end = int(alone.wav_lengths[0])
        assert int(together.wav_lengths[row]) == end
        torch.testing.assert_close(together.wav[row, :end], alone.wav[0], atol=1e-4, rtol=1e-3)
    assert together.wav.abs().max() > 1e-4
