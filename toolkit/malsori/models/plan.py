"""What stands before a waveform, and the waveform made of it window by window.

Axes: B utterances, N tokens, T frames, C channels that a generator reads, S samples, M mel bands,
D condition.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from malsori.dsp.windowing import by_windows, usual_size
from malsori.models.voice import Conditions, Controls, Prosody, SpeakingModel, Speech
from malsori.modules.excitation import Excitation
from malsori.modules.lengths import valid_positions
from malsori.modules.transformer import Surroundings


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All that the waveforms of a batch are made from."""

    frames: Tensor
    """What waveforms are made of frame by frame, (B, T, C)."""
    frame_lengths: Tensor
    """(B,); the longest is T."""
    prosody: Prosody
    """What will be spoken: predicted and changed, or given."""
    told: Tensor | None = None
    """What the generator is told of speaker, language, style, (B, D) or (1, D)."""
    excitation: Excitation | None = None
    """Of a generator with harmonics; (B, S)."""
    mel: Tensor | None = None
    """As in ``Speech``."""
    around: Surroundings | None = None
    """Where the decoder's last block is still to come: what it finds in all frames."""

    def window(self, start: int, end: int) -> Plan:
        """Return what the frames from ``start`` to ``end`` are made from.

        Prosody and ``around`` are the whole's. An utterance that ends before has a length below 0.
        """
        samples = None
        if self.excitation is not None:
            hop = self.excitation.turns.shape[1] // self.frames.shape[1]
            samples = self.excitation.window(start * hop, end * hop)
        return replace(
            self,
            frames=self.frames[:, start:end],
            frame_lengths=(self.frame_lengths - start).clamp(max=end - start),
            excitation=samples,
            mel=None if self.mel is None else self.mel[:, start:end],
        )


@runtime_checkable
class PlanningModel(SpeakingModel, Protocol):
    """A network that speaks in two steps, the second of which may go window by window."""

    hop: int
    """Samples made from each frame."""

    @property
    def context(self) -> int | None:
        """Rows of ``frames`` on either side that a frame's samples hang on; None for all."""
        ...

    def plan(
        self,
        tokens: Tensor,
        token_lengths: Tensor,
        conditions: Conditions | None = None,
        controls: Controls | None = None,
        prosody: Prosody | None = None,
    ) -> Plan:
        """Return all but the waveform; arguments as for ``synthesize``."""
        ...

    def sound(self, plan: Plan, valid: Tensor | None = None) -> Tensor:
        """Return samples, (B, 1, T · hop).

        Args:
            plan: Whole, or a window.
            valid: True where data is, (B, T); None where it is everywhere.
        """
        ...


def sound_windows(
    sound: Callable[[int, int, Tensor | None], Tensor],
    lengths: Tensor,
    hop: int,
    context: int | None,
) -> Iterator[Tensor]:
    """Yield waveforms of whole utterances window by window, (B, S) each: memory is bounded.

    Args:
        sound: Given the first frame, that behind the last and what of them is there, (B, frames) or
            None for all, returns their samples, (B, 1, frames · hop).
        lengths: Frames of the utterances, (B,).
        hop: Samples of a frame.
        context: Frames on either side that a frame's samples hang on; None for all of them, which
            leaves one window.
    """
    frames = int(lengths.max())

    def part(start: int, end: int) -> Tensor:
        valid = valid_positions(lengths - start, end - start) if len(lengths) > 1 else None
        return sound(start, end, valid).squeeze(1).float()

    sizes = () if context is None else repeat(usual_size(context))
    return by_windows(part, frames, hop, context or 0, sizes)


def perform(model: PlanningModel, plan: Plan) -> Speech:
    """Return the speech that was planned."""
    pieces = sound_windows(
        lambda start, end, valid: model.sound(plan.window(start, end), valid),
        *(plan.frame_lengths, model.hop, model.context),
    )
    wav, wav_lengths = torch.cat(list(pieces), 1), plan.frame_lengths * model.hop
    return Speech(
        wav=wav * valid_positions(wav_lengths, wav.shape[1]),
        wav_lengths=wav_lengths,
        prosody=plan.prosody,
        mel=plan.mel,
    )


class SpeaksByPlan:
    """What a ``PlanningModel`` inherits: speaking is planning, then making every window sound."""

    def synthesize(
        self: PlanningModel,
        tokens: Tensor,
        token_lengths: Tensor,
        conditions: Conditions | None = None,
        controls: Controls | None = None,
        prosody: Prosody | None = None,
    ) -> Speech:
        """Return speech for tokens; a batch gives the samples of its utterances alone.

        Args:
            tokens: Ids, (B, N); 0 at padding.
            token_lengths: (B,).
            conditions: Speaker, language, style.
            controls: Changes to predicted prosody.
            prosody: Spoken instead of the predictions; ``controls`` then does nothing.
        """
        return perform(self, self.plan(tokens, token_lengths, conditions, controls, prosody))
