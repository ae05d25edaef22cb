"""What pools the samples of all ranks normalises them together, or a network learns in whose company an image was.

tests/methods/contrast/simclr shows the leak.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import selftaught

ROOT = Path(selftaught.__file__).parent / "methods"
POOLS = ("gather_with_gradient(", "sigreg(", "nt_xent(")


def pooling() -> list[Path]:
    """Return the files of methods that pool samples of all ranks; text apart, whose networks have no batch norm."""
    found = {path: path.read_text() for path in sorted(ROOT.rglob("*.py"))}
    texts = {p for p, text in found.items() if p.stem == "text" or 'sees = ("text",)' in text}
    return [p for p, text in found.items() if any(one in text for one in POOLS) and p not in texts]


@pytest.mark.parametrize("path", pooling(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_what_pools_the_samples_of_all_ranks_normalises_them_together_by_default(path: Path) -> None:
    recipe = next(
        ast.literal_eval(node.value)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.AnnAssign) and getattr(node.target, "id", "") == "recipe" and node.value
    )
    assert recipe["batch_norm_groups"] == 1


def test_the_methods_that_contrast_are_among_them() -> None:
    names = {path.relative_to(ROOT).with_suffix("").as_posix() for path in pooling()}
    assert {f"contrast/{name}" for name in ("simclr/image", "cmc", "amdim", "infomax", "cpc/image")} <= names
