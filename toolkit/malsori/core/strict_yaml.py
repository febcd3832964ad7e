"""YAML as settings need it: plain data only, and no key given twice."""

from __future__ import annotations

from typing import Any

import yaml

from malsori.core.errors import ConfigError


def parse(text: str) -> Any:
    """Return the content of a YAML text.

    Raises:
        ConfigError: A key is given twice, or is not a name.
        yaml.YAMLError: The text is not YAML, or asks for more than plain data.
    """
    loader = _StrictLoader(text)
    try:
        return loader.get_single_data()
    except ValueError as error:  # a date such as 2020-99-99
        raise yaml.YAMLError(str(error)) from error
    finally:
        loader.dispose()  # type: ignore[no-untyped-call]


class _StrictLoader(yaml.SafeLoader):
    """PyYAML's safe loader that refuses a key given twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise ConfigError(f"line {line}: a key has to be a name")
            if key.value in seen:
                raise ConfigError(f"{key.value}: given twice, second time in line {line}")
            seen.add(key.value)
        return super().construct_mapping(node, deep)
