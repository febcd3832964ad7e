"""The figure of each model."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from drawing import Box, Drawing
from shared_parts import (
    AXES,
    GAME,
    LEFT,
    MIDDLE,
    RIGHT,
    Sketch,
    front,
    latents,
    waveform,
    windows,
)

STAGES = ((8, "(B, 256, 8 T)"), (8, "(B, 128, 64 T)"), (2, "(B, 64, 128 T)"), (2, "(B, 32, S)"))
"""Upsamplings of HiFi-GAN V1: factor, and what comes out."""
EACH_STAGE = (
    "each time: a transposed convolution",
    "with half as many channels, then",
    "three residual blocks side by side with",
    "kernels 3, 7 and 11, and their mean",
)


def jets(counts: Mapping[str, str]) -> Drawing:
    """Return the figure of JETS."""
    sketch = Sketch(Drawing("JETS: its parts and what flows between them"), counts)
    begun = front(sketch, "tokens and generator")
    decoder = sketch.drawing.part(MIDDLE, 536, "frame decoder", sketch.lines("decoder"))
    sketch.down(begun.frames, decoder, "(B, T, D)")
    generator = sketch.drawing.part(MIDDLE, 632, "waveform generator", sketch.lines("generator"))
    sketch.down(decoder, generator, "(B, T, D)")
    windows(sketch, decoder, generator, 64)
    waveform(sketch, generator, begun.recording)
    sketch.drawing.legend(AXES)
    return sketch.drawing


def vaejets(counts: Mapping[str, str]) -> Drawing:
    """Return the figure of VAEJETS."""
    sketch = Sketch(Drawing("VAEJETS: its parts and what flows between them"), counts)
    draw, begun = sketch.drawing, front(sketch, "all that follows")
    lines = [*sketch.lines("prior"), "a stack, then mean and scale"]
    prior = draw.part(MIDDLE, 536, "a Gaussian for each frame", lines, losses=("kl",))
    sketch.down(begun.frames, prior, "(B, T, D)")
    flow = draw.part(MIDDLE, 684, "residual-coupling flow", sketch.lines("flow"))
    sketch.both_ways(prior, flow, "to speak: a draw, (B, T, Z)", "to learn: compared")
    words = ["reads the mel, (B, T, M);", "converts voices, too"]
    latent = latents(sketch, flow, 794, "Z", words)
    sketch.side(begun.features.right(), latent.posterior.right(), 938)
    generator = draw.part(MIDDLE, 880, "waveform generator", sketch.lines("generator"))
    sketch.down(latent.z, generator, "(B, T, Z)")
    windows(sketch, latent.z, generator, 64)
    waveform(sketch, generator, begun.recording, side=950)
    draw.legend((*AXES, "Z latent channels"))
    return draw


def vits(counts: Mapping[str, str]) -> Drawing:
    """Return the figure of VITS."""
    sketch = Sketch(Drawing("VITS: its parts and what flows between them"), counts)
    draw = sketch.drawing
    text, frames = _tokens_to_frames(sketch)
    words, top = ["likeliest monotonic path"], frames.right()[1] - 25
    search = draw.part(RIGHT, top, "alignment search", words, kind="step", learns=True)
    sketch.over(search.left(), frames.right(), "durations (B, N)", learns=True)
    sketch.bend(text.right(), search.top(), "mean, scale: (B, N, D)", learns=True)
    flow = draw.part(MIDDLE, 384, "residual-coupling flow", sketch.lines("flow"))
    sketch.both_ways(frames, flow, "to speak: a draw, (B, T, D)", "to learn: compared")
    sketch.bend(flow.right(), search.bottom(), "(B, T, D)", learns=True)
    recording = draw.data(RIGHT, 426, "recording (B, S)", learns=True)
    words = ["reads linear spectra, (B, T, F);", "converts voices, too"]
    latent = latents(sketch, flow, 510, "D", words)
    sketch.down(recording, latent.posterior, learns=True)
    generator = draw.part(MIDDLE, 596, "waveform generator", sketch.lines("generator"))
    sketch.down(latent.z, generator, "(B, T, D)")
    windows(sketch, latent.z, generator, 32)
    waveform(sketch, generator, recording)
    draw.legend(("B utterances", "N tokens", "T frames", "S samples", "D width", "F spectral bins"))
    return draw


def _tokens_to_frames(sketch: Sketch) -> tuple[Box, Box]:
    """Draw VITS's tokens and durations; return the encoder, and the Gaussians of frames."""
    draw = sketch.drawing
    who = draw.data(LEFT, 24, "speaker, language")
    tokens = draw.data(MIDDLE, 24, "tokens (B, N)")
    text = draw.part(MIDDLE, 90, "text encoder", sketch.lines("embedding", "text"))
    sketch.down(tokens, text)
    lines = [*sketch.lines("conditioning"), "told to every part", "but the text encoder"]
    sketch.down(who, draw.part(LEFT, 90, "who speaks", lines))
    durations = draw.part(
        LEFT,
        244,
        "durations",
        [*sketch.lines("duration_flow"), "or one each: duration_predictor"],
        losses=("duration_likelihood",),
    )
    x, y = text.bottom(-60)[0], 206
    draw.arrow(text.bottom(-60), (x, y), (LEFT, y), durations.top())
    draw.note((LEFT + x) / 2, y - 11, "(B, N, D)", anchor="middle")
    frames = draw.part(
        MIDDLE,
        252,
        "a Gaussian for each frame",
        ["mean and scale of its token"],
        kind="step",
        losses=("kl",),
    )
    sketch.down(text, frames, "mean, scale: (B, N, D)")
    sketch.over(durations.right(), frames.left(), "durations (B, N)")
    return text, frames


def fastspeech2(counts: Mapping[str, str]) -> Drawing:
    """Return the figure of FastSpeech 2."""
    sketch = Sketch(Drawing("FastSpeech 2: its parts and what flows between them"), counts)
    draw, begun = sketch.drawing, front(sketch, "every token")
    decoder = draw.part(MIDDLE, 536, "frame decoder", sketch.lines("decoder"))
    sketch.down(begun.frames, decoder, "(B, T, D)")
    lines = [*sketch.lines("out"), "and a post-net, if it is set"]
    mel = draw.part(MIDDLE, 632, "frames to mel", lines, losses=("mel",))
    sketch.down(decoder, mel, "(B, T, D)")
    sketch.side(begun.features.right(), mel.right(), 946, "(B, T, M)")
    words = ["not a part of the model"]
    vocoder = draw.part(MIDDLE, 764, "vocoder, or Griffin-Lim", words, kind="step")
    sketch.down(mel, vocoder, "(B, T, M)")
    wav = draw.data(RIGHT, vocoder.right()[1] - 15, "waveform (B, S)")
    sketch.over(vocoder.right(), wav.left())
    draw.legend(AXES)
    return draw


def aligner(counts: Mapping[str, str]) -> Drawing:
    """Return the figure of the alignment network."""
    sketch = Sketch(Drawing("The aligner: its parts and what flows between them"), counts)
    draw = sketch.drawing
    tokens = draw.data(LEFT, 24, "tokens (B, N)")
    recording = draw.data(RIGHT, 24, "recording (B, S)")
    embedding = draw.part(
        LEFT, 90, "embedding", [*sketch.lines("embedding"), "encode: true puts a stack here"]
    )
    sketch.down(tokens, embedding)
    mel = draw.part(RIGHT, 98, "mel", ["log amplitudes, normalised"], kind="step")
    sketch.down(recording, mel)
    prior = draw.part(MIDDLE, 98, "diagonal prior", ["beta-binomial, over tokens"], kind="step")
    text = draw.part(
        LEFT, 206, "text side", sketch.lines("aligner.text_conv1", "aligner.text_conv2")
    )
    sketch.down(embedding, text, "(B, N, D)")
    heard = draw.part(
        RIGHT,
        198,
        "sound side",
        sketch.lines("aligner.mel_conv1", "aligner.mel_conv2", "aligner.mel_conv3"),
    )
    sketch.down(mel, heard, "(B, T, M)")
    scores = draw.part(
        MIDDLE,
        197,
        "log-probabilities",
        ["softmax over minus distances,", "plus the prior"],
        kind="step",
        losses=("forward_sum",),
    )
    level = scores.left()[1]
    sketch.down(prior, scores, "(B, T, N)")
    sketch.over((text.x + text.width, level), scores.left(), "(B, N, D)")
    sketch.over((heard.x, level), scores.right(), "(B, T, D)")
    words = ["frames of each token"]
    path = draw.part(
        MIDDLE, 336, "best monotonic path", words, kind="step", losses=("binarisation",)
    )
    sketch.down(scores, path, "(B, T, N)")
    files = draw.data(LEFT, path.left()[1] - 15, "TextGrid, CTM, table")
    sketch.over(path.left(), files.right(), "times")
    durations = draw.data(RIGHT, path.left()[1] - 15, "durations (B, N)")
    sketch.over(path.right(), durations.left())
    draw.legend(AXES)
    return draw


def hifigan(counts: Mapping[str, str]) -> Drawing:
    """Return the figure of the vocoder."""
    sketch = Sketch(Drawing("HiFi-GAN V1: its parts and what flows between them"), counts)
    draw, wide = sketch.drawing, 240
    predicted = draw.data(LEFT, 34, "mel that a model predicted")
    mel = draw.data(MIDDLE, 34, "mel (B, T, M)", width=wide)
    spectrogram = draw.part(RIGHT, 24, "mel of a recording", ["log amplitudes"], kind="step")
    recording = draw.data(RIGHT, 114, "recording (B, S)")
    draw.arrow(recording.top(), spectrogram.bottom())
    sketch.over(spectrogram.left(), mel.right())
    sketch.over(predicted.right(), mel.left(), "or")
    above = draw.part(MIDDLE, 106, "first convolution", sketch.lines("generator.input"), width=wide)
    sketch.down(mel, above, "(B, T, M)")
    windows(sketch, mel, above, 32)
    shape = "(B, 512, T)"
    for stage, (factor, after) in enumerate(STAGES):
        names = f"generator.upsamplers.{stage}", f"generator.residuals.{3 * stage}–{3 * stage + 2}"
        box = draw.part(
            MIDDLE, 194 + 102 * stage, f"{factor} times as long", sketch.lines(*names), width=wide
        )
        sketch.down(above, box, shape)
        above, shape = box, after
    for row, words in enumerate(EACH_STAGE):
        draw.note(346, 203 + 16 * row, words, anchor="end")
    last = draw.part(MIDDLE, 602, "last convolution", sketch.lines("generator.output"), width=wide)
    sketch.down(above, last, shape)
    wav = draw.data(MIDDLE, 702, "waveform (B, S)", width=wide)
    sketch.down(last, wav)
    who = sketch.lines("discriminator")
    judges = draw.part(RIGHT, 602, "discriminators of the task", who, losses=GAME, learns=True)
    draw.arrow(recording.bottom(), judges.top(), learns=True)
    sketch.over(last.right(), (judges.x, last.right()[1]), "(B, 1, S)", learns=True)
    draw.legend(("B utterances", "T frames", "S samples, 256 T", "M mel bands"))
    return draw


FIGURES: Mapping[str, Callable[[Mapping[str, str]], Drawing]] = {
    "jets": jets,
    "vaejets": vaejets,
    "vits": vits,
    "fastspeech2": fastspeech2,
    "aligner": aligner,
    "hifigan": hifigan,
}
"""By the model's name."""
