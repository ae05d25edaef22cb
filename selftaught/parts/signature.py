"""Read what a file declares from its source text.

Nothing is imported, so `--help` lists all arguments without importing torch. An argument is declared once, with type
and default in a signature, and documented under ``Args:`` in a docstring.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, final


@final
@dataclass(frozen=True)
class Argument:
    """One hyper-parameter. `type` is the annotation as written, such as ``Literal['l2', 'cross_entropy']``."""

    name: str
    type: str
    default: Any
    doc: str


@final
@dataclass(frozen=True)
class Declared:
    """One class: name, docstring, arguments of ``__init__`` with defaults, and literal class attributes."""

    name: str
    bases: tuple[str, ...]
    doc: str
    arguments: tuple[Argument, ...]
    attributes: dict[str, Any]

    def base(self, among: Iterable[str]) -> str | None:
        """Return the first of `among` that is a base of the class, with or without its module, or None."""
        own = {base.rpartition(".")[2] for base in self.bases}
        return next((name for name in among if name in own), None)


@cache
def constants(path: Path) -> dict[str, Any]:
    """Return the module-level names of the file that are bound to literals."""
    return _literals(ast.parse(path.read_text("utf-8"), str(path)).body)


@cache
def classes(path: Path) -> tuple[Declared, ...]:
    """Return the classes that the file defines, in order."""
    tree = ast.parse(path.read_text("utf-8"), str(path))
    spelled = _Spelled(_aliases(tree))
    return tuple(_declared(node, spelled) for node in tree.body if isinstance(node, ast.ClassDef))


def subclasses(path: Path, *bases: str) -> list[Declared]:
    """Return the classes that the file derives from one of `bases`, in order."""
    return [declared for declared in classes(path) if declared.base(bases)]


@final
class _Spelled(ast.NodeTransformer):
    """Replaces names of choices by the choices: ``Pool`` becomes ``Literal['mean', 'max', 'flatten']``."""

    def __init__(self, aliases: dict[str, ast.expr]) -> None:
        self.aliases = aliases

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.aliases.get(node.id, node)


def _aliases(tree: ast.Module) -> dict[str, ast.expr]:
    """Return ``NAME = Literal[...]`` of this file, and of the files of this package that it imports names from."""
    found = _choices(tree)
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("selftaught."):
            theirs = _choices_of(Path(__file__).parents[2].joinpath(*(node.module or "").split(".")).with_suffix(".py"))
            found |= {name.asname or name.name: theirs[name.name] for name in node.names if name.name in theirs}
    return found


@cache
def _choices_of(path: Path) -> dict[str, ast.expr]:
    text = path.read_text("utf-8") if path.is_file() else ""
    return _choices(ast.parse(text, str(path))) if "= Literal[" in text else {}


def _choices(tree: ast.Module) -> dict[str, ast.expr]:
    found: dict[str, ast.expr] = {}
    for node in tree.body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Subscript)
            and ast.unparse(node.value.value) == "Literal"
        ):
            found |= {target.id: node.value for target in node.targets if isinstance(target, ast.Name)}
    return found


def _declared(node: ast.ClassDef, spelled: _Spelled) -> Declared:
    doc = ast.get_docstring(node) or ""
    texts = described(doc)
    init = next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
    arguments = []
    if init is not None:
        positional = init.args.args[len(init.args.args) - len(init.args.defaults) :]
        pairs = [
            *zip(positional, init.args.defaults, strict=True),
            *zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True),
        ]
        for arg, default in pairs:
            if default is not None and arg.annotation is not None:
                kind = ast.unparse(spelled.visit(arg.annotation))
                arguments.append(Argument(arg.arg, kind, ast.literal_eval(default), texts.get(arg.arg, "")))
    return Declared(node.name, tuple(ast.unparse(b) for b in node.bases), doc, tuple(arguments), _literals(node.body))


def _literals(body: list[ast.stmt]) -> dict[str, Any]:
    found = {}
    for node in body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
            try:
                if isinstance(target, ast.Name):
                    found[target.id] = ast.literal_eval(node.value)
                elif isinstance(target, ast.Tuple):  # a, b = 1, 2
                    names = [ast.unparse(name) for name in target.elts]
                    found.update(zip(names, ast.literal_eval(node.value), strict=True))
            except ValueError:  # computed, not declared
                continue
    return found


def described(doc: str) -> dict[str, str]:
    """Return the ``Args:`` of a Google-style docstring as {name: text}, with continuation lines joined."""
    lines = inspect.cleandoc(doc).splitlines()
    if "Args:" not in lines:
        return {}
    found: dict[str, str] = {}
    name = ""
    for line in lines[lines.index("Args:") + 1 :]:
        if line.strip() and not line.startswith("    "):
            break
        if line.startswith("    ") and not line.startswith("     "):
            name, _, text = line.strip().partition(":")
            found[name] = text.strip()
        elif line.strip():
            found[name] += " " + line.strip()
    return found
