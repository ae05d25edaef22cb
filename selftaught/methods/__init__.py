"""Methods: one paper, one file, one final `Method`. The folder is the idea, the file's name is the method's name.

``methods/contrast/moco.py`` is ``moco``. Where one paper needs several files, they share a folder inside the idea's:
``methods/language/gpt/text.py`` is ``gpt-text``, and its folder is still ``language``. Listing and describing them imports no
torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from selftaught.errors import unknown
from selftaught.parts.signature import Argument, classes

if TYPE_CHECKING:
    from selftaught.method import Method


@final
@dataclass(frozen=True)
class Spec:
    """What a method's file says of it: `folder` is the idea ("" for the supervised reference), `title` the first line."""

    name: str
    folder: str
    title: str
    doc: str
    arguments: tuple[Argument, ...]
    recipe: dict[str, Any]
    sees: str
    network: str
    module: str
    class_name: str


@cache
def _catalogue() -> dict[str, Spec]:
    root = Path(__file__).parent
    found = {}
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        for declared in classes(path) if parts[-1] != "__init__" else ():
            if {"Method", "Compiled"} & {*declared.bases}:
                name, title = "-".join(parts[1:] or parts), declared.doc.partition("\n")[0]
                recipe, own = declared.attributes.get("recipe", {}), declared.attributes
                sees, network = own.get("sees", "images"), own.get("network", "conv")
                module = ".".join((__name__, *parts))
                folder = parts[0] if len(parts) > 1 else ""
                found[name] = Spec(name, folder, title, declared.doc, declared.arguments, recipe, sees, network, module, declared.name)
    return found


def names(sees: str | None = None) -> list[str]:
    """Every method, sorted; or those that see "images", or "text"."""
    return sorted(name for name, spec in _catalogue().items() if sees in (None, spec.sees))


def describe(name: str) -> Spec:
    """What the method's file says of it. Raises UserError, with a suggestion, for an unknown name."""
    if name not in _catalogue():
        raise unknown("method", name, names())
    return _catalogue()[name]


def load(name: str) -> type[Method]:
    """The method's class. Raises UserError, with a suggestion, for an unknown name."""
    import importlib

    spec = describe(name)
    method: type[Method] = getattr(importlib.import_module(spec.module), spec.class_name)
    return method


__all__ = ["Argument", "Spec", "describe", "load", "names"]
