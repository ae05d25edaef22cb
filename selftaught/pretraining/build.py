"""From a configuration to the objects of a run: source, encoder, method."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from selftaught import encoders, methods
from selftaught.config import Config
from selftaught.data import catalog
from selftaught.data.hidden import hide
from selftaught.errors import UserError, expanded
from selftaught.kind import Progress, silent
from selftaught.method import Encoder, Method, Source
from selftaught.pretraining import in_use
from selftaught.pretraining.weights import Weights


def locate(data: Any) -> str | None:
    """What config.yaml says about the data, so that a resumed run finds them.

    A catalog name, an absolute path, None for objects.
    """
    if isinstance(data, Path) or (isinstance(data, str) and data not in catalog.listed()):
        path = expanded(data)
        # a pattern of files, such as train-{000..127}.tar, is no path that exists
        return str(path.resolve()) if path.exists() or "{" in str(data) else str(data)
    return data if isinstance(data, str) else None


def open_data(config: Config, data: Any = None, progress: Progress = silent) -> tuple[Source, str]:
    """What the run trains on, labels hidden as it says, and its split.

    `data` is the object itself where config names none.

    Raises UserError.
    """
    given = config.data["source"] if data is None else data
    if given is None:
        raise UserError(
            "the data of this run were in memory: resume it from Python, selftaught.pretrain(..., out=RUN, resume=True)"
        )
    split, limit, labels, seed = config.data["split"], config.data["limit"], config.data["labels"], config.recipe.seed
    kind = config.reading()
    how: dict[str, Any] = {"seed": seed, "groups": config.data["groups"]}
    if split is None:
        split = "train"
        if not (isinstance(given, str) and given in catalog.listed() and catalog.get(given).ENTRY.classes):
            whole = kind.read(given, "all", limit, progress, **how)
            if not kind.judged(whole):  # nothing to judge it by: every sample is worth training on
                return hide(whole, labels, seed), "all"
    return hide(kind.read(given, split, limit, progress, **how), labels, seed), split


def build(config: Config, source: Source, say: Callable[[str], None] | None = None) -> Method:
    """The method around its encoder, its initial weights a pure function of the seed.

    `say` is told what of the weights that --init names was taken. Raises UserError for arguments that do not fit.
    """
    encoder = fresh_encoder(config, config.reading().input(source))
    if config.init is not None:
        strict = config.data.get("errors", "strict") == "strict"
        encoder.start(Weights(config.init, "strict" if strict else "replace", say))
    method = _around(config, encoder)
    in_use.check(config, encoder, method)
    return method


def fresh_encoder(config: Config, seen: dict[str, Any]) -> Encoder:
    """The encoder as it is before any training, the same every time; `seen` is the "input" of its spec."""
    with _seeded(config.recipe.seed):
        return encoders.build(config.encoder, seen, **config.encoder_arguments)


def untrained(config: Config, seen: dict[str, Any]) -> Encoder:
    """What the method would keep if it stopped before its first step, without weights from elsewhere.

    Its own form of `fresh_encoder`.
    """
    return _around(config, fresh_encoder(config, seen)).encoder


def _around(config: Config, encoder: Encoder) -> Method:
    with _seeded(config.recipe.seed + 1):
        return type_of(config)(encoder, **config.method_arguments)


def type_of(config: Config) -> type[Method]:
    """The class of a run's method."""
    return methods.load(config.method, config.kind)


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """A context in which torch's random generator starts at `seed`.

    Outside, a caller's own random numbers go on as if nothing happened.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
