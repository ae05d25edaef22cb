"""The configuration of a run, from layers: flags, then the file, then the method's recipe, then `Recipe`.

Every value has a dotted key, the same on the command line, in YAML and in RUN/config.yaml: ``method.temperature``,
``encoder.width``, ``recipe.lr``, ``data.limit``, ``init``. This package does not import torch, so that ``--help`` is
fast.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

from selftaught import encoders, methods
from selftaught import kind as kinds
from selftaught.config import options
from selftaught.config.effects import Effects
from selftaught.config.file import NAMES, Layer, read
from selftaught.config.values import convert, located
from selftaught.errors import UserError
from selftaught.recipe import Recipe

LENGTHS = ("recipe.steps", "recipe.epochs", "recipe.minutes")
NOTES = ("version", "demo", "recipe.chosen_for_minutes", "method_file", "resolved", "finetune")
"""Information in config.yaml for the reader, which no one sets."""


@final
@dataclass(frozen=True)
class Config:
    """The resolved configuration of a run. `as_dict` is the content of RUN/config.yaml."""

    method: str
    """The name of a method of the library, or the absolute path of a user's file."""
    method_arguments: dict[str, Any]
    encoder: str
    encoder_arguments: dict[str, Any]
    data: dict[str, Any]
    """"source" (a name in the catalog, a path, or None for data in memory), "kind", "split", "limit", "labels",
    "groups", and the options of the kind.
    """
    recipe: Recipe
    init: str | None = None
    said: frozenset[str] = field(default=frozenset(), compare=False)
    """The dotted keys of the values that a user asked for."""

    @property
    def kind(self) -> str:
        """The kind of sample that the run learns from."""
        return str(self.data["kind"])

    def reading(self) -> kinds.Kind:
        """The options of the kind. Raises UserError if a package is missing, or a value is out of range."""
        known = kinds.find(self.kind)
        return known(**{argument.name: self.data[argument.name] for argument in kinds.describe(self.kind).arguments})

    def as_dict(self) -> dict[str, Any]:
        """Return plain values by section, with all defaults, without options that have no effect."""
        values = self._values()
        idle = Effects(self.method, self.kind, self.encoder).without(values)
        values = {key: value for key, value in values.items() if key not in idle}
        return {
            "method": {"name": self.method, **_section(values, "method")},
            "encoder": {"name": self.encoder, **_section(values, "encoder")},
            "data": {key: _plain(value) for key, value in self.data.items()},
            "recipe": _section(values, "recipe"),
            "init": self.init,
        }

    def without_effect(self) -> dict[str, str]:
        """Return {key: why} for the options that have no effect, by dotted key; see `Effects.without`."""
        return Effects(self.method, self.kind, self.encoder).without(self._values())

    def _values(self) -> dict[str, Any]:
        """Return the options of method, encoder, data and recipe as plain values by dotted key."""
        sections = {"method": self.method_arguments, "encoder": self.encoder_arguments, "data": self.data}
        sections |= {"recipe": self.recipe.as_dict()}
        return {f"{section}.{key}": _plain(value) for section, part in sections.items() for key, value in part.items()}


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value  # YAML has no tuples


def resolve(*layers: Layer, data: Any = None, stored: bool = False) -> Config:
    """Resolve the layers into a configuration, strongest first: flags, then the file.

    Args:
        *layers: The given values.
        data: The training data as an object, if it has no name.
        stored: Whether this is the config.yaml of a run. Older files contain recipe fields without an effect, and need
            not name their data.

    Raises UserError, naming the key (and its file and line), if a value is unknown, missing, of the wrong type, out of
    range, or without effect on this method.
    """
    values, where = _merged(layers)
    method = _name(values.pop("method.name", None), "method", where)
    methods.describe(method)
    source = values.pop("data.source", None)
    if data is None and not (stored and source is None):
        source = _name(source, "data", where)
    kind = _kind(method, values.pop("data.kind", None), source if data is None else data, where)
    encoder = _name(values.pop("encoder.name", options.network(method, kind)), "encoder", where)
    known = options.every(method, encoder, kind)
    if not encoders.takes(encoder, kind):
        fitting, samples = ", ".join(encoders.names(kind)), kinds.describe(kind).samples
        raise UserError(
            located(
                where.get("encoder.name", ""), f"encoder {encoder} does not take {samples}: choose one of {fitting}"
            )
        )
    for key in values:
        if key not in known:
            if key.startswith("data."):
                options.elsewhere(_short(key), kind, where[key])
            raise options.misspelt(key, known, where[key])
    checked = {key: convert(value, known[key].type, _short(key), where[key]) for key, value in values.items()}
    if checked.get("data.limit") is not None and checked["data.limit"] < 1:
        raise UserError(located(where["data.limit"], f"limit must be at least 1, not {checked['data.limit']}"))
    if checked.get("data.labels") is not None:
        _check_labels(checked["data.labels"], where["data.labels"])
    config = Config(
        method=method,
        method_arguments=_defaults(known, "method") | _section(checked, "method"),
        encoder=encoder,
        encoder_arguments=_defaults(known, "encoder") | _section(checked, "encoder"),
        data={"source": source} | _defaults(known, "data") | _section(checked, "data") | {"kind": kind},
        recipe=_recipe(method, kind, _section(checked, "recipe"), where),
        init=checked.get("init"),
        said=frozenset() if stored else _said(layers, checked, known, methods.describe(method, kind).recipe),
    )
    if not stored:
        _check_effects(config, where)
        try:
            config.reading()
        except UserError as error:
            key = next((key for key in values if str(error).startswith(f"{_short(key)} ")), "")
            raise UserError(located(where.get(key, ""), str(error))) from error
    return config


def _kind(method: str, said: Any, data: Any, where: Mapping[str, str]) -> str:
    """Return the kind of sample that `method` learns from.

    This is the given kind, else the only one that the method accepts, else the kind of the data.
    """
    among = methods.sees(method)
    if said is not None:
        kinds.describe(str(said))
        if said not in among:
            raise UserError(
                located(where.get("data.kind", ""), f"{method} learns from {' or '.join(among)}, not from {said}")
            )
        return str(said)
    if data is None:
        return among[0]
    from selftaught.data import catalog

    return kinds.of_data(data, among, catalog.listed())


def _said(
    layers: tuple[Layer, ...], values: Mapping[str, Any], known: Mapping[str, options.Option], own: Mapping[str, Any]
) -> frozenset[str]:
    """Return the keys of the values that a user asked for.

    A run's config.yaml ("version" marks it) lists every value, so those that are the default there say nothing.
    """
    said: set[str] = set()
    for layer in layers:
        for key in layer.values.keys() & known.keys():
            usual, value = known[key].default, values.get(key)
            usual = own.get(_short(key), usual) if key.startswith("recipe.") else usual
            if layer.said and value is not None and not ("version" in layer.values and value == usual):
                said.add(key)
    return frozenset(said | {"encoder.name" for layer in layers if layer.said and "encoder.name" in layer.values})


def _check_effects(config: Config, where: Mapping[str, str]) -> None:
    """Raises UserError if a value that a user asked for has no effect."""
    idle = config.without_effect()
    for key in sorted(config.said & idle.keys()):
        raise UserError(located(where[key], f"{_short(key).removeprefix('method.')} has no effect on {idle[key]}"))


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
    noted = [key for key in values if key in NOTES or key.partition(".")[0] in NOTES]
    return {key: value for key, value in values.items() if key not in noted}, where


def _recipe(method: str, kind: str, given: dict[str, Any], where: Mapping[str, str]) -> Recipe:
    own = methods.describe(method, kind).recipe
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
        raise UserError(
            f"no {what} is given: name one ('selftaught {'data' if what == 'data' else 'methods'}' lists them)"
        )
    raise UserError(located(where[NAMES[what]], f"{what} must be a name, not {value!r}"))


def _short(key: str) -> str:
    return key.removeprefix("recipe.").removeprefix("data.")


def _section(values: Mapping[str, Any], section: str) -> dict[str, Any]:
    return {key.partition(".")[2]: value for key, value in values.items() if key.startswith(f"{section}.")}


def _defaults(known: Mapping[str, options.Option], section: str) -> dict[str, Any]:
    return _section({option.key: option.default for option in known.values()}, section)


__all__ = ["Config", "Layer", "read", "resolve"]
