"""Write doc/config.md from the docstrings of the settings themselves.

python tools/config_reference.py [--check]
"""

from __future__ import annotations

import dataclasses
import sys
import typing
from pathlib import Path

from malsori.core.config import Choice, field_docs, to_dict, type_name
from malsori.core.registry import Registry
from malsori.losses import ADVERSARIAL, RECONSTRUCTIONS
from malsori.models import MODELS
from malsori.modules import GENERATORS, STACKS
from malsori.tasks import TASKS
from malsori.text.tokenizer import TokenizerConfig
from malsori.train import OPTIMIZERS, SCHEDULES
from malsori.train.config import TrainConfig

TARGET = Path(__file__).parent.parent / "doc" / "config.md"
HEAD = """# Settings

Made by `make doc` from the settings' own docstrings; do not edit. A conf file says only what
differs from these defaults; `inherit: other.yaml` puts another file below it; `key.path=value` on
the command line wins over both. `malsori train --print-config` shows the resolved tree.
Times and sizes may be written as people do: `90 s`, `30 min`, `4 GB`.
"""


def main() -> None:
    """Write the page, or with --check fail if it is out of date."""
    page = render()
    if "--check" in sys.argv:
        if not TARGET.exists() or TARGET.read_text(encoding="utf-8") != page:
            sys.exit(f"{TARGET.name} is out of date: run 'make doc'")
        return
    TARGET.write_text(page, encoding="utf-8")


def render() -> str:
    """Return the page."""
    parts = [HEAD, section("A training run", "", TrainConfig)]
    tables: list[tuple[str, str, Registry]] = [
        ("Tasks", "task", TASKS),
        ("Models", "model", MODELS),
        ("Encoders and decoders", "model.encoder", STACKS),
        ("Waveform generators", "model.generator", GENERATORS),
        ("Reconstruction losses", "task.reconstruction", RECONSTRUCTIONS),
        ("Adversarial losses", "task.adversarial", ADVERSARIAL),
        ("Optimisers", "optimizer", OPTIMIZERS),
        ("Schedules", "schedule", SCHEDULES),
    ]
    for title, path, registry in tables:
        parts.append(f"## {title}\n\nChosen by `{path}.name`.\n")
        for name in registry.names():
            entry = registry.entry(name)
            source = f" Source: {entry.source}." if entry.source else ""
            parts.append(f"### `{path}: {name}`\n\n{entry.summary}.{source}\n")
            parts.append(table(path, entry.config))
    parts.append(section("Tokenizer (`tokenizer.yaml`, written by stage 2)", "", TokenizerConfig))
    return "\n".join(parts)


def section(title: str, path: str, config: type) -> str:
    """Return a heading and the table of one dataclass."""
    return f"## {title}\n\n{table(path, config)}"


def table(path: str, config: type) -> str:
    """Return the rows of one dataclass, those of nested ones included."""
    rows = list(rows_of(path, config, config()))
    if not rows:
        return "No settings.\n"
    return "\n".join(
        ["| setting | type | default | meaning |", "| --- | --- | --- | --- |", *rows, ""]
    )


def rows_of(path: str, config: type, default: object) -> typing.Iterator[str]:
    """Yield a row for each field."""
    hints = typing.get_type_hints(config, include_extras=True)
    docs = field_docs(config)
    for field in dataclasses.fields(config):
        value = getattr(default, field.name)
        where = f"{path}.{field.name}" if path else field.name
        meaning = " ".join(docs.get(field.name, "").split()).replace("|", "\\|")
        if dataclasses.is_dataclass(value) and not isinstance(value, Choice):
            yield from rows_of(where, type(value), value)
            continue
        kind = "a name below" if isinstance(value, Choice) else type_name(hints[field.name])
        shown = value.name if isinstance(value, Choice) else to_dict(value)
        if settings := field.metadata.get("settings"):
            shown = f"{shown}, {', '.join(f'{key} {each}' for key, each in settings.items())}"
        shown = "null" if shown is None else shown
        yield f"| `{where}` | {kind} | `{shown}` | {meaning} |"


if __name__ == "__main__":
    main()
