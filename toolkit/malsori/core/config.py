"""Settings: frozen dataclasses filled from YAML files and ``key.path=value`` overrides, strictly.

Precedence, low to high: dataclass defaults, files of ``inherit:``, the file itself, overrides.
Every message starts with the path of the setting it is about.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import functools
import inspect
import itertools
import math
import textwrap
import types
import typing
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import yaml

from malsori.core import strict_yaml
from malsori.core.errors import ConfigError
from malsori.core.registry import Registry

T = TypeVar("T")

Seconds = Annotated[float, "seconds"]
"""A time: a number of seconds, or text such as ``3 min``."""
Bytes = Annotated[int, "bytes"]
"""A size: a number of bytes, or text such as ``4 GB``."""


@dataclasses.dataclass(frozen=True)
class Choice:
    """A component picked from a registry by name, with its settings."""

    name: str
    config: Any


def choice(registry: Registry, default: str, **settings: Any) -> Any:
    """Return a dataclass field that holds a ``Choice`` from ``registry``.

    Args:
        registry: Table of the components.
        default: Name of the one that is taken if nothing is said.
        settings: In which this one differs here from its own defaults; they hold for it, whatever
            else is said of it, and for no other component.
    """
    return dataclasses.field(
        default_factory=lambda: Choice(default, registry.entry(default).config(**settings)),
        metadata={"registry": registry, "default": default, "settings": settings},
    )


def preset(default: str, table: Mapping[str, Mapping[str, Any]]) -> Any:
    """Return a dataclass field whose value, a name, stands for settings elsewhere in the config.

    ``load`` puts them below what file and overrides say.

    Args:
        default: Name of the field's value if nothing is said.
        table: Settings by name, as a tree from the root; a name without an entry sets nothing.
    """
    return dataclasses.field(default=default, metadata={"presets": table})


def build(registry: Registry, chosen: Choice, **context: Any) -> Any:
    """Build the chosen component: ``entry.build(config, **context)``."""
    return registry.entry(chosen.name).build(chosen.config, **context)


def load(cls: type[T], path: str | Path | None = None, overrides: Sequence[str] = ()) -> T:
    """Return settings of type ``cls`` from a YAML file and command-line overrides.

    Args:
        cls: Frozen dataclass.
        path: YAML file; None uses the defaults.
        overrides: Texts of the form ``key.path=value``; the value is read as YAML.

    Raises:
        ConfigError: Missing or malformed file, unknown key, wrong type, or a refused value.
    """
    tree = read_tree(path, cls) if path is not None else {}
    for override in overrides:
        tree = merge(tree, _parse_override(override), cls)
    return from_dict(cls, _with_presets(cls, tree))


def load_section(
    cls: type[T], name: str, path: str | Path | None = None, overrides: Sequence[str] = ()
) -> T:
    """Return one section of a config of which the rest is not looked at, as ``load`` would.

    Args:
        cls: Frozen dataclass of the section, without components.
        name: What it is called.
        path: YAML file; None uses the defaults.
        overrides: Of the whole config.

    Raises:
        ConfigError: Missing or malformed file, or a fault in the section.
    """
    tree = read_tree(path) if path is not None else {}
    for override in overrides:
        tree = merge(tree, _parse_override(override))
    return from_dict(cls, tree.get(name, {}), name)


def read_tree(path: str | Path, cls: type | None = None) -> dict[str, Any]:
    """Return a YAML file as nested dictionaries with its ``inherit:`` files merged below it."""
    return _read_tree(Path(path), (), cls)


def merge(
    low: Mapping[str, Any], high: Mapping[str, Any], cls: type | None = None
) -> dict[str, Any]:
    """Return ``low`` overlaid by ``high``, recursively.

    Where ``high`` names another component than ``low``, the settings of the component in ``low``
    do not apply to it and are dropped. A bare name is a mapping with nothing but ``name``.

    Args:
        low: Settings below.
        high: Settings that win.
        cls: Dataclass of the settings; tells which component settings without ``name`` belong to.
    """
    merged = dict(low)
    for key, value in high.items():
        below = merged.get(key)
        default, inner = _component(cls, key, value, below)
        if isinstance(below, str) and isinstance(value, Mapping):
            below = {"name": below}
        if isinstance(value, str) and isinstance(below, Mapping) and (default or "name" in below):
            value = {"name": value}
        if not (isinstance(below, Mapping) and isinstance(value, Mapping)):
            merged[key] = value
        elif "name" in value and value["name"] != below.get("name", default or value["name"]):
            merged[key] = dict(value)
        else:
            merged[key] = merge(below, value, inner)
    return merged


def from_dict(cls: type[T], tree: Mapping[str, Any], path: str = "") -> T:
    """Return a ``cls`` filled from nested dictionaries, every value checked against its type.

    Args:
        cls: Frozen dataclass.
        tree: Settings that differ from the defaults.
        path: Where ``tree`` hangs in the whole, used in messages.
    """
    if not isinstance(tree, Mapping):
        raise ConfigError(f"{path or 'config'}: expected a mapping of settings, got {tree!r}")
    hints = _hints(cls)  # type: ignore[arg-type]
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in tree.items():
        where = f"{path}.{key}" if path else str(key)
        if key not in fields:
            close = difflib.get_close_matches(str(key), fields, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(fields)}"
            raise ConfigError(f"{where}: unknown key; {hint}")
        if "registry" in fields[key].metadata:
            meta = fields[key].metadata
            value = _over_settings(value, meta["default"], meta["settings"])
            values[key] = read_choice(meta["registry"], value, where, meta["default"])
        else:
            values[key] = _convert(_over_default(fields[key], value), hints[key], where)
    missing = [
        name
        for name, field in fields.items()
        if name not in values
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"{path + '.' if path else ''}{missing[0]}: must be set")
    try:
        return cls(**values)
    except ConfigError as error:
        raise ConfigError(f"{path}.{error}" if path else str(error)) from None


def read_choice(registry: Registry, value: Any, path: str, default: str | None = None) -> Choice:
    """Return the component in ``value``: a name, or a mapping with ``name`` and settings."""
    if isinstance(value, Choice):
        return value
    if isinstance(value, str):
        value = {"name": value}
    if not isinstance(value, Mapping):
        raise ConfigError(f"{path}: expected a name or a mapping with 'name', got {value!r}")
    settings = dict(value)
    name = settings.pop("name", default)
    if not isinstance(name, str):
        raise ConfigError(
            f"{path}.name: expected one of {', '.join(registry.names())}, got {name!r}"
        )
    try:
        entry = registry.entry(name)
    except ConfigError as error:
        raise ConfigError(f"{path}.name: {error}") from error
    return Choice(name, from_dict(entry.config, settings, path))


def to_dict(config: Any) -> Any:
    """Return settings as nested dictionaries that ``from_dict`` reads back to an equal object."""
    if isinstance(config, Choice):
        return {"name": config.name, **to_dict(config.config)}
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        return {f.name: to_dict(getattr(config, f.name)) for f in dataclasses.fields(config)}
    if isinstance(config, Mapping):
        return {key: to_dict(value) for key, value in config.items()}
    if isinstance(config, (tuple, list)):
        return [to_dict(value) for value in config]
    return config


def to_yaml(config: Any, comments: bool = False) -> str:
    """Return settings as YAML, with each field's docstring as a comment above it if asked."""
    if not comments:
        return yaml.safe_dump(to_dict(config), sort_keys=False, allow_unicode=True)
    return "\n".join(_commented(config, "")) + "\n"


@functools.cache
def field_docs(cls: Hashable) -> dict[str, str]:
    """Return the docstring of each field: the string literal that stands under it in the source."""
    docs: dict[str, str] = {}
    for base in reversed(inspect.getmro(typing.cast(type, cls))):
        if not dataclasses.is_dataclass(base):
            continue
        try:
            source = textwrap.dedent(inspect.getsource(base))
        except (OSError, TypeError):  # a class made at run time has no source
            continue
        tree = ast.parse(source).body[0]
        body = tree.body if isinstance(tree, ast.ClassDef) else []
        for node, after in itertools.pairwise(body):
            if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
                continue
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                docs[node.target.id] = inspect.cleandoc(str(after.value.value))
    return docs


def type_name(hint: Any) -> str:
    """Return a type as people write it in a message: ``int``, ``time``, ``list of float``."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return {"seconds": "time", "bytes": "size"}.get(args[1], type_name(args[0]))
    if origin in (Union, types.UnionType):
        return " or ".join(type_name(arg) for arg in args)
    if origin is Literal:
        return "one of " + ", ".join(str(arg) for arg in args)
    if origin in (tuple, list):
        return f"list of {type_name(args[0])}"
    if origin is dict:
        return f"mapping of {type_name(args[1])}"
    if hint is type(None):
        return "null"
    return str(getattr(hint, "__name__", hint))


def _read_tree(path: Path, above: tuple[Path, ...], cls: type | None) -> dict[str, Any]:
    real = path.resolve()
    if real in above:
        raise ConfigError(f"{path}: inherits from itself")
    try:
        tree = strict_yaml.parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such config file") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
    if tree is None:
        tree = {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{path}: expected a mapping of settings, got {tree!r}")
    parents = tree.pop("inherit", [])
    parents = [parents] if isinstance(parents, str) else parents
    if not isinstance(parents, list) or not all(isinstance(parent, str) for parent in parents):
        raise ConfigError(f"{path}: inherit: expected a file or a list of files, got {parents!r}")
    below: dict[str, Any] = {}
    for parent in parents:
        below = merge(below, _read_tree(path.parent / parent, (*above, real), cls), cls)
    return merge(below, tree, cls)


def _parse_override(text: str) -> dict[str, Any]:
    key, equals, value = text.partition("=")
    names = key.split(".")
    if not equals or not all(names):
        raise ConfigError(f"override {text!r}: write it as key.path=value")
    try:
        tree = strict_yaml.parse(value)
    except yaml.YAMLError:
        raise ConfigError(f"override {text!r}: the value is not YAML") from None
    for name in reversed(names):
        tree = {name: tree}
    return dict(tree)


def _with_presets(cls: type, tree: dict[str, Any]) -> dict[str, Any]:
    """Return ``tree`` with the settings below it that its presets stand for."""
    for field in dataclasses.fields(cls):
        named = tree.get(field.name, field.default)
        if "presets" in field.metadata and isinstance(named, str):
            tree = merge(field.metadata["presets"].get(named, {}), tree, cls)
    return tree


def _component(
    cls: type | None, key: str, value: Any, below: Any
) -> tuple[str | None, type | None]:
    """Return the default component of field ``key``, if it holds one, and its settings' class."""
    fields = {field.name: field for field in dataclasses.fields(cls)} if cls else {}
    if cls is None or key not in fields:
        return None, None
    if "registry" not in fields[key].metadata:
        hint = _hints(cls)[key]
        return None, hint if dataclasses.is_dataclass(hint) and isinstance(hint, type) else None
    default = fields[key].metadata["default"]
    named = [part.get("name") if isinstance(part, Mapping) else part for part in (value, below)]
    name = next((name for name in named if isinstance(name, str)), default)
    try:
        return default, fields[key].metadata["registry"].entry(name).config
    except ConfigError:  # from_dict says what is wrong with the name
        return default, None


@functools.cache
def _hints(cls: Hashable) -> dict[str, Any]:
    return typing.get_type_hints(typing.cast(type, cls), include_extras=True)


def _over_default(field: dataclasses.Field[Any], value: Any) -> Any:
    """Return ``value`` laid over the field's own default settings, if it has such."""
    if dataclasses.is_dataclass(field.default) and isinstance(value, Mapping):
        return merge(to_dict(field.default), value)
    return value


def _over_settings(value: Any, default: str, settings: Mapping[str, Any]) -> Any:
    """Return a component laid over the settings that a field has for its own default component."""
    if settings and isinstance(value, str):
        value = {"name": value}
    if settings and isinstance(value, Mapping) and value.get("name", default) == default:
        return merge(settings, value)
    return value


def _convert(value: Any, hint: Any, path: str) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return value if isinstance(value, hint) else from_dict(hint, value, path)
    if origin is Annotated:
        return _quantity(value, args[1], path)
    if origin in (Union, types.UnionType):
        return _convert_union(value, hint, args, path)
    if origin is tuple or origin is list:
        if not isinstance(value, (list, tuple)):
            raise _wrong(value, hint, path)
        return origin(_convert(item, args[0], f"{path}[{i}]") for i, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, Mapping):
            raise _wrong(value, hint, path)
        return {str(key): _convert(item, args[1], f"{path}.{key}") for key, item in value.items()}
    if hint is float:
        return _number(value, hint, path)
    if hint is int and isinstance(value, bool):
        raise _wrong(value, hint, path)
    return _checked(value, hint, path)


def _convert_union(value: Any, hint: Any, args: tuple[Any, ...], path: str) -> Any:
    if value is None and type(None) in args:
        return None
    for arg in args:
        if arg is type(None):
            continue
        try:
            return _convert(value, arg, path)
        except ConfigError:
            if len(args) == 2 and type(None) in args:
                raise
    raise _wrong(value, hint, path)


def _checked(value: Any, hint: Any, path: str) -> Any:
    import typeguard

    try:
        return typeguard.check_type(value, hint)
    except typeguard.TypeCheckError:
        raise _wrong(value, hint, path) from None


def _number(value: Any, hint: Any, path: str) -> float:
    if isinstance(value, str):  # PyYAML reads 2e-4 as text
        try:
            value = float(value)
        except ValueError:
            raise _wrong(value, hint, path) from None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong(value, hint, path)
    if not math.isfinite(value):
        raise ConfigError(f"{path}: expected a finite number, got {value!r}")
    return float(value)


def _quantity(value: Any, unit: str, path: str) -> float | int:
    import humanfriendly

    hint = Seconds if unit == "seconds" else Bytes
    if isinstance(value, str):
        try:
            if unit == "seconds":
                return float(humanfriendly.parse_timespan(value))
            return int(humanfriendly.parse_size(value))
        except (humanfriendly.InvalidTimespan, humanfriendly.InvalidSize):
            raise _wrong(value, hint, path) from None
    if unit == "bytes" and type(value) is int:
        return value  # not through float, which has 53 bits
    number = _number(value, hint, path)
    return number if unit == "seconds" else int(number)


def _wrong(value: Any, hint: Any, path: str) -> ConfigError:
    return ConfigError(f"{path}: expected {type_name(hint)}, got {value!r}")


def _commented(config: Any, indent: str) -> Iterable[str]:
    inner = config.config if isinstance(config, Choice) else config
    if isinstance(config, Choice):
        yield f"{indent}name: {config.name}"
    docs = field_docs(type(inner))  # type: ignore[arg-type]
    for field in dataclasses.fields(inner):
        value = getattr(inner, field.name)
        for line in docs.get(field.name, "").splitlines():
            yield f"{indent}# {line}".rstrip()
        if isinstance(value, Choice) or dataclasses.is_dataclass(value):
            yield f"{indent}{field.name}:"
            yield from _commented(value, indent + "  ")
        else:
            text = yaml.safe_dump(
                to_dict(value), default_flow_style=True, allow_unicode=True, width=1000
            )
            yield f"{indent}{field.name}: {text.removesuffix('...' + chr(10)).strip()}"
