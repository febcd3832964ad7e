"""ESPnet's own settings, checked key by key before one of its classes is built with them.

The keys are those of ``tts_conf`` in an ESPnet yaml; which there are, and of what type, is read
from the signatures of the classes themselves.
"""

from __future__ import annotations

import copy
import difflib
import importlib
import inspect
import io
import logging
import re
import sys
import traceback
import typing
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any

from malsori.core.config import type_name
from malsori.core.errors import ConfigError

PATH = "model.params"
PARTS = {
    "generator_adv_loss_params": "GeneratorAdversarialLoss",
    "discriminator_adv_loss_params": "DiscriminatorAdversarialLoss",
    "feat_match_loss_params": "FeatureMatchLoss",
    "mel_loss_params": "MelSpectrogramLoss",
    "pqmf_params": "PQMF",
}
"""Settings whose class does not stand beside them as ``…_type``."""
UNBUILDABLE = (
    *(RuntimeError, ValueError, ArithmeticError, TypeError, LookupError, MemoryError),
    *(AssertionError, AttributeError),
)
"""What Python and PyTorch raise for settings that no network can be built with."""

Derived = Mapping[str, Mapping[str, int]]
"""Values that are not typed: by the key of the settings they stand in ("" for the outermost), then
by their own key."""


def load_class(module: str, name: str, model: str) -> type:
    """Return a class of ESPnet.

    Args:
        module: Where it is.
        name: What it is called there.
        model: Name of the model in the registry, for messages.

    Raises:
        ConfigError: ESPnet, or what it needs, is not installed.
    """
    try:
        with _quiet():
            found: type = getattr(importlib.import_module(module), name)
    except ImportError as error:
        raise ConfigError(
            f"model.name: {model} needs ESPnet, which this Python does not have ({error}): run "
            "tools/installers/install_espnet.sh, then '.espnet/bin/python -m malsori …'; or "
            "pip install 'malsori[espnet]'"
        ) from error
    return found


def construct(cls: Callable[..., Any], params: Mapping[str, Any], derived: Derived) -> Any:
    """Return ``cls`` built with checked settings and derived values.

    The settings are copied: ESPnet's classes write into the mappings they are given, and into
    their own defaults.

    Raises:
        ConfigError: A key is unknown, a value of the wrong type or at odds with a derived one, or
            the class refuses them.
    """
    arguments = _complete(cls, _checked(cls, params, PATH, derived), derived)
    try:
        with _quiet():
            return cls(**arguments)
    except UNBUILDABLE as error:
        raise ConfigError(_refusal(error, params)) from error
    except Exception as error:  # typeguard's has no base class in common with the others
        if type(error).__name__ != "TypeCheckError":
            raise
        raise ConfigError(_refusal(error, params)) from error


def _complete(
    cls: Callable[..., Any], given: Mapping[str, Any], derived: Derived
) -> dict[str, Any]:
    """Return the settings with the class's own defaults and the derived values."""
    defaults = _defaults(cls)
    arguments = {**copy.deepcopy(defaults), **given}
    for key, own in derived.items():
        part = _part(cls, key, arguments) if key in arguments else None
        if part is not None:
            known = inspect.signature(part).parameters
            arguments[key] |= {name: value for name, value in own.items() if name in known}
    return {**arguments, **derived.get("", {})}


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep off the screen what ESPnet prints and what PyTorch says of its age; repeat no warning.

    It warns through the root logger at every step.
    """
    root = logging.getLogger()
    if not any(isinstance(known, _Once) for known in root.filters):
        root.addFilter(_Once())
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class _Once(logging.Filter):
    """Lets each message pass once."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether the message is new."""
        new = record.getMessage() not in self.seen
        self.seen.add(record.getMessage())
        return new


def _checked(
    cls: Callable[..., Any], given: Mapping[str, Any], path: str, derived: Derived
) -> dict[str, Any]:
    """Return a copy of the settings of ``cls``, checked, and those of the parts that are known."""
    parameters = inspect.signature(cls).parameters
    hints = typing.get_type_hints(inspect.unwrap(cls.__init__))  # type: ignore[misc]
    checked: dict[str, Any] = {}
    for key, value in given.items():
        where = f"{path}.{key}"
        if key not in parameters:
            close = difflib.get_close_matches(str(key), parameters, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(parameters)}"
            raise ConfigError(f"{where}: unknown key; {hint}")
        _check_value(value, hints.get(key, Any), where)
        own = derived.get(path.removeprefix(PATH).lstrip("."), {})
        if key in own and value != own[key]:
            raise ConfigError(f"{where}: is derived and here {own[key]}, not {value}; leave it out")
        part = _part(cls, key, {**_defaults(cls), **given})
        if part is not None and isinstance(value, Mapping):
            checked[key] = _checked(part, value, where, derived)
        else:
            checked[key] = copy.deepcopy(value)
    return checked


def _check_value(value: Any, hint: Any, where: str) -> None:
    import typeguard

    try:
        typeguard.check_type(value, hint)
    except typeguard.TypeCheckError:
        raise ConfigError(f"{where}: expected {type_name(hint)}, got {value!r}") from None
    if isinstance(value, bool) and hint in (int, float):  # a bool is an int to Python
        raise ConfigError(f"{where}: expected {type_name(hint)}, got {value!r}")


def _part(cls: Callable[..., Any], key: str, settings: Mapping[str, Any]) -> Any:
    """Return the class that the settings ``key`` are for; None where nothing says so.

    Raises:
        ConfigError: ``…_type`` beside them names none.
    """
    module = vars(sys.modules[cls.__module__])
    kind = key.removesuffix("_params") + "_type"
    if kind not in settings or kind == key:
        return module.get(PARTS.get(key, ""))
    usual = _defaults(cls)[kind]
    for name, table in module.items():
        if name.startswith("AVAILABLE") and usual in table:
            if settings[kind] in table:
                return table[settings[kind]]
            raise ConfigError(f"{PATH}.{kind}: no {settings[kind]!r}; known: {', '.join(table)}")
    return None


def _defaults(cls: Callable[..., Any]) -> dict[str, Any]:
    parameters = inspect.signature(cls).parameters
    return {n: p.default for n, p in parameters.items() if p.default is not inspect.Parameter.empty}


def _refusal(error: Exception, params: Mapping[str, Any]) -> str:
    """Return one line that names the setting if the error does, or all of them."""
    told = (str(error).splitlines() or [""])[0]
    if not told:  # a bare assertion: its line says what is wanted
        told = traceback.extract_tb(error.__traceback__)[-1].line or type(error).__name__
    for name in re.findall(r"['\"](\w+)['\"]", told):
        for path in _paths(params, name, PATH):
            return f"{path}: {told}"
    return f"{PATH}: ESPnet refuses them: {told}"


def _paths(tree: Mapping[str, Any], name: str, path: str) -> Iterator[str]:
    """Yield the path of each key ``name`` in nested settings."""
    for key, value in tree.items():
        if key == name:
            yield f"{path}.{key}"
        if isinstance(value, Mapping):
            yield from _paths(value, name, f"{path}.{key}")
