"""Every setting of every component says what it is, and its defaults survive a round trip."""

from __future__ import annotations

import dataclasses
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
import yaml

import malsori
from malsori.core.config import Choice, field_docs, from_dict, to_dict, to_yaml
from malsori.core.registry import Registry
from malsori.train.config import TrainConfig


def registries() -> Iterator[Registry]:
    for module in pkgutil.iter_modules(malsori.__path__, "malsori."):
        if module.ispkg:
            for value in list(vars(import_module(module.name)).values()):
                if isinstance(value, Registry):
                    yield value


def configs() -> dict[str, type]:
    """Return every registered component's config and the training run's, by where it is used."""
    found: dict[str, type] = {"train": TrainConfig}
    for registry in registries():
        for name in registry.names():
            found[f"{registry.kind} {name}"] = registry.entry(name).config
    return found


def parts(config: Any) -> Iterator[Any]:
    """Yield settings and all settings inside of them."""
    yield config
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        value = value.config if isinstance(value, Choice) else value
        if dataclasses.is_dataclass(value):
            yield from parts(value)


CONFIGS = configs()


@pytest.mark.parametrize("name", CONFIGS)
def test_every_field_has_a_docstring(name: str) -> None:
    for part in parts(CONFIGS[name]()):
        docs = field_docs(type(part))
        bare = [field.name for field in dataclasses.fields(part) if not docs.get(field.name)]
        assert not bare, f"{type(part).__name__}: no docstring under {', '.join(bare)}"


@pytest.mark.parametrize("name", CONFIGS)
def test_every_config_is_frozen_and_says_what_it_is(name: str) -> None:
    for part in parts(CONFIGS[name]()):
        kind = type(part)
        assert kind.__dataclass_params__.frozen, kind
        assert kind.__doc__ and not kind.__doc__.startswith(f"{kind.__name__}("), kind
        assert all(field.kw_only for field in dataclasses.fields(part)), kind


@pytest.mark.parametrize("name", CONFIGS)
def test_defaults_survive_dict_and_yaml(name: str) -> None:
    cls = CONFIGS[name]
    config = cls()
    assert from_dict(cls, to_dict(config)) == config
    for comments in (False, True):
        tree = yaml.safe_load(to_yaml(config, comments)) or {}
        assert from_dict(cls, tree) == config


def test_no_public_config_class_is_left_out() -> None:
    """A dataclass called …Config that no registry reaches would never be checked."""
    reached = {type(part) for cls in CONFIGS.values() for part in parts(cls())}
    for module in pkgutil.walk_packages(malsori.__path__, "malsori."):
        if module.name.startswith("malsori.bin") or module.name.endswith("__main__"):
            continue
        for value in list(vars(import_module(module.name)).values()):
            if isinstance(value, type) and value.__name__.endswith("Config"):
                if not dataclasses.is_dataclass(value) or value in reached:
                    continue
                docs = field_docs(value)
                bare = [f.name for f in dataclasses.fields(value) if not docs.get(f.name)]
                assert not bare, f"{value.__module__}.{value.__name__}: {', '.join(bare)}"
