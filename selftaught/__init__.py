"""Learn representations from unlabelled data, judge them honestly, see them in a report.

>>> import selftaught
>>> run = selftaught.pretrain("simclr", "fashion-mnist", minutes=2)  # doctest: +SKIP
>>> run.embed(images)                                                # doctest: +SKIP

Nothing is imported before it is used: torch takes seconds, and ``selftaught --help`` needs none of it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selftaught.data import open_source
    from selftaught.errors import UserError
    from selftaught.method import Encoder, Method, Source, Views
    from selftaught.pretraining import Run, load, pretrain, resume
    from selftaught.recipe import Recipe

_HOMES = {
    "Encoder": "method", "Method": "method", "Source": "method", "Views": "method",
    "Recipe": "recipe", "Run": "pretraining", "UserError": "errors",
    "load": "pretraining", "open_source": "data", "pretrain": "pretraining", "resume": "pretraining",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """A public name, imported from its home when it is first asked for."""
    if name == "__version__":
        from importlib.metadata import version

        return version("selftaught")
    if name not in _HOMES:
        raise AttributeError(f"module 'selftaught' has no attribute '{name}'")
    return getattr(importlib.import_module(f"selftaught.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """What ``dir(selftaught)`` lists."""
    return [*__all__, "__version__"]


__all__ = [
    "Encoder",
    "Method",
    "Recipe",
    "Run",
    "Source",
    "UserError",
    "Views",
    "load",
    "open_source",
    "pretrain",
    "resume",
]
