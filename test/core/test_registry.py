"""Registries: every name resolves, and mistakes in names are explained."""

from __future__ import annotations

import pkgutil
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest

import malsori
from malsori.core.config import build, read_choice
from malsori.core.errors import ConfigError
from malsori.core.registry import Entry, Registry


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings."""

    size: int = 1


ENTRY = Entry(config=Settings, build=lambda config, **context: (config.size, context), summary="x")
NOT_AN_ENTRY = 3
HERE = f"{__name__}:ENTRY"


def every_registry() -> dict[str, Registry]:
    """Return all registries that the package's sub-packages define, by kind."""
    found = {}
    for module in pkgutil.iter_modules(malsori.__path__, "malsori."):
        if module.ispkg:
            for value in list(vars(import_module(module.name)).values()):
                if isinstance(value, Registry):
                    found[value.kind] = value
    return found


def test_all_registries_are_seen() -> None:
    kinds = {"model", "task", "waveform generator", "loss", "optimizer", "text front end"}
    assert kinds <= every_registry().keys()


@pytest.mark.parametrize("kind", sorted(every_registry()))
def test_every_name_resolves_and_its_defaults_are_sound(kind: str) -> None:
    registry = every_registry()[kind]
    assert registry.names()
    for name in registry.names():
        entry = registry.entry(name)
        assert callable(entry.build)
        assert entry.summary and "\n" not in entry.summary
        assert read_choice(registry, name, kind).config == entry.config()


def test_near_misses_are_suggested() -> None:
    registry = Registry("voice", {"jets": HERE, "vits": HERE})
    with pytest.raises(ConfigError) as caught:
        registry.entry("jest")
    assert str(caught.value) == ("no voice named 'jest': did you mean 'jets'? known: jets, vits")
    with pytest.raises(ConfigError) as caught:
        registry.entry("zzzz")
    assert str(caught.value) == "no voice named 'zzzz': known: jets, vits"


def test_a_name_is_taken_once() -> None:
    registry = Registry("voice", {"jets": HERE})
    with pytest.raises(ValueError, match="voice 'jets' is registered already"):
        registry.add("jets", "other:ENTRY")
    assert registry.entry("jets") is ENTRY
    registry.add("new", HERE)
    assert registry.names() == ["jets", "new"]


@pytest.mark.parametrize("target", ["module", "module:A:B", ""])
def test_a_malformed_target_is_refused_at_once(target: str) -> None:
    with pytest.raises(ValueError, match=r"is not 'package\.module:ATTRIBUTE'"):
        Registry("voice", {"jets": target})


def test_a_component_outside_of_the_package_needs_no_registration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_voice.py").write_text(
        "from dataclasses import dataclass\n"
        "from malsori.core.registry import Entry\n"
        "@dataclass(frozen=True, kw_only=True)\n"
        "class Config:\n"
        "    depth: int = 2\n"
        "ENTRY = Entry(config=Config, build=lambda config, scale: config.depth * scale,"
        " summary='mine')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry("voice", {"jets": HERE})
    chosen = read_choice(registry, {"name": "my_voice:ENTRY", "depth": 5}, "model")
    assert build(registry, chosen, scale=3) == 15
    assert registry.names() == ["jets"]
    sys.modules.pop("my_voice")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("no_such_package.x:ENTRY", "no module named 'no_such_package.x'"),
        ("malsori.core.no_such:ENTRY", "no module named 'malsori.core.no_such'"),
        (f"{__name__}:GONE", "is not an Entry"),
        (f"{__name__}:NOT_AN_ENTRY", "is not an Entry"),
        (":ENTRY", "is not 'package.module:ATTRIBUTE'"),
        (".relative:ENTRY", "is not 'package.module:ATTRIBUTE'"),
        ("a:b:c", "is not 'package.module:ATTRIBUTE'"),
        ("my package:ENTRY", "is not 'package.module:ATTRIBUTE'"),
    ],
)
def test_what_cannot_be_imported_is_explained(name: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Registry("voice", {}).entry(name)
    assert said in str(caught.value) and name in str(caught.value)


def test_a_package_that_a_component_needs_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needs_more.py").write_text("import no_such_dependency\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ConfigError, match="needs the package 'no_such_dependency'"):
        Registry("voice", {"mine": "needs_more:ENTRY"}).entry("mine")


def test_names_are_listed_without_an_import() -> None:
    registry = Registry("voice", {"mine": "surely_not_there:ENTRY"})
    assert registry.names() == ["mine"]
    assert "surely_not_there" not in sys.modules
