"""House rules that neither ruff nor import-linter can see, read from the syntax trees of the package."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "selftaught"
TREES = {path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text()) for path in sorted(PACKAGE.rglob("*.py"))}
METHODS = [name for name in TREES if name.startswith("methods/") and not name.endswith("__init__.py")]

# Packages that come with an extra, and the folders that may ask for them (inside a function, so that they stay
# optional).
OPTIONAL = {
    "datasets": ("data/",),
    "pyarrow": ("data/", "export/"),
    "zstandard": ("data/text/",),
    "tokenizers": ("data/text/bpe.py", "parts/tokens.py"),
    "skimage": ("data/",),
    "openTSNE": ("report/",),
    "redis": ("parts/rows.py",),
    "cv2": ("evaluate/depth.py",),
    "av": ("data/video/decode.py",),
    "pycocotools": ("evaluate/detection/precision.py",),
    "soundfile": ("data/audio/",),
    "soxr": ("data/audio/",),
    "sacrebleu": ("evaluate/metrics/bleu.py",),
}
ABSTRACT = {"ABC", "Protocol"}


def imports(tree: ast.AST) -> Iterator[tuple[str, ast.stmt]]:
    """Every module that `tree` imports, with the statement that does."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((f"{node.module}.{alias.name}", node) for alias in node.names)


def names(nodes: list[ast.expr]) -> set[str]:
    """The last part of each dotted name, subscripts taken off: `nn.Module` is Module, `Generic[T]` is Generic."""
    return {ast.unparse(node).partition("[")[0].partition("(")[0].rpartition(".")[2] for node in nodes}


def classes() -> dict[str, list[tuple[str, ast.ClassDef]]]:
    """Every class of the package by name, with the file it stands in."""
    found: dict[str, list[tuple[str, ast.ClassDef]]] = {}
    for file, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, []).append((file, node))
    return found


def unmade(node: ast.ClassDef, known: dict[str, list[tuple[str, ast.ClassDef]]]) -> set[str]:
    """The abstract methods that a class leaves to its subclasses."""
    functions = [n for n in node.body if isinstance(n, ast.FunctionDef)]
    abstract = {f.name for f in functions if "abstractmethod" in names(f.decorator_list)}
    inherited = {
        name
        for base in names(node.bases) - {node.name}
        for _, parent in known.get(base, [])
        for name in unmade(parent, known)
    }
    return abstract | inherited - {f.name for f in functions}


def test_the_package_is_read() -> None:
    assert "method.py" in TREES
    assert "methods/supervised/image.py" in METHODS


def test_relative_imports_are_not_used() -> None:
    relative = [
        file for file, tree in TREES.items() for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.level
    ]
    assert relative == []  # the checks here, and import-linter's messages, name modules in full


def test_only_the_loop_and_gather_talk_to_other_ranks() -> None:
    users = {
        file
        for file, tree in TREES.items()
        if any(module.startswith("torch.distributed") for module, _ in imports(tree))
        or any(ast.unparse(n) == "torch.distributed" for n in ast.walk(tree) if isinstance(n, ast.Attribute))
    }
    assert users <= {"fit.py", "device.py", "parts/gather.py"}  # the last two: joining, and what the rest may ask for


@pytest.mark.parametrize("package", sorted(OPTIONAL))
def test_optional_packages_stay_optional(package: str) -> None:
    for file, tree in TREES.items():
        inside = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for n in ast.walk(f)}
        for module, statement in imports(tree):
            if module.partition(".")[0] == package:
                assert file.startswith(OPTIONAL[package]), f"{file} imports {package}"
                assert id(statement) in inside, f"{file}:{statement.lineno} imports {package} at import time"


def test_no_drawer_for_odds_and_ends() -> None:
    stems = {part.removesuffix(".py") for file in TREES for part in file.split("/")}
    assert not stems & {"utils", "util", "helpers", "helper", "common", "misc"}


READER = "encoders/pickled.py"
"""What reads the files of torch.save without running them: see tests/encoders/test_layouts.py."""


def test_weights_never_travel_as_pickles() -> None:
    for file, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                call, options = ast.unparse(node.func), {k.arg: ast.unparse(k.value) for k in node.keywords}
                assert call != "torch.save", file
                assert call != "torch.load" or options.get("weights_only") == "True", (
                    f"{file}:{node.lineno} may run code"
                )
                assert options.get("allow_pickle", "False") == "False", f"{file}:{node.lineno}"
        used = {module.partition(".")[0] for module, _ in imports(tree)} & {"pickle", "dill", "joblib", "shelve"}
        if file == READER:
            uses = [ast.unparse(node) for node in ast.walk(tree) if ast.unparse(node).startswith("pickle.")]
            assert used == {"pickle"} and uses == ["pickle.Unpickler"]  # with a find_class that imports nothing
        else:
            assert not used, file


def test_only_abstract_classes_have_subclasses() -> None:
    known = classes()
    for name, places in known.items():
        for file, node in places:
            for base in names(node.bases) & known.keys():
                if base == name or base.endswith("Error"):
                    continue  # errors form a family: that is what `except` is for
                for _, parent in known[base]:
                    assert unmade(parent, known) or names(parent.bases) & ABSTRACT, (
                        f"{file}: {name} subclasses {base}, which is not abstract"
                    )


@pytest.mark.parametrize("file", METHODS)
def test_a_method_file_is_one_short_final_method(file: str) -> None:
    methods = [
        node
        for node in TREES[file].body
        if isinstance(node, ast.ClassDef) and names(node.bases) & {"Method", "Compiled"}
    ]
    assert len(methods) == 1
    assert "final" in names(methods[0].decorator_list)
    assert ast.get_docstring(methods[0]), "the docstring is the card: citation, idea, equation"
    assert len((PACKAGE / file).read_text().splitlines()) <= 240


KINDS = sorted(path.parent.name for path in PACKAGE.glob("data/*/kind.py"))
# Where a kind may be called by its name: its own folder, its views, and the networks that take it.
ROOMS = (*(f"{room}/{kind}" for room in ("data", "views") for kind in KINDS), "encoders/")


def test_nothing_asks_for_a_kind_by_name() -> None:
    """A comparison with a kind's name is a choice that a new kind would have to edit."""
    assert {*KINDS} >= {"image", "text"}  # they are found; a new kind needs no edit here
    asked = [
        f"{file}:{node.lineno}: {ast.unparse(node)}"
        for file, tree in TREES.items()
        if not file.startswith(ROOMS)
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare | ast.match_case)
        and any(isinstance(n, ast.Constant) and n.value in KINDS for n in ast.walk(getattr(node, "pattern", node)))
    ]
    assert asked == []


def test_nothing_general_imports_what_belongs_to_one_kind() -> None:
    """The loop, judging, the report and the command line reach a kind through `selftaught.kind`.

    Judging words and language models is judging text: those two say so by their names.
    """
    ours = tuple(f"selftaught.{room}.{kind}" for room in ("data", "views") for kind in KINDS)
    general = [f for f in TREES if not f.startswith((*ROOMS, "methods/", "views/", "data/sets/", "evaluate/"))]
    assert len(general) > 50
    for file in general:
        for module, statement in imports(TREES[file]):
            assert not module.startswith(ours), f"{file}:{statement.lineno} imports {module}"
