"""Show the registries."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from malsori.core.registry import Registry

SUMMARY = "list tasks, models, stacks, generators, losses, front ends, optimisers, schedules"
EPILOG = (
    "examples: malsori list models; malsori list models jets, which shows how large its parts are"
)

REGISTRIES = {
    "tasks": "malsori.tasks:TASKS",
    "models": "malsori.models:MODELS",
    "stacks": "malsori.modules:STACKS",
    "generators": "malsori.modules:GENERATORS",
    "speaker_encoders": "malsori.modules:SPEAKER_ENCODERS",
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
    parser.add_argument("name", nargs="?", help="show more of this entry")
    parser.epilog = EPILOG


def run(args: argparse.Namespace) -> None:
    """Print each entry with its summary and source, or all about one of them."""
    import importlib

    for kind in [args.kind] if args.kind else REGISTRIES:
        module, _, attribute = REGISTRIES[kind].partition(":")
        registry: Registry = getattr(importlib.import_module(module), attribute)
        if args.name:
            _show(kind, registry, args.name)
        else:
            _list(kind, registry)


def _list(kind: str, registry: Registry) -> None:
    """Print a line for each entry."""
    from malsori.tasks import TRAINED_BY

    print(f"{kind}:")
    width = max(14, *map(len, registry.names()))
    for name in registry.names():
        entry = registry.entry(name)
        task = f"{TRAINED_BY.get(name, ''):8} " if kind == "models" else ""
        source = f" [{entry.source}]" if entry.source else ""
        needs = f" (needs the extra [{entry.extra}])" if entry.extra else ""
        print(f"  {name:{width}} {task}{entry.summary}{needs}{source}")


def _show(kind: str, registry: Registry, name: str) -> None:
    """Print what is known of one entry; of a model also how large its parts are."""
    entry = registry.entry(name)
    print(f"{name}: {entry.summary}")
    rows = {"source": entry.source, "extra": entry.extra}
    if kind == "models":
        from malsori.tasks import TRAINED_BY

        figure = "" if entry.extra else "doc/models.md"
        rows |= {"task": TRAINED_BY.get(name, ""), "figure": figure}
    rows["settings"] = "doc/config.md; 'malsori train --print-config' shows those of a conf file"
    for label, text in rows.items():
        if text:
            print(f"  {label:8} {text}")
    if kind == "models" and not entry.extra and name in TRAINED_BY:
        _measure(name)


def _measure(name: str) -> None:
    """Print the parameters of a model's parts."""
    from malsori.tasks.reference import TOKENS, sizes

    found = sizes(name)
    print(f"parameters by default, with {TOKENS} tokens and one speaker:")
    for part, size in {**found.parts, "all": sum(found.parts.values())}.items():
        print(f"  {part:22} {size:>11,}")
    for part, size in found.beside.items():
        print(f"  {part:22} {size:>11,}  beside it, in training only")
