"""Every value that a user may set, read from signatures without importing what they belong to."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, final

from selftaught import encoders, methods
from selftaught.config.values import kinds, located
from selftaught.errors import UserError, unknown
from selftaught.parts.signature import described
from selftaught.recipe import Recipe

SECTIONS = ("method", "encoder", "data", "recipe", "init")
SHARED = ("steps", "epochs", "minutes", "batch_size", "lr", "seed", "checkpoint_every")
"""Fields of the recipe whose short names are the same for every method."""


@final
@dataclass(frozen=True)
class Option:
    """One value that a user may set."""

    key: str
    """Dotted: section and name."""
    type: Any
    """A runtime type: int, float | None, Literal["a", "b"], tuple[float, ...]."""
    default: Any
    doc: str

    @property
    def section(self) -> str:
        """method, encoder, recipe, data or init."""
        return self.key.partition(".")[0]

    @property
    def name(self) -> str:
        """The key without its section."""
        return self.key.rpartition(".")[2]


DATA = (
    Option("data.limit", int | None, None, "Only the first N samples."),
    Option("data.size", int | None, None, "Height and width that the encoder sees. By default the images' own up to 96, else 96."),
    Option("data.labels", str | None, None, "Labels to train with: 10/class, 10% or all. The seed draws them; the rest are hidden."),
    Option("data.split", str | None, None, "train, test or all. By default train where there are labels, else all."),
)
TEXT = (
    Option("data.limit", int | None, None, "Only the first N documents."),
    Option("data.tokens", str, "words", "How text is split: words, whitespace (as given), characters, or bpe:8000 (so many byte pairs)."),
    Option("data.lower", bool, True, "Lower-case the text first."),
    Option("data.errors", Literal["strict", "replace"], "strict", "What is no UTF-8: refuse the file, naming the line, or replace it."),
    Option("data.column", str, "text", "The field of JSON Lines or column of Parquet that holds the text."),
    Option("data.labels", str | None, None, "Labels to train with: 10/class, 10% or all. The seed draws them; the rest are hidden."),
    Option("data.split", str | None, None, "train, test or all. By default train where there are labels, else all."),
)
INIT = Option(
    "init", str | None, None, "Encoder to start from: a run, its encoder.safetensors, torchvision's or timm's weights, word vectors."
)


@functools.cache
def recipe() -> tuple[Option, ...]:
    """Every field of `Recipe`, in its order."""
    docs = described(Recipe.__doc__ or "")
    types = kinds({f.name: f.type for f in fields(Recipe)})
    return tuple(Option(f"recipe.{f.name}", types[f.name], f.default, docs[f.name]) for f in fields(Recipe))


def method(name: str) -> tuple[Option, ...]:
    """The hyper-parameters of a method. Raises UserError, with a suggestion, for an unknown name."""
    if name not in methods.names():
        raise unknown("method", name, methods.names())
    return _described("method", methods.describe(name).arguments)


def encoder(name: str) -> tuple[Option, ...]:
    """The arguments of an encoder. Raises UserError, with a suggestion, for an unknown name."""
    if name not in encoders.names():
        raise unknown("encoder", name, encoders.names())
    return _described("encoder", encoders.arguments(name))


def every(method_name: str, encoder_name: str) -> dict[str, Option]:
    """All that may be set for this method and this encoder, by dotted key."""
    known = (*method(method_name), *encoder(encoder_name), *recipe(), *data(method_name), INIT)
    return {option.key: option for option in known}


def data(method_name: str | None) -> tuple[Option, ...]:
    """What may be said of the data: of text for methods that see text, of images for the others."""
    return TEXT if method_name is not None and methods.describe(method_name).sees == "text" else DATA


def plain(known: Mapping[str, Option]) -> dict[str, str]:
    """The key that each short name stands for. What all methods share comes first, then the method's own, then the rest.

    Arguments of an encoder have short names where it is the vocabulary that a method of words fills (--dim, --min-count): nothing else
    there goes by them.
    """
    short: dict[str, str] = {}
    for section in ("data", "init", "method", "recipe", *(["encoder"] if "data.tokens" in known else [])):
        for option in (option for option in known.values() if option.section == section):
            short.setdefault(option.name, option.key)
    return short | {name: f"recipe.{name}" for name in SHARED}


def keyed(arguments: Mapping[str, Any], method_name: str, encoder_name: str | None = None) -> dict[str, Any]:
    """Keyword arguments of Python under their dotted keys. Raises UserError, with a suggestion, for an unknown one."""
    known = {option.key: option for option in (*method(method_name), *recipe(), *data(method_name))}
    if methods.describe(method_name).sees == "text":
        known |= {option.key: option for option in encoder(encoder_name or methods.describe(method_name).network)}
    short = plain(known)
    for name in arguments:
        if name not in short:
            raise unknown(f"argument of {method_name}", name, short)
    return {short[name]: value for name, value in arguments.items()}


def misspelt(key: str, known: Mapping[str, Option], where: str = "") -> UserError:
    """The error for an unknown key, with the nearest known one: first of the same name in another section, then by spelling."""
    section, name = key.partition(".")[0], key.rpartition(".")[2]
    near = [option.key for option in known.values() if option.name == name]
    near += [f"{section}.{match}" for match in difflib.get_close_matches(name, [o.name for o in known.values() if o.section == section], 1)]
    near += difflib.get_close_matches(key, [*known, *SECTIONS], 1)
    siblings = [option.name for option in known.values() if option.section == section] or SECTIONS
    hint = f"did you mean '{near[0]}'?" if near else f"known are: {', '.join(siblings)}."
    return UserError(located(where, f"unknown option '{key}': {hint}"))


def _described(section: str, arguments: Iterable[Any]) -> tuple[Option, ...]:
    arguments = list(arguments)
    types = kinds({a.name: a.type for a in arguments})
    return tuple(Option(f"{section}.{a.name}", types[a.name], a.default, a.doc) for a in arguments)
