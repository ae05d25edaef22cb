"""Read a YAML file of settings, keeping the line of each key for error messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import yaml

from selftaught.errors import UserError

NAMES = {"method": "method.name", "encoder": "encoder.name", "data": "data.source"}
"""The short form of a section, ``encoder: conv``, and the key that it sets."""


@final
@dataclass(frozen=True)
class Layer:
    """Values by dotted key, and the place where each was given, for error messages."""

    values: dict[str, Any]
    where: dict[str, str]
    said: bool = True
    """Whether a user asked for these values, so that one without an effect is refused."""

    @classmethod
    def of(cls, config: Mapping[str, Any], where: str = "") -> Layer:
        """Make a layer from nested sections, as in config.yaml."""
        values = dict(_flat(config))
        return cls(values, dict.fromkeys(values, where))


def _flat(config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for section, value in config.items():
        if isinstance(value, Mapping):
            yield from ((f"{section}.{key}", item) for key, item in value.items())
        else:
            yield NAMES.get(section, section), value


def read(path: str | Path) -> Layer:
    """Read a YAML file as a layer. Raises UserError, with file and line, if it cannot be read."""
    path = Path(path)
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise UserError(f"cannot read the configuration {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"cannot read the configuration {path}: it is not text in UTF-8") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{path}{line}: this is not YAML ({getattr(error, 'problem', None) or error})") from error
    layer = Layer({}, {})
    if node is not None:
        _read(path, node, "", layer)
    return layer


def _read(path: Path, node: yaml.Node, prefix: str, layer: Layer) -> None:
    if not isinstance(node, yaml.MappingNode):
        line = node.start_mark.line + 1
        raise UserError(
            f"{path}, line {line}: expected sections of 'key: value', such as 'recipe:' with 'lr: 0.001' indented below"
        )
    for key_node, value_node in node.value:
        where = f"{path}, line {key_node.start_mark.line + 1}"
        key = f"{prefix}{key_node.value}"
        if isinstance(value_node, yaml.MappingNode) and not prefix:
            _read(path, value_node, f"{key}.", layer)
            continue
        key = NAMES.get(key, key)
        if key in layer.values:
            raise UserError(f"{where}: {key} is given twice")
        try:
            layer.values[key] = yaml.SafeLoader("").construct_object(value_node, deep=True)
        except yaml.YAMLError as error:
            raise UserError(f"{where}: {key} is not a plain value") from error
        layer.where[key] = where


def plain_value(text: str) -> Any:
    """Return one value as YAML reads it: a number, true or false, null, a list, else text."""
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text
