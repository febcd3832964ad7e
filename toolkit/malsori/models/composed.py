"""A voice of two parts: a model from tokens to mel, and a vocoder that makes the mel audible.

Axes: B utterances, N tokens, T frames, S samples, M mel bands.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from malsori.dsp.griffin_lim import GriffinLim
from malsori.dsp.statistics import Statistics
from malsori.models.plan import Plan, SpeaksByPlan
from malsori.models.vocoder import VocodingModel
from malsori.models.voice import (
    AcousticModel,
    AligningModel,
    Analysis,
    Conditions,
    Controls,
    Prosody,
    Recital,
)
from malsori.modules.features import Features
from malsori.modules.lengths import valid_positions


class ComposedModel(SpeaksByPlan, nn.Module):
    """Speaks as a model does that makes waveforms itself.

    Args:
        acoustic: Tokens to mel.
        vocoder: Mel to waveform, with the same audio settings.
        statistics: What the acoustic model's mel is normalised with.
    """

    acoustic: Any
    """What was trained to speak."""
    mel_mean: Tensor
    mel_std: Tensor

    def __init__(
        self, acoustic: AcousticModel, vocoder: VocodingModel, statistics: Statistics
    ) -> None:
        super().__init__()
        self.acoustic, self.vocoder = acoustic, vocoder
        self.hop, self.context = vocoder.hop, vocoder.context
        for name in ("mel_mean", "mel_std"):
            values = torch.tensor(getattr(statistics, name))
            self.register_buffer(name, values, persistent=False)

    @property
    def is_provisional(self) -> bool:
        """Whether no trained vocoder speaks, but Griffin-Lim."""
        return isinstance(self.vocoder, GriffinLim)

    @property
    def uses_style(self) -> bool:
        """Whether a style recording changes what is said."""
        return self.acoustic.uses_style  # type: ignore[no-any-return]

    def plan(
        self,
        tokens: Tensor,
        token_lengths: Tensor,
        conditions: Conditions | None = None,
        controls: Controls | None = None,
        prosody: Prosody | None = None,
    ) -> Plan:
        """Return the mel that will be made audible; arguments as for ``synthesize``."""
        said: Recital = self.acoustic.recite(tokens, token_lengths, conditions, controls, prosody)
        mel = said.mel.float() * self.mel_std + self.mel_mean
        mel = mel * valid_positions(said.mel_lengths, mel.shape[1])[..., None]
        return Plan(frames=mel, frame_lengths=said.mel_lengths, prosody=said.prosody, mel=mel)

    def sound(self, plan: Plan, valid: Tensor | None = None) -> Tensor:
        """Return samples of a plan or a window of one, (B, 1, T · hop); see ``PlanningModel``."""
        return self.vocoder(plan.frames, valid)

    def analyse(
        self, tokens: Tensor, token_lengths: Tensor, features: Features, conditions: Conditions
    ) -> Analysis:
        """Return how the recordings speak their tokens, as the acoustic model finds.

        Raises:
            ConfigError: It was trained on durations that were given, and none are.
        """
        model: AligningModel = self.acoustic
        return model.analyse(tokens, token_lengths, features, conditions)
