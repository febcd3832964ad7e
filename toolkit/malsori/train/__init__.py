"""The training loop, optimisers, schedules and checkpoints; it knows steps, not losses."""

from malsori.core.registry import Registry

OPTIMIZERS = Registry("optimizer", {"adamw": "malsori.train.optimizers:ADAMW"})
SCHEDULES = Registry(
    "schedule",
    {
        "exponential": "malsori.train.schedules:EXPONENTIAL",
        "published": "malsori.train.schedules:PUBLISHED",
        "cosine": "malsori.train.schedules:COSINE",
        "constant": "malsori.train.schedules:CONSTANT",
    },
)
