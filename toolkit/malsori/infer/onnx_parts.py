"""The parts of each model as modules that a tracer can follow, from named to named tensors.

Axes: as in ``infer/onnx_graphs.py``.
"""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn

from malsori.infer.onnx_convolutions import flatten
from malsori.models.composed import ComposedModel
from malsori.models.front import Front
from malsori.models.jets import Jets
from malsori.models.vaejets import VaeJets
from malsori.models.vits import Vits
from malsori.models.vocoder import Vocoder
from malsori.models.voice import Conditions, Controls, Prosody
from malsori.modules.alignment import token_of_frame
from malsori.modules.excitation import Melody
from malsori.modules.hifigan import HifiganGenerator
from malsori.modules.lengths import longest, valid_positions
from malsori.modules.transformer import Surroundings

Named = dict[str, Tensor]

CONDITIONS = ("speaker", "language", "embedding")
CONTROLS = ("speed", "pitch_shift", "energy_scale", "energy_shift")
AROUND = ("keys", "values", "valid")
"""What a decoder's last block finds in all frames."""


class Part(nn.Module):
    """From named tensors to named tensors, as the tracer wants them: in fixed order.

    Args:
        inputs: Names of the inputs.
        outputs: Names of the outputs.
    """

    def __init__(self, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> None:
        super().__init__()
        self.inputs, self.outputs = inputs, outputs

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        """Return the outputs in order."""
        made = self.run(dict(zip(self.inputs, values, strict=True)))
        return tuple(made[name] for name in self.outputs)

    def run(self, given: Named) -> Named:
        """Return all that is made, by name."""
        raise NotImplementedError


class Acoustic(Part):
    """Tokens to durations and frames, by a model that predicts what it says.

    Args:
        model: JETS, VAEJETS, or FastSpeech 2 with its vocoder.
        outputs: Names of what is made besides durations.
    """

    def __init__(self, model: Any, outputs: tuple[str, ...]) -> None:
        front = model.acoustic if isinstance(model, ComposedModel) else model
        told = tuple(name for name in CONDITIONS if getattr(front.conditioning, name) is not None)
        inputs = ("tokens", "token_lengths", *told, *CONTROLS)
        super().__init__(inputs, ("durations", *outputs))
        self.model = model

    def prosody(self, given: Named) -> tuple[Tensor, Tensor | None, Prosody]:
        """Return encoded tokens, (B, N, D), what they were told, (B, D), and their prosody."""
        model: Front = self.model
        tokens = given["tokens"]
        valid = valid_positions(given["token_lengths"], tokens.shape[1])
        hidden, told = model.encode(tokens, valid, conditions(given))
        if told is not None:
            told = told.expand(tokens.shape[0], -1)
        return hidden, told, model.predict(hidden, valid, controls(given))


class JetsAcoustic(Acoustic):
    """Tokens to what JETS's generator reads."""

    def __init__(self, model: Jets) -> None:
        told = ("condition",) if model.generator_is_told else ()
        super().__init__(model, ("frames", *_around(model), *told, *sung(model)))

    def run(self, given: Named) -> Named:
        """Return durations, frames, and what else the generator is given."""
        model, token_lengths = self.model, given["token_lengths"]
        hidden, told, prosody = self.prosody(given)
        lengths = prosody.durations.sum(1)
        count = longest(lengths)
        spread = model.spread(hidden, prosody, token_lengths, lengths, count)
        frames, around = model.begin(spread, valid_positions(lengths, count))
        made = {"durations": prosody.durations, "frames": frames}
        if around is not None:
            made |= dict(zip(AROUND, around, strict=True))
        if "condition" in self.outputs:
            made["condition"] = told
        if model.melody is not None:
            melody = model.melody(frames, prosody, token_lengths, lengths)
            made["source"] = source(model, melody.pitch, melody.voiced, lengths)
        return made


class VaeJetsAcoustic(Acoustic):
    """Tokens to the Gaussian that VAEJETS draws each frame from."""

    def __init__(self, model: VaeJets) -> None:
        told = ("condition",) if model.conditioning.present else ()
        super().__init__(model, ("mean", "spread", *told, *sung(model)))

    def run(self, given: Named) -> Named:
        """Return durations, the Gaussian, and what else the generator is given."""
        model, token_lengths = self.model, given["token_lengths"]
        hidden, told, prosody = self.prosody(given)
        lengths = prosody.durations.sum(1)
        prior = model._expect(hidden, prosody, token_lengths, lengths, longest(lengths))
        spread = prior.log_scale.exp() * model.config.noise
        made = {"durations": prosody.durations, "mean": prior.mean, "spread": spread}
        if "condition" in self.outputs:
            made["condition"] = told
        if model.melody is not None:
            melody = model.melody(prior.hidden, prosody, token_lengths, lengths)
            made["source"] = source(model, melody.pitch, melody.voiced, lengths)
        return made


class MelAcoustic(Acoustic):
    """Tokens to mels, by a model that speaks through a vocoder."""

    def __init__(self, model: ComposedModel) -> None:
        super().__init__(model, ("frames",))

    def run(self, given: Named) -> Named:
        """Return durations and log10 mel amplitudes, not normalised."""
        model = self.model
        tokens, lengths = given["tokens"], given["token_lengths"]
        said = model.acoustic.recite(tokens, lengths, conditions(given), controls(given))
        mel = said.mel * model.mel_std + model.mel_mean
        valid = valid_positions(said.mel_lengths, mel.shape[1])
        return {"durations": said.prosody.durations, "frames": mel * valid[..., None]}


class VitsAcoustic(Part):
    """Tokens to the Gaussian that VITS draws each frame from."""

    def __init__(self, model: Vits) -> None:
        parts = model.conditioning
        told = tuple(name for name in CONDITIONS if getattr(parts, name) is not None)
        drawn = () if model.duration_flow is None else ("duration_noise",)
        known = ("condition",) if parts.present else ()
        super().__init__(
            ("tokens", "token_lengths", *told, "speed", *drawn),
            ("durations", "mean", "spread", *known),
        )
        self.model = model

    def run(self, given: Named) -> Named:
        """Return durations, the Gaussian of every frame, and who speaks."""
        model, tokens = self.model, given["tokens"]
        told = model._tell(conditions(given))
        valid = valid_positions(given["token_lengths"], tokens.shape[1])
        prior = model.text(model.embedding(tokens), valid)
        noise = given.get("duration_noise")
        durations = model._durations(prior.hidden, valid, told, given["speed"], noise)
        count = longest(durations.sum(1))
        mean = by_frame(prior.mean, durations, count)
        spread = by_frame(prior.log_scale, durations, count).exp() * model.config.noise
        made = {"durations": durations, "mean": mean, "spread": spread}
        if told is not None:
            made["condition"] = told.expand(tokens.shape[0], -1)
        return made


class Latent(Part):
    """What was drawn of each frame's Gaussian, to what the generator reads.

    Args:
        model: VITS or VAEJETS.
    """

    def __init__(self, model: Vits | VaeJets) -> None:
        told = ("condition",) if model.conditioning.present else ()
        sings = isinstance(model, Vits) and model.melody is not None
        super().__init__(
            ("durations", "mean", "spread", "noise", *told, *(("pitch_shift",) if sings else ())),
            ("frames", *(("source",) if sings else ())),
        )
        self.model: Any = model

    def run(self, given: Named) -> Named:
        """Return frames, and what VITS sings."""
        model, lengths = self.model, given["durations"].sum(1)
        z = given["mean"] + given["noise"] * given["spread"]
        valid = valid_positions(lengths, z.shape[1])
        frames = model.flow.inverse(z, valid, given.get("condition"))
        made = {"frames": frames}
        if "source" in self.outputs:
            shift = given["pitch_shift"][..., None]
            base = by_frame(shift, given["durations"], z.shape[1]).squeeze(-1)
            melody = model.melody.beside(base, frames, lengths)
            made["source"] = source(model, melody.pitch, melody.voiced, lengths)
        return made


class Generator(Part):
    """Frames to samples: of whole utterances, or of windows.

    Args:
        generator: Of the model, or a vocoder.
        told: Whether it is told who speaks.
    """

    def __init__(self, generator: nn.Module, told: bool) -> None:
        whole = copy.deepcopy(generator)
        inner: Any = whole.generator if isinstance(whole, Vocoder) else whole
        sings = isinstance(inner, HifiganGenerator) and inner.source is not None
        names = ("frames", *(("condition",) if told else ()), *(("source",) if sings else ()))
        super().__init__(names, ("wav",))
        if sings:  # it is made before, so that windows of it can be given
            inner.source = Given()
        if isinstance(inner, HifiganGenerator):
            flatten(inner)
        self.generator: Any = whole

    def run(self, given: Named) -> Named:
        """Return samples, (B, S)."""
        more = {}
        if "condition" in given:
            more["condition"] = given["condition"]
        if "source" in given:
            more["melody"] = given["source"]
        return {"wav": self.generator(given["frames"], **more).squeeze(1)}


class JetsGenerator(Generator):
    """Frames to samples, by way of the decoder's last block where that is still to come."""

    def __init__(self, model: Jets) -> None:
        super().__init__(model.generator, model.generator.condition is not None)
        self.inputs = (*self.inputs, *_around(model))
        self.decoder: Any = model.decoder if model.decodes_late else None

    def run(self, given: Named) -> Named:
        """Return samples, (B, S); nothing is padding."""
        if self.decoder is not None:
            around = Surroundings(*(given[name] for name in AROUND))
            given = {**given, "frames": self.decoder.finish(given["frames"], around)}
        return super().run(given)


class Given(nn.Module):
    """In the place of what makes sines and noise: they are given."""

    def forward(self, melody: Tensor, valid: Tensor | None = None) -> Tensor:
        """Return what is given, (B, H + 1, S)."""
        return melody


def conditions(given: Named) -> Conditions:
    """Return who speaks, as far as it is given."""
    return Conditions(**{name: given.get(name) for name in CONDITIONS})


def controls(given: Named) -> Controls:
    """Return how predictions are changed, (B, N) each."""
    return Controls(**{name: given[name] for name in CONTROLS})


def by_frame(values: Tensor, durations: Tensor, frames: int) -> Tensor:
    """Return each frame's token's values, (B, T, C), for ``values`` of (B, N, C)."""
    index = token_of_frame(durations, frames)[..., None]
    return values.gather(1, index.expand(-1, -1, values.shape[2]))


def _around(model: Jets) -> tuple[str, ...]:
    """Return the names of what the decoder's last block finds in all frames, if it comes late."""
    return AROUND if model.decodes_late else ()


def sung(model: Any) -> tuple[str, ...]:
    """Return the name of what a generator with harmonics is given."""
    return () if model.melody is None else ("source",)


def source(model: Any, pitch: Tensor, voiced: Tensor, lengths: Tensor) -> Tensor:
    """Return sines and noise at a normalised ``pitch``, (B, H + 1, S), where ``voiced``."""
    melody: Melody = model.melody.spoken(pitch, voiced)
    valid = valid_positions(lengths, pitch.shape[1])
    return model.generator.source(melody, valid)  # type: ignore[no-any-return]
