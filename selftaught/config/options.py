"""All options, read from signatures without importing the modules that they belong to."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, final

from selftaught import encoders, methods
from selftaught import kind as kinds
from selftaught.config.values import located, runtime_types
from selftaught.errors import UserError, unknown
from selftaught.parts.signature import described
from selftaught.recipe import Recipe

SECTIONS = ("method", "encoder", "data", "recipe", "init")
SHARED = ("steps", "epochs", "minutes", "batch_size", "lr", "seed", "checkpoint_every")
"""Recipe fields whose short names are the same for every method."""


@final
@dataclass(frozen=True)
class Option:
    """One option that a user can set."""

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


SAMPLES = Option(
    "data.limit", int | None, None, "Only N samples, drawn by the seed: of every class the same share of its samples."
)
GROUPS = Option(
    "data.groups",
    str | None,
    None,
    "Which samples stay on one side of a split, such as the frames of one video: a column, a file with the group of "
    "each sample, or a regular expression for the paths, whose parenthesis is the group: '(.*)_[0-9]+'.",
)
KIND = Option("data.kind", str | None, None, "The kind of sample, if the data can be read as several kinds.")
LABELLED = (
    Option(
        "data.labels",
        str | None,
        None,
        "Labels to train with: 10/class, 10% or all. The seed selects them; the other labels are hidden.",
    ),
    Option(
        "data.split",
        str | None,
        None,
        "train, test or all. By default train if there is something to judge by, such as labels, otherwise all.",
    ),
)
INIT = Option(
    "init",
    str | None,
    None,
    "Encoder to start from: a run, its encoder.safetensors, a checkpoint of another tool, word vectors, hf/FOLDER "
    "(GPT-2 or BERT on disk).",
)


@functools.cache
def recipe() -> tuple[Option, ...]:
    """Return every field of `Recipe`, in order."""
    docs = described(Recipe.__doc__ or "")
    types = runtime_types({f.name: f.type for f in fields(Recipe)})
    return tuple(Option(f"recipe.{f.name}", types[f.name], f.default, docs[f.name]) for f in fields(Recipe))


def method(name: str, kind: str | None = None) -> tuple[Option, ...]:
    """Return the hyper-parameters of a method. Raises UserError, with a suggestion, for an unknown name."""
    return of_section("method", methods.describe(name, kind).arguments)


def encoder(name: str) -> tuple[Option, ...]:
    """Return the arguments of an encoder. Raises UserError, with a suggestion, for an unknown name."""
    if not encoders.known(name):
        raise unknown("encoder", name, encoders.names())
    return of_section("encoder", encoders.arguments(name))


def every(method_name: str, encoder_name: str, kind: str) -> dict[str, Option]:
    """Return all options for this method and this encoder on data of this kind, by dotted key."""
    known = (*method(method_name, kind), *encoder(encoder_name), *recipe(), *data((kind,)), INIT)
    return {option.key: option for option in known}


def data(seen: Sequence[str]) -> tuple[Option, ...]:
    """Return the options of data that can be of the kinds `seen`."""
    own = {option.key: option for kind in seen for option in of_section("data", kinds.describe(kind).arguments)}
    return (SAMPLES, *own.values(), *LABELLED, GROUPS, KIND)


def network(method_name: str, kind: str) -> str:
    """Return the default encoder of a method for a kind of sample."""
    return methods.describe(method_name, kind).network or kinds.describe(kind).network


def plain(known: Mapping[str, Option], encoders_too: bool) -> dict[str, str]:
    """Return the key for each short name.

    Options common to all methods come first, then the method's own, then the others.

    Arguments of an encoder have short names too (`encoders_too`) if the method requires this encoder: word vectors have
    --dim.
    """
    short: dict[str, str] = {}
    for section in ("data", "init", "method", "recipe", *(["encoder"] if encoders_too else [])):
        for option in (option for option in known.values() if option.section == section):
            short.setdefault(option.name, option.key)
    return short | {name: f"recipe.{name}" for name in SHARED}


def keyed(arguments: Mapping[str, Any], method_name: str, kind: str, encoder_name: str | None = None) -> dict[str, Any]:
    """Convert keyword arguments of Python to dotted keys. Raises UserError, with a suggestion, for an unknown one."""
    known = every(method_name, encoder_name or network(method_name, kind), kind)
    if "method.kind" in known:  # its own takes the name, as on the command line
        known = {key: option for key, option in known.items() if key != KIND.key}
    short = plain(known, bool(methods.describe(method_name, kind).network))
    for name in arguments:
        if name not in short:
            elsewhere(name, kind)
            raise unknown(f"argument of {method_name}", name, short)
    return {short[name]: value for name, value in arguments.items()}


def elsewhere(name: str, kind: str, where: str = "") -> None:
    """Raises UserError if `name` is an option of another kind of sample."""
    for other in kinds.names():
        if other != kind and name in {argument.name for argument in kinds.describe(other).arguments}:
            theirs, ours = kinds.describe(other).samples, kinds.describe(kind).samples
            raise UserError(
                located(
                    where, f"{name} sets how {theirs} are read (kind {other}), but these data are {ours}: remove it"
                )
            )


def misspelt(key: str, known: Mapping[str, Option], where: str = "") -> UserError:
    """Return the error for an unknown key, with the nearest known one.

    The same name in another section comes first, then similar spellings.
    """
    section, name = key.partition(".")[0], key.rpartition(".")[2]
    near = [option.key for option in known.values() if option.name == name]
    near += [
        f"{section}.{match}"
        for match in difflib.get_close_matches(name, [o.name for o in known.values() if o.section == section], 1)
    ]
    near += difflib.get_close_matches(key, [*known, *SECTIONS], 1)
    siblings = [option.name for option in known.values() if option.section == section] or SECTIONS
    hint = f"did you mean '{near[0]}'?" if near else f"known are: {', '.join(siblings)}."
    return UserError(located(where, f"unknown option '{key}': {hint}"))


def of_section(section: str, arguments: Iterable[Any]) -> tuple[Option, ...]:
    """Return options for arguments that a file declares."""
    arguments = list(arguments)
    types = runtime_types({a.name: a.type for a in arguments})
    return tuple(Option(f"{section}.{a.name}", types[a.name], a.default, a.doc) for a in arguments)
