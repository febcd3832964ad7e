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
from malsori.core.memory import give_back_freed
from malsori.dsp.audio_config import AudioConfig
from malsori.losses import ADVERSARIAL, RECONSTRUCTIONS
from malsori.losses.adversarial import feature_matching_loss
from malsori.modules.discriminators import DiscriminatorConfig, Discriminators
from malsori.tasks.task import Cut, Turn, loss_weights


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
    """Generator first, then discriminator; one pass of the discriminator serves both.

    Weights and inputs of the discriminators are the same for both, so that each is asked once: the
    generator's share runs back through its graph to the generated segments, where the gradient
    waits, then the discriminator's share to its own weights, and the graph is freed before the
    next discriminator is asked. Only then does the generator go back. Gradients are those of two
    passes through all, and no more than one discriminator's graph is ever held, on a CPU that of a
    part of the batch.

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
        """Yield both players' shares in each discriminator, then the moves of both.

        Args:
            fake: Generated segments, (B, 1, S), with gradient.
            real: Recorded segments, (B, 1, S).
            losses: What else the generator minimises.
        """
        cut = Cut.after(fake)
        if fake.device.type == "cpu":
            give_back_freed()  # what the forward pass no longer needs, before memory is at its peak
        for number in range(len(self.discriminator)):
            for part in self.discriminator.parts(number, real):
                yield from self._shares(number, part, real, cut)
        yield Turn(player="generator", losses=losses, down_from=cut)
        yield Turn(player="discriminator")

    def _shares(self, number: int, part: slice, real: Tensor, cut: Cut) -> Iterator[Turn]:
        """Yield both players' shares in what one discriminator says of a part of the batch.

        A function, so that its graph ends. Losses are means over segments of the same length: those
        of parts, times their share in the batch, add up to that of the whole.
        """
        recorded = real[part]
        share = len(recorded) / len(real)
        judged = self.discriminator(number, recorded, cut.start[part])
        losses = {
            "adversarial": share * self.adversarial.generator([judged.fake]),
            "feature_matching": share * feature_matching_loss([judged.real], [judged.fake]),
        }
        yield Turn(player="generator", losses=losses, moves=False, retain_graph=True, down_to=cut)
        on_real, on_fake = self.adversarial.discriminator([judged.real], [judged.fake])
        losses = {"real": share * on_real, "fake": share * on_fake}
        yield Turn(player="discriminator", losses=losses, moves=False)
