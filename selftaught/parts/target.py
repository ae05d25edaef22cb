"""Targets: values that a loss compares with, and through which no gradient flows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import final

from torch import Tensor

from selftaught.errors import UserError


def target(name: str, x: Tensor) -> Tensor:
    """Return `x` without gradients: the stop-gradient of a loss, by name.

    Use it in place of ``x.detach()`` for a value that depends on trained parameters and takes part in the loss. The
    names are those of `Method.targets`. Inside `held`, every pass after the first gets the values of the first pass, so
    that a finite difference of the loss is comparable with its gradient.

    >>> import torch
    >>> target("code", torch.ones(2, requires_grad=True)).requires_grad
    False
    """
    holding = _holding.get()
    return x.detach() if holding is None else holding.next(name, x.detach())


@final
class Held:
    """The targets of the first pass. Start every other pass with `rewind`."""

    def __init__(self) -> None:
        self.values: list[tuple[str, Tensor]] = []
        self.place: int | None = None  # None in the first pass

    def rewind(self) -> None:
        """Start another pass."""
        self.place = 0

    def next(self, name: str, x: Tensor) -> Tensor:
        """Return the value to use for `x`. Raises UserError when a pass asks for other targets than the first."""
        if self.place is None:
            self.values.append((name, x.clone()))
            return x
        if self.place >= len(self.values) or self.values[self.place][0] != name:
            raise UserError(f"forward asks for the target '{name}' in one pass and not in another")
        self.place += 1
        return self.values[self.place - 1][1]


_holding: ContextVar[Held | None] = ContextVar("holding", default=None)


@contextmanager
def held() -> Iterator[Held]:
    """Hold all targets at their values of the first pass inside the block."""
    targets = Held()
    token = _holding.set(targets)
    try:
        yield targets
    finally:
        _holding.reset(token)
