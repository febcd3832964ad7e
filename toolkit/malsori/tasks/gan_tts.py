"""GAN text-to-speech: a model from tokens to waveform against an ensemble of discriminators.

Axes: B utterances, T frames, S samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from malsori.core.config import Choice, build, choice
from malsori.core.registry import Entry
from malsori.data.batch import Batch
from malsori.dsp.cepstrum import mel_cepstral_distortion
from malsori.losses import ADVERSARIAL, LOSSES, RECONSTRUCTIONS
from malsori.losses.adversarial import feature_matching_loss
from malsori.models import MODELS
from malsori.models.voice import Conditions, Speech, VoiceOutput
from malsori.modules.alignment import diagonality
from malsori.modules.discriminators import DiscriminatorConfig, Discriminators
from malsori.modules.features import FeatureExtractor, Features
from malsori.modules.lengths import windows
from malsori.tasks.plots import alignment_picture, mel_picture
from malsori.tasks.task import Demonstration, TaskContext, Turn, loss_weights


@dataclass(frozen=True, kw_only=True)
class GanTtsConfig:
    """Losses and discriminators; the defaults are those of the JETS recipe."""

    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    """The ensemble that judges waveforms."""
    adversarial: Choice = choice(ADVERSARIAL, "least_squares")
    """The game between generator and discriminators."""
    reconstruction: Choice = choice(RECONSTRUCTIONS, "mel")
    """Distance of generated segments from recorded ones."""
    weights: dict[str, float] = field(default_factory=dict)
    """Loss weights that differ from the reference recipe: adversarial 1, reconstruction 45,
    feature_matching 2, and those of the model."""


class Pass(NamedTuple):
    """One forward pass: what was generated, and what was recorded at the same place."""

    output: VoiceOutput
    real: Tensor
    """(B, 1, segment · hop)."""


class GanTts(nn.Module):
    """Generator first, then discriminator; one pass of the discriminator serves both turns.

    The discriminator's weights and inputs are the same in both turns, so that its graph is built
    once: the generator's turn runs back through it to the generator's parameters only, then the
    discriminator's turn to its own.
    """

    averaged = "generator"
    metrics: Mapping[str, bool] = {"mcd": False, "diagonality": True}

    def __init__(self, config: GanTtsConfig, context: TaskContext) -> None:
        super().__init__()
        self.audio = context.voice.audio
        self.model = build(MODELS, context.model, context=context.voice)
        self.discriminator = Discriminators(config.discriminator)
        self.features = FeatureExtractor(self.audio, context.statistics)
        self.adversarial = build(ADVERSARIAL, config.adversarial)
        self.reconstruction = build(RECONSTRUCTIONS, config.reconstruction, audio=self.audio)
        own: Mapping[str, float] = self.model.loss_weights
        reference = {"adversarial": 1.0, "reconstruction": 45.0, "feature_matching": 2.0, **own}
        self.weights = {
            "generator": loss_weights(reference, config.weights, list(reference)),
            "discriminator": {"real": 1.0, "fake": 1.0},
        }
        self.model_losses = {
            name: build(LOSSES, Choice(name, LOSSES.entry(name).config())) for name in own
        }
        self.validation_losses = (*own, "reconstruction")

    @property
    def players(self) -> Mapping[str, nn.Module]:
        """The generator, then the discriminator."""
        return {"generator": self.model, "discriminator": self.discriminator}

    def turns(self, batch: Batch) -> Iterator[Turn]:
        """Yield the generator's turn, then the discriminator's."""
        output, real = self._generate(batch)
        judged = self.discriminator(real, output.fake)
        losses = self._own_losses(output, real)
        losses["adversarial"] = self.adversarial.generator(judged.fake)
        losses["feature_matching"] = feature_matching_loss(judged.real, judged.fake)
        yield Turn(player="generator", losses=losses, retain_graph=True)
        on_real, on_fake = self.adversarial.discriminator(judged.real, judged.fake)
        yield Turn(player="discriminator", losses={"real": on_real, "fake": on_fake})

    @torch.no_grad()
    def validate(self, batch: Batch) -> dict[str, Tensor]:
        """Return the model's own losses and the reconstruction loss on one batch."""
        output, real = self._generate(batch)
        return self._own_losses(output, real)

    @torch.no_grad()
    def demonstrate(self, batch: Batch) -> Demonstration:
        """Speak the batch's tokens freely, and align its recordings.

        The metrics are the mel-cepstral distortion of free speech from the recordings, in dB after
        time warping, and the diagonality of the alignment.
        """
        features = self._features(batch)
        conditions = _conditions(batch)
        speech: Speech = self.model.synthesize(
            batch.tokens,
            batch.token_lengths,
            conditions.with_own_style(features.mel, features.mel_lengths),
        )
        prosody, log_p = self.model.analyse(
            batch.tokens,
            batch.token_lengths,
            features.mel,
            features.mel_lengths,
            features.pitch,
            features.energy,
            conditions,
        )
        sharp = diagonality(log_p, batch.token_lengths, features.mel_lengths)
        show = Demonstration(sample_rate=self.audio.sample_rate)
        distances = []
        for i, name in enumerate(batch.ids):
            recorded = batch.wav[i, : batch.wav_lengths[i]].cpu().numpy()
            spoken = speech.wav[i, : speech.wav_lengths[i]].cpu().numpy()
            distances.append(mel_cepstral_distortion(recorded, spoken, self.audio.sample_rate))
            show.audio[f"{name}/recorded"] = recorded
            show.audio[f"{name}/spoken"] = spoken
            frames, tokens = int(features.mel_lengths[i]), int(batch.token_lengths[i])
            show.images[f"{name}/alignment"] = alignment_picture(
                log_p[i, :frames, :tokens].softmax(-1).cpu().numpy(),
                prosody.durations[i, :tokens].cpu().numpy(),
                f"{name}: diagonality {float(sharp[i]):.3f}",
            )
            show.images[f"{name}/mel"] = mel_picture(
                {"recorded": self._log_mel(recorded), "spoken": self._log_mel(spoken)}, name
            )
        show.metrics["mcd"] = float(np.mean(distances))
        show.metrics["diagonality"] = float(sharp.mean())
        return show

    def _generate(self, batch: Batch) -> Pass:
        features = self._features(batch)
        output: VoiceOutput = self.model(
            batch.tokens,
            batch.token_lengths,
            features.mel,
            features.mel_lengths,
            features.pitch,
            features.energy,
            _conditions(batch),
        )
        hop = self.audio.hop
        real = windows(batch.wav, output.starts * hop, output.segment * hop)
        return Pass(output, real[:, None])

    def _own_losses(self, output: VoiceOutput, real: Tensor) -> dict[str, Tensor]:
        losses = {name: loss(output) for name, loss in self.model_losses.items()}
        losses["reconstruction"] = self.reconstruction(output.fake, real)
        return losses

    def _features(self, batch: Batch) -> Features:
        found: Features = self.features(batch.wav, batch.wav_lengths, batch.log_f0)
        return found

    def _log_mel(self, wav: Any) -> Any:
        device = self.features.spectrogram.window.device
        samples = torch.from_numpy(wav).to(device)[None]
        mel, _ = self.features.spectrogram(samples, torch.tensor([len(wav)], device=device))
        return mel[0].cpu().numpy()


def _conditions(batch: Batch) -> Conditions:
    return Conditions(speaker=batch.speaker, language=batch.language)


ENTRY = Entry(
    config=GanTtsConfig,
    build=GanTts,
    summary="text to waveform, adversarially trained (JETS, VITS)",
    source="Kong et al. 2020, arXiv:2010.05646; Lim et al. 2022, arXiv:2203.16852",
)
