"""Which losses, which players, in which order; and the registry of tasks."""

from malsori.core.registry import Registry

TASKS = Registry(
    "task",
    {
        "gan_tts": "malsori.tasks.gan_tts:ENTRY",
        "tts": "malsori.tasks.tts:ENTRY",
        "align": "malsori.tasks.align:ENTRY",
        "vocoder": "malsori.tasks.vocoder:ENTRY",
    },
)

TRAINED_BY = {
    "jets": "gan_tts",
    "vits": "gan_tts",
    "vaejets": "gan_tts",
    "fastspeech2": "tts",
    "aligner": "align",
    "hifigan": "vocoder",
    "espnet.jets": "gan_tts",
    "espnet.vits": "gan_tts",
    "espnet.joint_text2wav": "gan_tts",
}
"""Model to task."""
