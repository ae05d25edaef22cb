"""The flags of ``selftaught pretrain METHOD``, made from the signatures of the method, its encoder and `Recipe`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from cyclopts import Group, Parameter

from selftaught import encoders, methods
from selftaught.config import Layer, options, read
from selftaught.config.options import SHARED, Option
from selftaught.errors import UserError, unknown

RUN = Group("The run", sort_key=1)
METHOD = Group("The method", sort_key=2)
ENCODER = Group("The encoder", sort_key=3)
RECIPE = Group("The recipe", sort_key=4)
SWITCH: dict[str, Any] = {"negative": "", "show_default": False}
"""How a flag without a value is shown."""
FIXED = ("method", "data", "out", "resume", "encoder", "config", "json_")
"""Parameters of the verb itself; all others are options by key."""


class Flags:
    """What may be given to pretrain, for the method and the encoder that a command line speaks of."""

    def __init__(self, tokens: Sequence[str]) -> None:
        """Raises UserError for a method, an encoder or a configuration file that is not there."""
        file = _value(tokens, "--config")
        values = (read(file) if file else Layer({}, {})).values
        self.method = _method(tokens, values)
        network = methods.describe(self.method).network if self.method else "conv"
        self.encoder = _value(tokens, "--encoder") or values.get("encoder.name") or network
        known = [*(options.method(self.method) if self.method else ()), *options.encoder(str(self.encoder))]
        known += [*options.recipe(), *options.data(self.method), options.INIT]
        self.known: dict[str, Option] = {option.key: option for option in known}
        short = options.plain(self.known)
        self.names = {key: option.name if short.get(option.name) == key else key for key, option in self.known.items()}
        self.defaults = methods.describe(self.method).recipe if self.method else {}

    def spelt(self, tokens: Sequence[str]) -> list[str]:
        """The tokens with every option under the name that the parser knows: --recipe.batch_size becomes --batch-size.

        Raises UserError, with a suggestion, for a key that its section does not have.
        """
        return [self._spelt(token) if token.startswith("--") and len(token) > 2 else token for token in tokens]

    def _spelt(self, token: str) -> str:
        name, equals, value = token[2:].partition("=")
        key = name.replace("-", "_")
        if "." in key and key.partition(".")[0] in options.SECTIONS:
            negated = key.replace(".no_", ".") if key.replace(".no_", ".") in self.known else key
            if negated not in self.known:
                raise options.misspelt(key, self.known)
            name = ("no-" if negated != key else "") + self.names[negated]
        return f"--{name.replace('_', '-')}{equals}{value}"

    def keyed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The parsed values of options under their dotted keys."""
        return {key: values[_identifier(key)] for key in self.known if _identifier(key) in values}

    def give(self, verb: Callable[..., Any]) -> Callable[..., Any]:
        """`verb` with a parameter for each option, which the parser reads and --help lists."""

        def with_flags(*args: Any, **values: Any) -> Any:
            return verb(*args, **{k: v for k, v in values.items() if k in FIXED}, flags=self.keyed(values))

        own = [p for p in inspect.signature(verb, eval_str=True).parameters.values() if p.name != "flags"]
        doc = inspect.getdoc(verb) or ""
        with_flags.__doc__ = "\n".join(line for line in doc.splitlines() if not line.lstrip().startswith("flags:")).format(
            encoders=", ".join(encoders.names())
        )
        with_flags.__signature__ = inspect.Signature([*own, *map(self._parameter, self.known.values())])  # type: ignore[attr-defined]
        return with_flags

    def _parameter(self, option: Option) -> inspect.Parameter:
        default = self.defaults.get(option.name, option.default) if option.section == "recipe" else option.default
        shared = option.section in ("data", "init") or (option.section == "recipe" and option.name in SHARED)
        group = RUN if shared else {"method": METHOD, "encoder": ENCODER, "recipe": RECIPE}[option.section]
        flag = Parameter(
            name=f"--{self.names[option.key].replace('_', '-')}",
            help=option.doc,
            group=group,
            negative_iterable="",
            consume_multiple=True if _is_list(option.type) else None,
            show_default=default is not None,
        )
        kind = inspect.Parameter.KEYWORD_ONLY
        return inspect.Parameter(_identifier(option.key), kind, default=default, annotation=Annotated[option.type, flag])


def _identifier(key: str) -> str:
    return key.replace(".", "__")


def _is_list(kind: Any) -> bool:
    return getattr(kind, "__origin__", None) in (tuple, list) and Ellipsis in kind.__args__


def _value(tokens: Sequence[str], flag: str) -> str | None:
    for token, following in zip(tokens, [*tokens[1:], ""], strict=False):
        if token == flag and following:
            return following
        if token.startswith(f"{flag}="):
            return token.partition("=")[2]
    return None


def _method(tokens: Sequence[str], values: Mapping[str, Any]) -> str | None:
    """The first word that names a method, else the file's. Raises UserError when the first argument is a misspelt one."""
    known = methods.names()
    named = next((token for token in tokens if token in known), None)
    if named is None and tokens and not tokens[0].startswith("-"):
        raise unknown("method", tokens[0], known)
    named = named or values.get("method.name")
    if named is not None and named not in known:
        raise unknown("method", str(named), known)
    return named


__all__ = ["Flags", "UserError"]
