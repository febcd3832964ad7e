"""Show the registries."""

from __future__ import annotations

import argparse

SUMMARY = "list tasks, models, stacks, generators, losses, front ends, optimisers, schedules"
EPILOG = "example: malsori list models"

REGISTRIES = {
    "tasks": "malsori.tasks:TASKS",
    "models": "malsori.models:MODELS",
    "stacks": "malsori.modules:STACKS",
    "generators": "malsori.modules:GENERATORS",
    "losses": "malsori.losses:LOSSES",
    "reconstructions": "malsori.losses:RECONSTRUCTIONS",
    "adversarial": "malsori.losses:ADVERSARIAL",
    "frontends": "malsori.text:FRONTENDS",
    "scorers": "malsori.score:SCORERS",
    "optimizers": "malsori.train:OPTIMIZERS",
    "schedules": "malsori.train:SCHEDULES",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "kind", nargs="?", choices=list(REGISTRIES), help="one of them; all if left out"
    )
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> None:
    """Print each entry with its summary and source."""
    import importlib

    for kind in [args.kind] if args.kind else REGISTRIES:
        module, _, name = REGISTRIES[kind].partition(":")
        registry = getattr(importlib.import_module(module), name)
        print(f"{kind}:")
        width = max(14, *map(len, registry.names()))
        for entry_name in registry.names():
            entry = registry.entry(entry_name)
            source = f" [{entry.source}]" if entry.source else ""
            needs = f" (needs the extra [{entry.extra}])" if entry.extra else ""
            print(f"  {entry_name:{width}} {entry.summary}{needs}{source}")
