"""Convert the values that a user wrote to the required types, with clear errors."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

from selftaught.errors import UserError

WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}


def runtime_types(annotations: Mapping[str, Any]) -> dict[str, Any]:
    """Evaluate annotations that may be source text ("float | None") to runtime types."""
    holder = type("Annotations", (), {"__annotations__": dict(annotations)})
    return typing.get_type_hints(
        holder, globalns={"Literal": Literal, "Any": Any, "Mapping": Mapping, "Sequence": Sequence}
    )


def convert(value: Any, wanted: Any, key: str, where: str = "") -> Any:
    """Convert `value` to the type `wanted`.

    Raises UserError, naming `key` and `where`, if it has another type.
    """
    try:
        return _convert(value, wanted)
    except TypeError as error:
        raise UserError(located(where, f"{key} must be {spoken(wanted)}, not {value!r}")) from error


def located(where: str, sentence: str) -> str:
    """Put the place of an error ("FILE, line 3") before its message, if there is one."""
    return f"{where}: {sentence}" if where else sentence


def spoken(wanted: Any) -> str:
    """Describe a type in words, for an error: "a whole number", "one of sgd, adamw, lars".

    None is not mentioned, even if it is allowed.
    """
    origin, inner = get_origin(wanted), get_args(wanted)
    if origin in (Union, types.UnionType):
        return " or ".join(spoken(kind) for kind in inner if kind is not type(None))
    if origin is Literal:
        return f"one of {', '.join(map(str, inner))}"
    if origin in (tuple, list):
        count = "" if Ellipsis in inner or origin is list else f"{len(inner)} "
        return f"a list of {count}values, each {spoken(inner[0])}"
    return WORDS.get(wanted, getattr(wanted, "__name__", str(wanted)))


def _convert(value: Any, wanted: Any) -> Any:
    origin, inner = get_origin(wanted), get_args(wanted)
    if origin in (Union, types.UnionType):
        # its own type first: 1 stays an int
        return _first(value, sorted(inner, key=lambda kind: kind is not type(value)))
    if origin is Literal:
        return _first(value, inner, lambda value, choice: choice if value == choice else _refuse())
    if origin in (tuple, list):
        return _sequence(value, origin, inner)
    if wanted is float:
        return _float(value)
    if wanted is int and isinstance(value, float) and value.is_integer():  # 1e5
        return int(value)
    if wanted is Any or (isinstance(value, wanted) and not (wanted is int and isinstance(value, bool))):
        return value
    return _refuse()


def _first(value: Any, choices: Sequence[Any], attempt: Callable[[Any, Any], Any] = _convert) -> Any:
    for choice in choices:
        try:
            return attempt(value, choice)
        except TypeError:
            continue
    return _refuse()


def _sequence(value: Any, origin: Any, inner: tuple[Any, ...]) -> Any:
    if not isinstance(value, list | tuple):
        _refuse()
    if origin is tuple and Ellipsis not in inner:
        if len(value) != len(inner):
            _refuse()
        return tuple(_convert(item, kind) for item, kind in zip(value, inner, strict=True))
    return origin(_convert(item, inner[0]) for item in value)


def _float(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, str) and re.fullmatch(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+", value):  # YAML 1.1 reads 1e-3 as text
        return float(value)
    return float(_refuse())


def _refuse() -> Any:
    raise TypeError
