"""The game that makes waveforms sound real: one generator against an ensemble of discriminators.

Axes: B utterances, S samples.

Source: Kong et al. 2020, HiFi-GAN, arXiv:2010.05646, section 2.4.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from malsori.core.config import Choice, build, choice
from malsori.dsp.audio_config import AudioConfig
from malsori.losses import ADVERSARIAL, RECONSTRUCTIONS
from malsori.losses.adversarial import feature_matching_loss
from malsori.modules.discriminators import DiscriminatorConfig, Discriminators
from malsori.tasks.task import Turn, loss_weights


@dataclass(frozen=True, kw_only=True)
class AdversarialConfig:
    """Losses and discriminators; the defaults are those of the JETS recipe."""

    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    """The ensemble that judges waveforms."""
    adversarial: Choice = choice(ADVERSARIAL, "least_squares")
    """The game between generator and discriminators."""
    reconstruction: Choice = choice(RECONSTRUCTIONS, "mel")
    """Distance of generated segments from recorded ones."""
    weights: dict[str, float] = field(default_factory=dict)
    """Loss weights that differ from the reference recipe: adversarial 1, reconstruction 45 (mel)
    or 20 (stft), feature_matching 2, and those of the model."""


class AdversarialTask(nn.Module):
    """Generator first, then discriminator; one pass of the discriminator serves both turns.

    The discriminator's weights and inputs are the same in both turns, so that its graph is built
    once: the generator's turn runs back through it to the generator's parameters only, then the
    discriminator's turn to its own.

    Args:
        config: Losses and discriminators.
        model: The generator's side.
        audio: Sample rate and hop.
        own: Losses of the model's own with their weights in the reference recipe.
    """

    averaged = "generator"

    def __init__(
        self, config: AdversarialConfig, model: Any, audio: AudioConfig, own: Mapping[str, float]
    ) -> None:
        super().__init__()
        self.audio = audio
        self.model = model
        self.discriminator = Discriminators(config.discriminator)
        self.adversarial = build(ADVERSARIAL, config.adversarial)
        self.reconstruction = build(RECONSTRUCTIONS, config.reconstruction, audio=audio)
        weight = self.reconstruction.reference_weight
        reference = {"adversarial": 1.0, "reconstruction": weight, "feature_matching": 2.0, **own}
        self.weights = {
            "generator": loss_weights(reference, config.weights, list(reference)),
            "discriminator": {"real": 1.0, "fake": 1.0},
        }
        self.validation_losses = (*own, "reconstruction")

    @property
    def players(self) -> Mapping[str, nn.Module]:
        """The generator, then the discriminator."""
        return {"generator": self.model, "discriminator": self.discriminator}

    def play(self, fake: Tensor, real: Tensor, losses: Mapping[str, Tensor]) -> Iterator[Turn]:
        """Yield the generator's turn, then the discriminator's.

        Args:
            fake: Generated segments, (B, 1, S), with gradient.
            real: Recorded segments, (B, 1, S).
            losses: What else the generator minimises.
        """
        judged = self.discriminator(real, fake)
        losses = {
            **losses,
            "adversarial": self.adversarial.generator(judged.fake),
            "feature_matching": feature_matching_loss(judged.real, judged.fake),
        }
        yield Turn(player="generator", losses=losses, retain_graph=True)
        on_real, on_fake = self.adversarial.discriminator(judged.real, judged.fake)
        yield Turn(player="discriminator", losses={"real": on_real, "fake": on_fake})
