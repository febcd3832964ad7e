"""Vocoders: mel spectrogram to waveform, by any of the waveform generators.

Everything outside speaks one language, log10 mel amplitudes as ``dsp/mel.py`` makes them, not
normalised: a vocoder so fits every model and corpus with its audio settings, needs no statistics,
and is trained from recordings alone. The generator sees natural logarithms with a floor, as
HiFi-GAN's does, so that its published weights mean the same here.

Axes: B utterances, T frames, M mel bands, S samples.

Source: Kong et al. 2020, HiFi-GAN, arXiv:2010.05646.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from malsori.core.config import Choice, build, choice
from malsori.core.errors import ConfigError
from malsori.core.ranges import SIZE, within
from malsori.core.registry import Entry
from malsori.dsp.audio_config import AudioConfig
from malsori.dsp.mel import HifiganSpectrogram, MelFrames, Spectrogram
from malsori.models.jets import GeneratorSettings, check_hop
from malsori.models.plan import sound_windows
from malsori.models.voice import VoiceContext
from malsori.modules import GENERATORS
from malsori.modules.lengths import valid_positions

SPECTROGRAMS = {"centred": Spectrogram, "hifigan": HifiganSpectrogram}
FLOOR = 1e-5
"""Smallest mel amplitude that the generator sees."""


@dataclass(frozen=True, kw_only=True)
class VocoderConfig:
    """A vocoder; the defaults are HiFi-GAN V1."""

    generator: Choice = choice(GENERATORS, "hifigan_v1")
    """Mel to waveform."""
    mel: Literal["centred", "hifigan"] = "centred"
    """Where frames lie: centred, about the first of their samples, as for every model here that
    predicts mels; hifigan, about the middle, as in its authors' code and published weights."""
    segment: int = 32
    """Frames of the random windows that it is trained on; shorter in batches with a recording
    shorter than that."""

    def __post_init__(self) -> None:
        within(self, SIZE, "segment")
        settings: GeneratorSettings = self.generator.config
        if settings.harmonics:
            raise ConfigError(
                f"generator.harmonics: a vocoder is given no pitch to sing, set 0, got "
                f"{settings.harmonics}"
            )

    def check(self, audio: AudioConfig) -> None:
        """Refuse audio settings that the generator does not fit."""
        check_hop(self.generator, audio.hop)


@runtime_checkable
class VocodingModel(Protocol):
    """A network from mel to waveform, and the mel that it wants."""

    segment: int
    """Frames of the windows that it is trained on."""
    hop: int
    """Samples made from each frame."""
    context: int | None
    """Frames on either side that a frame's samples hang on; None for all of them."""
    spectrogram: Spectrogram
    """What it hears of recordings."""

    def analyse(self, wav: Tensor, wav_lengths: Tensor) -> MelFrames:
        """Return the mel spectrograms of recordings."""
        ...

    def __call__(self, mel: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return samples for log10 mel amplitudes."""
        ...


class Vocoder(nn.Module):
    """Mel spectrogram to waveform.

    Args:
        config: Settings.
        context: The audio settings; a vocoder needs no more of the data.
    """

    def __init__(self, config: VocoderConfig, context: VoiceContext) -> None:
        super().__init__()
        audio = context.audio
        config.check(audio)
        self.segment, self.hop, self.bands = config.segment, audio.hop, audio.mel_bands
        settings: GeneratorSettings = config.generator.config
        self.context: int | None = settings.context
        self.spectrogram = SPECTROGRAMS[config.mel](audio)
        self.generator = build(
            GENERATORS, config.generator, width=audio.mel_bands, sample_rate=audio.sample_rate
        )

    @torch.no_grad()
    def analyse(self, wav: Tensor, wav_lengths: Tensor) -> MelFrames:
        """Return the mel spectrograms of recordings, in fp32.

        Args:
            wav: (B, S), full scale 1.
            wav_lengths: (B,).
        """
        with torch.autocast(wav.device.type, enabled=False):
            mel, _ = self.spectrogram(wav, wav_lengths)
        return MelFrames(mel, self.spectrogram.frames(wav_lengths))

    def forward(self, mel: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return samples in (−1, 1), (B, 1, T · hop).

        Args:
            mel: Log10 mel amplitudes, (B, T, M), not normalised.
            valid: True where data is, (B, T); what lies behind an utterance's end then counts as
                nothing, so that a batch gives the samples of its parts alone. Not needed where all
                are equally long.

        Raises:
            ConfigError: ``mel`` has another number of bands.
        """
        if mel.shape[-1] != self.bands:
            raise ConfigError(f"mel: needs {self.bands} bands, got {mel.shape[-1]}")
        seen = (mel.float() * math.log(10)).clamp_min(math.log(FLOOR))
        return self.generator(seen, valid=valid)  # type: ignore[no-any-return]


class Sound(NamedTuple):
    """Waveforms of a batch."""

    wav: Tensor
    """(B, S), full scale 1; zero behind an utterance's end."""
    wav_lengths: Tensor
    """(B,)."""


def vocode(model: VocodingModel, mel: Tensor, mel_lengths: Tensor) -> Sound:
    """Return the waveforms of whole utterances.

    Args:
        model: The vocoder.
        mel: Log10 mel amplitudes, (B, T, M), not normalised.
        mel_lengths: (B,).
    """
    pieces = sound_windows(
        lambda start, end, valid: model(mel[:, start:end], valid),
        *(mel_lengths, model.hop, model.context),
    )
    wav, wav_lengths = torch.cat(list(pieces), 1), mel_lengths * model.hop
    return Sound(wav * valid_positions(wav_lengths, wav.shape[1]), wav_lengths)


ENTRY = Entry(
    config=VocoderConfig,
    build=Vocoder,
    summary="HiFi-GAN and the other waveform generators alone: mel to waveform",
    source="Kong et al. 2020, arXiv:2010.05646",
)
