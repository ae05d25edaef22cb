"""Every method, the same checks: what the contract promises, no method may break. A new method file enters by existing.

What fits a method to the toys (``SMALL``, ``LEARNS``, ``TOY``, ``VARIANTS``, ``ENCODER``) stands as literals in its
own test file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from selftaught import methods
from selftaught.contract.case import Case
from selftaught.contract.checks import CHECKS, Check
from selftaught.contract.ranks import Ranks
from selftaught.errors import UserError
from selftaught.parts.signature import constants

ROOT = Path(__file__).parent / "methods"


def own_test(spec: methods.Spec) -> Path:
    path = spec.path.relative_to(methods.ROOT)
    return ROOT / path.parent / f"test_{path.name}"


def case_of(spec: methods.Spec, kind: str) -> Case:
    own = constants(own_test(spec))
    arguments, learns, toy = (own.get(key, {}) for key in ("SMALL", "LEARNS", "TOY"))
    return Case(spec.name, kind, arguments, learns, toy, tuple(own.get("VARIANTS", ())), own.get("ENCODER", ""))


def every() -> list[Any]:
    """All checks of all methods, those that a method cannot promise skipped with the reason that it states."""
    found = []
    for spec in (spec for name in methods.names() for spec in methods.specs(name)):
        for kind in spec.sees:
            for check, promise in CHECKS.items():
                said = getattr(methods.load(spec.name, kind), promise) if promise else True
                marks = [] if said is True else [pytest.mark.skip(reason=f"{spec.name}: {said}")]
                label = f"{spec.name}-{kind}-{check.__name__}"
                found.append(pytest.param(case_of(spec, kind), check, marks=marks, id=label))
    return found


@pytest.mark.parametrize(("case", "check"), every())
def test_contract(case: Case, check: Check, ranks: Ranks, tmp_path: Path) -> None:
    check(case, tmp_path, lambda: ranks)


def test_every_method_has_a_test_of_its_own() -> None:
    for spec in (spec for name in methods.names() for spec in methods.specs(name)):
        assert own_test(spec).exists(), f"{spec.name} has no {own_test(spec)}"


def test_methods_that_need_colour_say_so_when_given_grey_images() -> None:
    case = Case("cmc", "image")
    grey = case.source(32)
    with pytest.raises(UserError, match="colour"):
        case.prepared(grey)
