"""The flags of verbs that train, from the signatures of the method, its encoder, its kind of sample and `Recipe`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from cyclopts import Group, Parameter

from selftaught import encoders, methods
from selftaught import kind as kinds
from selftaught.config import Layer, options, read
from selftaught.config.options import SHARED, Option
from selftaught.errors import unknown

RUN = Group("The run", sort_key=1)
METHOD = Group("The method", sort_key=2)
ENCODER = Group("The encoder", sort_key=3)
RECIPE = Group("The recipe", sort_key=4)


class Flags:
    """What a verb with a parameter `flags` takes, for the method, encoder and data that a command line names."""

    def __init__(self, verb: Callable[..., Any], tokens: Sequence[str]) -> None:
        """Raises UserError for a method, an encoder or a configuration file that is not there."""
        self.verb = verb
        file = _value(tokens, "--config")
        values = (read(file) if file else Layer({}, {})).values
        self.method = _method(tokens, values)
        seen = methods.sees(self.method) if self.method else tuple(kinds.names())
        self.kind = _kind(self.method, seen, tokens, values)
        seen = (self.kind,) if self.kind else seen
        network = options.network(self.method, seen[0]) if self.method else kinds.describe(seen[0]).network
        self.encoder = str(_value(tokens, "--encoder") or values.get("encoder.name") or network)
        known = [*(options.method(self.method, self.kind) if self.method else ()), *options.encoder(self.encoder)]
        known += [*options.recipe(), *options.data(seen), options.INIT]
        own_kind = any(option.key == "method.kind" for option in known)  # which takes the name
        if self.kind is not None and (own_kind or not _said_kind(self.method, tokens, values)):
            known.remove(options.KIND)  # there is nothing to choose
        self.known: dict[str, Option] = {option.key: option for option in known}
        own = bool(self.method and methods.describe(self.method, self.kind).network)
        short = options.plain(self.known, own)
        self.names = {key: option.name if short.get(option.name) == key else key for key, option in self.known.items()}
        self.defaults = methods.describe(self.method, self.kind).recipe if self.method else {}
        self.words = {"encoders": ", ".join(encoders.names(self.kind)), "network": network}

    def spelt(self, tokens: Sequence[str]) -> list[str]:
        """The tokens with every option under the name that the parser knows: --recipe.batch_size becomes --batch-size.

        Raises UserError, with a suggestion, for a key that its section does not have.
        """
        return [self._spelt(token) if token.startswith("--") and len(token) > 2 else token for token in tokens]

    def _spelt(self, token: str) -> str:
        name, equals, value = token[2:].partition("=")
        key = name.replace("-", "_")
        if self.kind is not None and key.rpartition(".")[2] not in self.names.values():
            options.elsewhere(key.removeprefix("data.").removeprefix("no_"), self.kind)
        if "." in key and key.partition(".")[0] in options.SECTIONS:
            negated = key.replace(".no_", ".") if key.replace(".no_", ".") in self.known else key
            if negated not in self.known:
                raise options.misspelt(key, self.known)
            name = ("no-" if negated != key else "") + self.names[negated]
        return f"--{name.replace('_', '-')}{equals}{value}"

    def give(self) -> Callable[..., Any]:
        """The verb with a parameter for each option, which the parser reads and --help lists."""
        own = [p for p in inspect.signature(self.verb, eval_str=True).parameters.values() if p.name != "flags"]
        fixed = {p.name for p in own}

        def with_flags(*args: Any, **values: Any) -> Any:
            given = {key: values[_identifier(key)] for key in self.known if _identifier(key) in values}
            return self.verb(*args, **{k: v for k, v in values.items() if k in fixed}, flags=given)

        lines = (inspect.getdoc(self.verb) or "").splitlines()
        with_flags.__doc__ = "\n".join(line for line in lines if not line.lstrip().startswith("flags:")).format(
            **self.words
        )
        parameters = [*own, *map(self._parameter, self.known.values())]
        with_flags.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
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
            consume_multiple=True if is_list(option.type) else None,
            show_default=default not in (None, ()),
        )
        kind = inspect.Parameter.KEYWORD_ONLY
        return inspect.Parameter(
            _identifier(option.key), kind, default=default, annotation=Annotated[option.type, flag]
        )


def _identifier(key: str) -> str:
    return key.replace(".", "__")


def is_list(kind: Any) -> bool:
    """Return whether a flag of this type takes several values."""
    return getattr(kind, "__origin__", None) in (tuple, list) and Ellipsis in kind.__args__


def _value(tokens: Sequence[str], flag: str) -> str | None:
    for token, following in zip(tokens, [*tokens[1:], ""], strict=False):
        if token == flag and following:
            return following
        if token.startswith(f"{flag}="):
            return token.partition("=")[2]
    return None


def _method(tokens: Sequence[str], values: Mapping[str, Any]) -> str | None:
    """The first word that names a method, else the file's.

    Raises UserError when the first argument is a misspelt one.
    """
    known = methods.names()
    named = next((token for token in tokens if token in known or (methods.is_file(token) and token[:1] != "-")), None)
    if named is None and tokens and not tokens[0].startswith("-"):
        raise unknown("method", tokens[0], known)
    named = named or values.get("method.name")
    if named is not None:
        methods.specs(str(named))
    return named


def _kind(method: str | None, seen: Sequence[str], tokens: Sequence[str], values: Mapping[str, Any]) -> str | None:
    """The kind of the data that the line names; None while the line names none and there is a choice."""
    said = _said_kind(method, tokens, values)
    if said is not None or len(seen) == 1:
        return str(said) if said is not None else seen[0]
    after = tokens[tokens.index(method) + 1 :] if method in tokens else []
    data = after[0] if after and not after[0].startswith("-") else values.get("data.source")
    if method is None or data is None:
        return None
    from selftaught.data import catalog

    return kinds.of_data(data, seen, catalog.listed())


def _said_kind(method: str | None, tokens: Sequence[str], values: Mapping[str, Any]) -> str | None:
    """The kind of sample that the line or the file names. An argument of the method called "kind" is something else."""
    own = {argument.name for spec in (methods.specs(method) if method else ()) for argument in spec.arguments}
    said = _value(tokens, "--data.kind") or (None if "kind" in own else _value(tokens, "--kind"))
    return said or values.get("data.kind")
