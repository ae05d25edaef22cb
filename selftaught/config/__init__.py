"""The configuration of a run, from layers: flags, then the file, then the method's recipe, then `Recipe`.

Every value has a dotted key, the same on the command line, in YAML and in RUN/config.yaml: ``method.temperature``,
``encoder.width``, ``recipe.lr``, ``data.limit``, ``init``. This package does not import torch, so that ``--help`` is
fast.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from selftaught import encoders, methods, steps
from selftaught import kind as kinds
from selftaught.config import options
from selftaught.config.file import NAMES, Layer, read
from selftaught.config.values import convert, located
from selftaught.errors import UserError
from selftaught.recipe import Recipe

LENGTHS = ("recipe.steps", "recipe.epochs", "recipe.minutes")
NOTES = ("version", "demo", "recipe.chosen_for_minutes", "method_file")
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

    @property
    def kind(self) -> str:
        """The kind of sample that the run learns from."""
        return str(self.data["kind"])

    def reading(self) -> kinds.Kind:
        """The options of the kind. Raises UserError if a package is missing, or a value is out of range."""
        known = kinds.find(self.kind)
        return known(**{argument.name: self.data[argument.name] for argument in kinds.describe(self.kind).arguments})

    def as_dict(self) -> dict[str, Any]:
        """Return plain values by section, with all defaults; for the recipe only the fields that the stepper uses."""
        read = steps.reads(methods.describe(self.method, self.kind).stepper)
        return {
            "method": {"name": self.method, **_plain(self.method_arguments)},
            "encoder": {"name": self.encoder, **_plain(self.encoder_arguments)},
            "data": dict(self.data),
            "recipe": {key: value for key, value in self.recipe.as_dict().items() if key in read},
            "init": self.init,
        }


def _plain(arguments: Mapping[str, Any]) -> dict[str, Any]:
    # YAML has no tuples
    return {key: list(value) if isinstance(value, tuple) else value for key, value in arguments.items()}


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
    if kind not in (encoders.sees(encoder) or (kind,)):
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
    )
    if not stored:
        _check_effect(method, kind, _section(checked, "recipe"), where)
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


def _check_effect(method: str, kind: str, given: Mapping[str, Any], where: Mapping[str, str]) -> None:
    """Raises UserError if a recipe field has no effect, unless its value is the default."""
    spec = methods.describe(method, kind)
    read = steps.reads(spec.stepper)
    for key, value in given.items():
        usual = spec.recipe.get(key, getattr(Recipe(), key))
        if key not in read and value != usual:
            said = located(where[f"recipe.{key}"], f"{key} has no effect on {method}, which trains by {spec.stepper}")
            raise UserError(f"{said} and uses {', '.join(sorted(read))}: remove it")


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
