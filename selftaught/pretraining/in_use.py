"""Whether what a user asked for is in the method that was built.

Some methods replace the encoder that they are given. Options that this loses are refused, as `config.effects` refuses
those that have no effect from the start. So are options that need other data, or a longer run: where a user did not ask
for them, and the length is the reason, it is said in one line.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import torch

from selftaught.config import Config
from selftaught.errors import UserError
from selftaught.method import Encoder, Method, Planned
from selftaught.parts import norm


def check(config: Config, encoder: Encoder, method: Method) -> None:
    """Raises UserError when a value that a user asked for is lost in `method`, which was given `encoder`."""
    if "recipe.batch_norm_groups" in config.said and not norm.grouped(method):
        raise UserError(
            f"batch_norm_groups has no effect on {config.method} with this encoder, which has no batch norm: remove it"
        )
    for option, why in method.views.unused().items():
        if f"method.{option}" in config.said and config.method_arguments.get(option):
            raise UserError(why)
    kept = method.encoder
    if kept is encoder:
        return
    spec, name = _flat(kept.spec), kept.spec["name"]
    replaced = f"{config.method} trains encoder {name} instead of {config.encoder}"
    if "encoder.name" in config.said and config.encoder not in (name, kept.spec.get("network")):
        raise UserError(f"{replaced}: remove --encoder, or use --encoder {name}")
    for key in sorted(config.said):
        section, _, argument = key.partition(".")
        if section == "encoder" and argument != "name" and spec.get(argument) != encoder.spec[argument]:
            raise UserError(
                f"{key} has no effect, because {replaced}, with {argument} {spec.get(argument, 'of its own')}: "
                f"remove it, or set it with --encoder {name}"
            )
    if config.init is not None and not _shared(encoder, kept):
        raise UserError(
            f"init has no effect, because {replaced}, and none of its weights are in {config.init}: start from an "
            f"encoder {name}, or remove init"
        )


def planned(config: Config, method: Method, say: Callable[[str], None] | None = None) -> Callable[[Planned], None]:
    """Return what checks the length of a run against the settings, see `fit.fit`.

    It raises UserError for an option that a user asked for and that has no effect, and tells `say` of others.
    """

    def check(length: Planned) -> None:
        told = method.unused(length)
        for option, why in told.items():
            if not config.said.isdisjoint((f"method.{option}", f"recipe.{option}")):
                raise UserError(why)
        for why in dict.fromkeys(told.values()):
            if say is not None:
                say(why)

    return check


def _flat(spec: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments of an encoder, with those of the networks inside it."""
    return (json.loads(spec["arguments"]) if "arguments" in spec else {}) | spec


def _shared(given: Encoder, kept: Encoder) -> bool:
    """Return whether weights of `given` are in `kept`, under whatever name."""
    theirs = [tensor for tensor in given.state_dict().values() if tensor.ndim > 1]
    return any(
        torch.equal(tensor, other)
        for tensor in kept.state_dict().values()
        for other in theirs
        if tensor.shape == other.shape
    )
