"""What several figures have in common: three columns, FastSpeech 2's front, the waveform's end.

The left column holds what is predicted, the middle one what is spoken, the right one what is
measured in recordings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from drawing import Box, Drawing, Line, Point

LEFT, MIDDLE, RIGHT = 146, 480, 814
"""Middles of the three columns."""
AXES = ("B utterances", "N tokens", "T frames", "S samples", "D width", "M mel bands")
GAME = ("adversarial", "feature_matching", "reconstruction")
"""Losses of the task that judges waveforms."""


@dataclass
class Sketch:
    """A drawing in progress, and how large the model's modules are."""

    drawing: Drawing
    counts: Mapping[str, str]
    """Parameters by module, as written; empty for a model that is not there."""

    def lines(self, *names: str) -> list[Line | str]:
        """Return rows for modules."""
        return [Line(name=name, count=self.counts.get(name, "")) for name in names]

    def down(self, one: Box, other: Box, shape: str = "", *, learns: bool = False) -> None:
        """Draw an arrow straight down, with the shape of what it carries at its right."""
        start, end = one.bottom(), other.top()
        self.drawing.arrow(start, end, learns=learns)
        if shape:
            self.drawing.note(start[0] + 10, (start[1] + end[1]) / 2, shape)

    def over(self, start: Point, end: Point, text: str = "", *, learns: bool = False) -> None:
        """Draw an arrow straight to the left or right, with what it carries above."""
        self.drawing.arrow(start, end, learns=learns)
        if text:
            middle = (start[0] + end[0]) / 2
            self.drawing.note(middle, start[1] - 11, text, anchor="middle")

    def turn(self, start: Point, end: Point, text: str = "", *, learns: bool = False) -> None:
        """Draw an arrow down or up and then to the side; what it carries stands above its end."""
        self.drawing.arrow(start, (start[0], end[1]), end, learns=learns)
        if text:
            self.drawing.note((start[0] + end[0]) / 2, end[1] - 11, text, anchor="middle")

    def bend(self, start: Point, end: Point, text: str = "", *, learns: bool = False) -> None:
        """Draw an arrow to the side and then down or up; what it carries stands above its start."""
        self.drawing.arrow(start, (end[0], start[1]), end, learns=learns)
        if text:
            self.drawing.note((start[0] + end[0]) / 2, start[1] - 11, text, anchor="middle")

    def side(self, start: Point, end: Point, x: float, text: str = "") -> None:
        """Draw, for training, an arrow that goes out to ``x`` and comes back further down."""
        self.drawing.arrow(start, (x, start[1]), (x, end[1]), end, learns=True)
        if text:
            self.drawing.note((x + end[0]) / 2, end[1] - 11, text, anchor="middle")

    def both_ways(self, one: Box, other: Box, spoken: str, learnt: str) -> None:
        """Draw an arrow down for speaking and one up for training, side by side."""
        apart, middle = 16, (one.bottom()[1] + other.top()[1]) / 2
        x = one.bottom()[0]
        self.drawing.arrow(one.bottom(-apart), other.top(-apart))
        self.drawing.arrow(other.top(apart), one.bottom(apart), learns=True)
        self.drawing.note(x - apart - 10, middle, spoken, anchor="end")
        self.drawing.note(x + apart + 10, middle, learnt, learns=True)


class Front(NamedTuple):
    """Where a drawing goes on behind FastSpeech 2's front."""

    recording: Box
    features: Box
    frames: Box
    """The last step, whose frames the rest of the model reads."""


class Measured(NamedTuple):
    """What is found in recordings."""

    recording: Box
    features: Box
    path: Box


def front(sketch: Sketch, told_to: str) -> Front:
    """Draw tokens to frames, with the alignment learnt beside it; ``told_to`` is who is told."""
    draw = sketch.drawing
    told = _text(sketch, told_to)
    recording, features, path = _measured(sketch, told)
    predictors = draw.part(
        LEFT,
        314,
        "predictors",
        sketch.lines("duration_predictor", "pitch_predictor", "energy_predictor"),
        losses=("duration", "pitch", "energy"),
    )
    draw.arrow(told.bottom(-60), (told.bottom(-60)[0], 287), (LEFT, 287), predictors.top())
    prosody = draw.part(
        MIDDLE, 334, "pitch and energy", sketch.lines("pitch_embedding", "energy_embedding")
    )
    sketch.down(told, prosody, "(B, N, D)")
    level = prosody.left()[1]
    sketch.over((predictors.x + predictors.width, level), prosody.left(), "pitch, energy")
    sketch.over((path.x, level), prosody.right(), "pitch, energy", learns=True)
    frames = draw.part(MIDDLE, 448, "tokens to frames", ["Gaussian upsampling"], kind="step")
    sketch.down(prosody, frames, "(B, N, D)")
    sketch.turn(predictors.bottom(), frames.left(), "durations (B, N)")
    sketch.turn(path.bottom(), frames.right(), "durations (B, N)", learns=True)
    return Front(recording, features, frames)


def _text(sketch: Sketch, told_to: str) -> Box:
    """Draw tokens, encoded and told who speaks."""
    draw = sketch.drawing
    who = draw.data(LEFT, 24, "speaker, language, style")
    tokens = draw.data(MIDDLE, 24, "tokens (B, N)")
    encoder = draw.part(MIDDLE, 90, "text encoder", sketch.lines("embedding", "encoder"))
    sketch.down(tokens, encoder)
    lines = [*sketch.lines("conditioning"), f"told to {told_to}"]
    told = draw.part(MIDDLE, 196, "who speaks, and how", lines)
    sketch.down(encoder, told, "(B, N, D)")
    sketch.turn(who.bottom(), told.left())
    return told


def _measured(sketch: Sketch, told: Box) -> Measured:
    """Draw recordings and what is found in them for tokens, which have been ``told``."""
    draw = sketch.drawing
    recording = draw.data(RIGHT, 24, "recording (B, S)", learns=True)
    lines = ["one vector, two numbers per frame"]
    features = draw.part(RIGHT, 90, "mel, pitch, energy", lines, kind="step", learns=True)
    sketch.down(recording, features, learns=True)
    aligner = draw.part(
        RIGHT,
        187,
        "aligner",
        sketch.lines("aligner"),
        losses=("forward_sum", "binarisation"),
        learns=True,
    )
    sketch.down(features, aligner, "(B, T, M)", learns=True)
    sketch.over(told.right(), (aligner.x, told.right()[1]), "(B, N, D)", learns=True)
    lines = ["frames of each token,", "mean pitch and energy over them"]
    path = draw.part(RIGHT, 331, "best path", lines, kind="step", learns=True)
    sketch.down(aligner, path, "(B, T, N)", learns=True)
    return Measured(recording, features, path)


def waveform(sketch: Sketch, generator: Box, recording: Box, side: float = 946) -> None:
    """Draw the generator's waveform, and who judges it; ``side`` is where the recording passes."""
    draw = sketch.drawing
    wav = draw.data(MIDDLE, generator.y + generator.height + 40, "waveform (B, S)")
    sketch.down(generator, wav)
    judges = draw.part(
        RIGHT,
        generator.y,
        "discriminators of the task",
        sketch.lines("discriminator"),
        losses=GAME,
        learns=True,
    )
    sketch.side(recording.right(), judges.right(), side)
    sketch.over(generator.right(), (judges.x, generator.right()[1]), "(B, 1, S)", learns=True)


def windows(sketch: Sketch, one: Box, other: Box, frames: int) -> None:
    """Say that training cuts windows between two boxes."""
    y = (one.bottom()[1] + other.top()[1]) / 2
    text = f"in training: windows of {frames} frames"
    sketch.drawing.note(MIDDLE - 10, y, text, anchor="end", learns=True)


class Latent(NamedTuple):
    """The sequence between flow and generator, and who finds it in recordings."""

    z: Box
    posterior: Box


def latents(sketch: Sketch, flow: Box, y: float, channels: str, words: list[str]) -> Latent:
    """Draw the latent sequence below the flow.

    Args:
        sketch: To draw in.
        flow: Above it.
        y: Top of the sequence.
        channels: Letter of its channels.
        words: About the posterior encoder.
    """
    shape = f"(B, T, {channels})"
    z = sketch.drawing.data(MIDDLE, y, f"z {shape}")
    sketch.both_ways(flow, z, "to speak: backwards", "to learn: forwards")
    rows = [*sketch.lines("posterior"), *words]
    top = z.left()[1] - 25 - 8 * len(words)
    posterior = sketch.drawing.part(RIGHT, top, "posterior encoder", rows, learns=True)
    sketch.over(posterior.left(), z.right(), shape, learns=True)
    return Latent(z, posterior)
