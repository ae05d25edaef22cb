"""Methods: one paper, one file, one final `Method`. The folder is the idea, the file's name is the method's name.

``methods/contrast/moco.py`` is ``moco``. Where a paper needs a file a kind of sample, they share a folder of the
method's name: ``methods/contrast/cpc/image.py`` is ``cpc`` for images, and the data choose among the siblings.
``methods/supervised/`` is the reference, and no idea. A method of one's own is named by its path: ``path/to/mine.py``.
Listing and describing import no torch.
"""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from selftaught import kind as kinds
from selftaught.errors import UserError, unknown
from selftaught.parts.signature import Argument, Declared, classes

if TYPE_CHECKING:
    from selftaught.method import Method

ROOT = Path(__file__).parent
BASES = {"Method": "descent", "Compiled": "slices"}
"""The classes that a method may subclass, and how it is stepped unless it says otherwise."""


@final
@dataclass(frozen=True)
class Spec:
    """What a method's file says of it.

    Attributes:
        name: What the command line calls it.
        folder: The idea; "" for the supervised reference and for files of one's own.
        title: The first line of the docstring.
        doc: The docstring.
        arguments: The hyper-parameters.
        recipe: Its own defaults for `Recipe`.
        sees: The kinds of sample that it learns from, at least one.
        network: The encoder that it is given by default; "" for the kind's own.
        stepper: How it is stepped: a file of `steps/`.
        path: The file.
        class_name: The class in it.
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
    path: Path
    class_name: str


def _spec(name: str, folder: str, path: Path, declared: Declared, sees: tuple[str, ...] = ()) -> Spec:
    own = declared.attributes
    base = next(base for base in BASES if base in declared.bases)
    sees = tuple(own.get("sees", ())) or sees or tuple(kinds.names())
    title, stepper = declared.doc.partition("\n")[0], own.get("stepper", BASES[base])
    recipe, network = own.get("recipe", {}), own.get("network", "")
    return Spec(
        name, folder, title, declared.doc, declared.arguments, recipe, sees, network, stepper, path, declared.name
    )


@cache
def _catalogue() -> dict[str, tuple[Spec, ...]]:
    """Every method's files: one, or one a kind."""
    found: dict[str, tuple[Spec, ...]] = {}
    for path in sorted(ROOT.rglob("*.py")):
        *folders, stem = path.relative_to(ROOT).with_suffix("").parts
        for declared in classes(path) if stem != "__init__" else ():
            if BASES.keys() & {*declared.bases}:
                sibling = stem in kinds.names() and bool(folders)
                name = folders.pop() if sibling else stem
                spec = _spec(name, folders[0] if folders else "", path, declared, (stem,) if sibling else ())
                found[name] = (*found.get(name, ()), spec)
    return found


@cache
def _own(path: Path) -> Spec:
    """The one method in a file of one's own.

    Raises UserError, naming the line, when there is none or Python cannot read the file.
    """
    try:
        found = [
            declared
            for declared in classes(path)
            if BASES.keys() & {base.rpartition(".")[2] for base in declared.bases}
        ]
    except SyntaxError as error:
        raise UserError(f"{path}, line {error.lineno}: this is not Python ({error.msg})") from None
    except ValueError as error:  # a default that is no literal, a byte that is no UTF-8
        raise UserError(f"{path}: {error}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    if len(found) != 1:
        raise UserError(f"{path} must hold one class that subclasses Method (or Compiled), and holds {len(found)}")
    return _spec(str(path), "", path, _plain(found[0]))


def _plain(declared: Declared) -> Declared:
    """With base classes by their last name: ``selftaught.Method`` is Method."""
    bases = tuple(base.rpartition(".")[2] for base in declared.bases)
    return Declared(declared.name, bases, declared.doc, declared.arguments, declared.attributes)


def is_file(name: str) -> bool:
    """Whether `name` is a path to a method of one's own, and not a name of the library."""
    return name.endswith(".py")


def names(sees: str | None = None) -> list[str]:
    """Every method of the library, sorted; or those that see a kind of sample."""
    return sorted(
        name for name, specs in _catalogue().items() if sees is None or any(sees in spec.sees for spec in specs)
    )


def specs(name: str) -> tuple[Spec, ...]:
    """What the files of a method say of it, one or one a kind.

    Raises UserError, with a suggestion, for an unknown name.
    """
    if is_file(name):
        return (_own(Path(name).expanduser()),)
    if name not in _catalogue():
        raise unknown("method", name, names())
    return _catalogue()[name]


def sees(name: str) -> tuple[str, ...]:
    """The kinds of sample that a method learns from. Raises UserError for an unknown name."""
    return tuple(dict.fromkeys(kind for spec in specs(name) for kind in spec.sees))


def describe(name: str, kind: str | None = None) -> Spec:
    """What the method's file says of it: that for a kind of sample, or the first.

    Raises UserError when there is none.
    """
    found = [spec for spec in specs(name) if kind is None or kind in spec.sees]
    if not found:
        seen, given = (" or ".join(kinds.describe(one).samples for one in some) for some in (sees(name), [str(kind)]))
        raise UserError(f"{name} learns from {seen}, not from {given}: 'selftaught methods' lists what sees them")
    return found[0]


def load(name: str, kind: str | None = None) -> type[Method]:
    """The method's class, that for a kind of sample or the first.

    Raises UserError, with a suggestion, for an unknown name, and with the line at fault for a file of one's own that
    fails.
    """
    spec = describe(name, kind)
    if is_file(name):
        return _imported(spec)
    module = ".".join((__name__, *spec.path.relative_to(ROOT).with_suffix("").parts))
    method: type[Method] = getattr(importlib.import_module(module), spec.class_name)
    return method


def _imported(spec: Spec) -> type[Method]:
    """The class in a file of one's own, which is run once."""
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
    """ ", line N" of the last frame in the file, where there is one."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        line = trace.tb_lineno if trace.tb_frame.f_code.co_filename == str(path) else line
        trace = trace.tb_next
    return f", line {line}" if line else ""


__all__ = ["Argument", "Spec", "describe", "is_file", "load", "names", "sees", "specs"]
