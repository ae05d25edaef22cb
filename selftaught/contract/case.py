"""A method made small, and toys of the kind of sample that it learns from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from types import ModuleType
from typing import Any, final

import numpy as np
import torch

from selftaught import encoders, methods
from selftaught.config import options
from selftaught.method import Batch, Method, Source

STEPS = 8
"""Length of the trainings that are compared with each other."""


@final
@dataclass(frozen=True)
class Case:
    """A method, a kind of sample, and what fits it to toys. It travels to other processes.

    Args:
        name: The method: a name, or the path of your own file.
        kind: The kind of sample; must be one that the method sees.
        arguments: Of the method, where its defaults do not fit a few tiny samples.
        learns: Arguments that it needs besides to learn the toy.
        toy: Arguments of the toy: see ``data/KIND/toy.py``.
        variants: More sets of arguments with which its gradients are checked.
        encoder: The encoder's name; "" for the one that the method is given by default.
        encoder_arguments: Of the encoder, over those that make it small.
    """

    name: str
    kind: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    learns: Mapping[str, Any] = field(default_factory=dict)
    toy: Mapping[str, Any] = field(default_factory=dict)
    variants: tuple[Mapping[str, Any], ...] = ()
    encoder: str = ""
    encoder_arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def toys(self) -> ModuleType:
        """What makes the kind's toys."""
        return import_module(f"selftaught.data.{self.kind}.toy")

    @property
    def type(self) -> type[Method]:
        """The method's class."""
        return methods.load(self.name, self.kind)

    def source(self, n: int = 96, seed: int = 0) -> Source:
        """n samples to learn from; those of another seed are held out."""
        source: Source = self.toys.source(n, seed, **self.toy)
        return source

    def build(self, seed: int = 0, **arguments: Any) -> Method:
        """The method, unprepared, with the weights of `seed`."""
        torch.manual_seed(seed)
        network = self.encoder or options.network(self.name, self.kind)
        small = {**encoders.small(network), **self.encoder_arguments}
        encoder = encoders.build(network, self.toys.seen(**self.toy), **small)
        return self.type(encoder, **{**self.arguments, **arguments})

    def prepared(self, source: Source, **arguments: Any) -> Method:
        """The method, ready to see batches of `source`."""
        method = self.build(**arguments)
        method.prepare(method.views.bind(source))
        return method.train()


def batch(method: Method, source: Source, index: Any, epoch: int = 0) -> Batch:
    """What `method` sees of the samples at `index`."""
    bound = method.views.bind(source)
    index = np.asarray(index, dtype=np.int64)
    return method.views.apply(bound.fetch(index), method.views.sample(index, epoch, 0), torch.device("cpu"))
