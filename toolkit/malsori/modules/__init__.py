"""Building blocks of networks, and the registries of stacks, generators and speaker encoders."""

from malsori.core.registry import Registry

STACKS = Registry(
    "stack",
    {
        "transformer": "malsori.modules.transformer:ENTRY",
        "conformer": "malsori.modules.conformer:ENTRY",
        "fastformer": "malsori.modules.fastformer:ENTRY",
        "long_short": "malsori.modules.long_short:ENTRY",
        "reformer": "malsori.modules.reformer:ENTRY",
        "relative_transformer": "malsori.modules.relative_transformer:ENTRY",
    },
)
"""Sequence to sequence of the same length and width: encoders and decoders."""

GENERATORS = Registry(
    "waveform generator",
    {
        "hifigan_v1": "malsori.modules.hifigan:V1",
        "hifigan_v2": "malsori.modules.hifigan:V2",
        "hifigan_v3": "malsori.modules.hifigan:V3",
        "istft": "malsori.modules.istft:ISTFT",
        "istftnet": "malsori.modules.istft:ISTFTNET",
    },
)
"""Frames to waveform."""

SPEAKER_ENCODERS = Registry(
    "speaker encoder", {"resemblyzer": "malsori.modules.speaker_encoder:RESEMBLYZER"}
)
"""Recording to a vector that says who speaks."""
