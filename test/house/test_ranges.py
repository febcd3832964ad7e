"""Every number among the settings has a range, and what is outside is refused by name."""

from __future__ import annotations

import dataclasses
import pkgutil
import typing
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest

import malsori
from malsori.core.config import Choice
from malsori.core.errors import ConfigError
from malsori.core.ranges import within
from malsori.core.registry import Registry
from malsori.models.jets import JetsConfig
from malsori.modules.conditioning import StyleConfig
from malsori.modules.discriminators import DiscriminatorConfig
from malsori.modules.hifigan import HifiganConfig
from malsori.modules.predictors import PredictorConfig
from malsori.modules.transformer import TransformerConfig
from malsori.train.config import TrainConfig
from malsori.train.schedules import CosineConfig, ExponentialConfig, PublishedConfig

MAY_BE_NEGATIVE: set[str] = set()
"""Settings, as ``Class.field``, for which -1 means something: none so far."""


def parts(config: Any) -> Iterator[Any]:
    yield config
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        value = value.config if isinstance(value, Choice) else value
        if dataclasses.is_dataclass(value):
            yield from parts(value)


def numbers() -> Iterator[tuple[type, str]]:
    """Yield every setting that is a number or holds numbers, of all that a config can name."""
    classes = [TrainConfig]
    for module in pkgutil.iter_modules(malsori.__path__, "malsori."):
        if module.ispkg:
            for registry in list(vars(import_module(module.name)).values()):
                if isinstance(registry, Registry):
                    classes += [registry.entry(name).config for name in registry.names()]
    found = {type(part): None for cls in classes for part in parts(cls())}
    for cls in found:
        for name, hint in typing.get_type_hints(cls).items():
            if {int, float} & set(leaves(hint)) and typing.get_origin(hint) is not dict:
                yield cls, name


def leaves(hint: Any) -> Iterator[Any]:
    """Yield a type, or the types inside of it."""
    inner = typing.get_args(hint)
    for each in inner:
        yield from leaves(each)
    if not inner:
        yield hint


def spoilt(value: Any) -> Any:
    """Return a senseless value of the same kind: -1, or a list whose last number is -1."""
    if isinstance(value, tuple):
        return (*value[:-1], spoilt(value[-1]))
    return -1


NUMBERS = {f"{cls.__name__}.{name}": (cls, name) for cls, name in numbers()}


def test_all_settings_are_looked_at() -> None:
    for name in ("TrainConfig.seed", "JetsConfig.width", "HifiganV3Config.residual_dilations"):
        assert name in NUMBERS
    assert len(NUMBERS) > 60 and NUMBERS.keys() >= MAY_BE_NEGATIVE


@pytest.mark.parametrize("setting", [name for name in NUMBERS if name not in MAY_BE_NEGATIVE])
def test_a_senseless_number_is_refused_by_name(setting: str) -> None:
    cls, name = NUMBERS[setting]
    with pytest.raises(ConfigError) as caught:
        cls(**{name: spoilt(getattr(cls(), name))})
    line = str(caught.value)
    start = line.partition(":")[0]
    assert "\n" not in line and "-1" in line
    if start != name:  # a rule between several settings names them all
        assert start in {field.name for field in dataclasses.fields(cls)} and name in line, line


@pytest.mark.parametrize(
    ("cls", "name", "value", "said"),
    [
        (TransformerConfig, "heads", 0, "must be in [1, 256], got 0"),
        (TransformerConfig, "layers", 10_000_000, "must be in [0, 256], got 10000000"),
        (TransformerConfig, "kernel", -3, "must be in [1, 65536], got -3"),
        (PredictorConfig, "dropout", 1.5, "must be in [0, 1), got 1.5"),
        (JetsConfig, "width", 0, "must be in [1, 65536], got 0"),
        (HifiganConfig, "channels", 0, "must be in [1, 65536], got 0"),
        (HifiganConfig, "residual_dilations", ((1,), (1,), (1, 0)), "must be in [1, 65536], got 0"),
        (HifiganConfig, "upsampling", (2,) * 17, "must have at most 16 entries, got 17"),
        (HifiganConfig, "residual_kernels", (), "need at least one, got none"),
        (StyleConfig, "heads", 0, "must be in [1, 256], got 0"),
        (DiscriminatorConfig, "periods", (0,), "must be in [1, 65536], got 0"),
        (DiscriminatorConfig, "scale_max_groups", 0, "must be in [1, 65536], got 0"),
        (CosineConfig, "final", -3.0, "must be in [0, 1], got -3.0"),
        (ExponentialConfig, "final", 0.0, "must be in (0, 1], got 0.0"),
        (PublishedConfig, "factor", 2.0, "must be in (0, 1], got 2.0"),
        (PublishedConfig, "every", 0, "must be at least 1, got 0"),
    ],
)
def test_beyond_a_bound(cls: type, name: str, value: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        cls(**{name: value})
    assert str(caught.value) == f"{name}: {said}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Share:
    share: float | None = None


@pytest.mark.parametrize("interval", ["[0, 1]", "(0, 1)", "[0, 1)", "(0, 1]"])
def test_brackets_say_whether_a_bound_is_inside(interval: str) -> None:
    for value, bracket in ((0, interval[0]), (1, interval[-1])):
        if bracket in "[]":
            within(Share(share=value), interval, "share")
        else:
            with pytest.raises(ConfigError, match=r"^share: must be in .*, got"):
                within(Share(share=value), interval, "share")
    within(Share(share=0.5), interval, "share")
    within(Share(), interval, "share")
    with pytest.raises(ConfigError):
        within(Share(share=float("nan")), interval, "share")
