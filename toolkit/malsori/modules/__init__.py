"""Building blocks of networks, and the registry of waveform generators."""

from malsori.core.registry import Registry

GENERATORS = Registry(
    "waveform generator",
    {
        "hifigan_v1": "malsori.modules.hifigan:V1",
        "hifigan_v2": "malsori.modules.hifigan:V2",
        "hifigan_v3": "malsori.modules.hifigan:V3",
    },
)
