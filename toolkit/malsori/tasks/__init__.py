"""Which losses, which players, in which order; and the registry of tasks."""

from malsori.core.registry import Registry

TASKS = Registry(
    "task",
    {
        "gan_tts": "malsori.tasks.gan_tts:ENTRY",
        "align": "malsori.tasks.align:ENTRY",
        "vocoder": "malsori.tasks.vocoder:ENTRY",
    },
)
