"""What a run is made of, from layers: a flag beats the file, the file beats the method's recipe, that beats `Recipe`.

Every value has a dotted key, the same on the command line, in YAML and in RUN/config.yaml: ``method.temperature``,
``encoder.width``, ``recipe.lr``, ``data.limit``, ``init``. Nothing here imports torch, so that ``--help`` answers at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from selftaught import methods
from selftaught.config import options
from selftaught.config.file import NAMES, Layer, read
from selftaught.config.values import convert, located
from selftaught.errors import UserError
from selftaught.recipe import Recipe

LENGTHS = ("recipe.steps", "recipe.epochs", "recipe.minutes")
NOTES = ("version", "demo", "recipe.chosen_for_minutes")
"""What config.yaml tells its reader and no one sets."""


@final
@dataclass(frozen=True)
class Config:
    """The resolved configuration of a run; `as_dict` is what RUN/config.yaml holds."""

    method: str
    method_arguments: dict[str, Any]
    encoder: str
    encoder_arguments: dict[str, Any]
    data: dict[str, Any]
    """"source" (a catalog name, a path, or None for data in memory), "split", "limit", "labels"; "size" of images; "tokens", "lower" and
    "errors" of text."""
    recipe: Recipe
    init: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Plain values by section, every default filled in."""
        return {
            "method": {"name": self.method, **_plain(self.method_arguments)},
            "encoder": {"name": self.encoder, **_plain(self.encoder_arguments)},
            "data": dict(self.data),
            "recipe": self.recipe.as_dict(),
            "init": self.init,
        }


def _plain(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in arguments.items()}  # YAML has no tuples


def resolve(*layers: Layer, in_memory: bool = False) -> Config:
    """The configuration that the layers amount to, strongest first: flags, then the file.

    `in_memory` = the data is an object that only this process has, so it needs no name.
    Raises UserError, one sentence that names the key (and its file and line), for what is unknown, missing, of the wrong type or
    out of range.
    """
    values, where = _merged(layers)
    method = _name(values.pop("method.name", None), "method", where)
    encoder = _name(values.pop("encoder.name", methods.describe(method).network), "encoder", where)
    source = values.pop("data.source", None)
    if not in_memory:
        source = _name(source, "data", where)
    known = options.every(method, encoder)
    for key in values:
        if key not in known:
            raise options.misspelt(key, known, where[key])
    checked = {key: convert(value, known[key].type, _short(key), where[key]) for key, value in values.items()}
    for key in ("data.limit", "data.size"):
        if checked.get(key) is not None and checked[key] < 1:
            raise UserError(located(where[key], f"{_short(key)} must be at least 1, not {checked[key]}"))
    if checked.get("data.labels") is not None:
        _check_labels(checked["data.labels"], where["data.labels"])
    return Config(
        method=method,
        method_arguments=_defaults(known, "method") | _section(checked, "method"),
        encoder=encoder,
        encoder_arguments=_defaults(known, "encoder") | _section(checked, "encoder"),
        data={"source": source} | _defaults(known, "data") | _section(checked, "data"),
        recipe=_recipe(method, _section(checked, "recipe"), where),
        init=checked.get("init"),
    )


def _check_labels(text: str, where: str) -> None:
    from selftaught.data.budget import parse

    try:
        parse(text)
    except UserError as error:
        raise UserError(located(where, str(error))) from None


def _merged(layers: tuple[Layer, ...]) -> tuple[dict[str, Any], dict[str, str]]:
    values: dict[str, Any] = {}
    where: dict[str, str] = {}
    for layer in reversed(layers):
        if any(layer.values.get(key) is not None for key in LENGTHS):  # one length replaces another, whatever its unit
            values = {key: value for key, value in values.items() if key not in LENGTHS}
        values |= layer.values
        where |= layer.where
    for note in NOTES:
        values.pop(note, None)
    return values, where


def _recipe(method: str, given: dict[str, Any], where: Mapping[str, str]) -> Recipe:
    own = methods.describe(method).recipe
    if any(given.get(key.removeprefix("recipe.")) is not None for key in LENGTHS):
        own = {key: value for key, value in own.items() if f"recipe.{key}" not in LENGTHS}
    try:
        return Recipe(**(own | given))
    except ValueError as error:
        key = next((key for key in given if re.match(rf"{key}\b", str(error))), "")
        raise UserError(located(where.get(f"recipe.{key}", ""), str(error))) from error


def _name(value: Any, what: str, where: Mapping[str, str]) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        raise UserError(f"no {what} is given: name one ('selftaught {'data' if what == 'data' else 'methods'}' lists them)")
    raise UserError(located(where[NAMES[what]], f"{what} must be a name, not {value!r}"))


def _short(key: str) -> str:
    return key.removeprefix("recipe.").removeprefix("data.")


def _section(values: Mapping[str, Any], section: str) -> dict[str, Any]:
    return {key.partition(".")[2]: value for key, value in values.items() if key.startswith(f"{section}.")}


def _defaults(known: Mapping[str, options.Option], section: str) -> dict[str, Any]:
    return _section({option.key: option.default for option in known.values()}, section)


__all__ = ["Config", "Layer", "read", "resolve"]
