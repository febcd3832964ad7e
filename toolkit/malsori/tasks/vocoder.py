"""Vocoder: mel spectrogram to waveform, against an ensemble of discriminators.

It is trained on recordings alone: no texts, no F0, no statistics.

Axes: B utterances, T frames, S samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from malsori.core.config import build
from malsori.core.errors import ConfigError
from malsori.core.registry import Entry
from malsori.data.batch import Batch
from malsori.dsp.mel import MelFrames
from malsori.models import MODELS
from malsori.models.vocoder import VocodingModel, vocode
from malsori.modules.lengths import random_starts, windows
from malsori.tasks.adversarial import AdversarialConfig, AdversarialTask
from malsori.tasks.demonstration import beside_recordings
from malsori.tasks.task import Demonstration, Material, TaskContext, Turn


@dataclass(frozen=True, kw_only=True)
class VocoderTaskConfig(AdversarialConfig):
    """Losses and discriminators; the defaults are those of the JETS recipe."""

    material: ClassVar[Material] = "recordings"


class Segments(NamedTuple):
    """Generated and recorded waveforms at the same place, (B, 1, segment · hop) each."""

    fake: Tensor
    real: Tensor


class VocoderTask(AdversarialTask):
    """Random segments, made from the mel of the whole recording or from one that is given."""

    metrics: Mapping[str, bool] = {"mcd": False}

    def __init__(self, config: VocoderTaskConfig, context: TaskContext) -> None:
        model: Any = build(MODELS, context.model, context=context.voice)
        if not isinstance(model, VocodingModel):
            raise ConfigError(
                f"model.name: the task vocoder trains 'hifigan', not {context.model.name!r}, which "
                "makes no waveform of mel spectrograms"
            )
        super().__init__(config, model, context.voice.audio, own={})

    def turns(self, batch: Batch) -> Iterator[Turn]:
        """Yield the generator's turn, then the discriminator's."""
        fake, real = self._generate(batch)
        yield from self.play(fake, real, {"reconstruction": self.reconstruction(fake, real)})

    @torch.no_grad()
    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """Return the reconstruction loss on one batch."""
        return {"reconstruction": self.reconstruction(*self._generate(batch))}

    @torch.no_grad()
    def demonstrate(self, batch: Batch) -> Demonstration:
        """Make the whole recordings again from their mel spectrograms."""
        made = vocode(self.model, *self._mel(batch))
        return beside_recordings(batch, made.wav, made.wav_lengths, self.model.spectrogram)

    def _mel(self, batch: Batch) -> MelFrames:
        if batch.mel is None or batch.mel_lengths is None:
            found: MelFrames = self.model.analyse(batch.wav, batch.wav_lengths)
            return found
        return MelFrames(batch.mel, batch.mel_lengths)

    def _shortest(self, batch: Batch, lengths: Tensor) -> int:
        """Return the frames of the shortest recording, which a batch from the host remembers."""
        known = batch.shortest_mel
        if batch.mel is None and batch.shortest_wav is not None:
            known = int(self.model.spectrogram.frames(torch.tensor(batch.shortest_wav)))
        return int(lengths.min()) if known is None else known

    def _generate(self, batch: Batch) -> Segments:
        mel, lengths = self._mel(batch)
        segment, hop = min(self.model.segment, self._shortest(batch, lengths)), self.model.hop
        starts = random_starts(lengths, segment)
        fake = self.model(windows(mel, starts, segment))
        real = windows(batch.wav, starts * hop, segment * hop)
        return Segments(fake, real[:, None])


ENTRY = Entry(
    config=VocoderTaskConfig,
    build=VocoderTask,
    summary="mel to waveform, adversarially trained on recordings alone (HiFi-GAN)",
    source="Kong et al. 2020, arXiv:2010.05646",
)
