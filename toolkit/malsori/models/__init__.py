"""Networks that speak, align or make sound of mels, and their registry."""

from malsori.core.registry import Registry

MODELS = Registry(
    "model",
    {
        "jets": "malsori.models.jets:ENTRY",
        "vits": "malsori.models.vits:ENTRY",
        "vaejets": "malsori.models.vaejets:ENTRY",
        "fastspeech2": "malsori.models.fastspeech2:ENTRY",
        "aligner": "malsori.models.aligner:ENTRY",
        "hifigan": "malsori.models.vocoder:ENTRY",
        "espnet.jets": "malsori.models.espnet:JETS",
        "espnet.vits": "malsori.models.espnet:VITS",
        "espnet.joint_text2wav": "malsori.models.espnet:JOINT_TEXT2WAV",
    },
)
