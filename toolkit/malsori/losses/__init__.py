"""Scalars to minimise: what a model's output is held against, and how waveforms are compared."""

from malsori.core.registry import Registry

LOSSES = Registry(
    "loss",
    {
        "mel": "malsori.losses.mel:MEL",
        "postnet_mel": "malsori.losses.mel:POSTNET_MEL",
        "duration": "malsori.losses.variance:DURATION",
        "pitch": "malsori.losses.variance:PITCH",
        "energy": "malsori.losses.variance:ENERGY",
        "frame_pitch": "malsori.losses.melody:FRAME_PITCH",
        "voicing": "malsori.losses.melody:VOICING",
        "pitch_waves": "malsori.losses.melody:PITCH_WAVES",
        "pitch_range": "malsori.losses.melody:PITCH_RANGE",
        "forward_sum": "malsori.losses.alignment:FORWARD_SUM",
        "binarisation": "malsori.losses.alignment:BINARISATION",
        "kl": "malsori.losses.prior:KL",
        "duration_likelihood": "malsori.losses.prior:DURATION_LIKELIHOOD",
    },
)
"""Losses of a model's own output, called as ``loss(output)``; the model lists those it feeds."""

RECONSTRUCTIONS = Registry(
    "reconstruction loss",
    {
        "mel": "malsori.losses.reconstruction:MEL",
        "stft": "malsori.losses.reconstruction:STFT",
    },
)
"""Distances of a generated waveform from the recorded one, called as ``loss(fake, real)``."""

ADVERSARIAL = Registry(
    "adversarial loss",
    {
        "least_squares": "malsori.losses.adversarial:LEAST_SQUARES",
        "hinge": "malsori.losses.adversarial:HINGE",
    },
)
"""The two sides of the game between generator and discriminators."""
