"""Networks that speak, and their registry."""

from malsori.core.registry import Registry

MODELS = Registry(
    "model",
    {
        "jets": "malsori.models.jets:ENTRY",
        "espnet.jets": "malsori.models.espnet:JETS",
        "espnet.vits": "malsori.models.espnet:VITS",
        "espnet.joint_text2wav": "malsori.models.espnet:JOINT_TEXT2WAV",
    },
)
