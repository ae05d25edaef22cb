"""Methods: one paper is one file with one final `Method`. The folder is the idea, the file name is the method's name.

``methods/contrast/moco.py`` is ``moco``. A paper that needs one file per kind of sample has a folder of the method's
name: ``methods/contrast/cpc/image.py`` is ``cpc`` for images, and the kind of the data selects the file.
``methods/supervised/`` is the reference and belongs to no idea. Your own method is named by its path:
``path/to/mine.py``. Listing and describing methods does not import torch.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from selftaught import encoders
from selftaught import kind as kinds
from selftaught.errors import UserError, expanded, unknown
from selftaught.parts.signature import Argument, Declared, subclasses

if TYPE_CHECKING:
    from selftaught.method import Method

ROOT = Path(__file__).parent
BASES = {"Method": "descent", "Compiled": "slices"}
"""The classes that a method may subclass, with their default stepper."""


@final
@dataclass(frozen=True)
class Spec:
    """What the file of a method declares.

    Attributes:
        name: Name on the command line.
        folder: The idea; "" for the supervised reference and for your own files.
        title: The first line of the docstring.
        doc: The docstring.
        arguments: The hyper-parameters.
        recipe: The method's own defaults for `Recipe`.
        sees: The kinds of sample that it learns from, at least one.
        network: Name of its default encoder; "" for the default encoder of the kind.
        stepper: How it is stepped: the name of a file of `steps/`.
        uses_labels: Whether it learns from labels.
        effects: What arguments, and fields of `Recipe`, need to have an effect: see `config.effects`.
        path: The file.
        class_name: Name of the class in the file.
    """

    name: str
    folder: str
    title: str
    doc: str
    arguments: tuple[Argument, ...]
    recipe: dict[str, Any]
    sees: tuple[str, ...]
    network: str
    stepper: str
    uses_labels: bool
    effects: dict[str, Any]
    path: Path
    class_name: str


def _specs(name: str, folder: str, path: Path, declared: Declared, sees: tuple[str, ...] = ()) -> tuple[Spec, ...]:
    """Return the spec of a file: one, or one per kind of sample if it names several encoders."""
    own = declared.attributes
    sees = tuple(own.get("sees", ())) or sees or tuple(kinds.names())
    title, stepper = declared.doc.partition("\n")[0], own.get("stepper", BASES[declared.base(BASES) or "Method"])
    recipe, network = own.get("recipe", {}), own.get("network", "")
    uses_labels, effects = own.get("uses_labels", False), own.get("effects", {})
    spec = Spec(
        name, folder, title, declared.doc, declared.arguments, recipe, sees, "", stepper, uses_labels, effects, path,
        declared.name,
    )  # fmt: skip
    if isinstance(network, str):
        return (replace(spec, network=network),)
    return tuple(
        replace(spec, sees=(kind,), network=next((name for name in network if kind in encoders.sees(name)), ""))
        for kind in sees
    )


@cache
def _catalogue() -> dict[str, tuple[Spec, ...]]:
    """Return the specs of every method: one, or one per kind of sample."""
    found: dict[str, tuple[Spec, ...]] = {}
    for path in sorted(ROOT.rglob("*.py")):
        *folders, stem = path.relative_to(ROOT).with_suffix("").parts
        for declared in subclasses(path, *BASES):
            sibling = stem in kinds.names() and bool(folders)
            name = folders.pop() if sibling else stem
            specs = _specs(name, folders[0] if folders else "", path, declared, (stem,) if sibling else ())
            found[name] = (*found.get(name, ()), *specs)
    return found


@cache
def _own(path: Path) -> tuple[Spec, ...]:
    """Return what the one method in a user's file declares.

    Raises UserError, with the line number, when there is no method or the file is not valid Python.
    """
    try:
        found = subclasses(path, *BASES)
    except SyntaxError as error:
        raise UserError(f"{path}, line {error.lineno}: not valid Python ({error.msg})") from None
    except ValueError as error:  # a default that is not a literal, or a byte that is not UTF-8
        raise UserError(f"{path}: {error}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    if len(found) != 1:
        raise UserError(f"{path} must define one class that subclasses Method (or Compiled), but defines {len(found)}")
    return _specs(str(path), "", path, found[0])


def is_file(name: str) -> bool:
    """Return whether `name` is the path of a user's own method, and not the name of a method of the library."""
    return name.endswith(".py")


def names(sees: str | None = None) -> list[str]:
    """Return the names of all methods of the library, sorted, or of those that learn from the kind of sample `sees`.

    >>> "moco" in names("image"), "moco" in names("text")
    (True, False)
    """
    return sorted(
        name for name, specs in _catalogue().items() if sees is None or any(sees in spec.sees for spec in specs)
    )


def specs(name: str) -> tuple[Spec, ...]:
    """Return what the files of a method declare: one spec, or one per kind of sample.

    Raises UserError, with a suggestion, for an unknown name.
    """
    if is_file(name):
        return _own(expanded(name))
    if name not in _catalogue():
        raise unknown("method", name, names())
    return _catalogue()[name]


def sees(name: str) -> tuple[str, ...]:
    """Return the kinds of sample that a method learns from. Raises UserError for an unknown name.

    >>> sees("moco")
    ('image',)
    """
    return tuple(dict.fromkeys(kind for spec in specs(name) for kind in spec.sees))


def describe(name: str, kind: str | None = None) -> Spec:
    """Return what the method's file declares, for the kind of sample `kind` or for the first kind.

    Raises UserError when the method is unknown or does not learn from this kind.

    >>> spec = describe("moco")
    >>> spec.title
    'Contrastive learning with a queue of past keys and a momentum encoder.'
    >>> [argument.name for argument in spec.arguments][:3]
    ['dim', 'queue', 'momentum']
    """
    found = [spec for spec in specs(name) if kind is None or kind in spec.sees]
    if not found:
        seen, given = (" or ".join(kinds.describe(one).samples for one in some) for some in (sees(name), [str(kind)]))
        raise UserError(
            f"{name} learns from {seen}, not from {given}: run 'selftaught methods' to list methods by kind of sample"
        )
    return found[0]


def load(name: str, kind: str | None = None) -> type[Method]:
    """Return the method's class, for the kind of sample `kind` or for the first kind.

    Raises UserError, with a suggestion, for an unknown name. If a user's own file fails, the error names the line.

    >>> load("moco").__name__
    'MoCo'
    """
    spec = describe(name, kind)
    if is_file(name):
        return _imported(spec)
    module = ".".join((__name__, *spec.path.relative_to(ROOT).with_suffix("").parts))
    method: type[Method] = getattr(importlib.import_module(module), spec.class_name)
    return method


def _imported(spec: Spec) -> type[Method]:
    """Return the class in a user's file, which is executed once."""
    name = f"selftaught_own_{spec.path.stem}"
    if name in sys.modules and sys.modules[name].__file__ == str(spec.path):
        module = sys.modules[name]
    else:
        found = importlib.util.spec_from_file_location(name, spec.path)
        assert found is not None and found.loader is not None
        module = importlib.util.module_from_spec(found)
        try:
            found.loader.exec_module(module)
        except Exception as error:
            raise UserError(f"{spec.path}{_line(error, spec.path)}: {type(error).__name__}: {error}") from error
        sys.modules[name] = module
    method: type[Method] = getattr(module, spec.class_name)
    return method


def _line(error: BaseException, path: Path) -> str:
    """Return ", line N" for the last frame in the file, or "" if there is none."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == str(path) else line
        trace = trace.tb_next
    return f", line {line}" if line else ""


__all__ = ["Argument", "Spec", "describe", "is_file", "load", "names", "sees", "specs"]
